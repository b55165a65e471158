// Invites: a link that is made once, shown once, and handed over by the operator.

import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core"
import type { OperatorRole } from "@weir/protocol"
import { type FormEvent, useState } from "react"
import { useMe } from "../../access/session.tsx"
import { useChange } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { SecretOnce } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { absoluteTime } from "../../parts/time.tsx"
import { RoleChoice } from "./roles.tsx"
import type { Invite } from "./team.tsx"

const emailCharsMax = 254

/** A link of the server as it can be handed over: it may be a path, and then it is this deployment's. */
export const wholeLink = (link: string): string => new URL(link, location.origin).href

export function InviteDialog({ onClose }: { onClose: () => void }) {
  const me = useMe()
  const invite = useChange("InviteOperator", ["ListInvites"])
  const [email, setEmail] = useState("")
  const [role, setRole] = useState<OperatorRole>("viewer")
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    invite.mutate({ body: { email: email.trim(), role } })
  }
  const made = invite.data
  return (
    <Modal
      opened
      onClose={onClose}
      title={made === undefined ? "Invite somebody" : "Hand this link over"}
      closeOnClickOutside={made === undefined}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {made === undefined ? (
        <form onSubmit={submit}>
          <Stack>
            {invite.error ? <ErrorAlert error={invite.error} title="No invite was created" /> : null}
            <TextInput
              label="Email"
              description="Who this is for; they log in with it. No mail is sent."
              type="email"
              value={email}
              onChange={(event) => setEmail(event.currentTarget.value)}
              maxLength={emailCharsMax}
              autoComplete="off"
              data-autofocus
              required
            />
            <RoleChoice value={role} onChange={setRole} withOwner={me.operator.role === "owner"} />
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={onClose}>
                Cancel
              </Button>
              <Button type="submit" loading={invite.isPending} disabled={email.trim() === ""}>
                Create the link
              </Button>
            </Group>
          </Stack>
        </form>
      ) : (
        <Stack>
          <SecretOnce
            value={wholeLink(made.link)}
            label="Invite"
            hint={`It makes an account for ${made.invite.email} as ${made.invite.role}, once, until ${absoluteTime(made.invite.expires_at)}. It is shown this once: send it by a way that only they read.`}
          />
          <Group justify="flex-end">
            <Button onClick={onClose}>I have copied it</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  )
}

export function WithdrawDialog({ invite, onClose }: { invite: Invite; onClose: () => void }) {
  const withdraw = useChange("WithdrawInvite", ["ListInvites"])
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title="Withdraw the invite"
      confirm="Withdraw"
      busy={withdraw.isPending}
      error={withdraw.error}
      onConfirm={() => withdraw.mutate({ path: { invite: invite.id } }, { onSuccess: onClose })}
    >
      <Text size="sm">The link for {invite.email} opens nothing from then on.</Text>
    </ConfirmDialog>
  )
}

// What can be done to an operator. Each wants a fresh login, and the last owner stays: the server sees to both.

import { Button, Group, Modal, Stack, Text } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { useMe } from "../../access/session.tsx"
import { useChange } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { SecretOnce } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { absoluteTime } from "../../parts/time.tsx"
import { wholeLink } from "./invite.tsx"
import { RoleChoice } from "./roles.tsx"
import type { Operator } from "./team.tsx"

interface DialogProps {
  operator: Operator
  onClose: () => void
}

export function RoleDialog({ operator, onClose }: DialogProps) {
  const me = useMe()
  const update = useChange("UpdateOperator", ["ListOperators", "ReadMe"])
  const [role, setRole] = useState(operator.role)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    update.mutate({ path: { operator: operator.id }, body: { role } }, { onSuccess: onClose })
  }
  return (
    <Modal opened onClose={onClose} title={`Role of ${operator.name}`} closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          {update.error ? <ErrorAlert error={update.error} title="The role was not changed" /> : null}
          <RoleChoice value={role} onChange={setRole} withOwner={me.operator.role === "owner"} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={update.isPending} disabled={role === operator.role}>
              Change the role
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

export function DisableDialog({ operator, onClose }: DialogProps) {
  const update = useChange("UpdateOperator", ["ListOperators"])
  const { disabled, name } = operator
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={disabled ? `Let ${name} in again` : `Shut ${name} out`}
      confirm={disabled ? "Let in" : "Shut out"}
      dangerous={!disabled}
      busy={update.isPending}
      error={update.error}
      onConfirm={() =>
        update.mutate({ path: { operator: operator.id }, body: { disabled: !disabled } }, { onSuccess: onClose })
      }
    >
      <Text size="sm">
        {disabled
          ? "The account works again as it did, with the same password and factors."
          : "Every session of theirs ends at once, on every node, and they cannot log in until you let them in again."}
      </Text>
    </ConfirmDialog>
  )
}

export function RemoveDialog({ operator, onClose }: DialogProps) {
  const remove = useChange("RemoveOperator", ["ListOperators"])
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={`Remove ${operator.name}`}
      confirm="Remove"
      typed={operator.email}
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => remove.mutate({ path: { operator: operator.id } }, { onSuccess: onClose })}
    >
      <Text size="sm">
        The account is gone for good and every session of it ends. What they did stays in the audit log.
      </Text>
    </ConfirmDialog>
  )
}

export function ResetDialog({ operator, onClose }: DialogProps) {
  const reset = useChange("CreateResetLink")
  if (reset.data !== undefined) {
    return (
      <Modal
        opened
        onClose={onClose}
        title="Hand this link over"
        closeOnClickOutside={false}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <Stack>
          <SecretOnce
            value={wholeLink(reset.data.link)}
            label="Link"
            hint={`With it ${operator.email} sets a new password, once, until ${absoluteTime(reset.data.expires_at)}. It is shown this once: send it by a way that only they read.`}
          />
          <Group justify="flex-end">
            <Button onClick={onClose}>I have copied it</Button>
          </Group>
        </Stack>
      </Modal>
    )
  }
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={`A new password for ${operator.name}`}
      confirm="Create the link"
      busy={reset.isPending}
      error={reset.error}
      onConfirm={() => reset.mutate({ path: { operator: operator.id } })}
    >
      <Text size="sm">
        Whoever has the link sets a new password. Authenticator and passkeys of the account end when it is used, and
        every session with them. Make sure that you know who asks.
      </Text>
    </ConfirmDialog>
  )
}

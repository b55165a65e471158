// Passkeys: they stand for both factors, because the device asks for a PIN, a finger or a face.

import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core"
import { PasskeyFillIcon } from "@primer/octicons-react"
import { useMutation, useQuery } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { askLogin, freshly } from "../../access/fresh.ts"
import { addPasskey, canUsePasskeys } from "../../access/passkeys.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { passkeysKey, useRefresh } from "./refresh.ts"

interface Passkey {
  readonly id: string
  readonly name?: string | null
  readonly createdAt?: string | null
  /** `singleDevice` or `multiDevice`. */
  readonly deviceType?: string
  readonly backedUp?: boolean
}

const nameCharsMax = 100

export function Passkeys() {
  const refresh = useRefresh()
  const passkeys = useQuery({
    queryKey: passkeysKey,
    queryFn: () => askLogin("GET", "/passkey/list-user-passkeys") as Promise<Passkey[]>,
  })
  const [dialog, setDialog] = useState<{ kind: "add" } | { kind: "rename" | "remove"; passkey: Passkey } | null>(null)
  const close = (): void => setDialog(null)
  const done = async (): Promise<void> => {
    close()
    await refresh(passkeysKey)
  }
  const remove = useMutation({
    mutationFn: (id: string) => askLogin("POST", "/passkey/delete-passkey", { id }),
    onSuccess: done,
  })
  const add = canUsePasskeys() ? (
    <Button variant="light" leftSection={<PasskeyFillIcon />} onClick={() => setDialog({ kind: "add" })}>
      Add a passkey
    </Button>
  ) : null
  return (
    <Section
      flush
      title="Passkeys"
      description="Log in with your device instead of a password and a code."
      actions={passkeys.data !== undefined && passkeys.data.length > 0 ? add : null}
    >
      <DataTable
        caption="Your passkeys"
        rows={passkeys.data}
        error={passkeys.error}
        retry={() => void passkeys.refetch()}
        keyOf={({ id }) => id}
        columns={[
          { header: "Name", cell: (passkey) => nameOf(passkey) },
          { header: "Added", wide: true, cell: ({ createdAt }) => <TimeAgo at={createdAt} fallback="not known" /> },
          {
            header: "Kept",
            wide: true,
            cell: ({ backedUp, deviceType }) =>
              backedUp ? "synchronised" : deviceType === "multiDevice" ? "can be synchronised" : "on one device",
          },
          {
            header: "Change",
            cell: (passkey) => (
              <Group gap={4} wrap="nowrap">
                <Button
                  size="compact-sm"
                  variant="subtle"
                  onClick={() => setDialog({ kind: "rename", passkey })}
                  aria-label={`Rename ${nameOf(passkey)}`}
                >
                  Rename
                </Button>
                <Button
                  size="compact-sm"
                  variant="subtle"
                  color="red"
                  onClick={() => setDialog({ kind: "remove", passkey })}
                  aria-label={`Remove ${nameOf(passkey)}`}
                >
                  Remove
                </Button>
              </Group>
            ),
          },
        ]}
        empty={
          <EmptyState icon={PasskeyFillIcon} title="No passkey yet" action={add}>
            {canUsePasskeys()
              ? "Add one for this device or for a key that you carry with you."
              : "This browser has no passkeys here: they need https, or http://localhost."}
          </EmptyState>
        }
      />
      {dialog?.kind === "add" ? (
        <NameDialog
          title="Add a passkey"
          button="Go on"
          lead="Your browser asks next where to keep it."
          initial=""
          save={(name) => freshly(() => addPasskey(name))}
          onClose={close}
          onDone={done}
        />
      ) : null}
      {dialog?.kind === "rename" ? (
        <NameDialog
          title="Rename the passkey"
          button="Save"
          initial={nameOf(dialog.passkey)}
          save={(name) => askLogin("POST", "/passkey/update-passkey", { id: dialog.passkey.id, name })}
          onClose={close}
          onDone={done}
        />
      ) : null}
      <ConfirmDialog
        opened={dialog?.kind === "remove"}
        onClose={close}
        title="Remove the passkey"
        confirm="Remove"
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => dialog?.kind === "remove" && remove.mutate(dialog.passkey.id)}
      >
        <Text size="sm">
          {dialog?.kind === "remove" ? nameOf(dialog.passkey) : ""} no longer logs you in. The device keeps its half
          until you delete it there as well.
        </Text>
      </ConfirmDialog>
    </Section>
  )
}

const nameOf = ({ name }: Passkey): string => name || "Passkey"

interface NameDialogProps {
  title: string
  button: string
  lead?: string
  initial: string
  save: (name: string) => Promise<unknown>
  onClose: () => void
  onDone: () => Promise<void>
}

function NameDialog({ title, button, lead, initial, save, onClose, onDone }: NameDialogProps) {
  const [name, setName] = useState(initial)
  const saving = useMutation({ mutationFn: () => save(name.trim()), onSuccess: onDone })
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    saving.mutate()
  }
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          {saving.error ? <ErrorAlert error={saving.error} title="It was not saved" /> : null}
          <TextInput
            label="Name"
            description="So that you know it again."
            placeholder="Laptop"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={nameCharsMax}
            data-autofocus
            required
          />
          {lead === undefined ? null : (
            <Text size="sm" c="dimmed">
              {lead}
            </Text>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={saving.isPending} disabled={name.trim() === ""}>
              {button}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

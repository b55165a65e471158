// What is done to a key as a whole: another name, disabled, enabled.

import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { useMay } from "../../access/session.tsx"
import { useChange, useRead } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { useApp } from "../../shell/apps.tsx"
import { counted } from "./cut-off.tsx"
import { type Key, labelCharsMax } from "./wire.ts"

export interface KeyDialogProps {
  apiKey: Key
  onClose: () => void
}

export function RenameKey({ apiKey: { api_key, label }, onClose }: KeyDialogProps) {
  const app = useApp()
  const update = useChange("UpdateKey", ["ListKeys", "GetKey"])
  const [name, setName] = useState(label)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    update.mutate({ path: { app: String(app), api_key }, body: { label: name.trim() } }, { onSuccess: onClose })
  }
  return (
    <Modal closeButtonProps={{ "aria-label": "Close" }} opened onClose={onClose} title="Rename the key">
      <form onSubmit={submit}>
        <Stack>
          {update.error ? <ErrorAlert error={update.error} title="The key was not renamed" /> : null}
          <TextInput
            label="Name"
            description="For you and your team. The key itself stays the same."
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={labelCharsMax}
            data-autofocus
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={update.isPending}>
              Rename
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

/** Switches a key off, or on again. */
export function SwitchKey({ apiKey: { api_key, label, disabled }, onClose }: KeyDialogProps) {
  const app = useApp()
  const may = useMay()
  const update = useChange("UpdateKey", ["ListKeys", "GetKey"])
  // The key changes below the open dialog once it is done.
  const [isOff] = useState(disabled)
  const reach = useRead(
    "CreateRevocation",
    { path: { app: String(app) }, query: { dry_run: true }, body: { api_key } },
    { enabled: !isOff && may("users.revoke") && may("secrets.manage") },
  )
  const name = label || api_key
  const would = reach.data?.would
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={isOff ? `Enable ${name}` : `Disable ${name}`}
      confirm={isOff ? "Enable" : "Disable"}
      dangerous={!isOff}
      {...(isOff ? {} : { typed: api_key })}
      busy={update.isPending}
      error={update.error}
      onConfirm={() =>
        update.mutate({ path: { app: String(app), api_key }, body: { disabled: !isOff } }, { onSuccess: onClose })
      }
    >
      <Text size="sm">
        {isOff
          ? "Clients and backends that name this key are let in again, with the tokens that they have."
          : "Every request that names this key is refused, of clients and of backends, and their sockets close. Nothing is revoked: when it is enabled again, the same tokens count."}
      </Text>
      {would ? (
        <Text size="sm" fw={600}>
          At the moment that is {counted(would.tokens, "token")} of {counted(would.users, "user")} and{" "}
          {counted(would.sockets, "open socket")}.
        </Text>
      ) : null}
    </ConfirmDialog>
  )
}

// Asks once more before something is done that others will notice.

import { Button, Group, Modal, Stack, TextInput } from "@mantine/core"
import { type FormEvent, type ReactNode, useState } from "react"
import { ErrorAlert } from "./errors.tsx"

export interface ConfirmDialogProps {
  opened: boolean
  onClose: () => void
  title: string
  /** What will happen. */
  children: ReactNode
  /** What the button says: the deed itself. */
  confirm: string
  /** Words to type first, where the deed reaches far. */
  typed?: string
  dangerous?: boolean
  busy: boolean
  error: unknown
  onConfirm: () => void
}

export function ConfirmDialog({
  opened,
  onClose,
  title,
  children,
  confirm,
  typed,
  dangerous = true,
  busy,
  error,
  onConfirm,
}: ConfirmDialogProps) {
  return (
    <Modal closeButtonProps={{ "aria-label": "Close" }} opened={opened} onClose={onClose} title={title}>
      <Confirmation {...{ onClose, confirm, typed, dangerous, busy, error, onConfirm }}>{children}</Confirmation>
    </Modal>
  )
}

type ConfirmationProps = Omit<ConfirmDialogProps, "opened" | "title" | "typed"> & { typed: string | undefined }

// Its own component, so that what was typed is gone when the dialog opens again.
function Confirmation({ onClose, children, confirm, typed, dangerous, busy, error, onConfirm }: ConfirmationProps) {
  const [words, setWords] = useState("")
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    onConfirm()
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        {error ? <ErrorAlert error={error} /> : null}
        {children}
        {typed === undefined ? null : (
          <TextInput
            label={`Type ${typed} to confirm`}
            value={words}
            onChange={(event) => setWords(event.currentTarget.value)}
            autoComplete="off"
            spellCheck={false}
            data-autofocus
          />
        )}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            type="submit"
            color={dangerous ? "red.9" : undefined}
            loading={busy}
            disabled={typed !== undefined && words.trim() !== typed}
          >
            {confirm}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

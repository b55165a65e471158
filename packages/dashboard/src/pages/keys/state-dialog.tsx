// Moves a secret to another state: says what that does and whom it would cut off before it is done.

import { Button, Group, Modal, Stack, Text } from "@mantine/core"
import { useState } from "react"
import { useChange, useRead } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Receipt, type ReceiptFacts } from "../../parts/receipt.tsx"
import { useApp } from "../../shell/apps.tsx"
import { CutOffNote } from "./cut-off.tsx"
import { endsTokens, nameOf, needsForce } from "./rotation.ts"
import type { Secret, SecretState } from "./wire.ts"

const words: Readonly<Record<SecretState, { title: string; confirm: string; text: string }>> = {
  active: {
    title: "Make it active",
    confirm: "Make active",
    text: "Tokens signed with it are let in from now on, and it may sign new ones.",
  },
  retiring: {
    title: "Let it retire",
    confirm: "Let it retire",
    text: "Tokens signed with it are still let in. Nothing new should be signed with it.",
  },
  standby: {
    title: "Put it on standby",
    confirm: "Put on standby",
    text: "Tokens signed with it are refused and their sockets close, until it is active again.",
  },
  revoked: {
    title: "Revoke it for good",
    confirm: "Revoke for good",
    text: "Every token and open socket of it ends now, on every node. This cannot be taken back.",
  },
}

export const stepTitle = (to: SecretState): string => words[to].title

export interface StateDialogProps {
  apiKey: string
  /** Null: closed. */
  change: { readonly secret: Secret; readonly to: SecretState } | null
  ofKey: readonly Secret[]
  onClose: () => void
}

export function StateDialog({ change, ...rest }: StateDialogProps) {
  // Its own component, so that what was typed and answered is gone when the dialog opens again.
  return change === null ? null : <OpenDialog {...change} {...rest} />
}

interface OpenDialogProps extends Omit<StateDialogProps, "change"> {
  secret: Secret
  to: SecretState
}

function OpenDialog({ apiKey, secret, to, ofKey, onClose }: OpenDialogProps) {
  const app = useApp()
  const path = { app: String(app), api_key: apiKey, kid: secret.kid }
  const update = useChange("UpdateSecret", ["ListKeys", "GetKey", "ListRevocations"])
  // The list changes below the open dialog once it is done; what was asked stays.
  const [{ ends, force }] = useState({ ends: endsTokens(secret.state, to), force: needsForce(secret, to, ofKey) })
  const rehearsal = useRead(
    "UpdateSecret",
    { path, query: { dry_run: true }, body: { state: to } },
    { enabled: ends && !update.isSuccess },
  )
  const title = `${words[to].title}: ${nameOf(secret)}`
  const receipt = update.data?.receipt as ReceiptFacts | null | undefined
  if (receipt) {
    return (
      <Modal closeButtonProps={{ "aria-label": "Close" }} opened onClose={onClose} title={title} size="lg">
        <Stack>
          <Text size="sm">The secret is revoked. This is the proof of when that held on which node.</Text>
          <Receipt receipt={receipt} />
          <Group justify="flex-end">
            <Button onClick={onClose}>Close</Button>
          </Group>
        </Stack>
      </Modal>
    )
  }
  const isUnsafe = ends && rehearsal.data?.cut_off.safe !== true
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={title}
      confirm={words[to].confirm}
      dangerous={ends || to === "revoked"}
      {...(force || (to === "revoked" && isUnsafe) ? { typed: secret.kid } : {})}
      busy={update.isPending}
      error={update.error}
      onConfirm={() =>
        update.mutate(
          { path, query: force ? { force: true } : {}, body: { state: to } },
          { onSuccess: ({ receipt }) => receipt === null && onClose() },
        )
      }
    >
      <Text size="sm">{words[to].text}</Text>
      {rehearsal.error ? <ErrorAlert error={rehearsal.error} title="The dry run failed" /> : null}
      {ends && !rehearsal.error ? <CutOffNote cutOff={rehearsal.data?.cut_off} /> : null}
      {force ? (
        <Text size="sm" fw={600}>
          {secret.state === "active" && to === "revoked"
            ? "The secret is active: backends may be signing with it now."
            : "It is the last secret of this key that lets anybody in: afterwards every token of the key is refused."}
        </Text>
      ) : null}
    </ConfirmDialog>
  )
}

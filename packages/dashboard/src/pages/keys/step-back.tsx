// One step back in a rotation, after saying whose tokens that would refuse.

import { Text } from "@mantine/core"
import { type ReactNode, useState } from "react"
import { useChange, useRead } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { useApp } from "../../shell/apps.tsx"
import { CutOffNote } from "./cut-off.tsx"
import type { Secret } from "./wire.ts"

interface StepBackProps {
  apiKey: string
  title: string
  confirm: string
  /** The secret whose tokens would be refused; null: there are none. */
  counts: Secret | null
  moves: readonly (readonly [kid: string, to: "active" | "standby" | "revoked"])[]
  onClose: () => void
  children: ReactNode
}

export function StepBack({ apiKey, title, confirm, counts, moves, onClose, children }: StepBackProps) {
  const app = useApp()
  const update = useChange("UpdateSecret", ["ListKeys", "GetKey"])
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const rehearsal = useRead(
    "UpdateSecret",
    {
      path: { app: String(app), api_key: apiKey, kid: counts?.kid ?? "" },
      query: { dry_run: true },
      body: { state: "standby" },
    },
    { enabled: counts !== null },
  )
  const goBack = async (): Promise<void> => {
    setBusy(true)
    setError(null)
    try {
      for (const [kid, state] of moves) {
        await update.mutateAsync({ path: { app: String(app), api_key: apiKey, kid }, body: { state } })
      }
      onClose()
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={title}
      confirm={confirm}
      busy={busy}
      error={error}
      onConfirm={() => void goBack()}
    >
      <Text size="sm">{children}</Text>
      {counts === null ? null : <CutOffNote cutOff={rehearsal.data?.cut_off} />}
    </ConfirmDialog>
  )
}

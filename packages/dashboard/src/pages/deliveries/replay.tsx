// Sends deliveries again: some by their ids, or all that fit a filter, a bounded number with each call until there are no
// more. The progress stays in sight, and the operator can stop in between.

import { Button, Group, Loader, Modal, Stack, Text } from "@mantine/core"
import { useQueryClient } from "@tanstack/react-query"
import { useRef, useState } from "react"
import { type CallInput, call } from "../../api/client.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { useApp } from "../../shell/apps.tsx"
import { countText } from "../traffic/series.ts"

type ReplayBody = Omit<NonNullable<CallInput<"ReplayDeliveries">["body"]>, "next">

export interface ReplayDialogProps {
  what: ReplayBody
  opened: boolean
  onClose: () => void
  onReplayed?: () => void
}

export function ReplayDialog({ what, opened, onClose, onReplayed }: ReplayDialogProps) {
  const stop = useRef(false)
  const close = (): void => {
    stop.current = true
    onClose()
  }
  return (
    <Modal opened={opened} onClose={close} title="Send again" closeButtonProps={{ "aria-label": "Close" }}>
      <Content what={what} stop={stop} onClose={close} onReplayed={onReplayed} />
    </Modal>
  )
}

interface Progress {
  readonly state: "asking" | "busy" | "done" | "stopped" | "failed"
  readonly replayed: number
  readonly error: unknown
}

interface ContentProps {
  what: ReplayBody
  stop: { current: boolean }
  onClose: () => void
  onReplayed: (() => void) | undefined
}

/** Calls until there are no more, or it is told to stop. Throws ApiFailure. */
async function replayAll(
  app: string,
  what: ReplayBody,
  { isStopped, onProgress }: { isStopped: () => boolean; onProgress: (replayed: number) => void },
): Promise<{ replayed: number; isWhole: boolean }> {
  let replayed = 0
  let next: string | null = null
  for (;;) {
    const answer: { replayed: number; has_more: boolean; next: string | null } = await call("ReplayDeliveries", {
      path: { app },
      body: { ...what, ...(next === null ? {} : { next }) },
    })
    replayed += answer.replayed
    onProgress(replayed)
    if (!answer.has_more || answer.next === null) return { replayed, isWhole: true }
    if (isStopped()) return { replayed, isWhole: false }
    next = answer.next
  }
}

// Its own component, so that it asks anew when the dialog opens again.
function Content({ what, stop, onClose, onReplayed }: ContentProps) {
  const app = String(useApp())
  const client = useQueryClient()
  const [progress, setProgress] = useState<Progress>({ state: "asking", replayed: 0, error: null })
  const run = async (): Promise<void> => {
    stop.current = false
    setProgress({ state: "busy", replayed: 0, error: null })
    try {
      const { replayed, isWhole } = await replayAll(app, what, {
        isStopped: () => stop.current,
        onProgress: (count) => setProgress({ state: "busy", replayed: count, error: null }),
      })
      setProgress({ state: isWhole ? "done" : "stopped", replayed, error: null })
      onReplayed?.()
    } catch (error) {
      setProgress((before) => ({ ...before, state: "failed", error }))
    }
    for (const read of ["ListDeliveries", "ReadDelivery", "ListHooks", "ReadHook", "GetWebhookStats"]) {
      void client.invalidateQueries({ queryKey: [read] })
    }
  }
  const { state, replayed, error } = progress
  const count = what.ids?.length
  return (
    <Stack>
      {state === "failed" ? <ErrorAlert error={error} title="Not everything was sent again" /> : null}
      {state === "asking" ? (
        <Text size="sm">
          {count === undefined ? whatText(what) : count === 1 ? "This delivery is" : `These ${count} deliveries are`}{" "}
          sent again at once, in the order of their events and under their old ids: a receiver that had one already can
          drop it.
        </Text>
      ) : (
        <Group gap="sm" role="status">
          {state === "busy" ? <Loader size="sm" /> : null}
          <Text size="sm">
            {countText(replayed)} {replayed === 1 ? "is" : "are"} on {replayed === 1 ? "its" : "their"} way again
            {state === "stopped" ? "; stopped before the end" : ""}.
            {state === "done" && replayed === 0 ? " Nothing fits, or it is on its way already." : ""}
          </Text>
        </Group>
      )}
      <Group justify="flex-end" gap="xs">
        {state === "asking" || state === "failed" ? (
          <>
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button onClick={() => void run()}>{state === "failed" ? "Try again" : "Send again"}</Button>
          </>
        ) : state === "busy" ? (
          <Button
            variant="default"
            onClick={() => {
              stop.current = true
            }}
          >
            Stop
          </Button>
        ) : (
          <Button onClick={onClose}>Done</Button>
        )}
      </Group>
    </Stack>
  )
}

function whatText({ state = "dead" }: ReplayBody): string {
  if (state === "dead") return "All dead letters that fit the filters are"
  return state === "pending"
    ? "All that wait and fit the filters are"
    : "All that were delivered and fit the filters are"
}

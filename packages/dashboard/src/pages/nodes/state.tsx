// How a node fares, in a word, and sizes as people read them.

import { Badge } from "@mantine/core"
import type { CallOutput } from "../../api/client.ts"

export type Node = CallOutput<"ListNodes">["nodes"][number]

/** Timers that are later than this as a rule make every caller wait noticeably. */
const loopLagWarnMs = 25

export function NodeBadge({ node: { status, state } }: { node: Node }) {
  const [word, color] =
    status === "silent"
      ? ["silent", "red"]
      : state?.is_draining
        ? ["draining", "yellow"]
        : state?.revocations.lease_left_ms === 0
          ? ["lets nobody in", "red"]
          : state !== null && state.event_loop.mean_ms > loopLagWarnMs
            ? ["busy", "yellow"]
            : ["answering", "teal"]
  return (
    <Badge variant="light" color={color}>
      {word}
    </Badge>
  )
}

const units = ["B", "kB", "MB", "GB", "TB"] as const
const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 })

/** «12.3 MB» of a number of bytes. */
export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${number.format(bytes / 1_000 ** power)} ${units[power]}`
}

// Spans of time that the charts can show.

import { useInterval } from "@mantine/hooks"
import { useState } from "react"

export interface Range {
  readonly name: string
  readonly label: string
  readonly spanMs: number
  readonly stepSeconds: number
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

export const ranges = [
  { name: "1h", label: "1 hour", spanMs: hourMs, stepSeconds: 60 },
  { name: "24h", label: "24 hours", spanMs: dayMs, stepSeconds: 900 },
  { name: "7d", label: "7 days", spanMs: 7 * dayMs, stepSeconds: 3_600 },
  { name: "30d", label: "30 days", spanMs: 30 * dayMs, stepSeconds: 21_600 },
] as const satisfies readonly Range[]

/** The query of ListTraffic for a range that ends now; it moves on with the minute. */
export function useRangeQuery({ spanMs, stepSeconds }: Range): { since: string; step: number } {
  const [nowMs, setNowMs] = useState(Date.now)
  useInterval(() => setNowMs(Date.now()), minuteMs, { autoInvoke: true })
  const stepMs = stepSeconds * 1_000
  const since = Math.floor((nowMs - spanMs) / stepMs) * stepMs
  return { since: new Date(since).toISOString(), step: stepSeconds }
}

// Times as people read them; the exact one is in the element and its tooltip.

import { Text, Tooltip } from "@mantine/core"

// However narrow the column of a table is.
const oneLine = { whiteSpace: "nowrap" } as const

const units: readonly [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
]
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" })
// Of the browser's time zone, which is named: a log that is compared with it may be of another.
const absolute = new Intl.DateTimeFormat("en", {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
})

/** «3 minutes ago» of an RFC 3339 time or milliseconds. */
export function relativeTime(at: string | number, nowMs = Date.now()): string {
  const seconds = (new Date(at).getTime() - nowMs) / 1_000
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1]
  return relative.format(Math.round(seconds / size), unit)
}

/** «Nov 24, 2026, 18:39:14 UTC» of an RFC 3339 time or milliseconds. */
export const absoluteTime = (at: string | number): string => absolute.format(new Date(at))

export function TimeAgo({ at, fallback = "never" }: { at: string | number | null | undefined; fallback?: string }) {
  if (at === null || at === undefined) {
    return (
      <Text span size="sm" c="dimmed">
        {fallback}
      </Text>
    )
  }
  return (
    <Tooltip label={absoluteTime(at)}>
      <Text span size="sm" component="time" style={oneLine} dateTime={new Date(at).toISOString()}>
        {relativeTime(at)}
      </Text>
    </Tooltip>
  )
}

/** «2 h 5 min» of a number of seconds. */
export function duration(seconds: number): string {
  const parts: string[] = []
  let rest = Math.round(seconds)
  for (const [name, size] of [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ] as const) {
    const count = Math.floor(rest / size)
    if (count === 0) continue
    parts.push(`${count} ${name}`)
    rest -= count * size
    if (parts.length === 2) break
  }
  return parts.length === 0 ? "0 s" : parts.join(" ")
}

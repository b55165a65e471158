// Times, and lengths of time, as people write them on a command line.

const secondsOfUnit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Reads `90s`, `30m`, `24h`, `7d` or bare seconds. Whole seconds, at least 1; null when it is none of these. */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,10})([smhd]?)$/.exec(text)
  if (match === null) return null
  const seconds = Number(match[1]) * (secondsOfUnit[match[2] || "s"] as number)
  return seconds >= 1 ? seconds : null
}

/** Reads an RFC 3339 time: milliseconds since 1970; null when it is none. */
export function parseTime(text: string): number | null {
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(ms) ? null : ms
}

/** Whole seconds in the two largest units that fit: `2 d 3 h`, `45 s`. */
export function formatDuration(seconds: number): string {
  const parts: string[] = []
  let rest = Math.abs(Math.trunc(seconds))
  for (const [unit, length] of Object.entries(secondsOfUnit).toReversed()) {
    const count = Math.floor(rest / length)
    rest -= count * length
    if (count > 0) parts.push(`${count} ${unit}`)
  }
  return parts.slice(0, 2).join(" ") || "0 s"
}

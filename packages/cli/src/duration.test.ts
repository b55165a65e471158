import { expect, test } from "bun:test"
import { formatDuration, parseDuration, parseTime } from "./duration.ts"

test.each([
  ["90s", 90],
  ["90", 90],
  ["30m", 1800],
  ["24h", 86_400],
  ["7d", 604_800],
  ["0", null],
  ["0h", null],
  ["-1h", null],
  ["1.5h", null],
  ["1w", null],
  ["h", null],
  ["", null],
  ["1h30m", null],
  ["99999999999", null],
])("parseDuration(%j) is %p", (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds)
})

test.each([
  ["2026-01-31T00:00:00Z", Date.UTC(2026, 0, 31)],
  ["2026-01-31T02:00:00.5+02:00", Date.UTC(2026, 0, 31, 0, 0, 0, 500)],
  ["2026-01-31", null],
  ["2026-13-31T00:00:00Z", null],
  ["yesterday", null],
  ["", null],
])("parseTime(%j) is %p", (text, ms) => {
  expect(parseTime(text)).toBe(ms)
})

test.each([
  [0, "0 s"],
  [0.9, "0 s"],
  [45, "45 s"],
  [-45, "45 s"],
  [3600, "1 h"],
  [90_061, "1 d 1 h"],
  [86_405, "1 d 5 s"],
])("formatDuration(%d) is %j", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text)
})

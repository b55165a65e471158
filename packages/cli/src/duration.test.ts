import { expect, test } from "bun:test"
import { formatDuration, parseDuration } from "./duration.ts"

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

import { expect, test } from "bun:test"
import { createHeartbeat } from "../src/heartbeat.ts"
import { manualTimers } from "./manual-timers.ts"

function started() {
  const timers = manualTimers(0)
  const happened: string[] = []
  const heartbeat = createHeartbeat({
    timers,
    beat: () => happened.push(`beat ${timers.now()}`),
    onSilence: () => happened.push(`silence ${timers.now()}`),
  })
  return { timers, happened, heartbeat }
}

test("it beats every 25 s and calls 35 s without a frame silence, once", async () => {
  const { timers, happened } = started()
  await timers.advance(200_000)
  expect(happened).toEqual(["beat 25000", "silence 35000"])
})

test("a frame moves the silence, and nothing happens after stop", async () => {
  const { timers, happened, heartbeat } = started()
  await timers.advance(30_000)
  heartbeat.heard()
  await timers.advance(34_000)
  expect(happened).toEqual(["beat 25000", "beat 50000"])
  await timers.advance(1_000)
  expect(happened.at(-1)).toBe("silence 65000")

  const other = started()
  other.heartbeat.stop()
  await other.timers.advance(100_000)
  expect(other.happened).toEqual([])
})

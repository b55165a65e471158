import { expect, test } from "bun:test"
import { manualClock, systemClock } from "./clock.ts"

test("the system clock tells the world's time, and durations that match it", async () => {
  expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(50)
  const beforeMs = systemClock.monotonic()
  await Bun.sleep(20)
  const passedMs = systemClock.monotonic() - beforeMs
  expect(passedMs).toBeGreaterThanOrEqual(19)
  expect(passedMs).toBeLessThan(2_000)
})

test("a manual clock stands still until it is moved", () => {
  const clock = manualClock(1_700_000_000_000)
  expect([clock.now(), clock.monotonic()]).toEqual([1_700_000_000_000, 0])
  clock.advance(250)
  expect([clock.now(), clock.monotonic()]).toEqual([1_700_000_000_250, 250])
})

// Time-outs must not fire, or never fire, because an operator corrects the time of day.
test("setting the world's time back leaves durations alone", () => {
  const clock = manualClock(1_000)
  clock.advance(10)
  clock.set(5)
  expect([clock.now(), clock.monotonic()]).toEqual([5, 10])
  expect(() => clock.advance(-1)).toThrow(RangeError)
  expect(() => clock.advance(Number.NaN)).toThrow(RangeError)
})

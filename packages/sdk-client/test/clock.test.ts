import { describe, expect, test } from "bun:test"
import { createBudget } from "../src/budget.ts"
import { createServerClock } from "../src/clock.ts"
import { limits } from "../src/limits.ts"
import { manualTimers } from "./manual-timers.ts"

const startMs = Date.parse("2030-01-01T00:00:00Z")

function clockOf() {
  const timers = manualTimers(startMs)
  const told: number[] = []
  return { timers, told, clock: createServerClock(timers, (skewMs) => told.push(skewMs)) }
}

describe("the server's time", () => {
  test("is the device's until the server has told its own", () => {
    const { clock, timers } = clockOf()
    expect([clock.now(), clock.isKnown, clock.skewMs]).toEqual([timers.now(), false, 0])
  })

  test.each([600_000, -600_000])("is learned by a device that is %d ms ahead", async (skewMs) => {
    const { clock, timers, told } = clockOf()
    const sentMs = timers.now()
    await timers.advance(200)
    clock.learn(timers.now() - skewMs - 100, 1, sentMs)
    expect(clock.isKnown).toBe(true)
    expect(Math.abs(clock.skewMs - skewMs)).toBeLessThanOrEqual(100)
    expect(clock.now()).toBe(timers.now() - clock.skewMs)
    expect(told).toEqual([clock.skewMs])
  })

  test("in whole seconds, as `Date` has it, changes nothing for a clock that is right", async () => {
    const { clock, timers, told } = clockOf()
    for (let second = 0; second < 20; second += 1) {
      const sentMs = timers.now()
      await timers.advance(777)
      clock.learn(Math.floor(timers.now() / 1000) * 1000, 1000, sentMs)
    }
    expect([clock.skewMs, told.length, clock.isKnown]).toEqual([0, 0, true])
  })

  test("is not learned from an answer that was under way while the machine slept, nor from nonsense", async () => {
    const { clock, timers } = clockOf()
    const sentMs = timers.now()
    await timers.advance(limits.clockRoundTripMaxMs + 1)
    clock.learn(startMs - 3_600_000, 1000, sentMs)
    clock.learn(Number.NaN, 1000, timers.now())
    clock.learn(startMs - 3_600_000, 1000, timers.now() + 1)
    expect([clock.isKnown, clock.skewMs]).toEqual([false, 0])
  })

  test("is learned anew when somebody sets the clock right", () => {
    const { clock, timers, told } = clockOf()
    clock.learn(startMs - 600_000, 1, timers.now())
    clock.learn(startMs, 1, timers.now())
    expect(Math.abs(clock.skewMs)).toBeLessThanOrEqual(1)
    expect(told).toHaveLength(2)
  })
})

test("a budget is used up within its window and comes back with it, also when the clock is set back", async () => {
  const timers = manualTimers(startMs)
  const budget = createBudget(timers, 2, 60_000)
  expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, false])
  await timers.advance(59_999)
  expect(budget.take()).toBe(false)
  await timers.advance(1)
  expect([budget.take(), budget.take(), budget.take()]).toEqual([true, true, false])
  const earlier = { ...timers, now: () => startMs - 3_600_000 }
  let isEarlier = false
  const jumping = createBudget({ ...timers, now: () => (isEarlier ? earlier.now() : startMs) }, 1, 60_000)
  expect([jumping.take(), jumping.take()]).toEqual([true, false])
  isEarlier = true
  expect(jumping.take()).toBe(true)
})

import { expect, test } from "bun:test"
import { manualClock } from "../base/clock.ts"
import { createAttempts } from "./attempts.ts"

test("case 54: so many attempts in a window, then none until it is over; a right one does not count", () => {
  const clock = manualClock(0)
  const attempts = createAttempts({ attemptsMax: 3, windowMs: 60_000, clock })
  const tries = (who: string, count: number): number[] =>
    Array.from({ length: count }, () => {
      const left = attempts.leftMs(who)
      if (left === 0) attempts.take(who)
      return left
    })
  expect(tries("a", 2)).toEqual([0, 0])
  attempts.giveBack("a")
  expect(tries("a", 3)).toEqual([0, 0, 60_000])
  clock.advance(10_000)
  expect(tries("a", 1)).toEqual([50_000])
  expect(tries("b", 1)).toEqual([0])
  attempts.forget("a")
  expect(tries("a", 4)).toEqual([0, 0, 0, 50_000])
  clock.advance(50_000)
  expect(tries("a", 1)).toEqual([0])
})

test("case 54: ever new names fill no memory, and seldom hit the bucket of somebody who is watched", () => {
  const attempts = createAttempts({ attemptsMax: 1, windowMs: 60_000, clock: manualClock(0) })
  let shut = 0
  for (let n = 0; n < 1_000; n++) {
    if (attempts.leftMs(`name ${n}`) > 0) shut += 1
    attempts.take(`name ${n}`)
  }
  expect(shut).toBeLessThan(100)
})

import { expect, test } from "bun:test"
import fc from "fast-check"
import { areaPath, barsPath, linePath, runsOf, stack, timeTicks, valueTicks } from "./plot-scale.ts"

test("the axis of values begins at nothing, ends at or above the largest, and steps in round numbers", () => {
  expect(valueTicks(0, 4, true)).toEqual([0, 1])
  expect(valueTicks(1, 4, true)).toEqual([0, 1])
  expect(valueTicks(3, 4, true)).toEqual([0, 1, 2, 3])
  expect(valueTicks(1, 4, false)).toEqual([0, 0.25, 0.5, 0.75, 1])
  expect(valueTicks(0.3, 4, false)).toEqual([0, 0.1, 0.2, 0.3])
  expect(valueTicks(9, 4, true)).toEqual([0, 5, 10])
  expect(valueTicks(97, 4, true)).toEqual([0, 25, 50, 75, 100])
  expect(valueTicks(1_234_567, 4, true)).toEqual([0, 500_000, 1_000_000, 1_500_000])
})

test("whatever the largest value, it is on the axis and the axis has few steps", () => {
  const anything = fc.double({ min: 1e-3, max: 1e12, noNaN: true })
  fc.assert(
    fc.property(anything, fc.integer({ min: 2, max: 8 }), fc.boolean(), (max, ticksMax, isWhole) => {
      const ticks = valueTicks(max, ticksMax, isWhole)
      const last = ticks.at(-1) as number
      expect(ticks[0]).toBe(0)
      expect(last).toBeGreaterThanOrEqual(max * (1 - 1e-6))
      expect(ticks.length).toBeGreaterThan(1)
      expect(ticks.length).toBeLessThanOrEqual(ticksMax + 1)
      if (isWhole) for (const tick of ticks) expect(Number.isInteger(tick)).toBe(true)
    }),
  )
})

const minuteMs = 60_000
/** Midnight of the clock that the tests run by. */
const midnight = new Date(2026, 0, 5).getTime()
const every = (stepMs: number, count: number, from = midnight): number[] =>
  Array.from({ length: count }, (_, index) => from + index * stepMs)

test("the axis of time names round times, as many as there is room for", () => {
  const day = every(15 * minuteMs, 97)
  const hoursOf = (times: readonly number[], ticksMax: number) =>
    timeTicks(times, ticksMax).map((index) => new Date(times[index] as number).getHours())
  expect(hoursOf(day, 9)).toEqual([0, 3, 6, 9, 12, 15, 18, 21, 0])
  expect(hoursOf(day, 5)).toEqual([0, 6, 12, 18, 0])
  // It began at five past, so its first moment is no round one.
  const late = every(15 * minuteMs, 96, midnight + 5 * minuteMs)
  expect(timeTicks(late, 9)[0]).toBe(12)
  expect(timeTicks([], 5)).toEqual([])
  expect(timeTicks(day, 0)).toEqual([])
})

test("there are never more words on the axis of time than it has room for", () => {
  const steps = fc.constantFrom(minuteMs, 15 * minuteMs, 60 * minuteMs, 360 * minuteMs)
  fc.assert(
    fc.property(
      steps,
      fc.integer({ min: 1, max: 200 }),
      fc.nat({ max: 1e9 }),
      fc.integer({ min: 1, max: 12 }),
      (...given) => {
        const [stepMs, count, offset, ticksMax] = given
        const ticks = timeTicks(every(stepMs, count, midnight + offset), ticksMax)
        expect(ticks.length).toBeLessThanOrEqual(ticksMax)
        expect(ticks.every((tick, index) => index === 0 || tick > (ticks[index - 1] as number))).toBe(true)
      },
    ),
  )
})

test("a stack stands on the bottom, each part on the one before it, and a little is still seen", () => {
  const place = { x: 10, width: 4, bottom: 100, perUnit: 2 }
  expect(stack([5, 0, null, 10], place)).toEqual([
    { x: 10, y: 90, width: 4, height: 10 },
    null,
    null,
    { x: 10, y: 70, width: 4, height: 20 },
  ])
  expect(stack([0.01], place)).toEqual([{ x: 10, y: 99, width: 4, height: 1 }])
  expect(barsPath([{ x: 10, y: 90, width: 4, height: 10 }])).toBe("M10 90h4v10h-4z")
})

test("a line ends where a value is missing and begins anew behind it", () => {
  const spots = [1, null, 3, 4, null].map((y, x) => ({ x, y }))
  expect(runsOf(spots)).toEqual([
    [{ x: 0, y: 1 }],
    [
      { x: 2, y: 3 },
      { x: 3, y: 4 },
    ],
  ])
  expect(linePath([{ x: 0, y: 1 }])).toBe("M0 1")
  expect(linePath([])).toBe("")
  expect(areaPath([], 9)).toBe("")
})

test("a line passes through every value and shows none that lies outside its neighbours", () => {
  const values = fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 2, maxLength: 30 })
  fc.assert(
    fc.property(values, (ys) => {
      const run = ys.map((y, index) => ({ x: index * 10, y }))
      const numbers = (linePath(run).match(/-?[\d.]+/g) ?? []).map(Number)
      expect(numbers.slice(0, 2)).toEqual([0, ys[0] as number])
      for (const [index, y] of ys.slice(1).entries()) {
        const [, leaving, , arriving, x, end] = numbers.slice(2 + index * 6, 8 + index * 6)
        expect([x, end]).toEqual([(index + 1) * 10, y])
        const low = Math.min(ys[index] as number, y)
        const high = Math.max(ys[index] as number, y)
        // A cubic curve lies within its four points, so these two say it for all of it.
        for (const handle of [leaving, arriving]) {
          expect(handle).toBeGreaterThanOrEqual(low - 0.01)
          expect(handle).toBeLessThanOrEqual(high + 0.01)
        }
      }
    }),
  )
  expect(
    areaPath(
      [
        { x: 0, y: 1 },
        { x: 3, y: 1 },
      ],
      9,
    ),
  ).toBe("M0 1C1 1 2 1 3 1L3 9L0 9z")
})

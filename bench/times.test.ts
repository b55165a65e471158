// A row of times must pair its runs, and must not claim an aim that its own numbers miss.

import { expect, test } from "bun:test"
import { quantilesOf, type Times, timeRowOf, timeTableOf } from "./times.ts"

const run = (p50: number, p99: number | null): Times => ({ p50, p99, detail: {} })
const plan = { id: "x", what: "work", unit: "ms", subject: "weir", baseline: "bare", aim: null } as const

test("ratios are paired before the median is taken", () => {
  const row = timeRowOf(plan, [run(2, 10), run(9, 30), run(6, 20)], [run(1, 10), run(3, 10), run(6, 10)])
  expect(row.p50Ratio).toBe(2)
  expect(row.p99Ratio).toBe(2)
  expect(row.subjectTimes).toEqual({ p50: 6, p99: 20 })
  expect(row.reached).toBeNull()
})

test("an aim is held against the number that it names", () => {
  const with99 = (max: number) => timeRowOf({ ...plan, aim: { of: "p99", max } }, [run(1, 10)], [run(1, 5)])
  expect(with99(10).reached).toBe(true)
  expect(with99(9).reached).toBe(false)
  const ratio = (max: number) => timeRowOf({ ...plan, aim: { of: "p99Ratio", max } }, [run(1, 10)], [run(1, 5)])
  expect(ratio(2).reached).toBe(true)
  expect(ratio(1.9).reached).toBe(false)
})

test("where no p99 is known, none is claimed", () => {
  const row = timeRowOf({ ...plan, aim: { of: "p99", max: 10 } }, [run(1, null)], [run(1, 5)])
  expect(row.p99Ratio).toBeNull()
  expect(row.subjectTimes.p99).toBeNull()
  expect(row.reached).toBeNull()
})

test("runs without partners are refused", () => {
  expect(() => timeRowOf(plan, [run(1, 1)], [])).toThrow("row x: 1 runs beside 0")
})

test("quantiles of few and of many", () => {
  expect(quantilesOf([7])).toEqual({ p50: 7, p99: 7 })
  expect(quantilesOf(Array.from({ length: 30 }, (_, index) => 30 - index))).toEqual({ p50: 15, p99: 30 })
  expect(quantilesOf(Array.from({ length: 1_000 }, (_, index) => index + 1))).toEqual({ p50: 500, p99: 990 })
})

test("the table has one line per row, all of one width", () => {
  const lines = timeTableOf([timeRowOf(plan, [run(1.5, 20)], [run(1, 10)])]).split("\n")
  expect(lines).toHaveLength(3)
  expect(new Set(lines.map((line) => line.length)).size).toBe(1)
  expect(lines[2]).toContain("1.50 ms")
  expect(lines[2]).toContain("20.0 ms")
})

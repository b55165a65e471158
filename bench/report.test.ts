// A row must not claim more than either of its two ratios says.

import { expect, test } from "bun:test"
import { createHistogram } from "./load/histogram.ts"
import { type Measurement, median, rowOf, tableOf } from "./report.ts"

const run = (perSecond: number, server: number | null): Measurement => ({
  perSecond,
  busy: { server, load: 1 },
  latency: { p50Us: 100, p99Us: 1_500, p999Us: 2_000 },
  detail: {},
})
const plan = { id: "x", what: "work", unit: "/s", subject: "weir", baseline: "bare", aim: 0.6 }

test("a baseline that was not kept busy lowers the ratio", () => {
  const row = rowOf(plan, [run(500, 1), run(500, 1), run(500, 1)], [run(600, 0.5), run(600, 0.5), run(600, 0.5)])
  expect(row.rateRatio).toBe(0.833)
  expect(row.cpuRatio).toBe(0.417)
  expect(row.ratio).toBe(0.417)
  expect(row.reached).toBe(false)
})

test("a server that waits lowers the ratio", () => {
  const row = rowOf(plan, [run(100, 0.1), run(100, 0.1)], [run(1000, 1), run(1000, 1)])
  expect(row.cpuRatio).toBe(1)
  expect(row.ratio).toBe(0.1)
})

test("ratios are paired before the median is taken, and processor time is optional", () => {
  const row = rowOf(plan, [run(10, null), run(90, null), run(60, null)], [run(10, 1), run(100, 1), run(100, 1)])
  expect(row.pairs.map((pair) => pair.rate)).toEqual([1, 0.9, 0.6])
  expect(row.ratio).toBe(0.9)
  expect(row.cpuRatio).toBeNull()
  expect(row.reached).toBe(true)
})

test("runs without partners are refused", () => {
  expect(() => rowOf(plan, [run(1, 1)], [])).toThrow("row x: 1 runs beside 0")
})

test("the table has one line per row, all of one width", () => {
  const lines = tableOf([rowOf(plan, [run(500, 1)], [run(600, 1)])]).split("\n")
  expect(lines).toHaveLength(3)
  expect(new Set(lines.map((line) => line.length)).size).toBe(1)
  expect(lines[2]).toContain("weir 500 /s")
  expect(lines[2]).toContain("1.5 ms")
})

test("median of odd and even counts", () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
})

test("a quantile is exact to its bucket of 4.4 %", () => {
  const histogram = createHistogram()
  for (let us = 1; us <= 10_000; us++) histogram.record(us)
  for (const quantile of [0.5, 0.99, 0.999]) {
    const exact = quantile * 10_000
    expect(histogram.quantileUs(quantile)).toBeGreaterThanOrEqual(exact)
    expect(histogram.quantileUs(quantile)).toBeLessThan(exact * 1.045)
  }
})

import { expect, test } from "bun:test"
import { countText, msText, pointsOf, reasonText, refusalsOf, shareText, type TrafficNumbers } from "./series.ts"

const numbers = (refusals: Record<string, number>, more: Partial<TrafficNumbers> = {}): TrafficNumbers => ({
  requests: 0,
  succeeded: 0,
  refused: 0,
  failed: 0,
  mean_ms: null,
  p50_ms: null,
  p95_ms: null,
  p99_ms: null,
  sockets_opened: 0,
  sockets_closed: 0,
  sockets_open: 0,
  deliveries_succeeded: 0,
  deliveries_failed: 0,
  refusals,
  ...more,
})
const at = (minute: number): string => `2026-01-01T00:0${minute}:00.000Z`

test("the commonest refusals are told apart, the rest is one, and every refusal is in some series", () => {
  const first = { a: 9, b: 8, c: 7, d: 6, e: 5, f: 4, g: 3, h: 2, other: 1 }
  const second = { a: 1, g: 4 }
  const totals = numbers({ a: 10, b: 8, c: 7, d: 6, e: 5, f: 4, g: 7, h: 2, other: 1 })
  const { points, series } = refusalsOf({
    points: [
      { at: at(0), ...numbers(first) },
      { at: at(1), ...numbers(second) },
      { at: at(2), ...numbers({}) },
    ],
    totals,
  })
  expect(series.map(({ name }) => name)).toEqual(["a", "b", "c", "g", "d", "e", "other"])
  const sums = points.map(({ at: _, ...counts }) => Object.values(counts).reduce<number>((sum, n) => sum + (n ?? 0), 0))
  expect(sums).toEqual([45, 5, 0])
  expect(points[0]).toMatchObject({ at: Date.parse(at(0)), a: 9, g: 3, other: 7 })
  expect(new Set(series.map(({ color }) => color)).size).toBe(series.length)
})

test("without refusals there is no series, and without a rest no «other»", () => {
  expect(refusalsOf({ points: [{ at: at(0), ...numbers({}) }], totals: numbers({}) }).series).toEqual([])
  const one = { points: [{ at: at(0), ...numbers({ a: 2 }) }], totals: numbers({ a: 2 }) }
  expect(refusalsOf(one).series.map(({ name }) => name)).toEqual(["a"])
})

test("a step in which nothing was answered has no latency rather than zero", () => {
  expect(pointsOf([{ at: at(0), ...numbers({}, { sockets_open: 3 }) }])[0]).toMatchObject({ p95: null, open: 3 })
})

test("reasons and numbers are written as people read them", () => {
  expect(["tokenExpired", "notAllowed/grant", "rateLimit/rate-limit"].map(reasonText)).toEqual([
    "token expired",
    "not allowed: grant",
    "rate limit",
  ])
  expect([countText(1_234), countText(1_234_567)]).toEqual(["1,234", "1.2M"])
  expect([shareText(1, 0), shareText(1, 8)]).toEqual(["–", "12.5%"])
  expect([msText(null), msText(0.1234), msText(1234)]).toEqual(["–", "0.123 ms", "1,230 ms"])
})

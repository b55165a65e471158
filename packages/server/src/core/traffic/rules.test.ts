import { describe, expect, test } from "bun:test"
import { traffic } from "@weir/protocol"
import { limits } from "./limits.ts"
import {
  addAll,
  type Counts,
  type CountsAt,
  hourMs,
  latencyBucket,
  minuteMs,
  minutesFrom,
  newest,
  noCounts,
  percentile,
  seriesOf,
  shownNumbers,
  spanOf,
  topOf,
} from "./rules.ts"

const noon = Date.UTC(2026, 0, 2, 12)
const counted = (change: Partial<Counts>): Counts => ({ ...noCounts(), ...change })
const histogramOf = (...durationsMs: number[]): number[] => {
  const { histogram } = noCounts()
  for (const ms of durationsMs) histogram[latencyBucket(ms)] = (histogram[latencyBucket(ms)] as number) + 1
  return histogram
}

describe("latency", () => {
  test("a bound belongs to the bucket below it, and what is longer than all has one of its own", () => {
    expect(traffic.latencyBoundsMs.map(latencyBucket)).toEqual(traffic.latencyBoundsMs.map((_, index) => index))
    expect([latencyBucket(0), latencyBucket(0.2501), latencyBucket(5_000.1)]).toEqual([0, 1, 12])
  })

  test("percentiles are read from a straight line through the bucket", () => {
    // A hundred between 1 and 2 ms: the fiftieth is in the middle of them.
    expect(percentile(histogramOf(...new Array<number>(100).fill(1.7)), 0.5)).toBe(1.5)
    expect(percentile(histogramOf(...new Array<number>(90).fill(0.1), ...new Array<number>(10).fill(40)), 0.95)).toBe(
      37.5,
    )
    expect(percentile(histogramOf(0.1, 0.1, 0.1, 0.1), 1)).toBe(0.25)
  })

  test("without requests there is none, and beyond the last bound it is that bound", () => {
    expect(percentile(noCounts().histogram, 0.5)).toBeNull()
    expect(percentile(histogramOf(9_000), 0.99)).toBe(5_000)
  })
})

describe("adding up", () => {
  test("sockets that are open are added over nodes and not over time", () => {
    const rows: CountsAt[] = [
      { at: noon, nodeId: "a", counts: counted({ socketsOpen: 3, requests: 1 }) },
      { at: noon, nodeId: "b", counts: counted({ socketsOpen: 4, requests: 1 }) },
      { at: noon + minuteMs, nodeId: "a", counts: counted({ socketsOpen: 5, requests: 1 }) },
    ]
    const [sum] = addAll(rows, hourMs).values()
    expect(sum).toMatchObject({ socketsOpen: 7, requests: 3 })
    expect([...addAll(rows, minuteMs).values()].map(({ socketsOpen }) => socketsOpen)).toEqual([7, 5])
  })

  test("a series has a point for every step, and the totals are their sum", () => {
    const span = { sinceMs: noon, untilMs: noon + 3 * minuteMs + 1, stepMs: minuteMs }
    const rows = [0, 2].map((minute) => ({
      at: noon + minute * minuteMs,
      nodeId: "a",
      counts: counted({ requests: 2, refused: 1, latencySumMs: 3, refusals: { rateLimit: 1 } }),
    }))
    const { points, sum } = seriesOf(span, rows)
    expect(points.map(({ requests }) => requests)).toEqual([2, 0, 2, 0])
    expect(points[1]).toMatchObject({ at: "2026-01-02T12:01:00.000Z", mean_ms: null, p95_ms: null, refusals: {} })
    expect(shownNumbers(sum)).toMatchObject({ requests: 4, refused: 2, mean_ms: 1.5, refusals: { rateLimit: 2 } })
  })

  test("a name that every object inherits is a name like any other", () => {
    const row = {
      at: noon,
      nodeId: "a",
      counts: counted({ keys: JSON.parse('{"__proto__":[1,0,0,1],"constructor":[2,0,0,1]}') }),
    }
    const [sum] = addAll([row, { ...row, nodeId: "b" }], minuteMs).values()
    expect(topOf((sum as Counts).keys).map(({ name, requests }) => [name, requests])).toEqual([
      ["constructor", 4],
      ["__proto__", 2],
    ])
  })

  test("what a node has in memory stands for what it wrote of that minute, and for nothing else", () => {
    const written = [
      { at: noon, nodeId: "a", counts: counted({ requests: 1 }) },
      { at: noon, nodeId: "b", counts: counted({ requests: 10 }) },
    ]
    const rows = newest(written, [{ at: noon, nodeId: "a", counts: counted({ requests: 5 }) }])
    expect(rows.reduce((sum, { counts }) => sum + counts.requests, 0)).toBe(15)
  })

  test("only the busiest names are shown, most requests first", () => {
    const shares = Object.fromEntries([...Array(30).keys()].map((n) => [`op${n}`, [n, 0, 0, n * 2] as never]))
    const top = topOf(shares)
    expect(top).toHaveLength(traffic.trafficBounds.topMax)
    expect(top[0]).toEqual({ name: "op29", requests: 29, refused: 0, failed: 0, mean_ms: 2 })
  })
})

describe("which part of the past", () => {
  const iso = (ms: number): string => new Date(ms).toISOString()

  test("without a word it is the last hour, by the minute, from the beginning of a step", () => {
    expect(spanOf({}, noon + 30_000)).toEqual({ sinceMs: noon - hourMs, untilMs: noon + 30_000, stepMs: minuteMs })
  })

  test("the step grows with the range, and to an hour where there are no minutes any more", () => {
    const stepOf = (days: number, step?: number) => spanOf({ since: iso(noon - days * 24 * hourMs), step }, noon).stepMs
    expect([1, 7, 30].map((days) => stepOf(days) / 1_000)).toEqual([900, 3_600, 21_600])
    expect(stepOf(3, 300)).toBe(hourMs)
    expect(stepOf(1, 60)).toBe(minuteMs)
  })

  test("what is older than is kept is left out, and the future too", () => {
    const { sinceMs, untilMs } = spanOf({ since: iso(0), until: iso(noon + hourMs) }, noon)
    expect(noon - sinceMs).toBeLessThan(limits.hoursKeptMs + 24 * hourMs)
    expect(untilMs).toBe(noon)
  })

  test("what makes no sense is an input error", () => {
    const wrong = [
      { since: iso(noon), until: iso(noon - 1) },
      { since: "yesterday" },
      { step: 61 },
      { since: iso(noon - 40 * 24 * hourMs), until: iso(noon - 39 * 24 * hourMs) },
      { since: iso(noon - 47 * hourMs), step: 60 },
    ]
    for (const query of wrong) expect(() => spanOf(query, noon)).toThrow(expect.objectContaining({ kind: "input" }))
  })

  test("steps below an hour are read by the minute, longer ones where no hour is ready yet", () => {
    const span = { sinceMs: noon - 24 * hourMs, untilMs: noon, stepMs: minuteMs }
    expect(minutesFrom(span, noon)).toBe(span.sinceMs)
    expect(minutesFrom({ ...span, stepMs: hourMs }, noon + 1)).toBe(noon - hourMs)
  })
})

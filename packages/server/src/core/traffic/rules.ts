import { inputError, traffic } from "@weir/protocol"
import type { ObservedRefusal } from "../../request/observe.ts"
import { limits } from "./limits.ts"

const { latencyBoundsMs, trafficBounds, trafficSteps } = traffic

export const minuteMs = 60_000
export const hourMs = 60 * minuteMs

/** What stands in for names beyond those that are told apart. */
export const otherName = "other"

/** What one operation or key had of the traffic. */
export type Share = [requests: number, refused: number, failed: number, latencySumMs: number]

/** Counts of some span of time; as JSON they are a row of the database and travel between nodes. */
export interface Counts {
  requests: number
  succeeded: number
  refused: number
  failed: number
  latencySumMs: number
  /** Requests by latencyBoundsMs, and one bucket more for those that took longer. */
  readonly histogram: number[]
  socketsOpened: number
  socketsClosed: number
  /** The most that were open in one minute of it. */
  socketsOpen: number
  deliveriesSucceeded: number
  deliveriesFailed: number
  readonly refusals: Record<string, number>
  readonly operations: Record<string, Share>
  readonly keys: Record<string, Share>
}

/** Counts of one app in one minute or hour, which begins at `at` (milliseconds since 1970). */
export interface CountsAt {
  readonly at: number
  /** Null: of all nodes. */
  readonly nodeId: string | null
  readonly counts: Counts
}

export const noCounts = (): Counts => ({
  requests: 0,
  succeeded: 0,
  refused: 0,
  failed: 0,
  latencySumMs: 0,
  histogram: new Array<number>(latencyBoundsMs.length + 1).fill(0),
  socketsOpened: 0,
  socketsClosed: 0,
  socketsOpen: 0,
  deliveriesSucceeded: 0,
  deliveriesFailed: 0,
  // Names come from outside in part, so none may meet what every object inherits.
  refusals: Object.create(null),
  operations: Object.create(null),
  keys: Object.create(null),
})

/** One minute of an app while it grows. Maps, because names come with each request. */
export interface Minute {
  readonly at: number
  readonly counts: Counts
  readonly refusals: Map<string, number>
  readonly operations: Map<string, Share>
  readonly keys: Map<string, Share>
  /** Differs from what was written. */
  changed: boolean
}

/** `at` in milliseconds; what is open counts in every minute, whether anything else happens or not. */
export const newMinute = (at: number, openSockets: number): Minute => {
  const counts = noCounts()
  counts.socketsOpen = openSockets
  return { at, counts, refusals: new Map(), operations: new Map(), keys: new Map(), changed: false }
}

/** Counts an answer in. Every request comes this way, so it makes nothing and looks at nothing twice. */
export function countRequest(
  minute: Minute,
  operation: string,
  apiKey: string | null,
  status: number,
  durationMs: number,
  refusal: ObservedRefusal | null,
): void {
  const { counts, refusals } = minute
  minute.changed = true
  counts.requests += 1
  counts.latencySumMs += durationMs
  const bucket = latencyBucket(durationMs)
  counts.histogram[bucket] = (counts.histogram[bucket] as number) + 1
  if (status < 400) counts.succeeded += 1
  else if (status < 500) counts.refused += 1
  else counts.failed += 1
  countShare(minute.operations, operation, limits.operationsMax, status, durationMs)
  if (apiKey !== null) countShare(minute.keys, apiKey, limits.keysMax, status, durationMs)
  if (refusal === null) return
  let name = refusalName(refusal.error.kind, refusal.error.why?.check)
  if (refusals.size >= limits.refusalsMax && !refusals.has(name)) name = otherName
  refusals.set(name, (refusals.get(name) ?? 0) + 1)
}

function countShare(
  shares: Map<string, Share>,
  name: string,
  namesMax: number,
  status: number,
  durationMs: number,
): void {
  let found = shares.get(name)
  if (found === undefined) {
    const kept = shares.size < namesMax ? name : otherName
    found = shares.get(kept)
    if (found === undefined) {
      found = [0, 0, 0, 0]
      shares.set(kept, found)
    }
  }
  found[0] += 1
  if (status >= 500) found[2] += 1
  else if (status >= 400) found[1] += 1
  found[3] += durationMs
}

/** What a minute holds by now, as it is written. */
export const countsOf = ({ counts, refusals, operations, keys }: Minute): Counts => ({
  ...counts,
  latencySumMs: rounded(counts.latencySumMs),
  histogram: [...counts.histogram],
  refusals: Object.fromEntries(refusals),
  operations: Object.fromEntries([...operations].map(roundedShare)),
  keys: Object.fromEntries([...keys].map(roundedShare)),
})
const roundedShare = ([name, [requests, refused, failed, latencySumMs]]: [string, Share]): [string, Share] => [
  name,
  [requests, refused, failed, rounded(latencySumMs)],
]

/** The bucket of the histogram for a request that took so long. */
export function latencyBucket(durationMs: number): number {
  let index = 0
  while (index < latencyBoundsMs.length && durationMs > (latencyBoundsMs[index] as number)) index += 1
  return index
}

/** Adds counts to others. What was open at once is not a sum over time: addAll sees to it. */
export function addCounts(sum: Counts, more: Counts): void {
  sum.requests += more.requests
  sum.succeeded += more.succeeded
  sum.refused += more.refused
  sum.failed += more.failed
  sum.latencySumMs += more.latencySumMs
  for (let index = 0; index < sum.histogram.length; index += 1) {
    sum.histogram[index] = (sum.histogram[index] as number) + (more.histogram[index] ?? 0)
  }
  sum.socketsOpened += more.socketsOpened
  sum.socketsClosed += more.socketsClosed
  sum.deliveriesSucceeded += more.deliveriesSucceeded
  sum.deliveriesFailed += more.deliveriesFailed
  for (const [reason, times] of Object.entries(more.refusals))
    sum.refusals[reason] = (sum.refusals[reason] ?? 0) + times
  addShares(sum.operations, more.operations)
  addShares(sum.keys, more.keys)
}

function addShares(sum: Record<string, Share>, more: Readonly<Record<string, Share>>): void {
  for (const [name, [requests, refused, failed, latencySumMs]] of Object.entries(more)) {
    const share = sum[name]
    if (share === undefined) sum[name] = [requests, refused, failed, latencySumMs]
    else {
      share[0] += requests
      share[1] += refused
      share[2] += failed
      share[3] += latencySumMs
    }
  }
}

/**
 * Adds rows up into spans of `stepMs`, by the beginning of each. Sockets that were open at once are added over the nodes
 * of one minute, and of the minutes of a span the highest counts.
 */
export function addAll(rows: Iterable<CountsAt>, stepMs: number): Map<number, Counts> {
  const spans = new Map<number, Counts>()
  const openAt = new Map<number, number>()
  for (const { at, counts } of rows) {
    const start = Math.floor(at / stepMs) * stepMs
    let sum = spans.get(start)
    if (sum === undefined) {
      sum = noCounts()
      spans.set(start, sum)
    }
    addCounts(sum, counts)
    openAt.set(at, (openAt.get(at) ?? 0) + counts.socketsOpen)
  }
  for (const [at, open] of openAt) {
    const sum = spans.get(Math.floor(at / stepMs) * stepMs) as Counts
    sum.socketsOpen = Math.max(sum.socketsOpen, open)
  }
  return spans
}

/** One sum of several spans. */
export function total(spans: Iterable<Counts>): Counts {
  const sum = noCounts()
  for (const counts of spans) {
    addCounts(sum, counts)
    sum.socketsOpen = Math.max(sum.socketsOpen, counts.socketsOpen)
  }
  return sum
}

/**
 * How long `share` (0 to 1) of the requests took at most, in milliseconds: a straight line through the bucket that the
 * percentile falls into. What took longer than every bound is told as the last one. Null: no requests.
 */
export function percentile(histogram: readonly number[], share: number): number | null {
  const all = histogram.reduce((sum, requests) => sum + requests, 0)
  if (all === 0) return null
  const wanted = all * share
  let below = 0
  for (const [index, upper] of latencyBoundsMs.entries()) {
    const inside = histogram[index] ?? 0
    if (inside > 0 && below + inside >= wanted) {
      const lower = latencyBoundsMs[index - 1] ?? 0
      return rounded(lower + (upper - lower) * ((wanted - below) / inside))
    }
    below += inside
  }
  return latencyBoundsMs.at(-1) as number
}

/** Milliseconds to three digits: more would be noise. */
const rounded = (ms: number): number => Math.round(ms * 1_000) / 1_000

const meanOf = (sumMs: number, requests: number): number | null => (requests === 0 ? null : rounded(sumMs / requests))

/** Counts as the management API shows them (TrafficNumbers). */
export const shownNumbers = (counts: Counts) => ({
  requests: counts.requests,
  succeeded: counts.succeeded,
  refused: counts.refused,
  failed: counts.failed,
  mean_ms: meanOf(counts.latencySumMs, counts.requests),
  p50_ms: percentile(counts.histogram, 0.5),
  p95_ms: percentile(counts.histogram, 0.95),
  p99_ms: percentile(counts.histogram, 0.99),
  sockets_opened: counts.socketsOpened,
  sockets_closed: counts.socketsClosed,
  sockets_open: counts.socketsOpen,
  deliveries_succeeded: counts.deliveriesSucceeded,
  deliveries_failed: counts.deliveriesFailed,
  refusals: Object.fromEntries(Object.entries(counts.refusals).sort(([, a], [, b]) => b - a)),
})

/** The names with the most requests, as the management API shows them. */
export const topOf = (shares: Readonly<Record<string, Share>>) =>
  Object.entries(shares)
    .sort(([a, [requestsA]], [b, [requestsB]]) => requestsB - requestsA || (a < b ? -1 : 1))
    .slice(0, trafficBounds.topMax)
    .map(([name, [requests, refused, failed, sumMs]]) => ({
      name,
      requests,
      refused,
      failed,
      mean_ms: meanOf(sumMs, requests),
    }))

/** Which part of the past is asked for. Times in milliseconds since 1970; `sinceMs` is the beginning of a step. */
export interface Span {
  readonly sinceMs: number
  readonly untilMs: number
  readonly stepMs: number
}

export interface SpanQuery {
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly step?: number | undefined
}

/** Reads and checks what part of the past is asked for. Throws inputError. */
export function spanOf(query: SpanQuery, now: number): Span {
  const untilMs = query.until === undefined ? now : Math.min(now, timeOf("until", query.until))
  const askedMs = query.since === undefined ? untilMs - hourMs : timeOf("since", query.since)
  if (askedMs >= untilMs) throw inputError("since must be before until", { since: "must be before until" })
  const fromMs = Math.max(askedMs, now - limits.hoursKeptMs)
  if (fromMs >= untilMs) {
    throw inputError("until is longer ago than traffic is kept", { until: "is longer ago than traffic is kept" })
  }
  const stepMs = Math.max(stepOf(query.step, untilMs - fromMs), now - fromMs > limits.minutesKeptMs ? hourMs : 0)
  const sinceMs = Math.floor(fromMs / stepMs) * stepMs
  const points = Math.ceil((untilMs - sinceMs) / stepMs)
  if (points > trafficBounds.pointsMax) {
    throw inputError(`so many steps make ${points} points; at most ${trafficBounds.pointsMax} go`, {
      step: `makes more than ${trafficBounds.pointsMax} points`,
    })
  }
  return { sinceMs, untilMs, stepMs }
}

function stepOf(seconds: number | undefined, rangeMs: number): number {
  if (seconds === undefined) {
    const wanted = trafficSteps.find((step) => rangeMs / (step * 1_000) <= limits.pointsWanted) ?? trafficSteps.at(-1)
    return (wanted as number) * 1_000
  }
  if (!(trafficSteps as readonly number[]).includes(seconds)) {
    throw inputError(`step must be one of ${trafficSteps.join(", ")}`, { step: `one of ${trafficSteps.join(", ")}` })
  }
  return seconds * 1_000
}

function timeOf(name: string, text: string): number {
  const ms = Date.parse(text)
  if (!Number.isFinite(ms)) throw inputError(`${name} is not a date and time`, { [name]: "is not RFC 3339" })
  return ms
}

/**
 * From here on numbers are read by the minute, before it by the hour: hours that ended a while ago are added up. Steps
 * below an hour are read by the minute all the way.
 */
export const minutesFrom = ({ sinceMs, stepMs }: Span, now: number): number =>
  stepMs < hourMs ? sinceMs : Math.max(sinceMs, Math.floor(now / hourMs) * hourMs - hourMs)

/** A point for every step of a span, with zeros where nothing was. */
export function seriesOf(span: Span, rows: Iterable<CountsAt>) {
  const spans = addAll(rows, span.stepMs)
  const points: Counts[] = []
  const shown: ({ at: string } & ReturnType<typeof shownNumbers>)[] = []
  for (let at = span.sinceMs; at < span.untilMs; at += span.stepMs) {
    const counts = spans.get(at) ?? noCounts()
    points.push(counts)
    shown.push({ at: new Date(at).toISOString(), ...shownNumbers(counts) })
  }
  return { points: shown, sum: total(points) }
}

/** What nodes have in memory counts instead of what they wrote of the same minute: it is newer. */
export function newest(written: readonly CountsAt[], unwritten: readonly CountsAt[]): CountsAt[] {
  const keyOf = ({ at, nodeId }: CountsAt): string => `${at}|${nodeId}`
  const rows = new Map(written.map((row) => [keyOf(row), row]))
  for (const row of unwritten) rows.set(keyOf(row), row)
  return [...rows.values()]
}

/** Name of a refusal among the counts: kind of the error, and the check that refused where one did. */
const refusalName = (kind: string, check: string | undefined): string =>
  check === undefined ? kind : `${kind}/${check}`

import { inputError, notFoundError, traffic as operations } from "@weir/protocol"
import type { Answers } from "../../events/ask.ts"
import { type AdminRoute, adminRead } from "../../request/route.ts"
import type { Read } from "../../store/database.ts"
import { selectApp } from "../apps/index.ts"
import { selectKeysOfApp } from "../keys/index.ts"
import { countUsers } from "../users/index.ts"
import { limits } from "./limits.ts"
import type { RecentAnswer, RecentFilter, RecentQuestion, RecentRequest } from "./recent.ts"
import {
  addAll,
  type CountsAt,
  hourMs,
  minuteMs,
  minutesFrom,
  newest,
  type Span,
  seriesOf,
  shownNumbers,
  spanOf,
  topOf,
  total,
} from "./rules.ts"
import { decodeCounts, hasRows, selectHours, selectMinutes } from "./store.ts"

export interface TrafficRouteParts {
  /** Minutes of the app that nodes have in memory, of all nodes that answer. */
  readonly unwritten: (appId: number) => Promise<Answers<readonly CountsAt[]>>
  /** The latest requests. `afterSeqOf`: from where on, by node; null: from the beginning of what is kept. */
  readonly recent: (
    question: Omit<RecentQuestion, "afterSeq">,
    afterSeqs: Readonly<Record<string, number>> | null,
  ) => Promise<Answers<RecentAnswer>>
  readonly openSockets: (appId: number) => Promise<Answers<number>>
}

export const trafficRoutes = (parts: TrafficRouteParts): AdminRoute[] => [
  adminRead(operations.listTraffic, async ({ input, read, now }) => {
    const appId = await requireApp(read, input.path.app)
    const span = spanOf(input.query, now)
    const { points, sum } = seriesOf(span, await rowsOf(parts, read, appId, span, now))
    return {
      since: new Date(span.sinceMs).toISOString(),
      until: new Date(span.untilMs).toISOString(),
      step_seconds: span.stepMs / 1_000,
      points,
      totals: shownNumbers(sum),
      latency: { bounds_ms: [...operations.latencyBoundsMs], counts: sum.histogram },
      operations: topOf(sum.operations).map(({ name, ...numbers }) => ({ operation: name, ...numbers })),
      keys: topOf(sum.keys).map(({ name, ...numbers }) => ({ api_key: name, ...numbers })),
    }
  }),
  adminRead(operations.listRequests, async ({ input, read }) => {
    const { query } = input
    const appId = await requireApp(read, input.path.app)
    const limit = query.limit ?? limits.requestsPageDefault
    const filter: RecentFilter = {
      status: query.status ?? null,
      apiKey: query.api_key ?? null,
      userId: query.user_id ?? null,
      operation: query.operation ?? null,
    }
    const afterSeqs = query.after === undefined ? null : cursorOf(query.after)
    const { answers, missing } = await parts.recent({ appId, filter, limit }, afterSeqs)
    const found = [...answers].flatMap(([node, { requests }]) => requests.map((request) => ({ node, request })))
    found.sort((a, b) => b.request.at - a.request.at || b.request.seq - a.request.seq)
    const missed = [...answers.values()].reduce((sum, answer) => sum + answer.missed, 0)
    return {
      requests: found.slice(0, limit).map(({ node, request }) => shownRequest(node, request)),
      after: cursorText(answers, afterSeqs ?? {}),
      missed: missed + (afterSeqs === null ? 0 : Math.max(0, found.length - limit)),
      silent_nodes: [...missing],
    }
  }),
  adminRead(operations.getOverview, async ({ input, read, now }) => {
    const appId = await requireApp(read, input.path.app)
    // Whole hours but for the one that is going on, because hours that are over are kept as sums.
    const dayMs = Math.floor(now / hourMs) * hourMs - 23 * hourMs
    const span: Span = { sinceMs: dayMs - 24 * hourMs, untilMs: now, stepMs: hourMs }
    const hourStartMs = Math.floor(now / minuteMs) * minuteMs - 59 * minuteMs
    const [keys, users, rows, sockets, counted] = await Promise.all([
      selectKeysOfApp(read, appId, limits.keysLookedAtMax),
      countUsers(read, appId, limits.usersCountedMax + 1),
      rowsOf(parts, read, appId, span, now),
      parts.openSockets(appId),
      hasRows(read, appId),
    ])
    const totalOf = (sinceMs: number, untilMs: number, stepMs: number) =>
      shownNumbers(
        total(
          addAll(
            rows.filter(({ at }) => at >= sinceMs && at < untilMs),
            stepMs,
          ).values(),
        ),
      )
    return {
      api_key: keys.find(({ disabled }) => disabled === 0)?.api_key ?? null,
      has_traffic: counted || rows.some(({ counts }) => counts.requests > 0),
      users: { count: Math.min(users, limits.usersCountedMax), is_bounded: users > limits.usersCountedMax },
      sockets: [...sockets.answers.values()].reduce((sum, open) => sum + open, 0),
      nodes: { answering: sockets.answers.size, silent: sockets.missing.length },
      hour: totalOf(hourStartMs, now, minuteMs),
      day: totalOf(dayMs, now, hourMs),
      day_before: totalOf(span.sinceMs, dayMs, hourMs),
    }
  }),
]

/** Everything that was counted in a span: hours that are over as sums, the rest by the minute, what is not written too. */
async function rowsOf(
  parts: TrafficRouteParts,
  read: Read,
  appId: number,
  span: Span,
  now: number,
): Promise<CountsAt[]> {
  const fromMs = minutesFrom(span, now)
  const asked = parts.unwritten(appId)
  const hours =
    fromMs > span.sinceMs ? await selectHours(read, appId, span.sinceMs, Math.min(fromMs, span.untilMs)) : []
  const minutes: CountsAt[] = []
  for (;;) {
    const last = minutes.at(-1)
    const page = await selectMinutes(read, {
      appId,
      sinceMs: fromMs,
      untilMs: span.untilMs,
      after: last === undefined ? null : { at: last.at, nodeId: last.nodeId ?? "" },
      limit: limits.rowsPerReadMax,
    })
    for (const row of page) minutes.push({ at: row.at, nodeId: row.node_id, counts: decodeCounts(row.counts) })
    if (page.length < limits.rowsPerReadMax) break
  }
  const inMemory = [...(await asked).answers.values()].flat()
  const unwritten = inMemory.filter(({ at }) => at >= fromMs && at < span.untilMs)
  return [
    ...hours.map(({ at, counts }) => ({ at, nodeId: null, counts: decodeCounts(counts) })),
    ...newest(minutes, unwritten),
  ]
}

const shownRequest = (node: string, request: RecentRequest) => ({
  id: `${node}-${request.seq}`,
  at: new Date(request.at).toISOString(),
  operation: request.operation,
  method: request.method,
  path: request.path,
  status: request.status,
  code: request.code,
  reason: request.reason,
  duration_ms: request.durationMs,
  api_key: request.apiKey,
  user_id: request.userId,
  kind: request.kind,
  client: request.client,
  address: request.address,
  decision_id: request.decisionId,
  node,
})

/** `<node>.<place>` of each node with commas in between. A node that was silent keeps the place that it had. */
function cursorText(answers: ReadonlyMap<string, RecentAnswer>, before: Readonly<Record<string, number>>): string {
  const places = new Map(Object.entries(before))
  for (const [node, { lastSeq }] of answers) places.set(node, lastSeq)
  // Those that answered come first: what is left out is begun anew.
  const ordered = [...places].sort(([a], [b]) => Number(answers.has(b)) - Number(answers.has(a)))
  const parts = ordered.slice(0, limits.cursorNodesMax).map(([node, seq]) => `${node}.${seq}`)
  return parts.join(",")
}

/** Throws inputError. */
function cursorOf(text: string): Record<string, number> {
  const places: Record<string, number> = Object.create(null)
  for (const part of text.split(",")) {
    const [, node, seq] = /^([a-z0-9]{12})\.(\d{1,16})$/.exec(part) ?? []
    if (node === undefined) {
      throw inputError("after is not a cursor of this list", { after: "is not a cursor of this list" })
    }
    places[node] = Number(seq)
  }
  return places
}

async function requireApp(read: Read, id: string): Promise<number> {
  const app = await selectApp(read, Number(id))
  if (app === undefined) throw notFoundError("app", id)
  return app.id
}

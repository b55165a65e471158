// The latest requests of each app, in the memory of the node that answered them. Under load only some of a second are
// kept, and the rest is counted as missed: whoever follows is told so.

import type { AppCaller } from "@weir/protocol"
import { userIdOf } from "@weir/protocol"
import { createLru } from "../../base/lru.ts"
import type { ObservedRefusal } from "../../request/observe.ts"
import { pathOf } from "../../request/target.ts"
import { limits } from "./limits.ts"

/** A request as it is shown; see AnsweredRequest of the protocol. */
export interface RecentRequest {
  /** Place among the app's requests on this node, those that were not kept among them. */
  readonly seq: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly operation: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly code: number | null
  readonly reason: string | null
  readonly durationMs: number
  readonly apiKey: string | null
  readonly userId: string | null
  readonly kind: string | null
  readonly client: string | null
  readonly address: string
  readonly decisionId: string | null
}

/** What a request is recorded from. `url` may be whole; its path alone is kept. */
export interface RecordedRequest {
  readonly at: number
  readonly operation: string
  readonly method: string
  readonly url: string
  readonly status: number
  readonly refusal: ObservedRefusal | null
  readonly durationMs: number
  readonly apiKey: string | null
  readonly caller: AppCaller | null
  readonly client: string | null
  readonly address: string
}

export interface RecentFilter {
  /** A status such as `404`, or a class such as `4xx`. */
  readonly status: string | null
  readonly apiKey: string | null
  readonly userId: string | null
  readonly operation: string | null
}

export interface RecentQuestion {
  readonly appId: number
  readonly filter: RecentFilter
  /** Only what came later; null: the latest, whatever was before. */
  readonly afterSeq: number | null
  readonly limit: number
}

/** A node's answer, newest first. */
export interface RecentAnswer {
  readonly requests: readonly RecentRequest[]
  /** Of the newest request, kept or not; 0: none yet. */
  readonly lastSeq: number
  /** Of those since `afterSeq`: matched and found no room, or were not kept, so that nobody knows whether they match. */
  readonly missed: number
}

/** A place for a request among the kept ones. */
export interface Seat {
  record(request: RecordedRequest): void
}

export interface Recent {
  /** Counts a request of the app; null where this second has had its share, and its details need not be gathered. */
  seat(appId: number, now: number, isRefused: boolean): Seat | null
  find(question: RecentQuestion): RecentAnswer
}

interface Ring extends Seat {
  firstSeq: number
  lastSeq: number
  second: number
  answered: number
  refused: number
  /** Oldest at `next` once it is full. */
  readonly kept: RecentRequest[]
  next: number
}

/** Starts with nothing. */
export function createRecent(): Recent {
  const rings = createLru<Ring>(limits.recentAppsMax)

  return {
    seat(appId, now, isRefused) {
      const ring = rings.get(String(appId)) ?? addRing(appId, now)
      ring.lastSeq += 1
      const second = Math.floor(now / 1_000)
      if (second !== ring.second) {
        ring.second = second
        ring.answered = 0
        ring.refused = 0
      }
      const before = isRefused ? ring.refused++ : ring.answered++
      return before < limits.recordedPerSecondMax ? ring : null
    },
    find({ appId, filter, afterSeq, limit }) {
      const ring = rings.get(String(appId))
      if (ring === undefined) return { requests: [], lastSeq: 0, missed: 0 }
      // A place that this ring never gave was given by one that was forgotten in between.
      const after = afterSeq === null ? null : Math.max(ring.firstSeq, afterSeq)
      const newestFirst = [...ring.kept.slice(0, ring.next).reverse(), ...ring.kept.slice(ring.next).reverse()]
      const later = after === null ? newestFirst : newestFirst.filter(({ seq }) => seq > after)
      const matching = later.filter((request) => matches(request, filter))
      const unkept = after === null ? 0 : Math.max(0, ring.lastSeq - after - later.length)
      return {
        requests: matching.slice(0, limit),
        lastSeq: ring.lastSeq,
        missed: after === null ? 0 : unkept + Math.max(0, matching.length - limit),
      }
    },
  }

  function addRing(appId: number, now: number): Ring {
    // A ring that is made anew goes on above every place that the one before can have given: nobody answers a thousand
    // requests in a millisecond.
    const firstSeq = Math.floor(now) * 1_000
    const kept: RecentRequest[] = []
    const ring: Ring = {
      firstSeq,
      lastSeq: firstSeq,
      second: 0,
      answered: 0,
      refused: 0,
      kept,
      next: 0,
      record(request) {
        const entry = entryOf(request, ring.lastSeq)
        if (kept.length < limits.recentPerAppMax) kept.push(entry)
        else kept[ring.next] = entry
        ring.next = (ring.next + 1) % limits.recentPerAppMax
      },
    }
    rings.set(String(appId), ring)
    return ring
  }
}

const entryOf = (request: RecordedRequest, seq: number): RecentRequest => ({
  seq,
  at: request.at,
  operation: request.operation,
  method: request.method,
  path: own(pathOf(request.url), limits.pathCharsMax),
  status: request.status,
  code: request.refusal?.error.code ?? null,
  reason: request.refusal === null ? null : own(request.refusal.error.reason, limits.textCharsMax),
  durationMs: Math.round(request.durationMs * 1_000) / 1_000,
  apiKey: request.apiKey === null ? null : own(request.apiKey, limits.textCharsMax),
  userId: request.caller === null ? null : userIdOf(request.caller),
  kind: request.caller?.kind ?? null,
  client: request.client === null ? null : own(request.client, limits.textCharsMax),
  address: request.address,
  decisionId: request.refusal?.decisionId ?? null,
})

/** A part of a long text can keep the whole of it in memory, so a part is copied. */
const own = (text: string, charsMax: number): string =>
  Buffer.from(text.length > charsMax ? text.slice(0, charsMax) : text).toString()

function matches(request: RecentRequest, { status, apiKey, userId, operation }: RecentFilter): boolean {
  return (
    (status === null || hasStatus(request.status, status)) &&
    (apiKey === null || request.apiKey === apiKey) &&
    (userId === null || request.userId === userId) &&
    (operation === null || request.operation === operation)
  )
}

const hasStatus = (status: number, wanted: string): boolean =>
  wanted.endsWith("xx") ? Math.floor(status / 100) === Number(wanted[0]) : status === Number(wanted)

// What is put in the queue: a delivery that nobody has tried, the id that its receiver knows it by, and what a test event
// holds. Pure.

import { inputError } from "@weir/protocol"
import { nearest } from "../../base/nearest.ts"
import type { OutboxEvent } from "../../store/database.ts"
import { limits } from "./limits.ts"
import type { DeliveryRow } from "./store.ts"

/** Which delivery, what caused it, and the node that holds it from the beginning; none: it is free. */
export interface DeliveryPlan {
  readonly eventId: number
  readonly hookId: string
  readonly source: DeliveryRow["source"]
  readonly leasedBy?: string | null
}

/** A delivery that nobody has tried. Times in milliseconds; `dueAt` is the end of the lease when a node holds it. */
export const newDelivery = (
  { appId, type, stream }: Pick<OutboxEvent, "appId" | "type" | "stream">,
  { eventId, hookId, source, leasedBy = null }: DeliveryPlan,
  now: number,
  dueAt: number,
): DeliveryRow => ({
  event_id: eventId,
  hook_id: hookId,
  app_id: appId,
  type,
  stream,
  state: "pending",
  source,
  attempts: 0,
  due_at: dueAt,
  leased_by: leasedBy,
  status: null,
  fault: null,
  log: "[]",
  created_at: now,
  finished_at: null,
  replayed_at: null,
})

/**
 * The id that a receiver knows a delivery by: `msg_`, the event's number in base 36, and the hook. The same for every
 * attempt and replay.
 */
export const webhookIdOf = (eventId: number, hookId: string): string => `msg_${eventId.toString(36)}-${hookId}`

/** The delivery with this id; null for another spelling of it, too, since receivers compare ids as texts. */
export function parseWebhookId(id: string): { readonly eventId: number; readonly hookId: string } | null {
  const [, number = "", hookId = ""] = /^msg_([0-9a-z]{1,11})-([0-9a-f-]{36})$/.exec(id) ?? []
  const eventId = Number.parseInt(number, 36)
  return Number.isSafeInteger(eventId) && webhookIdOf(eventId, hookId) === id ? { eventId, hookId } : null
}

export interface TestEvent {
  readonly type: string
  /** JSON. */
  readonly body: string
}

/** Bodies of events by type, as the reference page has them. */
export type Samples = Readonly<Record<string, unknown>>

const typeDefault = "message.new"

/**
 * What a test sends: the body that is given, else the sample of the type with the time of now. Throws inputError when
 * the two do not go together, there is no sample, or the body is too big.
 */
export function testEventOf(
  given: { readonly type?: string | undefined; readonly body?: Readonly<Record<string, unknown>> | undefined },
  samples: Samples,
  now: number,
): TestEvent {
  if (given.body !== undefined) return ownEvent(given.type, given.body)
  const type = given.type ?? typeDefault
  const sample = Object.hasOwn(samples, type) ? samples[type] : undefined
  if (typeof sample !== "object" || sample === null) throw noSample(type, Object.keys(samples))
  const dated = "created_at" in sample ? { ...sample, created_at: new Date(now).toISOString() } : sample
  return { type, body: JSON.stringify(dated) }
}

function ownEvent(type: string | undefined, body: Readonly<Record<string, unknown>>): TestEvent {
  const own = body.type
  if (own !== undefined && (typeof own !== "string" || !/^[\w.:-]{1,128}$/.test(own))) {
    throw inputError("the type in the body is not a type of events", { "body.type": "is not a type of events" })
  }
  if (type !== undefined && own !== undefined && own !== type) {
    throw inputError(`the body is of type ${own}, not ${type}`, { type: "differs from the type in the body" })
  }
  const named = own ?? type ?? typeDefault
  const text = JSON.stringify({ type: named, ...body })
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.testBodyBytesMax) {
    throw inputError(`a test event has at most ${limits.testBodyBytesMax} bytes, this one has ${bytes}`, {
      body: `must have at most ${limits.testBodyBytesMax} bytes`,
    })
  }
  return { type: named, body: text }
}

function noSample(type: string, known: readonly string[]) {
  const similar = nearest(type, known, limits.suggestionEditsMax)
  const hint = similar === null ? "." : `; did you mean ${similar}?`
  const list = known.toSorted().slice(0, limits.typesNamedMax).join(", ")
  return inputError(`there is no sample of ${type}${hint} Send a body of your own, or one of: ${list}`, {
    type: `has no sample; there is ${list}`,
  })
}

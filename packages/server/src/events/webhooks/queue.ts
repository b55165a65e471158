// What the senders to queues share: the form that an event has there, and what goes along with it. A queue has no headers
// of its own, so the headers of a delivery travel as attributes of the message.

import { createHash } from "node:crypto"
import { isObject } from "../../base/json.ts"
import { packed } from "./attempt.ts"
import type { HookDelivery } from "./hook.ts"
import { limits } from "./limits.ts"
import { signatureHeaders } from "./sign.ts"

/**
 * The event as text for a queue that carries text (SQS, SNS, Redis): the JSON itself, or base64 of its gzip where the
 * hook compresses. Small ones too: a queue has no place that says which form it is, so a hook has one form.
 *
 * Text that the services would change (XML 1.0 §2.2 has no U+FFFE, U+FFFF and no control characters) goes as base64 of
 * the JSON, which receivers know as well: the signature covers each byte.
 */
export async function queueText({ body, hook }: HookDelivery): Promise<string> {
  if (hook.compression === "gzip") return (await packed(body)).toString("base64")
  return changedByQueues.test(body) ? Buffer.from(body).toString("base64") : body
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the pattern is about
const changedByQueues = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/

/**
 * The headers of a delivery under the names that receivers look for where case counts, and `event_type`, by which
 * subscriptions are filtered. At most limits.queueAttributesMax, none empty: SQS allows no more, and SNS drops what it
 * hands on to SQS when there are more. `nowMs` is the time that is signed.
 */
export async function messageAttributes(delivery: HookDelivery, nowMs: number): Promise<Record<string, string>> {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(await signatureHeaders(delivery, nowMs))) {
    if (value !== "") attributes[attributeNames[name] ?? name] = value
  }
  // An app's own type may have any characters; the attribute is a help, and the body has the type as it is.
  attributes.event_type = delivery.type.replace(/[^\x20-\x7e]/g, "?")
  const names = Object.keys(attributes)
  if (names.length > limits.queueAttributesMax) {
    throw new RangeError(`a message has at most ${limits.queueAttributesMax} attributes, not ${names.length}`)
  }
  return attributes
}

const attributeNames: Readonly<Record<string, string>> = {
  "x-signature": "X-Signature",
  "x-api-key": "X-Api-Key",
  "x-webhook-id": "X-Webhook-Id",
  "x-webhook-attempt": "X-Webhook-Attempt",
}

/** Bytes of the attributes as the services count them: name, type and value. */
export function attributeBytes(attributes: Readonly<Record<string, string>>): number {
  let bytes = 0
  for (const [name, value] of Object.entries(attributes)) bytes += Buffer.byteLength(name + value) + "String".length
  return bytes
}

/**
 * What keeps messages of a FIFO queue or topic in order: the name itself where the service allows it (letters, digits
 * and punctuation, at most limits.groupIdCharsMax), else its SHA-256, so that two streams never share a group.
 */
export const groupId = (name: string): string =>
  name.length <= limits.groupIdCharsMax && /^[!-~]+$/.test(name)
    ? name
    : `sha256:${createHash("sha256").update(name).digest("base64url")}`

/** The members of a JSON object, as services and servers answer; none when the text is something else. */
export function membersOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

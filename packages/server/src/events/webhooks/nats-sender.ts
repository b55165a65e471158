// Deliveries to NATS JetStream: one publication for each attempt, which counts when the stream says that it has it.

import { createConnections } from "./connections.ts"
import type { HookDelivery, HookSender, HookTarget } from "./hook.ts"
import { limits } from "./limits.ts"
import {
  isSubject,
  type NatsAnswer,
  type NatsConnection,
  type NatsMessage,
  natsMessage,
  natsPlace,
  openNats,
} from "./nats-connection.ts"
import {
  type Attempt,
  type AttemptEnd,
  messageAttributes,
  packed,
  refuse,
  retry,
  runAttempt,
  wrongKind,
} from "./queue.ts"
import type { BrokerSenderOptions } from "./redis-sender.ts"

type NatsTarget = Extract<HookTarget, { readonly kind: "nats" }>

/**
 * Sends deliveries of hooks of the kind `nats`. The payload is the JSON, or its gzip with `Content-Encoding: gzip` where
 * the hook compresses; the headers of the delivery are headers of the message, and `Nats-Msg-Id` is the webhook id, so
 * that the stream itself drops duplicates within its window.
 *
 * Delivered is what the stream has acknowledged. `refused` is a message that is too big: above
 * limits.brokerBodyBytesMax, above what the server takes, or above what the stream takes. Everything else is `retry`,
 * also a subject that no stream takes: an operator can make one.
 */
export function createNatsSender({ outgoing, ca }: BrokerSenderOptions): HookSender {
  const connections = createConnections<NatsConnection>()

  async function deliver(
    attempt: Attempt,
    target: NatsTarget,
    delivery: HookDelivery,
    nowMs: number,
  ): Promise<AttemptEnd> {
    const place = natsPlace(target.url)
    if (place === null) return retry("refused-url", "the target is no URL of a NATS server")
    if (!isSubject(target.subject)) return retry("refused-url", "the target's subject cannot be published to")
    const { message, headers } = await messageOf(delivery, nowMs)
    attempt.headers = headers
    const { timeoutMs } = delivery.hook
    const endMs = performance.now() + timeoutMs
    const connectMs = Math.min(timeoutMs, limits.brokerConnectMsMax)
    const { user, password, token } = target
    return connections.use(
      JSON.stringify([delivery.appId, target.url, user, password, token]),
      endMs,
      () => openNats(place, { user, password, token }, { outgoing, ca, timeoutMs: connectMs }),
      async (connection) => {
        const bytes = message.head.length + message.body.length
        return bytes > connection.payloadBytesMax
          ? refuse("too-big", `the message has ${bytes} bytes; the server takes at most ${connection.payloadBytesMax}`)
          : endOf(await connection.publish(target.subject, message, endMs - performance.now()))
      },
    )
  }

  return {
    send(delivery, nowMs) {
      const { target } = delivery.hook
      if (target.kind !== "nats") {
        return runAttempt({ target: target.kind, secrets: [], headers: {} }, async () => wrongKind(target.kind))
      }
      const secrets = [target.password, target.token].filter((secret) => secret !== null)
      const attempt = { target: shownTarget(target), secrets, headers: {} }
      return runAttempt(attempt, async () => {
        const bytes = Buffer.byteLength(delivery.body)
        return bytes > limits.brokerBodyBytesMax
          ? refuse("too-big", `the body has ${bytes} bytes; at most ${limits.brokerBodyBytesMax} are sent`)
          : deliver(attempt, target, delivery, nowMs)
      })
    },
    close: async () => connections.close(),
  }
}

async function messageOf(
  delivery: HookDelivery,
  nowMs: number,
): Promise<{ readonly message: NatsMessage; readonly headers: Record<string, string> }> {
  const isPacked = delivery.hook.compression === "gzip"
  const headers: Record<string, string> = {
    "Nats-Msg-Id": delivery.webhookId,
    "Content-Type": "application/json",
    ...(isPacked ? { "Content-Encoding": "gzip" } : {}),
    ...messageAttributes(delivery, nowMs),
  }
  const body = isPacked ? await packed(delivery.body) : Buffer.from(delivery.body)
  return { message: natsMessage(headers, body), headers }
}

/** Of a stream's error: the message is above the size that the stream takes. */
const messageTooBigCode = 10054

/** What an acknowledgement means: `{stream, seq, duplicate?}`, or `{error: {code, err_code, description}}`. */
function endOf({ status, body }: NatsAnswer): AttemptEnd {
  const response = { headers: {}, body }
  if (status === 503) return { ...retry("not-found", "no stream takes this subject"), response }
  const { stream, seq, error } = membersOf(body)
  if (typeof error === "object" && error !== null) {
    const { code, err_code: errorCode, description } = error as Record<string, unknown>
    const detail = `${errorCode ?? code ?? "error"}: ${description ?? "the stream did not take the message"}`
    return { ...(errorCode === messageTooBigCode ? refuse("rejected", detail) : retry("rejected", detail)), response }
  }
  if (typeof stream !== "string" || stream === "" || typeof seq !== "number") {
    return { ...retry("protocol", "the answer is no acknowledgement of a stream"), response }
  }
  return { result: "delivered", fault: null, detail: null, response }
}

function membersOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function shownTarget({ url, subject }: NatsTarget): string {
  const place = natsPlace(url)
  if (place === null) return subject
  const host = place.host.includes(":") ? `[${place.host}]` : place.host
  return `${place.isTls ? "tls" : "nats"}://${host}:${place.port} ${subject}`
}

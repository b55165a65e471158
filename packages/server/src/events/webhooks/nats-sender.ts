// Deliveries to NATS JetStream: one publication for each attempt, which counts when the stream says that it has it.

import { isObject } from "../../base/json.ts"
import { type AttemptEnd, delivered, packed, refuse, retry } from "./attempt.ts"
import { type BrokerSenderOptions, createBrokerSender, shownAddress } from "./broker.ts"
import type { HookDelivery, HookSender, TargetOf } from "./hook.ts"
import { isSubject, type NatsAnswer, type NatsConnection, natsMessage, natsPlace, openNats } from "./nats-connection.ts"
import { membersOf, messageAttributes } from "./queue.ts"

type NatsTarget = TargetOf<"nats">

/**
 * Sends deliveries of hooks of the kind `nats`. The payload is the JSON, or its gzip with `Content-Encoding: gzip` where
 * the hook compresses; the headers of the delivery are headers of the message, and `Nats-Msg-Id` is the webhook id, so
 * that the stream itself drops duplicates within its window.
 *
 * Delivered is what the stream has acknowledged. `refused` is a message that is too big: above
 * limits.brokerBodyBytesMax, above what the server takes, or above what the stream takes. Everything else is `retry`,
 * also a subject that no stream takes: an operator can make one.
 */
export const createNatsSender = ({ outgoing, ca }: BrokerSenderOptions): HookSender =>
  createBrokerSender<NatsTarget, NatsConnection>("nats", {
    shownTarget,
    secretsOf: ({ password, token }) => [password, token],
    headersOf,
    async callOf({ target, delivery, headers }) {
      const { url, subject, user, password, token } = target
      const place = natsPlace(url)
      if (place === null) return retry("refused-url", "the target is no URL of a NATS server")
      if (!isSubject(subject)) return retry("refused-url", "the target's subject cannot be published to")
      const body = isPacked(delivery) ? await packed(delivery.body) : Buffer.from(delivery.body)
      const message = natsMessage(headers, body)
      const bytes = message.head.length + message.body.length
      return {
        key: [url, user, password, token],
        open: (timeoutMs) => openNats(place, { user, password, token }, { outgoing, ca, timeoutMs }),
        async send(connection, timeoutMs) {
          const { payloadBytesMax } = connection
          return bytes > payloadBytesMax
            ? refuse("too-big", `the message has ${bytes} bytes; the server takes at most ${payloadBytesMax}`)
            : endOf(await connection.publish(subject, message, timeoutMs))
        },
      }
    },
  })

const isPacked = ({ hook }: HookDelivery): boolean => hook.compression === "gzip"

const headersOf = async (delivery: HookDelivery, nowMs: number): Promise<Record<string, string>> => ({
  "Nats-Msg-Id": delivery.webhookId,
  "Content-Type": "application/json",
  ...(isPacked(delivery) ? { "Content-Encoding": "gzip" } : {}),
  ...(await messageAttributes(delivery, nowMs)),
})

/** Of a stream's error: the message is above the size that the stream takes. */
const messageTooBigCode = 10054

/** What an acknowledgement means: `{stream, seq, duplicate?}`, or `{error: {code, err_code, description}}`. */
function endOf({ status, body }: NatsAnswer): AttemptEnd {
  const response = { headers: {}, body }
  if (status === 503) return { ...retry("not-found", "no stream takes this subject"), response }
  const { stream, seq, error } = membersOf(body)
  if (isObject(error)) {
    const { code, err_code: errorCode, description } = error
    const detail = `${errorCode ?? code ?? "error"}: ${description ?? "the stream did not take the message"}`
    return { ...(errorCode === messageTooBigCode ? refuse("rejected", detail) : retry("rejected", detail)), response }
  }
  if (typeof stream !== "string" || stream === "" || typeof seq !== "number") {
    return { ...retry("protocol", "the answer is no acknowledgement of a stream"), response }
  }
  return { ...delivered, response }
}

function shownTarget({ url, subject }: NatsTarget): string {
  const place = natsPlace(url)
  return place === null ? subject : `${place.isTls ? "tls" : "nats"}://${shownAddress(place)} ${subject}`
}

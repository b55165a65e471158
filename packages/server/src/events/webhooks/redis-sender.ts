// Deliveries to a Redis stream: one XADD for each attempt.

import type { Outgoing } from "../../base/outgoing.ts"
import { createConnections } from "./connections.ts"
import type { HookDelivery, HookSender, HookTarget } from "./hook.ts"
import { limits } from "./limits.ts"
import {
  type Attempt,
  type AttemptEnd,
  messageAttributes,
  queueText,
  refuse,
  retry,
  runAttempt,
  wrongKind,
} from "./queue.ts"
import { faultOf, openRedis, type RedisConnection, redisPlace } from "./redis-connection.ts"

type RedisTarget = Extract<HookTarget, { readonly kind: "redis" }>

export interface BrokerSenderOptions {
  /** Says which addresses may be connected to. Stays its owner's. */
  readonly outgoing: Outgoing
  /** Certificates (PEM) to trust instead of the system's. */
  readonly ca?: string
}

/**
 * Sends deliveries of hooks of the kind `redis`. An entry has the fields `id`, `type`, `stream`, `attempt` and `body`
 * (in its documented form, `queueText`), and the headers of a delivery under their names.
 *
 * At least once: when the connection ends before the answer, the entry may be there and is added again. Receivers drop
 * what they have seen by `id`. Every error of the server is `retry`, since an operator can mend it; refused is only a
 * body above limits.brokerBodyBytesMax.
 */
export function createRedisSender({ outgoing, ca }: BrokerSenderOptions): HookSender {
  const connections = createConnections<RedisConnection>()

  async function deliver(
    attempt: Attempt,
    target: RedisTarget,
    delivery: HookDelivery,
    nowMs: number,
  ): Promise<AttemptEnd> {
    const place = redisPlace(target.url)
    if (place === null) return retry("refused-url", "the target is no URL of a Redis server")
    attempt.headers = messageAttributes(delivery, nowMs)
    const command = commandOf(target, delivery, await queueText(delivery), attempt.headers)
    const { timeoutMs } = delivery.hook
    const endMs = performance.now() + timeoutMs
    const connectMs = Math.min(timeoutMs, limits.brokerConnectMsMax)
    const reply = await connections.use(
      JSON.stringify([delivery.appId, target.url]),
      endMs,
      () => openRedis(place, { outgoing, ca, timeoutMs: connectMs }),
      (connection) => connection.send(command, endMs - performance.now()),
    )
    if ("error" in reply) return retry(faultOf(reply.error), reply.error)
    return { result: "delivered", fault: null, detail: null, response: { headers: {}, body: reply.text } }
  }

  return {
    send(delivery, nowMs) {
      const { target } = delivery.hook
      if (target.kind !== "redis") {
        return runAttempt({ target: target.kind, secrets: [], headers: {} }, async () => wrongKind(target.kind))
      }
      const attempt = { target: shownTarget(target), secrets: secretsOf(target), headers: {} }
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

const commandOf = (
  { stream, lengthMax }: RedisTarget,
  delivery: HookDelivery,
  text: string,
  attributes: Readonly<Record<string, string>>,
): string[] => [
  "XADD",
  stream,
  // Cut to whole nodes of the stream, which costs next to nothing; to the entry it would cost a search.
  ...(lengthMax === null ? [] : ["MAXLEN", "~", String(lengthMax)]),
  "*",
  "id",
  delivery.webhookId,
  "type",
  delivery.type,
  "stream",
  delivery.stream,
  "attempt",
  String(delivery.attempt),
  "body",
  text,
  ...Object.entries(attributes).flat(),
]

function shownTarget({ url, stream }: RedisTarget): string {
  const place = redisPlace(url)
  if (place === null) return stream
  const host = place.host.includes(":") ? `[${place.host}]` : place.host
  return `${place.isTls ? "rediss" : "redis"}://${host}:${place.port}/${place.database} ${stream}`
}

const secretsOf = ({ url }: RedisTarget): string[] => {
  const password = redisPlace(url)?.password
  return password == null ? [] : [password]
}

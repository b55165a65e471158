// Deliveries to a Redis stream: one XADD for each attempt.

import { delivered, retry } from "./attempt.ts"
import { type BrokerSenderOptions, createBrokerSender, shownAddress } from "./broker.ts"
import type { HookDelivery, HookSender, TargetOf } from "./hook.ts"
import { messageAttributes, queueText } from "./queue.ts"
import { faultOf, openRedis, type RedisConnection, redisPlace } from "./redis-connection.ts"

type RedisTarget = TargetOf<"redis">

/**
 * Sends deliveries of hooks of the kind `redis`. An entry has the fields `id`, `type`, `stream`, `attempt` and `body`
 * (in its documented form, `queueText`), and the headers of a delivery under their names.
 *
 * At least once: when the connection ends before the answer, the entry may be there and is added again. Receivers drop
 * what they have seen by `id`. Every error of the server is `retry`, since an operator can mend it; refused is only a
 * body above limits.brokerBodyBytesMax.
 */
export const createRedisSender = ({ outgoing, ca }: BrokerSenderOptions): HookSender =>
  createBrokerSender<RedisTarget, RedisConnection>("redis", {
    shownTarget,
    secretsOf: ({ url }) => [redisPlace(url)?.password ?? null],
    headersOf: messageAttributes,
    async callOf({ target, delivery, headers }) {
      const place = redisPlace(target.url)
      if (place === null) return retry("refused-url", "the target is no URL of a Redis server")
      const command = commandOf(target, delivery, await queueText(delivery), headers)
      return {
        key: [target.url],
        open: (timeoutMs) => openRedis(place, { outgoing, ca, timeoutMs }),
        async send(connection, timeoutMs) {
          const reply = await connection.send(command, timeoutMs)
          if ("error" in reply) return retry(faultOf(reply.error), reply.error)
          return { ...delivered, response: { headers: {}, body: reply.text } }
        },
      }
    },
  })

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
  return `${place.isTls ? "rediss" : "redis"}://${shownAddress(place)}/${place.database} ${stream}`
}

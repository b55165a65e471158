// Deliveries over HTTP: one POST for each attempt. When the next attempt is due, the schedule decides.

import type { Outgoing } from "../../base/outgoing.ts"
import { createSender, endOfAnswer, packed, requestHeaders } from "./attempt.ts"
import type { HookDelivery, HookSender, TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"

/**
 * Sends deliveries of hooks of the kind `webhook`. `outgoing` stays its owner's and is not closed with the sender.
 *
 * What an answer means stands with `endOfAnswer`. Without one it is `retry`, also where the URL or the address is
 * refused: the hook's URL, the host's DNS entry and the operator's setting may all change, and each attempt is judged
 * anew. `refused` is only a delivery that was given to the wrong sender.
 */
export function createHttpSender({ outgoing }: { readonly outgoing: Outgoing }): HookSender {
  return createSender<TargetOf<"webhook">>("webhook", {
    shownTarget: ({ url }) => url,
    headersOf: async (delivery, nowMs) => ({
      ...(await requestHeaders(delivery, nowMs)),
      ...(isPacked(delivery) ? { "content-encoding": "gzip" } : {}),
    }),
    async deliver({ target: { url }, delivery, headers, nowMs }) {
      const { timeoutMs } = delivery.hook
      const body = isPacked(delivery) ? await packed(delivery.body) : delivery.body
      const responseBytesMax = limits.responseBytesMax
      const response = await outgoing.send({ url, method: "POST", headers, body, timeoutMs, responseBytesMax })
      const durationMs = Math.round(response.durationMs)
      const text = textOf(response.body)
      return { ...endOfAnswer({ ...response, body: text }, nowMs + durationMs), durationMs }
    },
  })
}

const isPacked = ({ body, hook }: HookDelivery): boolean =>
  hook.compression === "gzip" && Buffer.byteLength(body) >= limits.compressedBytesMin

/** What may be shown of an answer: a character has at most four bytes, and more of them are not looked at. */
const textOf = (body: Uint8Array): string =>
  new TextDecoder().decode(body.subarray(0, limits.responseShownCharsMax * 4))

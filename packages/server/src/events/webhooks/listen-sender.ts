// Deliveries to those who listen at the management API: each goes into the open stream of its hook and waits for what
// the listener says came of it. Whoever holds the stream is the only node that makes the hook's deliveries.

import { type AttemptEnd, createSender, endOfAnswer, refuse, requestHeaders, retry } from "./attempt.ts"
import type { HookSender, TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"

/** A delivery as the listener gets it; its receiver sees what it would have got by HTTP. */
export interface ListenedDelivery {
  readonly id: string
  readonly attempt: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a listener says came of a delivery. Texts are the receiver's, so they are cut before they are kept. */
export interface ListenAnswer {
  readonly id: string
  readonly attempt: number
  /** HTTP status; null: there was no answer, and `error` says why. */
  readonly status: number | null
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** How long the receiver took; null: unknown. */
  readonly durationMs: number | null
  readonly error: string | null
}

export interface ListenStream {
  readonly isEnded: boolean
  /** The next delivery; null when the stream ended or none came within `waitMs`. To be asked once at a time. */
  next(waitMs: number): Promise<ListenedDelivery | null>
  /** Nobody listens any more: what waits in it is refused. */
  end(): void
}

export interface ListenSender extends HookSender {
  /** Streams that are open. */
  readonly openCount: number
  /** Opens the stream of a hook, before the hook can be seen. */
  open(hookId: string): ListenStream
  /** Hands over an answer; false when no delivery of the hook waits for it here. */
  answer(hookId: string, answer: ListenAnswer): boolean
}

/**
 * Sends deliveries of hooks of the kind `listen`. Outcomes are those of an HTTP receiver with the same answer, but for
 * two: 410 ends the delivery alone (the hook ends with its listener anyway), and without a stream it is `refused`,
 * because its hook is about to be gone.
 */
export function createListenSender(): ListenSender {
  const streams = new Map<string, OpenStream>()

  const sender = createSender<TargetOf<"listen">>("listen", {
    shownTarget: () => "listener",
    headersOf: requestHeaders,
    async deliver({ delivery, headers, nowMs }) {
      const { hook, webhookId, attempt, body } = delivery
      const sentMs = performance.now()
      const answer = await streams.get(hook.id)?.deliver({ id: webhookId, attempt, headers, body }, hook.timeoutMs)
      if (answer === undefined) return nobodyListens
      if ("result" in answer) return answer
      const tookMs = performance.now() - sentMs
      // The receiver's own time instead of that of the way there and back.
      return { ...endOf(answer, nowMs + tookMs), durationMs: Math.min(answer.durationMs ?? tookMs, tookMs) }
    },
    close() {
      for (const stream of [...streams.values()]) stream.end()
    },
  })
  return {
    ...sender,
    get openCount() {
      return streams.size
    },
    open(hookId) {
      const stream = createStream(() => streams.delete(hookId))
      streams.set(hookId, stream)
      return stream
    },
    answer: (hookId, answer) => streams.get(hookId)?.answer(answer) ?? false,
  }
}

const nobodyListens = refuse("gone", "nobody listens any more")

function endOf({ status, headers, body, error }: ListenAnswer, atMs: number): AttemptEnd {
  if (status === null) return retry("connect", `the listener reached no receiver: ${error ?? "it does not say why"}`)
  const end = endOfAnswer({ status, headers, body }, atMs)
  return end.result === "gone" ? { ...end, result: "refused" } : end
}

interface OpenStream extends ListenStream {
  deliver(delivery: ListenedDelivery, timeoutMs: number): Promise<AttemptEnd | ListenAnswer>
  answer(answer: ListenAnswer): boolean
}

function createStream(ended: () => void): OpenStream {
  const queue: ListenedDelivery[] = []
  /** Deliveries that are not answered, on their way or not. */
  const waiting = new Map<string, (end: AttemptEnd | ListenAnswer) => void>()
  let wake: (() => void) | null = null
  let isEnded = false
  const keyOf = ({ id, attempt }: { readonly id: string; readonly attempt: number }): string => `${id} ${attempt}`

  return {
    get isEnded() {
      return isEnded
    },
    async next(waitMs) {
      if (queue.length === 0 && !isEnded) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, waitMs)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
        wake = null
      }
      return isEnded ? null : (queue.shift() ?? null)
    },
    end() {
      if (isEnded) return
      isEnded = true
      ended()
      for (const settle of [...waiting.values()]) settle(nobodyListens)
      wake?.()
    },
    deliver(delivery, timeoutMs) {
      const key = keyOf(delivery)
      if (isEnded) return Promise.resolve(nobodyListens)
      // The engine holds a lane to less; this bound is the stream's own.
      if (waiting.size >= limits.laneInFlightMax) {
        return Promise.resolve(retry("busy", "the listener has too many deliveries to answer"))
      }
      return new Promise((resolve) => {
        const settle = (end: AttemptEnd | ListenAnswer): void => {
          clearTimeout(timer)
          waiting.delete(key)
          // What nobody waits for need not travel any more.
          const index = queue.indexOf(delivery)
          if (index >= 0) queue.splice(index, 1)
          resolve(end)
        }
        const timer = setTimeout(
          () => settle(retry("timeout", `the listener did not answer within ${timeoutMs} ms`)),
          timeoutMs,
        )
        waiting.set(key, settle)
        queue.push(delivery)
        wake?.()
      })
    },
    answer(answer) {
      const settle = waiting.get(keyOf(answer))
      settle?.(answer)
      return settle !== undefined
    },
  }
}

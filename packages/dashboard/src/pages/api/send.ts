// Sends what was put together and reads the answer, whatever it is, within bounds.

import { listeners } from "../../api/client.ts"
import { sendPublic } from "../../api/public.ts"

/** What is read and shown of an answer; the rest is not asked for. */
export const bodyBytesMax = 256 * 1024
/** An answer that goes on for ever is left after this. */
export const timeoutMs = 60_000

export interface Outgoing {
  readonly app: string
  readonly method: string
  readonly address: string
  readonly isAdmin: boolean
  /** Undefined: it has none. */
  readonly body: unknown
}

export interface Answer {
  readonly status: number
  readonly statusText: string
  readonly durationMs: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly bytes: number
  /** Whether that was all of it. `cut`: it is longer than what is shown; `stopped`: it was left before its end. */
  readonly end: "whole" | "cut" | "stopped"
}

/** Sends it. When the operator must prove who they are they are asked, once. Throws what fetch throws. */
export async function send(outgoing: Outgoing, signal: AbortSignal): Promise<Answer> {
  const answer = await sendOnce(outgoing, signal)
  if (!outgoing.isAdmin || !wantsStepUp(answer) || !(await listeners.stepUp())) return answer
  return sendOnce(outgoing, signal)
}

async function sendOnce({ app, method, address, isAdmin, body }: Outgoing, signal: AbortSignal): Promise<Answer> {
  const startedMs = performance.now()
  const response = isAdmin
    ? await fetch(address, {
        method,
        headers: { "x-weir-dashboard": "1", ...(body === undefined ? {} : { "content-type": "application/json" }) },
        body: body === undefined ? null : JSON.stringify(body),
        credentials: "same-origin",
        signal,
      })
    : await sendPublic(app, { method, address, body, signal })
  const read = await readBounded(response)
  if (isAdmin && response.status === 401) listeners.signedOut()
  return {
    status: response.status,
    statusText: response.statusText,
    durationMs: performance.now() - startedMs,
    headers: [...response.headers],
    ...read,
  }
}

function wantsStepUp({ status, body }: Answer): boolean {
  if (status !== 403) return false
  try {
    return (JSON.parse(body) as { exception_fields?: { step_up?: unknown } }).exception_fields?.step_up === "required"
  } catch {
    return false
  }
}

/** The text of an answer, up to a bound or until it is left. */
export async function readBounded(response: Response): Promise<Pick<Answer, "body" | "bytes" | "end">> {
  const reader = response.body?.getReader()
  if (reader === undefined) return { body: "", bytes: 0, end: "whole" }
  const decoder = new TextDecoder()
  let body = ""
  let bytes = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return { body: body + decoder.decode(), bytes, end: "whole" }
      const room = bodyBytesMax - bytes
      bytes += Math.min(value.byteLength, room)
      body += decoder.decode(value.subarray(0, room), { stream: true })
      if (value.byteLength > room) {
        await reader.cancel()
        return { body, bytes, end: "cut" }
      }
    }
  } catch {
    return { body, bytes, end: "stopped" }
  }
}

/** JSON with its lines and indents; other texts as they are. */
export function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2)
  } catch {
    return body
  }
}

// A listener at the management API, as a test holds it: the lines of the open answer and what it answers.

import { type Answer, call, testAdminToken } from "../src/testing.ts"
import { asAdmin } from "./fixtures.ts"

export interface TestListener {
  readonly hookId: string
  // biome-ignore lint/suspicious/noExplicitAny: lines are whatever the wire brings
  readonly ready: any
  /** The next line of this type; others before it are passed over. Null: the stream ended. */
  // biome-ignore lint/suspicious/noExplicitAny: lines are whatever the wire brings
  next(type: string, timeoutMs?: number): Promise<any>
  /** Says what became of a delivery, through this server or another one. */
  answer(body: object, url?: string): Promise<Answer>
  /** Goes away without a word. */
  leave(): void
}

/** Opens a stream and reads its first line. Throws with the refusal when there is none. */
export async function listenTo(url: string, app: string | number, query = ""): Promise<TestListener> {
  const connection = new AbortController()
  const path = `/api/admin/v1/apps/${app}/hooks`
  const response = await fetch(`${url}${path}/listen${query}`, {
    headers: { authorization: `Bearer ${testAdminToken}` },
    signal: connection.signal,
  })
  if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`)
  const lines = linesOf(response.body as ReadableStream<Uint8Array>)
  const next: TestListener["next"] = async (type, timeoutMs = 5_000) => {
    const timer = setTimeout(() => connection.abort(new Error(`no ${type} within ${timeoutMs} ms`)), timeoutMs)
    try {
      for (;;) {
        const { done, value } = await lines.next()
        if (done) return null
        const line = JSON.parse(value)
        if (line.type === type) return line
      }
    } finally {
      clearTimeout(timer)
    }
  }
  const ready = await next("ready")
  return {
    hookId: ready.hook_id,
    ready,
    next,
    answer: (body, other = url) => call(other, "POST", `${path}/${ready.hook_id}/answers`, { ...asAdmin, body }),
    leave: () => connection.abort(),
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ""
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n")
    rest = lines.pop() as string
    yield* lines
  }
}

// A backend that hears of events, as tests have one: a real receiver behind a real hook.

import { type TestServer, testAdminToken } from "../src/testing.ts"

const asAdmin = { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null } as const

/** What receivers of this machine need of a server's environment. */
export const allowPrivate = { WEIR_WEBHOOK_ALLOW_PRIVATE: "true" } as const

export interface ReceivedEvent {
  readonly webhookId: string
  // biome-ignore lint/suspicious/noExplicitAny: bodies are whatever the wire brings
  readonly body: any
}

export interface Receiver {
  /** Where its hook sends. */
  readonly url: string
  readonly hookId: string
  /** What has come so far, in the order of the events, each once. */
  received(): readonly ReceivedEvent[]
  /** Waits for an event of this type that no call has returned before, and that `matches` when it is given. */
  next(
    type: string,
    matches?: (body: ReceivedEvent["body"]) => boolean,
    timeoutMs?: number,
  ): Promise<ReceivedEvent["body"]>
  /** Resolves when nothing waits to be sent any more. */
  settled(timeoutMs?: number): Promise<void>
  close(): Promise<void>
}

/** Starts a receiver and gives an app of the server a hook to it, with further settings. */
export async function startReceiver(server: TestServer, appId: number, settings: object = {}): Promise<Receiver> {
  const events = new Map<string, ReceivedEvent>()
  const returned = new Set<ReceivedEvent>()
  const waiting = new Set<() => void>()
  const listener = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const webhookId = request.headers.get("x-webhook-id") ?? ""
      if (!events.has(webhookId)) events.set(webhookId, { webhookId, body: await request.json() })
      for (const look of [...waiting]) look()
      return new Response()
    },
  })
  const url = `http://127.0.0.1:${listener.port}/hook`
  const hooks = `/api/admin/v1/apps/${appId}/hooks`
  const body = { hook_type: "webhook", webhook_url: url, ...settings }
  const made = await server.call("POST", hooks, { ...asAdmin, body })
  if (made.status !== 201) {
    await listener.stop(true)
    throw new Error(`no hook was made: ${JSON.stringify(made.body)}`)
  }
  const hookId: string = made.body.hook.id
  const received = (): ReceivedEvent[] =>
    [...events.values()].sort((a, b) => placeOf(a.webhookId) - placeOf(b.webhookId))
  return {
    url,
    hookId,
    received,
    next(type, matches = () => true, timeoutMs = 4_000) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          const found = received().find(
            (event) => event.body.type === type && !returned.has(event) && matches(event.body),
          )
          if (found === undefined) return
          clearTimeout(timer)
          waiting.delete(look)
          returned.add(found)
          resolve(found.body)
        }
        const timer = setTimeout(() => {
          waiting.delete(look)
          const types = received().map((event) => event.body.type)
          reject(new Error(`no ${type} within ${timeoutMs} ms; came: ${types.join(", ")}`))
        }, timeoutMs)
        waiting.add(look)
        look()
      })
    },
    async settled(timeoutMs = 10_000) {
      const end = performance.now() + timeoutMs
      for (;;) {
        const { body } = await server.call("GET", `${hooks}/${hookId}`, asAdmin)
        if (body.hook.status.pending === 0) return
        if (performance.now() > end)
          throw new Error(`${body.hook.status.pending} deliveries wait after ${timeoutMs} ms`)
        await Bun.sleep(20)
      }
    },
    async close() {
      await listener.stop(true)
    },
  }
}

/** Event ids grow in the order of events; a webhook id begins with one, in base 36. */
const placeOf = (webhookId: string): number => Number.parseInt(webhookId.replace(/^msg_/, ""), 36)

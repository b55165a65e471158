// A receiver of webhooks that does as little as one can: it answers each POST with 200 and an empty body, checks no
// signature, and counts by `webhook-id`. It is a process of its own on the load's core. A second port steers it:
//
//   POST /begin?distinct=<n>&pid=<server>  forgets what came, starts the clock, and waits for so many
//   POST /reset                            starts the clock again, and keeps the count
//   GET  /end?timeoutMs=<ms>               answers ReceiverResult when they are there, or when the time is over
//   GET  /sample                           the headers and the body of the last POST
//   POST /down, POST /up                   closes the port, opens it again and starts the clock

import { limits } from "../limits.ts"
import { createRequestReader, type ReadRequest } from "./request.ts"
import { type Busy, watchBusy } from "./run.ts"

/** Times in milliseconds from the start of the clock. */
export interface ReceiverResult {
  /** POSTs, and of those the ones whose `webhook-id` had not come before. */
  readonly requests: number
  readonly distinct: number
  /** When the first one, half of them, and the last one had come; null when none has. */
  readonly firstMs: number | null
  readonly halfMs: number | null
  readonly lastMs: number | null
  /** From the start of the clock until the last one. */
  readonly busy: Busy
}

/** A POST as it came: what a bare loop has to send to do the same. */
export interface SampleRequest {
  readonly headers: Record<string, string>
  readonly body: string
}

const seen = new Set<string>()
/** When each distinct one came, in nanoseconds of the process. */
let arrivedNs: number[] = []
let requests = 0
let wanted = 0
let startedNs = Bun.nanoseconds()
let serverPid: number | null = null
let stopWatching = watchBusy(null)
let busy: Busy | null = null
let complete = Promise.withResolvers<void>()
let sample: ReadRequest | null = null

const startClock = (): void => {
  arrivedNs = []
  startedNs = Bun.nanoseconds()
  stopWatching = watchBusy(serverPid)
  busy = null
}

const take = (request: ReadRequest): void => {
  requests++
  sample = request
  const id = request.header("webhook-id")
  if (id === null || seen.has(id)) return
  seen.add(id)
  arrivedNs.push(Bun.nanoseconds())
  if (seen.size === wanted) {
    busy = stopWatching().busy
    complete.resolve()
  }
}

const answer = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

const open = (port: number) =>
  Bun.listen<{ feed(chunk: Buffer): void }>({
    hostname: "127.0.0.1",
    port,
    socket: {
      open(socket) {
        socket.setNoDelay(true)
        socket.data = createRequestReader((request) => {
          take(request)
          socket.write(answer)
        })
      },
      data(socket, chunk) {
        socket.data.feed(chunk)
      },
      error: () => undefined,
    },
  })

let listener: ReturnType<typeof open> | null = open(0)
const { port } = listener

function result(): ReceiverResult {
  const msOf = (ns: number | undefined): number | null => (ns === undefined ? null : (ns - startedNs) / 1e6)
  return {
    requests,
    distinct: seen.size,
    firstMs: msOf(arrivedNs[0]),
    halfMs: msOf(arrivedNs[Math.ceil(arrivedNs.length / 2) - 1]),
    lastMs: msOf(arrivedNs.at(-1)),
    busy: busy ?? stopWatching().busy,
  }
}

const control = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: limits.controlIdleSeconds,
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === "/begin") {
      seen.clear()
      requests = 0
      wanted = Number(searchParams.get("distinct"))
      serverPid = searchParams.has("pid") ? Number(searchParams.get("pid")) : null
      complete = Promise.withResolvers<void>()
      startClock()
    } else if (pathname === "/reset") {
      startClock()
    } else if (pathname === "/down") {
      listener?.stop(true)
      listener = null
    } else if (pathname === "/up") {
      listener ??= open(port)
      startClock()
    } else if (pathname === "/end") {
      await Promise.race([complete.promise, Bun.sleep(Number(searchParams.get("timeoutMs")))])
      return Response.json(result())
    } else if (pathname === "/sample") {
      if (sample === null) return new Response("nothing has come", { status: 404 })
      return Response.json({ headers: sample.headers(), body: sample.body.toString("utf8") } satisfies SampleRequest)
    } else return new Response("unknown", { status: 404 })
    return Response.json({})
  },
})

console.log(JSON.stringify({ port, control: control.port }))

// The least that the runtime can do: the same bytes on the same wire, and nobody looks at what came in. It is the
// upper bound that Weir is measured against, so it gets every advantage: no routing, no parsing, no checks, no storage.
// Three ports, one per question. Its answers come as JSON in BENCH_FIXTURE; the ports go out as one JSON line.

import type { Fixture } from "../../fixture.ts"

const fixture = JSON.parse(process.env.BENCH_FIXTURE ?? "") as Fixture

// Built once: what is the same for every request is no work of a request.
const resource = { headers: new Headers(fixture.resource.headers) }
const sent = { status: fixture.sent.status, headers: new Headers(fixture.sent.headers) }
const websocket = { idleTimeout: 120, perMessageDeflate: false, sendPings: false } as const

/** Any GET is answered with the resource. */
const http = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: () => new Response(fixture.resource.body, resource),
})

/** Any socket is let in; its first frame is answered with a fixed welcome. */
const connect = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("", { status: 426 })),
  websocket: {
    ...websocket,
    message(socket) {
      socket.send(fixture.welcome)
    },
  },
})

/** Any POST publishes a fixed frame to all sockets; it is not read, not stored, and answered with fixed bytes. */
const publish = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    if (request.method === "POST") {
      server.publish(topic, fixture.frame)
      return new Response(fixture.sent.body, sent)
    }
    return server.upgrade(request) ? undefined : new Response("", { status: 426 })
  },
  websocket: {
    ...websocket,
    message(socket) {
      socket.subscribe(topic)
      socket.send(fixture.welcome)
    },
  },
})

const topic = "messages"

console.log(JSON.stringify({ http: http.port, connect: connect.port, publish: publish.port }))

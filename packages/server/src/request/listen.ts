// The open port. Bun.serve cannot change the certificate of a running server (`reload` takes new handlers, but not
// new TLS options), so a new certificate means a new server on the same port: both listen for a moment, then the old
// one takes no more connections and lives on until its last request and socket have ended. Everybody else sees one
// listener, whose topics reach the sockets of all its generations.
//
// What a change costs: connections that are just shaking hands and idle keep-alive connections are closed, which
// clients answer by connecting again. Requests under way and open sockets go on.

import type { Server, WebSocketHandler } from "bun"
import type { TlsPair } from "./tls.ts"

export interface ListenOptions<Data> {
  readonly hostname: string
  /** 0 takes any free port. */
  readonly port: number
  /** Null: plain HTTP. */
  readonly tls: TlsPair | null
  readonly fetch: (request: Request, server: Server<Data>) => Response | undefined | Promise<Response | undefined>
  readonly websocket: WebSocketHandler<Data>
  /** Answers when `fetch` threw. */
  readonly error: (error: Error) => Response
  /** Seconds after which an idle connection is closed; at most 255, and 0 means never. */
  readonly idleTimeoutSeconds: number
  readonly bodyBytesMax: number
}

export interface Listener {
  readonly port: number
  /** Origin, without a slash at the end. */
  readonly url: string
  /** Sends a frame to the sockets that are subscribed to a topic; returns the bytes sent. */
  publish(topic: string, frame: string): number
  subscriberCount(topic: string): number
  /** Shows the new certificate from now on. Throws when the port cannot be opened once more; the old one then stays. */
  replaceTls(tls: TlsPair): void
  /**
   * Takes no new connections. Resolves when the open ones have ended, which `closeActive` does at once. Idle
   * keep-alive connections are closed either way.
   */
  stop(closeActive: boolean): Promise<void>
}

/** Opens the port. Throws when it is taken (code EADDRINUSE) or may not be opened. */
export function listen<Data>(options: ListenOptions<Data>): Listener {
  // Sharing a port is what lets two generations overlap. It would also let a second Weir of the same user take half of
  // the connections without a word, so a shared port is first asked for alone.
  const canReplace = options.tls !== null && process.platform !== "win32"
  if (canReplace && options.port !== 0) refuseTakenPort(options)
  let newest = serve(options, options.tls, options.port, canReplace)
  const port = newest.port as number
  const generations = new Set([newest])

  return {
    port,
    url: newest.url.origin,
    publish(topic, frame) {
      let sentBytes = 0
      for (const server of generations) sentBytes += server.publish(topic, frame)
      return sentBytes
    },
    subscriberCount(topic) {
      let subscribers = 0
      for (const server of generations) subscribers += server.subscriberCount(topic)
      return subscribers
    },
    replaceTls(tls) {
      if (!canReplace) throw new Error("this listener cannot change its certificate; a restart can")
      const old = newest
      newest = serve(options, tls, port, canReplace)
      generations.add(newest)
      void old.stop(false).then(() => generations.delete(old))
    },
    async stop(closeActive) {
      await Promise.all([...generations].map((server) => server.stop(closeActive)))
    },
  }
}

function refuseTakenPort({ hostname, port }: { hostname: string; port: number }): void {
  Bun.listen({ hostname, port, socket: { data() {} } }).stop(true)
}

function serve<Data>(
  options: ListenOptions<Data>,
  tls: TlsPair | null,
  port: number,
  reusePort: boolean,
): Server<Data> {
  return Bun.serve<Data>({
    hostname: options.hostname,
    port,
    reusePort,
    ...(tls === null ? {} : { tls: { cert: tls.cert, key: tls.key } }),
    fetch: options.fetch,
    websocket: options.websocket,
    error: options.error,
    idleTimeout: options.idleTimeoutSeconds,
    maxRequestBodySize: options.bodyBytesMax,
    development: false,
  })
}

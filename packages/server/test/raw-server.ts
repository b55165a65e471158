// A TCP server that answers with any bytes, well-formed or not, and remembers what came: for tests of what is sent to
// servers of strangers.

import type { Socket } from "bun"

export interface RawConnection {
  /** 0 for the first one that the server took. With TLS only those whose handshake was finished count. */
  readonly index: number
  /** Requests whose head has arrived on it. */
  requestCount: number
  /** Latin-1. */
  received: string
  isOver: boolean
}

export interface RawServer {
  readonly port: number
  readonly connections: readonly RawConnection[]
  close(): void
}

export type OnRequest = (socket: Socket<RawConnection>, connection: RawConnection) => void

export interface RawServerOptions {
  readonly hostname?: string
  readonly port?: number
  readonly tls?: { readonly cert: string; readonly key: string }
}

/** Starts one on the loopback address and a free port; it is told of the end of each request's head. */
export function rawServer(onRequest: OnRequest, options: RawServerOptions = {}): RawServer {
  const connections: RawConnection[] = []
  const server = Bun.listen<RawConnection>({
    hostname: "127.0.0.1",
    port: 0,
    ...options,
    socket: {
      open(socket) {
        socket.data = { index: connections.length, requestCount: 0, received: "", isOver: false }
        connections.push(socket.data)
      },
      data(socket, bytes) {
        const connection = socket.data
        connection.received += bytes.toString("latin1")
        const count = connection.received.split("\r\n\r\n").length - 1
        if (count <= connection.requestCount) return
        connection.requestCount = count
        onRequest(socket, connection)
      },
      close(socket) {
        if (socket.data !== undefined) socket.data.isOver = true
      },
      error() {},
    },
  })
  return { port: server.port, connections, close: () => server.stop(true) }
}

/** An answer of status 200. `more`: further headers, each with its line end. */
export const answerOk = (body = "ok", more = ""): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${more}\r\n${body}`

/** Answers every request so. */
export const ok: OnRequest = (socket) => socket.write(answerOk())

/** Requests that came, over all connections. */
export const requestsAt = ({ connections }: RawServer): number =>
  connections.reduce((sum, { requestCount }) => sum + requestCount, 0)

/** Waits until something is so; throws when it is not after 5 s. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let n = 0; n < 500; n++) {
    if (isSo()) return
    await Bun.sleep(10)
  }
  throw new Error("it has not come about within 5 s")
}

// Keep-alive connections of the load generators, over raw TCP: whole requests go out, and each answer's status is checked.

import { createResponseReader } from "./response.ts"

export interface ConnectionPlan {
  readonly host: string
  readonly port: number
  readonly expectedStatus: number
  onResponse(): void
  /** Another status, a connection that the server closed, a request that was not sent whole. */
  onFailure(error: Error): void
}

export interface Connection {
  /** Sends `length` bytes from `from` on; all of them unless given. */
  send(request: Buffer, from?: number, length?: number): void
  close(): void
}

/** Opens a connection. Rejects when nobody answers there. */
export async function openConnection(plan: ConnectionPlan): Promise<Connection> {
  const { expectedStatus, onResponse, onFailure } = plan
  const reader = createResponseReader(expectedStatus, onResponse)
  let isOpen = true
  const socket = await Bun.connect({
    hostname: plan.host,
    port: plan.port,
    socket: {
      open: (opened) => void opened.setNoDelay(true),
      data(_socket, chunk) {
        try {
          reader.feed(chunk)
        } catch (error) {
          onFailure(error as Error)
        }
      },
      close() {
        if (isOpen) onFailure(new Error("the server closed a keep-alive connection"))
      },
      error: (_socket, error) => onFailure(error),
    },
  })
  return {
    send(request, from = 0, length = request.length) {
      // Requests are small and one at a time, so the send buffer of the kernel always takes them whole.
      if (socket.write(request, from, length) !== length) onFailure(new Error("a request was not sent in one piece"))
    },
    close() {
      isOpen = false
      socket.terminate()
    },
  }
}

export interface PostPlan {
  readonly host: string
  readonly port: number
  /** With query. */
  readonly path: string
  /** A user's. */
  readonly token: string
  /** JSON. */
  readonly body: string
}

/** A POST as it goes over the wire. */
export const postRequest = ({ host, port, path, token, body }: PostPlan): Buffer =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nstream-auth-type: jwt\r\nAuthorization: ${token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )

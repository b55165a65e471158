// A WebSocket client over raw TCP for the load generators: connects, upgrades, sends the first frame with the token,
// and waits for the welcome.

import { limits } from "../limits.ts"
import { clientPong, clientTextFrame, createFrameReader, type FrameCounts, upgradeRequest } from "./frames.ts"

export interface SocketPlan {
  readonly host: string
  readonly port: number
  /** With query, such as `/api/v2/connect?api_key=…&stream-auth-type=jwt`. */
  readonly path: string
  /** What the welcome begins with, such as `{"type":"connection.ok"`. */
  readonly welcomePrefix: string
}

export interface OpenSocket {
  /** First frame of the server, whole. */
  readonly welcome: string
  /** From now on frames are counted, not read. `onFrames` runs after each chunk. */
  count(prefix: Buffer, counts: FrameCounts, onFrames: () => void): void
  /** Ends it at once with a TCP reset, so that no port is left waiting; the end is not reported. */
  terminate(): void
}

/** The first frame of a client (contract/chat.md §1.10, newer path). */
export const firstFrame = (token: string, userId: string): Buffer =>
  clientTextFrame(JSON.stringify({ token, user_details: { id: userId } }))

/**
 * Resolves with the welcome. Rejects when the server refuses, sends another first frame, or takes too long.
 * `onFailure` hears of what happens after that: a broken frame, or a close that nobody here asked for.
 */
export function openSocket(plan: SocketPlan, first: Buffer, onFailure: (error: Error) => void): Promise<OpenSocket> {
  const opened = Promise.withResolvers<OpenSocket>()
  let head: Buffer | null = Buffer.alloc(0)
  let welcomed = false
  let ended = false
  let onFrames = (): void => {}

  const fail = (error: Error): void => {
    if (ended) return
    ended = true
    clearTimeout(timer)
    if (welcomed) onFailure(error)
    else opened.reject(error)
  }
  const timer = setTimeout(
    () => fail(new Error(`no welcome within ${limits.handshakeTimeoutMs} ms`)),
    limits.handshakeTimeoutMs,
  )

  const upgraded = (socket: Bun.Socket, chunk: Buffer): Buffer | null => {
    head = Buffer.concat([head as Buffer, chunk])
    const end = head.indexOf("\r\n\r\n")
    if (end < 0) {
      if (head.length > limits.headBytesMax) throw new Error("the head of the upgrade does not end")
      return null
    }
    if (!head.toString("latin1", 0, 13).startsWith("HTTP/1.1 101 ")) {
      throw new Error(`the server did not upgrade: ${head.toString("utf8").slice(0, limits.quotedCharsMax)}`)
    }
    const rest = head.subarray(end + 4)
    head = null
    socket.write(first)
    return rest
  }

  const connectionOf =
    (socket: Bun.Socket): OpenSocket["terminate"] =>
    () => {
      ended = true
      clearTimeout(timer)
      socket.terminate()
    }

  Bun.connect({
    hostname: plan.host,
    port: plan.port,
    socket: {
      open(socket) {
        socket.setNoDelay(true)
        socket.write(upgradeRequest(plan.path, `${plan.host}:${plan.port}`))
      },
      data(socket, chunk) {
        if (ended) return
        try {
          const frames = head === null ? chunk : upgraded(socket, chunk)
          if (frames === null || frames.length === 0) return
          readerOf(socket).feed(frames)
          onFrames()
        } catch (error) {
          fail(error as Error)
          socket.terminate()
        }
      },
      close: () => fail(new Error("the server closed the TCP connection of a socket")),
      connectError: (_socket, error) => fail(error),
      error: (_socket, error) => fail(error),
    },
  }).catch(fail)

  let reader: ReturnType<typeof createFrameReader> | null = null
  const readerOf = (socket: Bun.Socket): ReturnType<typeof createFrameReader> => {
    if (reader !== null) return reader
    const made = createFrameReader(
      (text) => {
        // Later frames before counting begins (another user came online, say) are of no interest.
        if (welcomed) return
        if (!text.startsWith(plan.welcomePrefix))
          throw new Error(`first frame: ${text.slice(0, limits.quotedCharsMax)}`)
        welcomed = true
        clearTimeout(timer)
        opened.resolve({
          welcome: text,
          count(prefix, counts, heard) {
            made.count(prefix, counts)
            onFrames = heard
          },
          terminate: connectionOf(socket),
        })
      },
      () => socket.write(clientPong()),
    )
    reader = made
    return made
  }

  return opened.promise
}

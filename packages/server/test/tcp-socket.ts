// A WebSocket client that does only what a test tells it to: it may stop reading, never answer a ping, or send frames
// that no library would (RFC 6455 §5.2).

import { connect as connectTcp, type Socket } from "node:net"

export interface TcpSocket {
  /** Sends one frame: `opcode` 1 is text, 2 binary, 8 close, 9 ping. */
  send(opcode: number, payload: string | Uint8Array): void
  /** Leaves what comes in the buffers of the system from now on. */
  stopReading(): void
  resumeReading(): void
  /** Text frames that came whole, in order. */
  readonly texts: readonly string[]
  /** Code and reason of the close frame (1006: none came), once the connection ended. */
  readonly closed: Promise<{ code: number; reason: string }>
  destroy(): void
}

/** Opens the connection and shakes hands. Throws when the server does not switch protocols. */
export async function openTcpSocket(url: string, path: string): Promise<TcpSocket> {
  const { hostname, port } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  const lines = [
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ]
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`)
  let rest = await headOf(socket)
  const texts: string[] = []
  let close = { code: 1006, reason: "" }
  const take = (data: Buffer): void => {
    rest = Buffer.concat([rest, data])
    for (let frame = frameAt(rest); frame !== null; frame = frameAt(rest)) {
      rest = rest.subarray(frame.end)
      if (frame.opcode === 1) texts.push(frame.payload.toString())
      if (frame.opcode === 8) {
        close = {
          code: frame.payload.length < 2 ? 1005 : frame.payload.readUInt16BE(0),
          reason: frame.payload.subarray(2).toString(),
        }
      }
    }
  }
  take(Buffer.alloc(0))
  socket.on("data", take)
  socket.on("error", () => {})
  const closed = new Promise<typeof close>((resolve) => socket.on("close", () => resolve(close)))
  return {
    texts,
    closed,
    send: (opcode, payload) => socket.write(maskedFrame(opcode, Buffer.from(payload as string))),
    stopReading: () => socket.pause(),
    resumeReading: () => socket.resume(),
    destroy: () => socket.destroy(),
  }
}

/** Reads the response's head; answers what followed it. */
function headOf(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let data = Buffer.alloc(0)
    const onData = (more: Buffer): void => {
      data = Buffer.concat([data, more])
      const end = data.indexOf("\r\n\r\n")
      if (end === -1) return
      socket.off("data", onData)
      if (data.subarray(0, 12).toString() === "HTTP/1.1 101") resolve(data.subarray(end + 4))
      else reject(new Error(data.toString()))
    }
    socket.on("data", onData)
    socket.once("error", reject)
  })
}

function frameAt(data: Buffer): { opcode: number; payload: Buffer; end: number } | null {
  if (data.length < 2) return null
  const short = (data[1] as number) & 0x7f
  const start = short === 127 ? 10 : short === 126 ? 4 : 2
  if (data.length < start) return null
  const length = short === 127 ? Number(data.readBigUInt64BE(2)) : short === 126 ? data.readUInt16BE(2) : short
  if (data.length < start + length) return null
  return { opcode: (data[0] as number) & 0x0f, payload: data.subarray(start, start + length), end: start + length }
}

function maskedFrame(opcode: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10)
  head[0] = 0x80 | opcode
  if (payload.length < 126) head[1] = 0x80 | payload.length
  else if (payload.length < 65_536) {
    head[1] = 0x80 | 126
    head.writeUInt16BE(payload.length, 2)
  } else {
    head[1] = 0x80 | 127
    head.writeBigUInt64BE(BigInt(payload.length), 2)
  }
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

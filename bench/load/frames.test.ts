// A frame that is lost or counted twice falsifies a row, so the counter is held against every cut of a stream.

import { expect, test } from "bun:test"
import { clientTextFrame, createFrameReader, FrameError } from "./frames.ts"

/** A frame as a server sends it: not masked (RFC 6455 §5.2). */
function serverFrame(payload: string, opcode = 1): Buffer {
  const body = Buffer.from(payload)
  const head =
    body.length < 126
      ? Buffer.from([0x80 | opcode, body.length])
      : body.length <= 0xffff
        ? Buffer.from([0x80 | opcode, 126, body.length >> 8, body.length & 0xff])
        : Buffer.concat([Buffer.from([0x80 | opcode, 127, 0, 0, 0, 0]), uint32(body.length)])
  return Buffer.concat([head, body])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

const prefix = Buffer.from('{"type":"message.new"')
const matching = `{"type":"message.new","message":{"text":"${"x".repeat(300)}"}}`
const short = '{"type":"message.new"}'
const other = '{"type":"user.watching.start","user":{"id":"a"}}'
const tiny = "{}"
const stream = Buffer.concat([matching, other, short, tiny, "", matching].map((text) => serverFrame(text)))
const counting = () => {
  const counts = { matching: 0, other: 0, bytes: 0 }
  let pings = 0
  const reader = createFrameReader(
    () => {},
    () => pings++,
  )
  reader.count(prefix, counts)
  return { reader, counts, pings: () => pings }
}

test("frames are counted once at every cut", () => {
  for (let cut = 1; cut < stream.length; cut++) {
    const { reader, counts } = counting()
    reader.feed(stream.subarray(0, cut))
    reader.feed(stream.subarray(cut))
    expect(counts).toEqual({ matching: 3, other: 3, bytes: stream.length })
  }
})

test("frames are counted once byte by byte, a long one and a ping among them", () => {
  const long = serverFrame(`{"type":"message.new","text":"${"y".repeat(70_000)}"}`)
  const { reader, counts, pings } = counting()
  for (const byte of Buffer.concat([stream, long, serverFrame("p", 9), serverFrame(short)]))
    reader.feed(Buffer.from([byte]))
  expect(counts.matching).toBe(5)
  expect(counts.other).toBe(3)
  expect(pings()).toBe(1)
})

test("before counting, text frames are read whole", () => {
  const texts: string[] = []
  const reader = createFrameReader(
    (text) => texts.push(text),
    () => {},
  )
  reader.feed(stream.subarray(0, 100))
  expect(texts).toEqual([])
  reader.feed(stream.subarray(100))
  expect(texts).toEqual([matching, other, short, tiny, "", matching])
})

test("a close names its code; fragments, compression and masked frames are refused", () => {
  const feed = (bytes: Buffer) => () => counting().reader.feed(bytes)
  const close = Buffer.concat([Buffer.from([0x88, 6, 0x0f, 0xa8]), Buffer.from("slow")])
  expect(feed(close)).toThrow("the server closed the socket with 4008 slow")
  expect(feed(Buffer.from([0x01, 1, 65]))).toThrow(FrameError)
  expect(feed(Buffer.from([0xc1, 1, 65]))).toThrow(FrameError)
  expect(feed(clientTextFrame("from a client"))).toThrow(FrameError)
})

test("a client's frame is what a real server reads", async () => {
  const heard = Promise.withResolvers<string>()
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("")),
    websocket: { message: (_socket, text) => heard.resolve(String(text)) },
  })
  const { firstFrame, openSocket } = await import("./socket.ts")
  const long = "t".repeat(400)
  const plan = { host: "127.0.0.1", port: server.port ?? 0, path: "/", welcomePrefix: "{" }
  const opening = openSocket(plan, firstFrame(long, "member-1"), () => {})
  opening.catch(() => {})
  expect(JSON.parse(await heard.promise)).toEqual({ token: long, user_details: { id: "member-1" } })
  await server.stop(true)
  await expect(opening).rejects.toThrow("the server closed the socket with 1001")
})

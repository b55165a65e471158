import { describe, expect, test } from "bun:test"
import { gzipSync } from "node:zlib"
import { ApiError, limits } from "@weir/protocol"
import { readBody } from "./body.ts"

type Body = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array> | null
const post = (body: Body, headers: Record<string, string> = {}): Request =>
  new Request("http://x/", { method: "POST", headers: { "content-type": "application/json", ...headers }, body })
const codeOf = async (request: Request): Promise<number> => {
  try {
    await readBody(request)
  } catch (error) {
    if (error instanceof ApiError) return error.code
    throw error
  }
  return 0
}
/** A body in chunks; `pulled` says how many of them were asked for. */
const inChunks = (chunk: Uint8Array, count: number) => {
  const state = { pulled: 0, cancelled: false }
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (state.pulled === count) return controller.close()
        state.pulled += 1
        controller.enqueue(chunk)
      },
      cancel() {
        state.cancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  return { stream, state }
}
const zipped = (text: string | Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(gzipSync(text))
const gzip = { "content-encoding": "gzip" }

describe("readBody", () => {
  test("nothing, an empty text and null are no body", async () => {
    for (const body of [null, "", "null"]) expect(await readBody(post(body))).toBeNull()
    expect(await readBody(post("", gzip))).toBeNull()
    expect(await readBody(post(zipped("null"), gzip))).toBeNull()
  })

  test("JSON is read, declared or in chunks, packed or not", async () => {
    const text = JSON.stringify({ name: "Jörg 🎈", list: [1, null] })
    const bytes = new TextEncoder().encode(text)
    // A character that is cut in two by a chunk's end is still one character.
    const chunks = Array.from(bytes, (byte) => new Uint8Array([byte]))
    const stream = () =>
      new ReadableStream<Uint8Array>({
        start: (to) => {
          for (const chunk of chunks) to.enqueue(chunk)
          to.close()
        },
      })
    const length = { "content-length": String(bytes.length) }
    for (const request of [
      post(text),
      post(text, length),
      post(stream()),
      post(zipped(text), gzip),
      post(zipped(text), { ...gzip, "content-encoding": "GZIP" }),
    ]) {
      expect(await readBody(request)).toEqual(JSON.parse(text))
    }
  })

  test("what is no JSON, no gzip or another encoding is 4", async () => {
    for (const body of ["{", "undefined", "{'a':1}", "[".repeat(100_000), `${"[".repeat(65)}${"]".repeat(65)}`])
      expect(await codeOf(post(body))).toBe(4)
    expect(await codeOf(post("{}", gzip))).toBe(4)
    expect(await codeOf(post(zipped("{}").slice(0, 12), gzip))).toBe(4)
    for (const encoding of ["br", "deflate", "gzip, gzip"])
      expect(await codeOf(post("{}", { "content-encoding": encoding }))).toBe(4)
  })

  test("as many bytes as the bound are read, one more is 22", async () => {
    const fits = JSON.stringify("x".repeat(limits.bodyBytesMax - 2))
    const length = (text: string) => ({ "content-length": String(Buffer.byteLength(text)) })
    expect(Buffer.byteLength(fits)).toBe(limits.bodyBytesMax)
    for (const [text, code] of [
      [fits, 0],
      [`${fits} `, 22],
    ] as const) {
      expect(await codeOf(post(text))).toBe(code)
      expect(await codeOf(post(text, length(text)))).toBe(code)
      expect(await codeOf(post(zipped(text), gzip))).toBe(code)
    }
  })

  test("what declares to be too big is not read at all", async () => {
    const { stream, state } = inChunks(new Uint8Array(1024), 10)
    expect(await codeOf(post(stream, { "content-length": String(limits.bodyBytesMax + 1) }))).toBe(22)
    expect(state.pulled).toBe(0)
  })

  test("what comes in chunks without end is cut off at the bound", async () => {
    const { stream, state } = inChunks(new Uint8Array(64 * 1024), 100_000)
    expect(await codeOf(post(stream))).toBe(22)
    expect(state.pulled).toBeLessThanOrEqual(limits.bodyBytesMax / (64 * 1024) + 2)
    expect(state.cancelled).toBe(true)
  })

  test("a gzip bomb is 22, and little of it is unpacked", async () => {
    const bomb = zipped(new Uint8Array(64 * 1024 * 1024))
    expect(bomb.length).toBeLessThan(limits.bodyBytesMax)
    const beforeMs = performance.now()
    expect(await codeOf(post(bomb, gzip))).toBe(22)
    expect(performance.now() - beforeMs).toBeLessThan(500)
  })
})

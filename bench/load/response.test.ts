// The reader must find the same answers however the bytes are cut, or the rates it counts are wrong.

import { expect, test } from "bun:test"
import { HttpMessageError } from "./http-message.ts"
import { createResponseReader } from "./response.ts"

const answer = (body: string, name = "Content-Length", status = "200 OK"): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\n${name}: ${Buffer.byteLength(body)}\r\n\r\n${body}`

const bodies = ['{"a":1}', "", '{"text":"é€"}', "x".repeat(1200)]

test("answers are found whole at every cut", () => {
  const stream = Buffer.from(bodies.map((body) => answer(body)).join(""))
  for (let cut = 1; cut < stream.length; cut++) {
    const seen: string[] = []
    const reader = createResponseReader(200, (body) => seen.push(body.toString("utf8")))
    reader.feed(stream.subarray(0, cut))
    reader.feed(stream.subarray(cut))
    expect(seen).toEqual(bodies)
  }
})

test("answers are found whole byte by byte", () => {
  const seen: string[] = []
  const reader = createResponseReader(200, (body) => seen.push(body.toString("utf8")))
  for (const byte of Buffer.from(bodies.map((body) => answer(body)).join(""))) reader.feed(Buffer.from([byte]))
  expect(seen).toEqual(bodies)
})

test("Content-Length is found in any case and at another place than last time", () => {
  const seen: string[] = []
  const reader = createResponseReader(200, (body) => seen.push(body.toString("utf8")))
  reader.feed(Buffer.from(answer("one")))
  reader.feed(Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length:5\r\nx-more: yes\r\n\r\nthree`))
  reader.feed(Buffer.from(answer("seven!!", "CONTENT-LENGTH")))
  expect(seen).toEqual(["one", "three", "seven!!"])
})

test("another status stops the run with what the server said", () => {
  const reader = createResponseReader(200, () => {})
  expect(() => reader.feed(Buffer.from(answer('{"code":43}', "Content-Length", "401 Unauthorized")))).toThrow(
    /status 401 instead of 200: .*"code":43/s,
  )
})

test("an answer without Content-Length and a head without end stop the run", () => {
  const chunked = Buffer.from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
  expect(() => createResponseReader(200, () => {}).feed(chunked)).toThrow(HttpMessageError)
  const endless = Buffer.alloc(20 * 1024, "a")
  expect(() => createResponseReader(200, () => {}).feed(endless)).toThrow(HttpMessageError)
})

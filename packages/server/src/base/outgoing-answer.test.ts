import { describe, expect, test } from "bun:test"
import { limits } from "./limits.ts"
import { type Answer, MalformedAnswer, readAnswer } from "./outgoing-answer.ts"

const bytes = (text: string): Buffer => Buffer.from(text, "latin1")

/** Reads in pieces of the given sizes, the last of which is as long as it needs to be; then the connection ends. */
function read(text: string, bodyBytesMax = 1_000, ...sizes: number[]): Answer | null {
  const reader = readAnswer(bodyBytesMax)
  let rest = bytes(text)
  for (const size of [...sizes, rest.length]) {
    const answer = rest.length === 0 ? null : reader.push(rest.subarray(0, size))
    if (answer !== null) return answer
    rest = rest.subarray(size)
  }
  return reader.end()
}

const shown = (answer: Answer | null) =>
  answer && { ...answer, headers: { ...answer.headers }, body: Buffer.from(answer.body).toString("latin1") }

const good: readonly (readonly [string, string, object])[] = [
  ["with a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", { status: 200, body: "ok" }],
  ["without a reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", { status: 200, body: "" }],
  ["204", "HTTP/1.1 204 No Content\r\n\r\n", { status: 204, body: "" }],
  ["304 with the length of what is not sent", "HTTP/1.1 304 x\r\ncontent-length: 9\r\n\r\n", { status: 304, body: "" }],
  [
    "in chunks",
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a="b"\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\n',
    { body: "abc0123456789" },
  ],
  [
    "in chunks, with trailers",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n",
    { body: "a", headers: { "transfer-encoding": "Chunked" } },
  ],
  ["until the end", "HTTP/1.1 200 OK\r\n\r\nall of it", { body: "all of it", keepMs: 0 }],
  ["HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", { body: "ok", keepMs: 0 }],
  [
    "HTTP/1.0 that is kept",
    "HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok",
    { keepMs: limits.keptConnectionMsMax },
  ],
  ["close", "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 2\r\n\r\nok", { keepMs: 0 }],
  [
    "a time-out said",
    "HTTP/1.1 200 OK\r\nkeep-alive: max=5, timeout=3\r\ncontent-length: 0\r\n\r\n",
    { keepMs: 2_000 },
  ],
  ["a short time-out", "HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n", { keepMs: 0 }],
  [
    "a long time-out",
    "HTTP/1.1 200 OK\r\nkeep-alive: timeout=75\r\ncontent-length: 0\r\n\r\n",
    { keepMs: limits.keptConnectionMsMax },
  ],
  [
    "after two that announce it",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    { status: 200, body: "ok", headers: { "content-length": "2" } },
  ],
  [
    "headers twice, empty, of Latin-1 and with names of an object's members",
    "HTTP/1.1 200 OK\r\nA: 1\r\na:  2 \r\nb:\r\nc: \xe9\r\nconstructor: x\r\n__proto__: y\r\ncontent-length: 0, 0\r\n\r\n",
    {
      headers: JSON.parse(
        '{"a":"1, 2","b":"","c":"\xe9","constructor":"x","__proto__":"y","content-length":"0, 0"}',
      ) as object,
    },
  ],
]

describe("answers", () => {
  test.each(good)("%s", (_, text, expected) => {
    expect(shown(read(text))).toMatchObject({ isBodyCut: false, ...expected })
  })

  // TCP gives the bytes in any pieces it likes.
  test.each(good)("%s, cut in two at each place, and byte by byte", (_, text) => {
    const whole = shown(read(text))
    expect(whole).not.toBeNull()
    for (let at = 1; at < text.length; at++) expect(shown(read(text, 1_000, at))).toEqual(whole)
    expect(shown(read(text, 1_000, ...Array.from({ length: text.length }, () => 1)))).toEqual(whole)
  })

  // What follows an answer that nobody asked for would be taken for the answer to the next request.
  test.each(good.filter(([name]) => name !== "until the end"))("%s, with more behind it, is not kept", (_, text) => {
    expect(read(`${text}HTTP/1.1 200 OK\r\n\r\n`)?.keepMs).toBe(0)
  })

  test("cut off in the middle is no answer", () => {
    for (const [name, text] of good) {
      if (name === "until the end") continue
      for (let length = 0; length < text.length; length++) expect(read(text.slice(0, length))).toBeNull()
    }
  })
})

describe("bounds", () => {
  test.each([
    ["with a length", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789"],
    ["in chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n1234\r\n5\r\n56789\r\n0\r\n\r\n"],
    ["until the end", "HTTP/1.1 200 OK\r\n\r\n123456789"],
  ])("a body %s is cut at the bound and not before", (_, text) => {
    for (let max = 0; max < 9; max++) {
      const body = "123456789".slice(0, max)
      expect(shown(read(text, max))).toMatchObject({ body, isBodyCut: true, keepMs: 0 })
      expect(shown(read(text, max, ...Array.from({ length: text.length }, () => 1)))).toMatchObject({ body })
    }
    expect(shown(read(text, 9))).toMatchObject({ body: "123456789", isBodyCut: false })
  })

  test("a head without end, too many headers, interim answers without end", () => {
    const head = "HTTP/1.1 200 OK\r\n"
    expect(() => read(`${head}a: ${"x".repeat(limits.answerHeadBytesMax)}`)).toThrow(MalformedAnswer)
    expect(() => read(`${head}a: ${"x".repeat(limits.answerHeadBytesMax)}\r\n\r\n`)).toThrow(MalformedAnswer)
    const many = (count: number) => `${head}${"a: b\r\n".repeat(count)}\r\n`
    expect(read(many(limits.answerHeadersMax))?.status).toBe(200)
    expect(() => read(many(limits.answerHeadersMax + 1))).toThrow("headers")
    const interim = (count: number) => `${"HTTP/1.1 102 x\r\n\r\n".repeat(count)}HTTP/1.1 204 x\r\n\r\n`
    expect(read(interim(limits.answerInterimMax))?.status).toBe(204)
    expect(() => read(interim(limits.answerInterimMax + 1))).toThrow("1xx")
  })

  test("chunks: a line without end, lines that weigh more than what they hold, trailers without end", () => {
    const head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    expect(() => read(`${head}1;${"x".repeat(limits.chunkLineBytesMax)}`)).toThrow(MalformedAnswer)
    expect(() => read(`${head}1;${"x".repeat(limits.chunkLineBytesMax)}\r\na\r\n0\r\n\r\n`)).toThrow(MalformedAnswer)
    const chunk = `1;${"x".repeat(998)}\r\na\r\n`
    const count = Math.floor(limits.chunkLinesBytesMax / 1_000)
    expect(read(`${head}${chunk.repeat(count)}0\r\n\r\n`)?.body).toHaveLength(count)
    expect(() => read(`${head}${chunk.repeat(count + 1)}0\r\n\r\n`)).toThrow("too many small chunks")
    expect(() => read(`${head}0\r\n${"a: b\r\n".repeat(10_000)}`)).toThrow("trailers")
    expect(() => read(`${head}0\r\n${"a: b\r\n".repeat(10_000)}\r\n`)).toThrow("trailers")
  })
})

test.each([
  ["nothing of HTTP", "SSH-2.0-OpenSSH_9.6\r\n"],
  ["an answer of SMTP", "220 mail.example.com ESMTP\r\n"],
  ["HTTP/2", "HTTP/2 200 OK\r\n\r\n"],
  ["HTTP/1.2", "HTTP/1.2 200 OK\r\n\r\n"],
  ["HTTP/0.9", "<html></html>"],
  ["a request", "GET / HTTP/1.1\r\n\r\n"],
  ["no status", "HTTP/1.1 OK\r\n\r\n"],
  ["status 600", "HTTP/1.1 600 x\r\n\r\n"],
  ["status 99", "HTTP/1.1 099 x\r\n\r\n"],
  ["status of four digits", "HTTP/1.1 2000 x\r\n\r\n"],
  ["two spaces", "HTTP/1.1  200 OK\r\n\r\n"],
  ["another protocol", "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"],
  ["bare line feeds", "HTTP/1.1 200 OK\ncontent-length: 0\r\n\r\n"],
  ["a bare carriage return", "HTTP/1.1 200 OK\r\na: b\rc: d\r\n\r\n"],
  ["NUL", "HTTP/1.1 200 OK\r\na: b\0\r\n\r\n"],
  ["a folded header", "HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n"],
  ["a space before the colon", "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n"],
  ["a header without a name", "HTTP/1.1 200 OK\r\n: b\r\n\r\n"],
  ["a header without a colon", "HTTP/1.1 200 OK\r\nab\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
  ["a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"],
  ["a signed length", "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na"],
  ["a hexadecimal length", "HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\na"],
  ["an empty length", "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n"],
  ["a huge length", `HTTP/1.1 200 OK\r\ncontent-length: ${"9".repeat(20)}\r\n\r\n`],
  ["a length and chunks", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"],
  ["another coding", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
  ["a chunk without a size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n;a\r\n\r\n"],
  ["a chunk with a sign", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n"],
  ["a huge chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\na\r\n"],
  ["a chunk longer than it says", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"],
])("%s is malformed", (_, text) => {
  expect(() => read(text)).toThrow(MalformedAnswer)
  expect(() => read(text, 1_000, ...Array.from({ length: text.length }, () => 1))).toThrow(MalformedAnswer)
})

// Nothing that a stranger sends may become another error than the one that the sender knows.
test("random bytes give an answer, nothing, or MalformedAnswer", () => {
  const alphabet = [
    "HTTP/1.1 ",
    "200",
    " OK",
    "\r\n",
    "\r\n\r\n",
    "content-length: ",
    "transfer-encoding: chunked",
    "1",
  ]
  alphabet.push(":", ";", "\r", "\n", "\0", "\xff", "a", "0\r\n", "connection: close", " ", "-")
  let seed = 7
  const random = (max: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0
    return (seed >>> 8) % max
  }
  let malformed = 0
  let answers = 0
  for (let n = 0; n < 20_000; n++) {
    let text = n % 2 === 0 ? "HTTP/1.1 200 OK\r\n" : ""
    for (let k = random(12); k > 0; k--) text += alphabet[random(alphabet.length)]
    try {
      if (read(text, random(4), random(20)) !== null) answers += 1
    } catch (error) {
      if (!(error instanceof MalformedAnswer)) throw error
      malformed += 1
    }
  }
  expect(malformed).toBeGreaterThan(100)
  expect(answers).toBeGreaterThan(100)
})

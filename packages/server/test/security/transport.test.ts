// Odd bytes from outside: whatever comes in is either read or refused with an envelope, never a fault of ours, and
// leaves nothing behind that grows with what strangers send.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Answer, createPostgresDatabase, serverToken, testApiKey, userToken } from "../../src/testing.ts"
import {
  createApp,
  createUsers,
  databaseKinds,
  expectEnvelope,
  rawHttp,
  startWatched,
  type WatchedServer,
} from "../fixtures.ts"

const channel = (id: string, rest = "") => `/api/v2/chat/channels/messaging/${id}${rest}`
const expectNoFault = ({ status, body }: Answer, what: unknown): void => {
  expect({ what, status: status < 500 }).toEqual({ what, status: true })
  if (status >= 400) expectEnvelope(body)
}
const payload = (value: unknown) => encodeURIComponent(JSON.stringify(value))

for (const kind of databaseKinds) {
  describe(`odd bytes on ${kind}`, () => {
    let t: WatchedServer
    let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
    beforeAll(async () => {
      if (kind === "postgres") database = await createPostgresDatabase()
      t = await startWatched(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
      await createUsers(t, "alice", "bob")
    })
    afterAll(async () => {
      await t.close()
      await database?.drop()
    })

    describe("case 66: odd texts", () => {
      const texts = {
        nul: "a\0b",
        "lone surrogate": "a\ud800b",
        "lone low surrogate": "\udc00",
        "right to left": "\u202eabc",
        confusable: "аlice",
        combining: "e\u0301".repeat(50),
        "zero width": "\u200balice",
        newline: "alice\n",
        crlf: "alice\r\nX-Evil: 1",
        ansi: "\u001b[31malice",
        c1: "\u009b31m",
        noncharacter: "\uffff\ufffe",
        "line separator": "\u2028",
        quote: "'\"`\\",
        sql: "'; drop table users; --",
        wildcard: "%_%",
        bar: "1000001|user|alice",
        colon: "messaging:x:y",
        dots: "../../etc/passwd",
        proto: "__proto__",
        long: "x".repeat(3_000),
      }
      const entries = Object.entries(texts)

      test.each(entries)("as an id anywhere: %s", async (_, text) => {
        const id = encodeURIComponent(text.toWellFormed())
        const alice = userToken("alice")
        const messageId = { message: { id: text, text: "hi" } }
        for (const [method, path, body, as] of [
          ["GET", `/api/v2/chat/messages/${id}`, undefined, alice],
          ["POST", channel(id, "/query"), {}, alice],
          ["POST", channel(id, "/message"), { message: { text: "hi" } }, alice],
          ["POST", channel("ok", "/query"), { data: { members: ["alice", text] } }, alice],
          ["POST", channel("ok", "/query"), { data: { team: text } }, serverToken()],
          ["POST", channel("ok", "/query"), { data: { created_by_id: text } }, serverToken()],
          ["POST", channel("ok", "/message"), messageId, alice],
          ["POST", channel("ok", "/message"), { message: { text, custom: { [text]: text } } }, alice],
          ["POST", channel("ok", "/message"), { message: { text, quoted_message_id: text, parent_id: text } }, alice],
          ["POST", channel("ok", "/message"), { message: { text: "m", attachments: [{ [text]: text }] } }, alice],
          ["POST", channel("ok", "/event"), { event: { type: text, custom: { [text]: text } } }, alice],
          ["POST", channel("ok", "/event"), { event: { type: "my.own", parent_id: text, custom: { a: text } } }, alice],
          ["POST", channel("ok", "/read"), { message_id: text }, alice],
          ["POST", "/api/v2/users", { users: { [text]: { id: text } } }, serverToken()],
          ["POST", "/api/v2/users", { users: { alice: { id: "alice", name: text, custom: { [text]: text } } } }, alice],
          ["POST", "/api/v2/users", { users: { alice: { id: "alice", teams: [text], role: "user" } } }, serverToken()],
          ["PATCH", "/api/v2/users", { users: [{ id: "alice", set: { [text]: text }, unset: [text] }] }, alice],
          ["PATCH", "/api/v2/users", { users: [{ id: "alice", set: { image: text, language: text } }] }, alice],
          ["GET", `/api/v2/users?payload=${payload({ filter_conditions: { [text]: text } })}`, undefined, alice],
          ["GET", `/api/v2/users?payload=${payload({ filter_conditions: { name: { $q: text } } })}`, undefined, alice],
          ["GET", `/api/v2/users?payload=${payload({ sort: [{ field: text }] })}`, undefined, alice],
          ["GET", `/api/v2/users?payload=${payload({ sort: [{ field: `custom.${text}` }] })}`, undefined, alice],
          ["POST", "/api/v2/chat/channels", { filter_conditions: { [`custom.${text}`]: text } }, alice],
          ["POST", "/api/v2/chat/channels", { sort: [{ field: `custom.${text}`, type: text }] }, alice],
          ["POST", `/api/v2/feeds/feed_groups/user/feeds/${id}`, { user_id: text }, serverToken()],
          [
            "POST",
            "/api/v2/feeds/feed_groups/user/feeds/alice",
            { data: { name: text, custom: { [text]: text }, filter_tags: [text] }, next: text },
            alice,
          ],
          [
            "POST",
            "/api/v2/feeds/activities",
            { type: text, feeds: ["user:alice"], text, custom: { [text]: text }, filter_tags: [text], id: text },
            alice,
          ],
          [
            "POST",
            "/api/v2/feeds/activities",
            {
              type: "post",
              feeds: ["user:alice"],
              search_data: { a: text },
              interest_tags: [text],
              attachments: [{ type: text, custom: { a: text } }],
            },
            alice,
          ],
          ["POST", `/api/v2/video/call/default/${id}`, {}, alice],
          [
            "POST",
            "/api/v2/video/call/default/ok",
            {
              data: {
                custom: { [text]: text },
                channel_cid: text,
                team: text,
                settings_override: { [text]: { [text]: text } },
              },
            },
            serverToken(),
          ],
          [
            "POST",
            "/api/v2/video/call/default/other",
            {
              data: {
                created_by_id: "alice",
                custom: { [text]: text },
                channel_cid: text,
                team: text,
                starts_at: text,
              },
            },
            serverToken(),
          ],
          ["POST", "/api/v2/video/call/members", { type: "default", id: "ok", next: text }, alice],
          ["POST", "/api/v2/guest", { user: { id: "guest", name: text, custom: { [text]: text } } }, null],
        ] as const) {
          const answer = await t.call(method, path, { as, body, ...(as === null ? { authType: null } : {}) })
          expectNoFault(answer, [method, path.slice(0, 200), JSON.stringify(body)?.slice(0, 200)])
        }
      })

      test.each(entries)("as a credential: %s", async (_, text) => {
        for (const apiKey of [text.toWellFormed(), testApiKey + text.toWellFormed()]) {
          const answer = await t.call("GET", "/api/v2/users", { apiKey })
          expectNoFault(answer, apiKey)
          expect([400, 401]).toContain(answer.status)
        }
      })

      test("case 59: no line of the log is more than one, and none commands a terminal", () => {
        const log = t.log.join("")
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
        expect(log.match(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/)).toBeNull()
        for (const line of log.split("\n").filter(Boolean)) expect(() => JSON.parse(line)).not.toThrow()
        expect(t.log.filter((line) => line.includes('"level":"error"'))).toEqual([])
      })
    })

    describe("forged cursors and positions", () => {
      const forge = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
      test("are refused, or lead nowhere but to what one may read", async () => {
        await t.call("POST", "/api/v2/feeds/feed_groups/user/feeds/alice", { as: userToken("alice"), body: {} })
        const cursors = [
          "",
          "a",
          "%00",
          forge(null),
          forge([]),
          forge(["-created_at:number,id:string", 1, "a"]),
          forge(["-created_at:number,-id:string", 9e99, "a"]),
          Buffer.from('["-created_at:number,-id:string",1e400,"a"]').toString("base64url"),
          forge(["-created_at:number,-id:string", "1 or 1=1", "a"]),
          forge(["-created_at:number,-id:string", 5, "\0"]),
          forge(["-created_at:number,-id:string", 5, "a\ud800"]),
          forge(["-created_at:number,-id:string", { a: 1 }, []]),
          Buffer.from("999999999999999:x").toString("base64url"),
          Buffer.from("000000000000000:\0").toString("base64url"),
          "x".repeat(9_000),
        ]
        for (const next of cursors) {
          for (const [path, body] of [
            ["/api/v2/feeds/feed_groups/user/feeds/alice", { next }],
            ["/api/v2/feeds/feed_groups/user/feeds/alice", { followers_pagination: { next } }],
            ["/api/v2/feeds/feed_groups/user/feeds/alice", { following_pagination: { prev: next } }],
            ["/api/v2/feeds/feed_groups/user/feeds/alice", { member_pagination: { next } }],
            ["/api/v2/feeds/follows/query", { filter: { source_feed: "user:alice" }, next }],
            ["/api/v2/video/call/members", { type: "default", id: "other", next }],
          ] as const) {
            expectNoFault(await t.call("POST", path, { as: userToken("alice"), body }), [path, next.slice(0, 50)])
          }
        }
      })
    })
  })
}

let t: WatchedServer
beforeAll(async () => {
  t = await startWatched()
})
afterAll(() => t.close())

describe("what strangers send is not kept", () => {
  test("case 44: unknown API keys of any length cost no memory that stays", async () => {
    // 15 KB is what a URL has room for.
    const key = (index: number) => `${index}`.padStart(15_000, "k")
    const ask = (index: number) => t.server.fetch(new Request(`http://weir.test/api/v2/users?api_key=${key(index)}`))
    for (let index = 0; index < 50; index++) await ask(index)
    Bun.gc(true)
    const before = process.memoryUsage().heapUsed + process.memoryUsage().external
    for (let index = 50; index < 4_050; index++) expect((await ask(index)).status).toBe(401)
    Bun.gc(true)
    const after = process.memoryUsage().heapUsed + process.memoryUsage().external
    expect(after - before).toBeLessThan(20 * 1024 * 1024)
  })

  test("an API key that cannot be one never reaches the database", async () => {
    const other = await createApp(t)
    expect(
      (await t.call("GET", "/api/v2/users", { as: serverToken({}, other.secret), apiKey: other.apiKey })).status,
    ).toBe(200)
    for (const apiKey of [`${testApiKey} `, testApiKey.toUpperCase(), `${testApiKey}\n`, "k".repeat(300), "_", "é"]) {
      const answer = await t.call("GET", "/api/v2/users", { apiKey })
      expect({ apiKey, status: answer.status, code: answer.body.code }).toEqual({ apiKey, status: 401, code: 2 })
    }
  })
})

describe("two readers of one request", () => {
  const head = (lines: string[], path = `/api/v2/users?api_key=${testApiKey}`, method = "POST") =>
    `${method} ${path} HTTP/1.1\r\nHost: weir.test\r\nAuthorization: ${serverToken()}\r\nstream-auth-type: jwt\r\n${lines
      .map((line) => `${line}\r\n`)
      .join("")}\r\n`
  const smuggled = `GET /healthz HTTP/1.1\r\nHost: weir.test\r\n\r\n`

  test("length and chunks at once are not two requests", async () => {
    for (const lines of [
      ["Content-Length: 5", "Transfer-Encoding: chunked"],
      ["Transfer-Encoding: chunked", "Content-Length: 5"],
      ["Content-Length: 4", "Content-Length: 400"],
      ["Content-Length: +4"],
      ["Content-Length: 0x4"],
      ["Transfer-Encoding: xchunked"],
      ["Transfer-Encoding: chunked, identity"],
      ["Transfer-Encoding : chunked"],
    ]) {
      const text = await rawHttp(t.url, [head(lines), `0\r\n\r\n${smuggled}`])
      // Either the whole connection is refused, or there is one reading of it; never a 200 with both.
      expect({ lines, oks: text.split("HTTP/1.1 201").length - 1 }).toEqual({ lines, oks: 0 })
      expect({ lines, faults: /HTTP\/1\.1 5\d\d/.test(text) }).toEqual({ lines, faults: false })
    }
  })

  test("a body in chunks that also declares a length is bounded all the same", async () => {
    const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`
    const before = process.memoryUsage().rss
    const text = await rawHttp(t.url, [
      head(["Content-Length: 5", "Transfer-Encoding: chunked", "Content-Type: application/json"]),
      ...Array.from({ length: 300 }, () => chunk),
      "0\r\n\r\n",
    ])
    expect(/HTTP\/1\.1 (400|413)|^$/.test(text)).toBe(true)
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
  })

  test("doubled headers and parameters count once, the same way for all who ask", async () => {
    const alice = userToken("alice")
    const twice = await rawHttp(t.url, [
      `GET /api/v2/users?api_key=${testApiKey} HTTP/1.1\r\nHost: weir.test\r\nstream-auth-type: jwt\r\nAuthorization: ${alice}\r\nAuthorization: ${serverToken()}\r\n\r\n`,
    ])
    expect(twice).toMatch(/^HTTP\/1\.1 (400|401)/)
    const other = await createApp(t)
    const keys = await t.call("GET", `/api/v2/users?api_key=${other.apiKey}&api_key=${testApiKey}`, {
      as: serverToken(),
      apiKey: null,
    })
    expect(keys.status).toBe(401)
  })
})

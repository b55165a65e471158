// The pipeline as a whole, through a real port.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { gunzipSync, gzipSync } from "node:zlib"
import { errorCatalogue, limits } from "@weir/protocol"
import {
  createUsers,
  expectEnvelope,
  expectRefusal,
  nowSeconds,
  rawHttp,
  startWatched,
  type WatchedServer,
} from "../../test/fixtures.ts"
import { serverToken, sign, testAdminToken, testApiKey, testApiSecret, userToken } from "../testing.ts"

const masterKey = `${"c0ffee".repeat(10)}c0ff`
let server: WatchedServer
beforeAll(async () => {
  server = await startWatched({ env: { WEIR_MASTER_KEY: masterKey } })
  await createUsers(server, "jessica", "john")
})
afterAll(() => server.close())

const withKey = (path: string) => `${server.url}${path}${path.includes("?") ? "&" : "?"}api_key=${testApiKey}`
const headersOf = (as = serverToken()) => ({ authorization: as, "stream-auth-type": "jwt" })
/** One request as raw text, `Host` and credentials included. */
const raw = (requestLine: string, lines: string[] = [], as = serverToken()) =>
  `${requestLine} HTTP/1.1\r\nHost: weir.test\r\nAuthorization: ${as}\r\nstream-auth-type: jwt\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`
/** Status, headers and body of each response in the text. */
const responses = (text: string) =>
  text
    .split(/(?=HTTP\/1\.1 \d{3})/)
    .filter(Boolean)
    .map((part) => {
      const [head = "", ...body] = part.split("\r\n\r\n")
      return { status: Number(head.slice(9, 12)), head: head.toLowerCase(), body: body.join("\r\n\r\n") }
    })

describe("tokens", () => {
  const ask = (as: string | null, options: object = {}) => server.call("GET", "/api/v2/users", { as, ...options })

  test("Bearer in front is accepted, in any case; the auth type may stand in the query", async () => {
    for (const scheme of ["Bearer ", "bearer ", "BEARER  "])
      expect((await ask(`${scheme}${userToken("jessica")}`)).status).toBe(200)
    const response = await fetch(withKey("/api/v2/users?stream-auth-type=jwt"), {
      headers: { authorization: userToken("jessica") },
    })
    expect(response.status).toBe(200)
  })

  test("what is no token is 5", async () => {
    for (const as of [
      "",
      "Bearer",
      "Bearer ",
      "a",
      "a.b",
      "a.b.c",
      "a.b.c.d",
      "..",
      `${userToken("jessica")}.`,
      userToken("jessica").replace(".", ".."),
    ]) {
      expectRefusal(await ask(as), "authentication")
    }
  })

  test("case 2: no other algorithm than the key's", async () => {
    for (const alg of ["none", "None", "nOnE", "", "HS384", "RS256", "hs256", null, ["HS256"], undefined]) {
      const token = sign({ server: true }, testApiSecret, { alg, typ: "JWT" })
      expectRefusal(await ask(token), "authentication")
      expectRefusal(await ask(token.replace(/[^.]*$/, "")), "authentication")
    }
  })

  test("case 24: every kind of token is only what it is", async () => {
    const now = nowSeconds()
    for (const claims of [
      { server: true, user_id: "jessica" },
      { server: false },
      { server: "true" },
      { server: true, call_cids: ["default:a"] },
      { call_cids: ["default:a"] },
      { resource: "*", action: "*", feed_id: "*" },
      { resource: "feed", action: "read", feed_id: "userjessica", user_id: "jessica" },
      { user_id: "" },
      { user_id: 5 },
      { user_id: "a b" },
      { user_id: "!anon" },
      { user_id: "jessica", exp: "9999999999" },
      { user_id: "jessica", exp: -1 },
      { user_id: "jessica", iat: "now" },
    ]) {
      expectRefusal(await ask(sign(claims)), "authentication")
    }
    expect((await ask(sign({}))).status).toBe(200)
    expect((await ask(sign({ user_id: "jessica" }))).status).toBe(200)
    expect((await ask(sign({ user_id: "jessica", iat: now + 3, nbf: now + 3 }))).status).toBe(200)
  })

  test("case 7: the same member twice is refused", async () => {
    const input = `${Buffer.from('{"alg":"HS256"}').toString("base64url")}.${Buffer.from('{"user_id":"jessica","user_id":"john"}').toString("base64url")}`
    const signature = createHmac("sha256", testApiSecret).update(input).digest("base64url")
    expectRefusal(await ask(`${input}.${signature}`), "authentication")
  })

  test("the reason names the key in part, never the secret", async () => {
    const { body } = await ask(userToken("jessica", {}, "x".repeat(64)))
    expect(body.message).toBe(
      'QueryUsers failed with error: "JWTAuth error: signature is not valid. Make sure the token is created using the secret for API key "test****2345""',
    )
  })

  test("a token that ran out is refused although its signature was proved before", async () => {
    const token = userToken("jessica", { exp: nowSeconds() + 1 })
    expect((await ask(token)).status).toBe(200)
    await Bun.sleep(1_100)
    expectRefusal(await ask(token), "tokenExpired")
  })

  test("a token too long to be one is refused before it is read", async () => {
    expectRefusal(await ask(sign({ user_id: "jessica", x: "y".repeat(limits.tokenBytesMax) })), "authentication")
  })
})

describe("bodies", () => {
  const json = { "content-type": "application/json" }
  const send = (method: string, path: string, init: RequestInit = {}) =>
    fetch(withKey(path), { method, ...init, headers: { ...headersOf(), ...json, ...init.headers } })

  test("an empty and a null body under application/json, on every method", async () => {
    await createUsers(server, "empty")
    for (const body of [undefined, "", "null"]) {
      expect((await send("POST", "/api/v2/users/empty/deactivate", { body })).status).toBe(201)
      const refused = await send("PATCH", "/api/v2/users", { body })
      expect({ status: refused.status, code: ((await refused.json()) as { code: number }).code }).toEqual({
        status: 400,
        code: 4,
      })
      const missing = await send("DELETE", "/api/v2/chat/messages/none", { body })
      expect(missing.status).toBe(404)
    }
    // fetch() lets no GET have a body, but real clients do.
    for (const body of ["", "null", '{"ignored":1}']) {
      const text = await rawHttp(server.url, [
        raw(`GET /api/v2/users?api_key=${testApiKey}`, [
          "Content-Type: application/json",
          `Content-Length: ${body.length}`,
        ]) + body,
      ])
      expect(responses(text).map(({ status }) => status)).toEqual([200])
    }
  })

  test("a gzip request is read, and a gzip answer is given to who takes it", async () => {
    const body = new Uint8Array(
      gzipSync(JSON.stringify({ users: [{ id: "jessica", set: { about: "x".repeat(4000) } }] })),
    )
    const changed = await send("PATCH", "/api/v2/users", { body, headers: { "content-encoding": "gzip" } })
    expect(changed.status).toBe(200)
    const answer = async (accepts: string) => {
      const text = await rawHttp(server.url, [
        raw(`GET /api/v2/users?api_key=${testApiKey}`, [`Accept-Encoding: ${accepts}`]),
      ])
      return responses(text)[0] as { head: string; body: string }
    }
    for (const accepts of ["gzip", "deflate, gzip;q=0.5, br", "gzip;q=0.05"]) {
      const { head, body: packed } = await answer(accepts)
      expect(head).toContain("content-encoding: gzip")
      expect(JSON.parse(gunzipSync(Buffer.from(packed, "latin1")).toString()).users.length).toBeGreaterThan(0)
    }
    for (const accepts of ["identity", "gzip;q=0", "br, gzip; q=0.0", "*;q=0"])
      expect((await answer(accepts)).head).not.toContain("content-encoding")
  })

  test("what is not JSON is 4", async () => {
    for (const body of ["{", "hello", '{"a":1,}', "NaN", "[".repeat(5000)]) {
      const response = await send("PATCH", "/api/v2/users", { body })
      expect(response.status).toBe(400)
      expectEnvelope(await response.json())
    }
  })

  describe("too big a body is 22 in an envelope, and the connection and the server go on", () => {
    const next = raw(`GET /api/v2/app?api_key=${testApiKey}`)
    const after = async (parts: (string | Uint8Array)[]) => {
      const answers = responses(await rawHttp(server.url, [...parts, next], 300))
      expect(answers.map(({ status }) => status)).toEqual([413, 200])
      const body = JSON.parse(answers[0]?.body as string)
      expectEnvelope(body)
      expect(body.code).toBe(22)
      expect((await server.call("GET", "/api/v2/app")).status).toBe(200)
    }
    const patchUsers = (...lines: string[]) =>
      raw(`PATCH /api/v2/users?api_key=${testApiKey}`, ["Content-Type: application/json", ...lines])
    const chunk = Buffer.concat([Buffer.from("10000\r\n"), Buffer.alloc(0x10000, "a"), Buffer.from("\r\n")])

    for (const mebibytes of [2, 16]) {
      test(`declared, ${mebibytes} MiB`, () => {
        const bytes = mebibytes * 1024 * 1024
        return after([patchUsers(`Content-Length: ${bytes}`), Buffer.alloc(bytes, "a")])
      })
      test(`in chunks, ${mebibytes} MiB`, () =>
        after([patchUsers("Transfer-Encoding: chunked"), ...Array(mebibytes * 16).fill(chunk), "0\r\n\r\n"]))
    }
    test("declared, a terabyte that never comes", async () => {
      const [first] = responses(await rawHttp(server.url, [patchUsers(`Content-Length: ${2 ** 40}`)], 300))
      expect(first?.status).toBe(413)
      expectEnvelope(JSON.parse(first?.body as string))
    })
    test("gzip bomb", () => {
      const bomb = gzipSync(new Uint8Array(64 * 1024 * 1024))
      return after([patchUsers("Content-Encoding: gzip", `Content-Length: ${bomb.length}`), bomb])
    })
  })
})

describe("targets", () => {
  test("what answers nowhere is 16, and says so in an envelope", async () => {
    for (const [method, path] of [
      ["GET", "/api/v2/nothing"],
      ["GET", "/nothing"],
      ["GET", "/api/v2"],
      ["PUT", "/api/v2/users"],
      ["DELETE", "/api/v2/app"],
      ["POST", "/healthz"],
      ["GET", "/api/v2/connect"],
      ["GET", "/connect"],
      ["TRACE", "/api/v2/app"],
    ] as const) {
      const text = await rawHttp(server.url, [raw(`${method} ${path}?api_key=${testApiKey}`)])
      const [answer] = responses(text)
      expect({ method, path, status: answer?.status }).toEqual({ method, path, status: 404 })
      expectEnvelope(JSON.parse(answer?.body as string))
    }
  })

  test("case 34: no spelling of a path opens what the plain one does not", async () => {
    const spellings = [
      "/api/v2//app",
      "//api/v2/app",
      "/api/v2/app/",
      "/API/v2/app",
      "/api/V2/App",
      "/api/v2/ap%70",
      "/api/v2/%61pp",
      "/api%2Fv2%2Fapp",
      "/api/v2%2fapp",
      "/api/v2/./app",
      "/api/v2/%2e/app",
      "/api/v2/x/../app",
      "/api/v2/x/%2e%2e/app",
      "/api/v2/users/..%2fapp",
      "/api/v2\\app",
      "/api/v2/app;x=1",
      "/api/v2/app%00",
      "/api/v2/app%20",
      "/healthz/../api/v2/app",
      "/healthz/%2e%2e/api/v2/app",
      "http://elsewhere/api/v2/app",
      "/api/v2/app#x",
      "/errors/../api/v2/app",
    ]
    for (const path of spellings) {
      for (const method of ["GET", "POST"]) {
        // A user may not read the app; with any spelling it is refused or absent, never answered.
        const lines = ["X-HTTP-Method-Override: GET", "X-Original-URL: /healthz", "X-Rewrite-URL: /healthz"]
        const text = await rawHttp(
          server.url,
          [raw(`${method} ${path}?api_key=${testApiKey}`, lines, userToken("jessica"))],
          30,
        )
        const [answer] = responses(text)
        expect({ path, method, refused: [400, 403, 404].includes(answer?.status ?? 0) }).toEqual({
          path,
          method,
          refused: true,
        })
      }
    }
  })

  test("a method is what the request line says, whatever a header or a parameter asks for", async () => {
    const headers = { "x-http-method-override": "DELETE", "x-method-override": "PATCH" }
    expect((await server.call("GET", "/api/v2/app?_method=DELETE", { headers })).status).toBe(200)
  })

  test("a broken escape and too long a target are 4", async () => {
    for (const path of ["/api/v2/users?payload=%zz", "/api/v2/users/%zz/deactivate", "/api/v2/users?x=%ff%fe"]) {
      const [answer] = responses(
        await rawHttp(server.url, [raw(`POST ${path}${path.includes("?") ? "&" : "?"}api_key=${testApiKey}`)]),
      )
      expect(answer?.status).toBeOneOf([400, 401])
      expectEnvelope(JSON.parse(answer?.body as string))
    }
    const [long] = responses(
      await rawHttp(server.url, [
        raw(`GET /api/v2/users?api_key=${testApiKey}&x=${"y".repeat(limits.urlCharsMax / 2)}`),
      ]),
    )
    const [longer] = responses(
      await rawHttp(server.url, [
        raw(`GET /api/v2/users?api_key=${testApiKey}&x=${"y".repeat(limits.urlCharsMax + 100)}`),
      ]),
    )
    expect(long?.status).toBe(200)
    expect(longer?.status).toBeOneOf([400, 414, 431])
  })

  test("a Host that is none is 4, and never a fault of ours; health says how it is all the same", async () => {
    for (const host of ["a b", "x/../y", "a@b", "x?y", ""]) {
      for (const [path, status] of [
        ["/healthz", 200],
        ["/", 200],
        ["/api/v2/app", 400],
        ["/x/api/v2/app", 400],
        ["/p?x=http://y/api/v2/app", 400],
      ] as const) {
        const [answer] = responses(await rawHttp(server.url, [`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`], 30))
        expect({ host, path, status: answer?.status }).toEqual({ host, path, status })
      }
    }
    expect(server.log.filter((line) => line.includes('"level":"error"'))).toEqual([])
  })

  test("an upgrade with a broken target is refused in an envelope", async () => {
    for (const [path, host] of [
      ["/api/v2/connect?x=%zz", "weir.test"],
      ["/connect?json=%zz", "weir.test"],
      ["/api/v2/connect", "a b"],
    ] as const) {
      const upgrade = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      ]
      const text = await rawHttp(
        server.url,
        [`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${upgrade.join("\r\n")}\r\n\r\n`],
        50,
      )
      const [answer] = responses(text)
      expect({ path, status: answer?.status }).toEqual({ path, status: 400 })
      expect(JSON.parse(answer?.body as string)).toMatchObject({
        code: 4,
        message: expect.stringMatching(/^Connect failed with error: "/),
      })
    }
  })

  test("HEAD is GET without the body; OPTIONS needs no credentials", async () => {
    const head = await fetch(withKey("/api/v2/app"), { method: "HEAD", headers: headersOf() })
    expect(head.status).toBe(200)
    expect(await head.text()).toBe("")
    expect((await fetch(withKey("/api/v2/app"), { method: "HEAD" })).status).toBe(401)
    expect((await fetch(`${server.url}/healthz`, { method: "HEAD" })).status).toBe(200)
    const options = await fetch(`${server.url}/api/v2/app`, {
      method: "OPTIONS",
      headers: {
        origin: "https://x",
        "access-control-request-method": "GET",
        "access-control-request-headers": "authorization",
      },
    })
    expect(options.status).toBe(204)
    expect(options.headers.get("access-control-allow-origin")).toBe("*")
    expect(options.headers.get("access-control-allow-headers")).toBe("authorization")
  })

  test("a page behind every more_info answers, and so do health and readiness", async () => {
    for (const { code, title } of Object.values(errorCatalogue)) {
      const response = await fetch(`${server.url}/errors/${code}`)
      expect({ code, status: response.status }).toEqual({ code, status: 200 })
      expect(await response.text()).toContain(title)
    }
    const { body } = await server.call("GET", "/api/v2/app", { as: null })
    expect(body.more_info).toBe(`${server.url}/errors/5`)
    expect((await fetch(body.more_info)).status).toBe(200)
    for (const path of ["/errors/12345", "/errors/7777", "/errors/../package.json", "/errors/16.md"])
      expect((await fetch(`${server.url}${path}`)).status).toBe(404)
    for (const path of ["/healthz", "/readyz", "/"]) expect((await fetch(`${server.url}${path}`)).status).toBe(200)
  })

  test("connections are kept for longer than a minute", async () => {
    const source = await Bun.file(new URL("../server.ts", import.meta.url)).text()
    expect(Number(/const keepAliveSeconds = (\d+)/.exec(source)?.[1])).toBeGreaterThan(60)
    const [first, second] = responses(
      await rawHttp(server.url, [
        raw(`GET /api/v2/app?api_key=${testApiKey}`),
        raw(`GET /api/v2/app?api_key=${testApiKey}`),
      ]),
    )
    expect([first?.status, second?.status]).toEqual([200, 200])
    expect(first?.head).not.toContain("connection: close")
  })
})

describe("decisions", () => {
  test("a refusal can be found in the log by its id, with its reasons", async () => {
    const answer = await server.call("GET", "/api/v2/app", { as: userToken("jessica") })
    expectRefusal(answer, "notAllowed")
    const id = answer.headers.get("x-decision-id") as string
    const line = JSON.parse(server.log.find((text) => text.includes(id)) as string)
    expect(line).toMatchObject({
      operation: "GetApp",
      code: 17,
      status: 403,
      caller: "user",
      user_id: "jessica",
      decision_id: id,
    })
    const hidden = await server.call("GET", "/api/v2/video/call/default/none", { as: userToken("jessica") })
    expectRefusal(hidden, "notFound")
    const hiddenId = hidden.headers.get("x-decision-id") as string
    expect(server.log.filter((text) => text.includes(hiddenId))).toHaveLength(1)
  })

  // An id that only refusals of what is there carry would tell the two apart.
  test("case 20: hidden and absent do not differ in a header either", async () => {
    await server.call("POST", "/api/v2/video/call/default/there", { body: { user_id: "john" } })
    const names = async (id: string) => {
      const { headers, status } = await server.call("GET", `/api/v2/video/call/default/${id}`, {
        as: userToken("jessica"),
      })
      return [status, ...headers.keys()].join()
    }
    expect(await names("there")).toBe(await names("none"))
  })
})

describe("case 51: no secret in any answer or line of the log", () => {
  test("after everything above, and a few faults more", async () => {
    const token = userToken("jessica", { canary: "canary-claim" })
    await server.call("GET", "/api/v2/users", { as: token })
    await server.call("GET", "/api/v2/nothing", { as: token })
    await server.call("GET", `/api/v2/${token}`, { as: token })
    await server.call("GET", `/api/v2/users?authorization=${token}&payload=${token}`, { as: null })
    await server.call("POST", "/api/v2/users", { as: token, body: { users: { x: { id: "x", name: 5, token } } } })
    await server.call("GET", "/api/admin/v1/apps", { as: "Bearer canary-admin-token" })
    await server.connect("jessica", {
      url: `${server.url.replace("http", "ws")}/api/v2/connect?api_key=${testApiKey}&authorization=${userToken("jessica", {}, "w".repeat(64))}`,
    })
    const made = await server.call("POST", "/api/admin/v1/apps", {
      as: `Bearer ${testAdminToken}`,
      body: { name: "canary" },
    })
    const log = server.log.join("")
    const signatures = [token, serverToken()].map((text) => text.split(".")[2] as string)
    for (const secret of [
      masterKey,
      testApiSecret,
      testAdminToken,
      made.body.secret,
      "canary-claim",
      "canary-admin-token",
      "w".repeat(20),
      ...signatures,
    ]) {
      expect({ secret, at: log.indexOf(secret) }).toEqual({ secret, at: -1 })
    }
    expect(log).toContain('"code":5')
    expect(log).not.toMatch(/eyJ[\w-]{10,}\.eyJ/)
    const texts: string[] = []
    for (const as of [token, serverToken(), `Bearer ${testAdminToken}`, "nonsense", null]) {
      for (const path of [
        "/api/v2/users",
        "/api/v2/app",
        "/api/v2/nothing",
        "/api/admin/v1/apps",
        "/readyz",
        "/errors/43",
        "/",
      ]) {
        for (const method of ["GET", "POST"]) {
          const { body, headers } = await server.call(method, path, { as, ...(method === "POST" ? { body: "{" } : {}) })
          texts.push(JSON.stringify(body), JSON.stringify([...headers]))
        }
      }
    }
    const all = texts.join("\n")
    for (const secret of [masterKey, testApiSecret, testAdminToken, made.body.secret, signatures[0]])
      expect(all).not.toContain(secret as string)
    expect(all).not.toMatch(/\.ts:\d+|\bat .*\(|node_modules/)
  })
})

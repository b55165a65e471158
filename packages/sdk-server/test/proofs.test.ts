// The three ways in which a backend proves itself, and signing with pairs, against a real server.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createServer, type IncomingMessage } from "node:http"
import {
  startTestServer,
  type TestServer,
  testAdminToken,
  testApiKey,
  testApiSecret,
} from "../../server/src/testing.ts"
import {
  createToken,
  createTokenAsync,
  createWeirAdmin,
  createWeirServer,
  expressTokenEndpoint,
  honoTokenEndpoint,
  nextTokenEndpoint,
  type Receipt,
  signRequest,
  verifyReceipt,
} from "../src/index.ts"

let server: TestServer
let admin: ReturnType<typeof createWeirAdmin>
let app: number
beforeAll(async () => {
  server = await startTestServer()
  admin = createWeirAdmin({ baseUrl: server.url, adminToken: testAdminToken })
  app = (await server.call("GET", "/api/v2/app")).body.app.id
})
afterAll(() => server.close())

const backend = (auth: "token" | "signature" | "basic", apiSecret = testApiSecret, kid?: string) =>
  createWeirServer({ baseUrl: server.url, apiKey: testApiKey, apiSecret, auth, ...(kid === undefined ? {} : { kid }) })
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "allowed",
    (error) => error.code,
  )
const setBasic = (allow: boolean) =>
  server.call("PATCH", `/api/admin/v1/apps/${app}`, {
    as: `Bearer ${testAdminToken}`,
    body: { allow_basic_auth: allow },
  })
const upsert = (auth: "token" | "signature" | "basic", secret?: string, kid?: string) =>
  backend(auth, secret, kid).users.upsert([{ id: "jessica", name: "Jessica Ünlü" }])

describe("server calls", () => {
  test("by token and by signature", async () => {
    expect(await codeOf(upsert("token"))).toBe("allowed")
    expect(await codeOf(upsert("signature"))).toBe("allowed")
    expect(await codeOf(upsert("signature", "w".repeat(64)))).toBe(43)
  })

  test("by key and secret, only where the app allows it", async () => {
    expect(await codeOf(upsert("basic"))).toBe(5)
    await setBasic(true)
    expect(await codeOf(upsert("basic"))).toBe("allowed")
    expect(await codeOf(upsert("basic", `${testApiSecret.slice(0, -1)}x`))).toBe(43)
    await setBasic(false)
    expect(await codeOf(upsert("basic"))).toBe(5)
  })

  test("a signed request that comes again, or was changed on its way, is refused", async () => {
    const url = `${server.url}/api/v2/users?api_key=${testApiKey}`
    const body = JSON.stringify({ users: { ann: { id: "ann" } } })
    const createdSeconds = Math.floor(Date.now() / 1000)
    const headers = {
      "content-type": "application/json",
      ...(await signRequest(
        { method: "POST", url, body },
        { apiKey: testApiKey, apiSecret: testApiSecret, createdSeconds },
      )),
    }
    const send = async (change: { url?: string; body?: string; method?: string }) =>
      (
        (await (
          await fetch(change.url ?? url, { method: change.method ?? "POST", headers, body: change.body ?? body })
        ).json()) as { code?: number }
      ).code
    expect(await send({ body: body.replace("ann", "bob") })).toBe(5)
    expect(await send({ url: `${url}&x=1` })).toBe(43)
    expect(await send({ method: "PATCH" })).toBe(43)
    expect(await send({})).toBeUndefined()
    expect(await send({})).toBe(5)
    expect(
      (await server.call("GET", `/api/v2/users?payload=${encodeURIComponent('{"filter_conditions":{"id":"bob"}}')}`))
        .body.users,
    ).toEqual([])
  })

  test("an old or a future signature is refused", async () => {
    const url = `${server.url}/api/v2/app?api_key=${testApiKey}`
    for (const [shift, code] of [
      [-301, 40],
      [301, 42],
      [-200, undefined],
    ] as const) {
      const createdSeconds = Math.floor(Date.now() / 1000) + shift
      const headers = await signRequest(
        { method: "GET", url, body: undefined },
        { apiKey: testApiKey, apiSecret: testApiSecret, createdSeconds },
      )
      expect(((await (await fetch(url, { headers })).json()) as { code?: number }).code).toBe(code as number)
    }
  })

  for (const alg of ["ES256", "EdDSA"] as const) {
    test(`${alg}: a pair made by the server signs tokens, at once and with a promise, and ends when it is revoked`, async () => {
      const { secret, value } = await admin.secrets.create(app, testApiKey, { alg, state: "active" })
      const pem = value as string
      expect(await codeOf(upsert("token", pem, secret.kid))).toBe("allowed")
      for (const token of [
        createToken(pem, "jessica", { kid: secret.kid }),
        await createTokenAsync(pem, "jessica", { kid: secret.kid }),
        createToken(pem, "jessica"),
      ]) {
        expect((await server.call("GET", "/api/v2/users?payload={}", { as: token })).status).toBe(200)
        // case 3 from outside: the kid of another kind of secret does not open with this signature.
        const other = token.split(".")
        other[0] = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT", kid: secret.kid })).toString("base64url")
        expect((await server.call("GET", "/api/v2/users?payload={}", { as: other.join(".") })).body.code).toBe(43)
      }
      const revoked = await admin.secrets.update(app, testApiKey, secret.kid, { state: "revoked" }, { force: true })
      expect(revoked.secret.state).toBe("revoked")
      const after = await server.call("GET", "/api/v2/users?payload={}", {
        as: createToken(pem, "jessica", { kid: secret.kid }),
      })
      expect(after.body.code).toBe(43)
    })
  }

  test("a receipt is proved without the server, and no byte of it can be changed", async () => {
    const { receipt } = await admin.revocations.create(app, { user_id: "nobody" })
    const { keys } = (await (await fetch(`${server.url}/.well-known/weir-receipt-keys.json`)).json()) as { keys: [] }
    const given = receipt as unknown as Receipt
    expect(await verifyReceipt(given, keys)).toBe(true)
    for (const change of [
      { target: "somebody" },
      { sockets_closed: 7 },
      { effective_at: new Date(0).toISOString() },
      { nodes: [] },
      { key_id: "another" },
      { added: true },
    ]) {
      expect(await verifyReceipt({ ...given, ...change } as Receipt, keys)).toBe(false)
    }
    expect(await verifyReceipt(given, [])).toBe(false)
  })
})

describe("tokens", () => {
  test("iat and an end after 24 h unless told otherwise; kid, jti, device and scopes when asked for", () => {
    const parts = (token: string) =>
      token
        .split(".")
        .slice(0, 2)
        .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()))
    const [header, claims] = parts(createToken(testApiSecret, "jessica"))
    expect(header).toEqual({ alg: "HS256", typ: "JWT" })
    expect(claims.exp - claims.iat).toBe(86_400)
    const scopes = { "chat:messaging:*": ["read"] }
    const [named, said] = parts(
      createToken(testApiSecret, "jessica", { kid: "k1", jti: true, deviceId: "phone", scopes }),
    )
    expect(named.kid).toBe("k1")
    expect(said).toMatchObject({ device_id: "phone", scopes })
    expect(said.jti).toMatch(/^[0-9a-f-]{36}$/)
    expect(() => createToken(testApiSecret, "jessica", { scopes: { "chat:*": ["read"] } })).toThrow(TypeError)
    expect(() => createToken(testApiSecret, "jessica", { kid: "a b" })).toThrow(TypeError)
    expect(() => createToken(testApiSecret, "jessica", { device_id: "x" })).toThrow(TypeError)
  })
})

describe("token endpoints", () => {
  const options = { apiKey: testApiKey, apiSecret: testApiSecret, onError: () => {} }
  // The session stands in a cookie; the body and the query say another user.
  const sessionOf = (cookie: string | null | undefined): string | null =>
    /session=(\w+)/.exec(cookie ?? "")?.[1] ?? null

  async function ask(url: string, init: RequestInit = {}) {
    const response = await fetch(`${url}?user_id=eve`, {
      method: "POST",
      body: JSON.stringify({ user_id: "eve" }),
      headers: { cookie: "session=jessica" },
      ...init,
    })
    // biome-ignore lint/suspicious/noExplicitAny: what the endpoint answers
    return { status: response.status, headers: response.headers, body: (await response.json()) as any }
  }

  async function check(url: string): Promise<void> {
    const { status, headers, body } = await ask(url)
    expect(status).toBe(200)
    expect(headers.get("cache-control")).toBe("no-store")
    expect(body).toMatchObject({ user_id: "jessica", api_key: testApiKey })
    const me = await server.connect("jessica", { token: body.token })
    expect(me.first.type).toBe("connection.ok")
    me.close()
    expect((await ask(url, { headers: {} })).status).toBe(401)
    expect((await ask(url, { method: "GET", body: null })).status).toBe(405)
    expect(JSON.stringify((await ask(url, { headers: { cookie: "session=fails" } })).body)).not.toContain("broken")
  }

  const userOf = (cookie: string | null | undefined): string | null => {
    const session = sessionOf(cookie)
    if (session === "fails") throw new Error("broken: secret in the message")
    return session
  }

  test("Express style, on node:http: the session decides, whatever the caller says", async () => {
    const handler = expressTokenEndpoint<IncomingMessage>({
      ...options,
      authenticate: (request) => userOf(request.headers.cookie),
    })
    const http = createServer((request, response) => void handler(request, response))
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
    try {
      await check(`http://127.0.0.1:${(http.address() as { port: number }).port}/token`)
    } finally {
      http.close()
      http.closeAllConnections()
    }
  })

  test("Hono and Next style, on real requests", async () => {
    const hono = honoTokenEndpoint({
      ...options,
      authenticate: (context) => userOf(context.req.raw.headers.get("cookie")),
    })
    const next = nextTokenEndpoint({ ...options, authenticate: (request) => userOf(request.headers.get("cookie")) })
    const http = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: (request) => (new URL(request.url).pathname === "/hono" ? hono({ req: { raw: request } }) : next(request)),
    })
    try {
      await check(`${http.url.origin}/hono`)
      await check(`${http.url.origin}/next`)
    } finally {
      await http.stop(true)
    }
  })
})

// Traffic through the whole server: what was asked and refused shows up, for its app alone, and without what must not.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  asAdmin,
  createApp,
  createUsers,
  databaseKinds,
  expectRefusal,
  type OtherApp,
  startOn,
} from "../../../test/fixtures.ts"
import {
  createPostgresDatabase,
  serverToken,
  startTestServer,
  type TestServer,
  testApiKey,
  userToken,
} from "../../testing.ts"
import { minuteMs } from "./rules.ts"

for (const kind of databaseKinds) {
  describe(`traffic on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind, { WEIR_WEBHOOK_ALLOW_PRIVATE: "true" })
      app = await createApp(server)
      await createUsers(server, "jessica")
    })
    afterAll(() => server.close())

    const admin = (path: string, id: number | string = app.id) =>
      server.call("GET", `/api/admin/v1/apps/${id}/${path}`, asAdmin)
    const ask = (options: object = {}, path = "/api/v2/app") =>
      server.call("GET", path, { as: serverToken({}, app.secret), apiKey: app.apiKey, ...options })
    const follow = async (after: string, query = "") => (await admin(`requests?after=${after}${query}`)).body
    const cursor = async (): Promise<string> => (await admin("requests")).body.after

    test("requests are counted by outcome, reason, operation and key, and the latency is one of theirs", async () => {
      const before = (await admin("traffic")).body.totals
      expect((await ask()).status).toBe(200)
      expect((await ask()).status).toBe(200)
      expectRefusal(await ask({ as: serverToken({}, "w".repeat(64)) }), "tokenSignature")
      expectRefusal(await ask({ as: userToken("jessica", {}, app.secret) }), "notAllowed")
      const { status, body } = await admin("traffic")
      expect(status).toBe(200)
      const { totals } = body
      expect([totals.requests - before.requests, totals.refused - before.refused]).toEqual([4, 2])
      expect(totals.succeeded + totals.refused + totals.failed).toBe(totals.requests)
      expect(totals.refusals).toMatchObject({ "tokenSignature/signature": 1 })
      expect(Object.keys(totals.refusals).filter((name) => name.startsWith("notAllowed"))).toHaveLength(1)
      expect(totals.p50_ms).toBeGreaterThan(0)
      expect(totals.p99_ms).toBeGreaterThanOrEqual(totals.p50_ms)
      expect(body.latency.counts.reduce((sum: number, n: number) => sum + n, 0)).toBe(totals.requests)
      expect(body.latency.counts).toHaveLength(body.latency.bounds_ms.length + 1)
      const getApp = body.operations.find(({ operation }: { operation: string }) => operation === "GetApp")
      expect(getApp).toMatchObject({ requests: 4, refused: 2, failed: 0 })
      expect(body.keys).toEqual([expect.objectContaining({ api_key: app.apiKey, requests: totals.requests })])
      expect(body.points.at(-1).requests + body.points.at(-2).requests).toBe(totals.requests)
      expect(body.points).toHaveLength(Math.ceil((Date.parse(body.until) - Date.parse(body.since)) / minuteMs))
    })

    test("an app sees its own traffic alone, and one that there is not none", async () => {
      const other = await createApp(server, "quiet")
      expect((await admin("traffic", other.id)).body.totals.requests).toBe(0)
      expect((await admin("requests", other.id)).body.requests).toEqual([])
      for (const path of ["traffic", "requests", "overview"]) expectRefusal(await admin(path, 1), "notFound")
      for (const path of ["traffic", "requests", "overview"]) {
        const asUser = server.call("GET", `/api/admin/v1/apps/${app.id}/${path}`, {
          as: `Bearer ${serverToken({}, app.secret)}`,
          apiKey: null,
          authType: null,
        })
        expectRefusal(await asUser, "authentication")
      }
    })

    test("a request is in the log with who asked and how it ended, and the id of the reasons", async () => {
      const after = await cursor()
      await ask({ headers: { "x-stream-client": "bench 1.0" } }, "/api/v2/app?secret_value=hunter2")
      const refused = await ask({ as: userToken("jessica", {}, app.secret) })
      const { requests, missed, silent_nodes } = await follow(after)
      expect({ missed, silent_nodes }).toEqual({ missed: 0, silent_nodes: [] })
      expect(requests).toHaveLength(2)
      const [second, first] = requests
      expect(first).toMatchObject({
        operation: "GetApp",
        method: "GET",
        path: "/api/v2/app",
        status: 200,
        code: null,
        reason: null,
        api_key: app.apiKey,
        user_id: null,
        kind: "server",
        client: "bench 1.0",
        address: "127.0.0.1",
        decision_id: null,
      })
      expect(second).toMatchObject({
        status: 403,
        code: 17,
        user_id: "jessica",
        kind: "user",
        decision_id: refused.headers.get("x-decision-id"),
      })
      expect(JSON.stringify(requests)).not.toMatch(/hunter2|eyJ|secret_value/)
      const decision = await admin(`decisions/${second.decision_id}`)
      expect(decision.body.decision).toMatchObject({ operation: "GetApp", code: 17 })
    })

    test("the log can be narrowed by status, user, operation and key, and followed", async () => {
      const after = await cursor()
      await ask()
      await ask({}, "/api/v2/chat/channels/messaging/none")
      await ask({ as: userToken("jessica", {}, app.secret) })
      const namesOf = async (query: string) =>
        (await follow(after, query)).requests.map(({ status }: { status: number }) => status)
      expect(await namesOf("")).toEqual([403, 404, 200])
      expect(await namesOf("&status=4xx")).toEqual([403, 404])
      expect(await namesOf("&status=404")).toEqual([404])
      expect(await namesOf("&user_id=jessica")).toEqual([403])
      expect(await namesOf("&operation=GetApp")).toEqual([403, 200])
      expect(await namesOf(`&api_key=${testApiKey}`)).toEqual([])
      expect(await namesOf(`&api_key=${app.apiKey}`)).toHaveLength(3)
      const limited = await follow(after, "&limit=1")
      expect([limited.requests.length, limited.missed]).toEqual([1, 2])
      expect((await follow(limited.after)).requests).toEqual([])
      await ask()
      expect((await follow(limited.after)).requests).toHaveLength(1)
    })

    test("sockets are counted while they are open, and their handshakes are in the log", async () => {
      const open = async () => (await admin("overview")).body.sockets
      const after = await cursor()
      const before = (await admin("traffic")).body.totals
      const options = { apiKey: app.apiKey, token: userToken("jessica", {}, app.secret) }
      const socket = await server.connect("jessica", options)
      expect(await open()).toBe(1)
      const bad = await server.connect("jessica", { ...options, token: userToken("jessica", {}, "w".repeat(64)) })
      await bad.closed
      expect(await open()).toBe(1)
      socket.close()
      await socket.closed
      const soon = Date.now() + 5_000
      while ((await open()) !== 0 && Date.now() < soon) await Bun.sleep(20)
      expect(await open()).toBe(0)
      const { totals } = (await admin("traffic")).body
      expect([totals.sockets_opened - before.sockets_opened, totals.sockets_closed - before.sockets_closed]).toEqual([
        1, 1,
      ])
      expect(totals.sockets_open).toBeGreaterThanOrEqual(1)
      const handshakes = (await follow(after, "&operation=Connect")).requests
      expect(handshakes).toMatchObject([
        { status: 401, code: 43, path: "/api/v2/connect", user_id: null },
        { status: 101, code: null, path: "/api/v2/connect", user_id: "jessica", kind: "user" },
      ])
      expect(handshakes[0].decision_id).toMatch(/^[0-9a-f-]{36}$/)
    })

    test("a page of every width is answered, and what makes no sense is an input error", async () => {
      for (const days of [1, 7, 30]) {
        const { status, body } = await admin(`traffic?since=${new Date(Date.now() - days * 86_400_000).toISOString()}`)
        expect(status).toBe(200)
        expect(body.totals.requests).toBeGreaterThan(0)
        expect(body.points.length).toBeGreaterThan(20)
      }
      expectRefusal(await admin("traffic?step=7"), "input", "step")
      expectRefusal(await admin("traffic?step=61"), "input", "step")
      expectRefusal(await admin("traffic?since=never"), "input", "since")
      expectRefusal(await admin("requests?after=nonsense"), "input", "after")
      expectRefusal(await admin("requests?status=abc"), "input", "status")
      expectRefusal(await admin("requests?limit=100000"), "input", "limit")
    })

    test("the overview counts users, and says whether anything has happened yet", async () => {
      const fresh = await createApp(server, "fresh")
      expect((await admin("overview", fresh.id)).body).toMatchObject({
        api_key: fresh.apiKey,
        has_traffic: false,
        users: { count: 0, is_bounded: false },
        sockets: 0,
        nodes: { answering: 1, silent: 0 },
        hour: { requests: 0, p95_ms: null },
      })
      const users = { adam: { id: "adam" }, berta: { id: "berta" } }
      const options = { as: serverToken({}, fresh.secret), apiKey: fresh.apiKey, body: { users } }
      expect((await server.call("POST", "/api/v2/users", options)).status).toBe(201)
      const { body } = await admin("overview", fresh.id)
      expect(body).toMatchObject({ has_traffic: true, users: { count: 2 } })
      expect([body.hour.requests, body.day.requests, body.day_before.requests]).toEqual([1, 1, 0])
    })

    test("attempts to deliver to a hook are counted, those that the receiver took apart from the others", async () => {
      const hooked = await createApp(server, "hooked")
      const statuses = [200, 500]
      const receiver = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch: () => new Response(null, { status: statuses.shift() ?? 200 }),
      })
      const post = (path: string, body: object) =>
        server.call("POST", `/api/admin/v1/apps/${hooked.id}${path}`, { ...asAdmin, body })
      const made = await post("/hooks", { hook_type: "webhook", webhook_url: `http://127.0.0.1:${receiver.port}/` })
      expect({ status: made.status, message: made.body.message }).toEqual({ status: 201, message: undefined })
      const delivered = async () => {
        const { deliveries_succeeded, deliveries_failed } = (await admin("traffic", hooked.id)).body.totals
        return [deliveries_succeeded, deliveries_failed]
      }
      const becomes = async (expected: number[]) => {
        const untilMs = Date.now() + 5_000
        while (JSON.stringify(await delivered()) !== JSON.stringify(expected) && Date.now() < untilMs) {
          await Bun.sleep(20)
        }
        expect(await delivered()).toEqual(expected)
      }
      expect(await delivered()).toEqual([0, 0])
      expect((await post(`/hooks/${made.body.hook.id}/test`, {})).status).toBe(200)
      await becomes([1, 0])
      expect((await post(`/hooks/${made.body.hook.id}/test`, {})).status).toBe(200)
      await becomes([1, 1])
      await receiver.stop(true)
    })

    test("what was counted before a restart is there after it", async () => {
      const dataDir = mkdtempSync(join(tmpdir(), "weir-test-"))
      const database = kind === "postgres" ? await createPostgresDatabase() : null
      const env: Record<string, string> = database === null ? {} : { WEIR_DATABASE_URL: database.url }
      const traffic = async (node: TestServer) => {
        const { body } = await node.call("GET", "/api/admin/v1/apps", asAdmin)
        return (await node.call("GET", `/api/admin/v1/apps/${body.apps[0].id}/traffic`, asAdmin)).body
      }
      const first = await startTestServer({ env, dataDir })
      for (let n = 0; n < 5; n += 1) await first.call("GET", "/api/v2/app")
      const before = await traffic(first)
      await first.close()
      const second = await startTestServer({ env, dataDir })
      await second.call("GET", "/api/v2/app")
      const after = await traffic(second)
      expect([before.totals.requests, after.totals.requests]).toEqual([5, 6])
      await second.close()
      await database?.drop()
      rmSync(dataDir, { recursive: true, force: true })
    }, 30_000)
  })
}

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { asAdmin, createApp, databaseKinds, expectRefusal, startOn } from "../../../test/fixtures.ts"
import { serverToken, type TestServer, userToken } from "../../testing.ts"
import type { AuditResponse } from "./rules.ts"
import { verifyExport } from "./verify.ts"

async function* linesOf(text: string) {
  yield* text.split("\n")
}

for (const kind of databaseKinds) {
  describe(`audit on ${kind}`, () => {
    let server: TestServer
    beforeAll(async () => {
      server = await startOn(kind)
    })
    afterAll(() => server.close())

    const get = (path: string) => server.call("GET", `/api/admin/v1${path}`, asAdmin)
    const exported = async (query = ""): Promise<AuditResponse[]> => {
      const { status, body, headers } = await get(`/audit/export${query}`)
      expect(status).toBe(200)
      expect(headers.get("content-type")).toBe("application/x-ndjson")
      return body === ""
        ? []
        : body
            .trimEnd()
            .split("\n")
            .map((line: string) => JSON.parse(line))
    }

    test("a management action stands in the log with operator, address, before and after", async () => {
      const app = await createApp(server, "audited")
      await server.call("PATCH", `/api/admin/v1/apps/${app.id}`, { ...asAdmin, body: { suspended: true } })
      const { status, body } = await get(`/apps/${app.id}/audit`)
      expect(status).toBe(200)
      expect(body.entries).toMatchObject([
        { action: "app.updated", app_id: app.id, before: { suspended: false }, after: { suspended: true } },
        { action: "app.created", app_id: app.id, before: null, target: { app: app.id, api_key: app.apiKey } },
      ])
      for (const { actor, address, at } of body.entries) {
        expect({ actor, address }).toEqual({ actor: "admin token", address: expect.stringMatching(/127\.0\.0\.1/) })
        expect(Math.abs(Date.parse(at) - Date.now())).toBeLessThan(60_000)
      }
      expect(body.next).toBeNull()
      expect(JSON.stringify(body)).not.toContain(app.secret)
    })

    test("what a backend changes of its app stands there with the secret that proved it", async () => {
      const app = await createApp(server, "backend")
      const as = serverToken({}, app.secret)
      const body = { revoke_tokens_issued_before: "2020-01-01T00:00:00Z" }
      expect((await server.call("PATCH", "/api/v2/app", { as, apiKey: app.apiKey, body })).status).toBe(200)
      const [newest] = (await get(`/apps/${app.id}/audit`)).body.entries
      expect(newest).toMatchObject({
        action: "app.updated",
        actor: expect.stringMatching(/^server, secret \S+$/),
        before: { revoke_tokens_issued_before: null },
        after: { revoke_tokens_issued_before: "2020-01-01T00:00:00.000Z" },
      })
    })

    test("a change that is refused leaves nothing", async () => {
      const app = await createApp(server, "refused")
      const path = `/api/admin/v1/apps/${app.id}`
      await server.call("PATCH", path, { ...asAdmin, body: { environment: "production" } })
      const { body: before } = await get("/audit?limit=1")
      const off = await server.call("PATCH", path, { ...asAdmin, body: { disable_auth_checks: true } })
      expectRefusal(off, "input")
      expect((await get("/audit?limit=1")).body.entries).toEqual(before.entries)
    })

    test("pages run from the newest to the oldest and hold each row once; an app sees its own alone", async () => {
      const one = await createApp(server, "one")
      const two = await createApp(server, "two")
      for (let n = 0; n < 5; n++) {
        for (const { id } of [one, two]) {
          await server.call("PATCH", `/api/admin/v1/apps/${id}`, { ...asAdmin, body: { name: `name ${n}` } })
        }
      }
      const seqs: number[] = []
      for (let next: string | null = ""; next !== null; ) {
        const { body } = await get(`/apps/${one.id}/audit?limit=4${next === "" ? "" : `&next=${next}`}`)
        for (const { app_id, seq } of body.entries) {
          expect(app_id).toBe(one.id)
          seqs.push(seq)
        }
        next = body.next
      }
      expect(seqs.length).toBe(6)
      expect(seqs).toEqual(seqs.toSorted((a, b) => b - a))
      expect(new Set(seqs).size).toBe(6)
    })

    test("what is wrong is named", async () => {
      expectRefusal(await get("/apps/999/audit"), "notFound")
      expectRefusal(await get("/apps/x/audit"), "input", "app")
      expectRefusal(await get("/audit?limit=0"), "input", "limit")
      expectRefusal(await get("/audit?limit=1001"), "input", "limit")
      expectRefusal(await get("/audit?next=-1"), "input", "next")
      expectRefusal(await get("/audit/export?after=x"), "input", "after")
    })

    test("the whole log as JSON Lines is a chain; parts of it are parts", async () => {
      const all = await exported()
      expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index + 1))
      const { body: verified } = await get("/audit/verify")
      const { body } = await get("/audit/export")
      expect(verified).toMatchObject({ whole: true, fault: null, rows: all.length, head: { seq: all.length } })
      expect(await verifyExport(linesOf(body), verified.head)).toMatchObject({ whole: true, rows: all.length })
      expect(await exported(`?after=${all.length - 2}`)).toEqual(all.slice(-2))
      const appId = all.at(-1)?.app_id as number
      expect(await exported(`?app=${appId}`)).toEqual(all.filter(({ app_id }) => app_id === appId))
      expect(await exported(`?after=${all.length}`)).toEqual([])
    })

    test("a reader that only asks for the head, or goes away in the middle, leaves nothing behind", async () => {
      const url = `${server.url}/api/admin/v1/audit/export`
      const headers = { authorization: asAdmin.as }
      const head = await fetch(url, { method: "HEAD", headers })
      expect([head.status, head.headers.get("content-type"), await head.text()]).toEqual([
        200,
        "application/x-ndjson",
        "",
      ])
      const cutOff = await fetch(url, { headers })
      await cutOff.body?.cancel()
      expect((await exported()).length).toBeGreaterThan(0)
    })

    test("case 59: a name with line feeds and escape sequences forges no line and reaches no terminal", async () => {
      const name = 'x"}\r\n{"seq":999,"action":"app.created"}\u001b[31m\u009b2J'
      await createApp(server, name)
      const { body } = await get("/audit/export")
      expect(body).toMatch(/^[\n\x20-\x7e\u00a0-\uffff]*$/)
      const last = body.trimEnd().split("\n").at(-1)
      expect(JSON.parse(last).after.name).toBe(name)
    })

    test("case 59: failed logins of operators are there, counted, and say nothing of what was tried", async () => {
      const tried = "wrong-token-wrong-token-wrong-token"
      for (const as of [`Bearer ${tried}`, `Bearer ${tried}`, tried, null]) {
        expectRefusal(await server.call("GET", "/api/admin/v1/apps", { ...asAdmin, as }), "authentication")
      }
      // Whoever brings nothing guesses nothing: the dashboard asks so before each login.
      const { body } = await get("/audit")
      const entries = (body.entries as AuditResponse[]).filter(({ action }) => action === "operator.refused")
      expect(entries.reduce((total, { after }) => total + Number(after?.count), 0)).toBe(3)
      expect(entries[0]).toMatchObject({ app_id: null, address: expect.stringMatching(/127\.0\.0\.1/) })
      expect(JSON.stringify(body)).not.toContain(tried)
    })

    test("nobody but operators reads it", async () => {
      for (const path of ["/audit", "/audit/export", "/audit/verify", "/apps/1000001/audit"]) {
        for (const as of [null, serverToken(), userToken("jessica"), "Bearer x"]) {
          expectRefusal(await server.call("GET", `/api/admin/v1${path}`, { ...asAdmin, as }), "authentication")
        }
      }
    })
  })
}

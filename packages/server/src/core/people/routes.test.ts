import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  asAdmin,
  createApp,
  databaseKinds,
  expectRefusal,
  nowSeconds,
  type OtherApp,
  startOn,
  startWatched,
} from "../../../test/fixtures.ts"
import { goodPassword, joinAs } from "../../../test/operator-page.ts"
import { manualClock } from "../../base/clock.ts"
import { type Answer, serverToken, type TestServer, userToken } from "../../testing.ts"
import { exportedRow } from "./rules.ts"

for (const kind of databaseKinds) {
  describe(`people on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = await createApp(server, "people")
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown, of: OtherApp = app): Promise<Answer> =>
      server.call(method, `/api/admin/v1/apps/${of.id}${path}`, { ...asAdmin, body })
    const asBackend = async (of: OtherApp, method: string, path: string, body?: unknown): Promise<Answer> => {
      const answer = await server.call(method, path, { apiKey: of.apiKey, as: serverToken({}, of.secret), body })
      expect(answer.status).toBeLessThan(300)
      return answer
    }
    const make = (of: OtherApp, ...users: { id: string; [field: string]: unknown }[]) =>
      asBackend(of, "POST", "/api/v2/users", { users: Object.fromEntries(users.map((user) => [user.id, user])) })
    const listed = async (of: OtherApp, query: string) => {
      const { status, body } = await admin("GET", `/users?${query}`, undefined, of)
      expect(status).toBe(200)
      return body as { users: { id: string; [field: string]: unknown }[]; next: string | null }
    }
    const idsOf = async (of: OtherApp, query = "") => (await listed(of, query)).users.map(({ id }) => id)
    /** Every id of a list, page by page. */
    const allOf = async (of: OtherApp, query: string): Promise<string[]> => {
      const ids: string[] = []
      let next: string | null = null
      do {
        const page = await listed(of, `${query}${next === null ? "" : `&next=${next}`}`)
        ids.push(...page.users.map(({ id }) => id))
        next = page.next
      } while (next !== null && ids.length < 1_000)
      return ids
    }

    describe("ListAppUsers", () => {
      let found: OtherApp
      beforeAll(async () => {
        found = await createApp(server, "found")
        await make(found, { id: "ann", name: "Zoë" }, { id: "anna-b", name: "Ann B" }, { id: "bob", name: "ANNE" })
        await make(found, { id: "carl", name: "Öde" }, { id: "Ann", name: "upper", role: "admin" }, { id: "dora" })
        await make(found, { id: "percent_", name: "100% _real" }, { id: "eve", name: "Joanna" })
      })

      test("an id or a name that begins with the text, ids first; of names A to Z in either case", async () => {
        expect(await idsOf(found, "q=ann")).toEqual(["ann", "anna-b", "bob"])
        expect(await idsOf(found, "q=Ann")).toEqual(["Ann", "anna-b", "bob"])
        expect(await idsOf(found, "q=ANNE")).toEqual(["bob"])
        expect(await idsOf(found, `q=${encodeURIComponent("zoë")}`)).toEqual(["ann"])
        expect(await idsOf(found, `q=${encodeURIComponent("Öd")}`)).toEqual(["carl"])
        // Beyond A to Z the two databases would differ, so neither folds.
        expect(await idsOf(found, `q=${encodeURIComponent("öd")}`)).toEqual([])
      })

      test("no character of the text means anything but itself", async () => {
        expect(await idsOf(found, "q=100%25")).toEqual(["percent_"])
        expect(await idsOf(found, "q=%25")).toEqual([])
        expect(await idsOf(found, "q=_")).toEqual([])
        expect(await idsOf(found, `q=${encodeURIComponent("' or 1=1 --")}`)).toEqual([])
        expect(await idsOf(found, `q=${encodeURIComponent("😀")}`)).toEqual([])
      })

      test("by role and by bans, alone and with a text", async () => {
        await asBackend(found, "POST", "/api/v2/moderation/ban", { target_user_id: "bob", timeout: 60 })
        await asBackend(found, "POST", "/api/v2/chat/channels/messaging/room/query", { data: { created_by_id: "ann" } })
        const inRoom = { target_user_id: "anna-b", channel_cid: "messaging:room" }
        await asBackend(found, "POST", "/api/v2/moderation/ban", inRoom)
        expect(await idsOf(found, "role=admin")).toEqual(["Ann"])
        expect(new Set(await idsOf(found, "banned=true"))).toEqual(new Set(["bob", "anna-b"]))
        expect(await idsOf(found, "banned=true&q=ann")).toEqual(["anna-b", "bob"])
        expect(await idsOf(found, "banned=false&q=ann")).toEqual(["ann"])
        expect(await idsOf(found, "role=admin&q=ann")).toEqual([])
        const [bob] = (await listed(found, "q=bob")).users
        expect(bob).toMatchObject({ banned: true, banned_channels: 0, ban_expires: expect.any(String) })
        const [anna] = (await listed(found, "q=anna-b")).users
        expect(anna).toMatchObject({ banned: false, banned_channels: 1, ban_expires: null })
      })

      test("newest first, page by page, each once, whoever comes in between", async () => {
        const own = await createApp(server, "pages")
        const ids = Array.from({ length: 7 }, (_, n) => `u${n}`)
        // Some of one request share their time.
        await make(own, ...ids.slice(0, 4).map((id) => ({ id, name: "Same name" })))
        await make(own, ...ids.slice(4).map((id) => ({ id, name: "Same name" })))
        const all = await idsOf(own)
        expect(new Set(all)).toEqual(new Set(ids))
        expect(all.slice(0, 3).toSorted()).toEqual(["u4", "u5", "u6"])
        const first = await listed(own, "limit=2")
        await make(own, { id: "later" })
        const rest = await listed(own, `limit=100&next=${first.next}`)
        expect([...first.users, ...rest.users].map(({ id }) => id)).toEqual(all)
        expect(rest.next).toBeNull()
        // Through ids and on into names, with pages that end within each and between them.
        await make(own, { id: "same-1", name: "X" }, { id: "same-2", name: "Same too" })
        for (const limit of [1, 2, 3, 100]) {
          expect(await allOf(own, `q=same&limit=${limit}`)).toEqual(["same-1", "same-2", ...ids])
        }
      })

      test("another app's users are not among them", async () => {
        const other = await createApp(server, "neighbour")
        await make(other, { id: "ann", name: "Ann" })
        expect(await idsOf(other, "q=ann")).toEqual(["ann"])
        expect(await idsOf(found, "q=ann")).toHaveLength(3)
      })

      test("the deactivated and the deleted are there and say so", async () => {
        const own = await createApp(server, "ended")
        await make(own, { id: "off" }, { id: "dead", name: "Dead" })
        await asBackend(own, "POST", "/api/v2/users/off/deactivate", {})
        await asBackend(own, "POST", "/api/v2/users/delete", { user_ids: ["dead"] })
        const byId = Object.fromEntries((await listed(own, "")).users.map((user) => [user.id, user]))
        expect(byId.off).toMatchObject({ deactivated_at: expect.any(String), deleted_at: null })
        expect(byId.dead).toMatchObject({ deactivated_at: null, deleted_at: expect.any(String) })
      })

      test("what is no such question is refused by its field", async () => {
        const cursorOf = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
        const cases: [string, string][] = [
          ["limit=0", "limit"],
          ["limit=101", "limit"],
          ["q=", "q"],
          [`q=${"x".repeat(256)}`, "q"],
          ["role=no%20role", "role"],
          ["next=%7B", "next"],
          [`next=${cursorOf(null)}`, "next"],
          [`next=${cursorOf({ by: "id", id: "a" })}`, "next"],
          [`next=${cursorOf({ by: "created", id: "a", createdAt: "1" })}`, "next"],
          [`next=${cursorOf({ by: "created", id: "a\0", createdAt: 1 })}`, "next"],
          [`q=a&next=${cursorOf({ by: "created", id: "a", createdAt: 1 })}`, "next"],
          [`q=a&next=${cursorOf({ by: "name", id: "a" })}`, "next"],
          [`q=a&next=${cursorOf({ by: "name", id: "a", folded: "\ud800" })}`, "next"],
        ]
        for (const [query, field] of cases) {
          const answer = await admin("GET", `/users?${query}`)
          expect([query, answer.status]).toEqual([query, 400])
          expectRefusal(answer, "input", field)
        }
        for (const q of ["%00", "a%00", "%ff", "%ed%a0%80"]) {
          expect([q, (await admin("GET", `/users?q=${q}`)).status]).toEqual([q, 400])
        }
        expectRefusal(await admin("GET", "/users", undefined, { ...app, id: 1 }), "notFound")
      })
    })

    describe("ReadAppUser", () => {
      test("role, teams, bans, sockets, tokens and what was revoked, in one answer", async () => {
        await make(
          app,
          { id: "mary", name: "Mary", role: "admin", teams: ["red"], custom: { shoe: 42 } },
          { id: "mod" },
        )
        const banned = { target_user_id: "mary", banned_by_id: "mod", reason: "spam", timeout: 60 }
        await asBackend(app, "POST", "/api/v2/moderation/ban", banned)
        expect((await admin("POST", "/revocations", { user_id: "mary", mode: "shadow" })).status).toBe(201)
        const token = userToken("mary", { jti: "hers" }, app.secret)
        const socket = await server.connect("mary", { token, apiKey: app.apiKey })
        const { status, body } = await admin("GET", "/users/mary")
        expect(status).toBe(200)
        expect(body.user).toMatchObject({
          id: "mary",
          name: "Mary",
          role: "admin",
          teams: ["red"],
          online: true,
          banned: true,
        })
        expect(body.custom).toEqual({ shoe: 42 })
        expect(body.bans).toMatchObject([{ channel_cid: null, banned_by_id: "mod", reason: "spam" }])
        expect(body.tokens).toMatchObject([{ jti: "hers", state: "live", user_id: "mary" }])
        expect(body.sockets).toMatchObject([{ connection_id: socket.connectionId, session_id: body.tokens[0].id }])
        expect(body.revocations).toMatchObject([{ level: "user", target: "mary", mode: "shadow" }])
        expect(body.nodes_missing).toEqual([])
        socket.close()
      })

      test("users, apps and their neighbours that are not there are not found", async () => {
        const other = await createApp(server, "next door")
        await make(other, { id: "hidden" })
        expectRefusal(await admin("GET", "/users/hidden"), "notFound")
        expectRefusal(await admin("GET", "/users/hidden/export"), "notFound")
        expectRefusal(await admin("GET", "/users/hidden", undefined, { ...other, id: 1 }), "notFound")
        expect((await admin("GET", "/users/a%00b")).status).toBe(400)
      })
    })

    describe("ExportUser", () => {
      type Line = { kind: string; data: Record<string, unknown> }
      const exported = async (of: OtherApp, userId: string): Promise<Line[]> => {
        const { status, body, headers } = await admin("GET", `/users/${userId}/export`, undefined, of)
        expect(status).toBe(200)
        expect(headers.get("content-type")).toStartWith("application/x-ndjson")
        return String(body)
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line))
      }

      test("everything of the user and nothing of anybody else, over every place that has any", async () => {
        const own = await createApp(server, "exported")
        await make(own, { id: "mary", name: "Mary", custom: { shoe: 42 }, teams: [] }, { id: "john", name: "John" })
        const room = "/api/v2/chat/channels/messaging/room"
        await asBackend(own, "POST", `${room}/query`, {
          data: { created_by_id: "mary", members: [{ user_id: "mary" }, { user_id: "john" }] },
        })
        for (const [user_id, text] of [
          ["mary", "from mary"],
          ["john", "from john"],
        ]) {
          await asBackend(own, "POST", `${room}/message`, { message: { text, user_id } })
        }
        for (const id of ["mary", "john"]) {
          await asBackend(own, "POST", `/api/v2/feeds/feed_groups/user/feeds/${id}`, { user_id: id })
        }
        const follow = { source: "user:mary", target: "user:john" }
        await asBackend(own, "POST", "/api/v2/feeds/follows", follow)
        await asBackend(own, "POST", "/api/v2/feeds/follows", { source: "user:john", target: "user:mary" })
        const activity = { type: "post", text: "hers", feeds: ["user:mary"], user_id: "mary" }
        await asBackend(own, "POST", "/api/v2/feeds/activities", activity)
        await asBackend(own, "POST", "/api/v2/video/call/default/standup", {
          data: { created_by_id: "mary", members: [{ user_id: "mary" }] },
        })
        await asBackend(own, "POST", "/api/v2/moderation/ban", {
          target_user_id: "mary",
          banned_by_id: "john",
          timeout: 60,
        })
        await asBackend(own, "POST", "/api/v2/moderation/ban", {
          target_user_id: "john",
          banned_by_id: "mary",
          timeout: 60,
        })
        await admin("POST", "/revocations", { user_id: "mary", mode: "shadow", reason: "test" }, own)
        const token = userToken("mary", { jti: "hers" }, own.secret)
        // One token that is let in, and one refusal.
        const calls = { apiKey: own.apiKey, as: token }
        expect((await server.call("GET", "/api/v2/users?payload={}", calls)).status).toBe(200)
        expect(
          (await server.call("POST", "/api/v2/users/delete", { ...calls, body: { user_ids: ["john"] } })).status,
        ).toBe(403)

        const lines = await exported(own, "mary")
        const kinds = Object.groupBy(lines, (line) => line.kind)
        const one = (name: string): Record<string, unknown> => {
          expect([name, kinds[name]?.length]).toEqual([name, 1])
          return kinds[name]?.[0]?.data ?? {}
        }
        expect(one("user")).toMatchObject({
          id: "mary",
          name: "Mary",
          custom: { shoe: 42 },
          teams: [],
          invisible: false,
        })
        expect(one("user").created_at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
        expect(one("ban")).toMatchObject({ user_id: "mary", banned_by_id: "john" })
        expect(one("ban_given")).toMatchObject({ user_id: "john", banned_by_id: "mary" })
        expect(one("channel")).toMatchObject({ cid: "messaging:room", created_by_id: "mary", frozen: false })
        expect(one("channel_membership")).toMatchObject({ cid: "messaging:room", user_id: "mary" })
        expect(one("message")).toMatchObject({ user_id: "mary", text: "from mary", attachments: [], silent: false })
        expect(one("feed")).toMatchObject({ feed: "user:mary" })
        expect(one("follow")).toMatchObject({ source: "user:mary", target: "user:john" })
        expect(one("follower")).toMatchObject({ source: "user:john", target: "user:mary" })
        expect(one("activity")).toMatchObject({ user_id: "mary", text: "hers", feeds: ["user:mary"] })
        expect(one("call")).toMatchObject({ cid: "default:standup", backstage: expect.any(Boolean) })
        expect(one("call_membership")).toMatchObject({ cid: "default:standup", user_id: "mary" })
        expect(one("session")).toMatchObject({ user_id: "mary", jti: "hers", issued_at: expect.stringMatching(/Z$/) })
        expect(one("refusal")).toMatchObject({ user_id: "mary", body: { operation: "DeleteUsers" } })
        expect(one("revocation")).toMatchObject({ level: "user", target: "mary", reason: "test" })
        // The last line tells a whole file from one that broke off.
        const counted = Object.fromEntries(Object.entries(kinds).map(([name, all]) => [name, all?.length]))
        const { end: _, ...counts } = counted
        expect(lines.at(-1)).toEqual({ kind: "end", data: { user_id: "mary", counts } })
        const text = JSON.stringify(lines)
        expect(text).not.toContain("from john")
        expect(text).not.toContain(token)
        expect(lines.some(({ data }) => Object.hasOwn(data, "app_id"))).toBe(false)
      })

      test("more rows than fit into one step, each once", async () => {
        const own = await createApp(server, "many")
        await make(own, { id: "mary" })
        const room = "/api/v2/chat/channels/messaging/room"
        await asBackend(own, "POST", `${room}/query`, { data: { created_by_id: "mary" } })
        for (let sent = 0; sent < 205; sent += 41) {
          const batch = Array.from({ length: 41 }, (_, n) => ({ message: { text: `m${sent + n}`, user_id: "mary" } }))
          await Promise.all(batch.map((message) => asBackend(own, "POST", `${room}/message`, message)))
        }
        const texts = (await exported(own, "mary")).flatMap(({ kind, data }) => (kind === "message" ? [data.text] : []))
        expect(texts).toHaveLength(205)
        expect(new Set(texts).size).toBe(205)
      })

      test("the audit log says who took whose", async () => {
        const own = await createApp(server, "audited")
        await make(own, { id: "mary" })
        await exported(own, "mary")
        const { entries } = (await admin("GET", "/audit?limit=1", undefined, own)).body
        expect(entries[0]).toMatchObject({ action: "user.exported", actor: "admin token", target: { user_id: "mary" } })
      })
    })
  })
}

test("a token's time that no date can hold is exported as it is", () => {
  const place = { kind: "session", table: "token_sessions", user: "user_id", key: ["sha256"], seconds: ["expires_at"] }
  expect(exportedRow(place, { app_id: 1, expires_at: 9e15 })).toEqual({ expires_at: 9e18 })
  expect(exportedRow(place, { app_id: 1, expires_at: nowSeconds() }).expires_at).toBeString()
})

test("case 58: an export needs a fresh login of somebody whose role has it, and a refused one is in no log", async () => {
  const clock = manualClock(Date.now())
  const server = await startWatched({ clock })
  try {
    const body = { users: { mary: { id: "mary" } } }
    expect((await server.call("POST", "/api/v2/users", { body })).status).toBe(201)
    const page = await joinAs(server, "admin")
    const [{ id }] = (await page.admin("GET", "/apps")).body.apps
    const take = (as: typeof page) => as.admin("GET", `/apps/${id}/users/mary/export`)
    clock.advance(5 * 60_000)
    expectRefusal(await take(page), "notAllowed", "step_up")
    expect((await page.admin("GET", `/apps/${id}/users/mary`)).status).toBe(200)
    expectRefusal(await take(await joinAs(server, "developer")), "notAllowed", "needs")
    const actions = async () =>
      (await server.call("GET", "/api/admin/v1/audit?limit=20", asAdmin)).body.entries.map(
        ({ action }: { action: string }) => action,
      )
    expect(await actions()).not.toContain("user.exported")
    expect((await page.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
    expect((await take(page)).status).toBe(200)
    expect(await actions()).toContain("user.exported")
  } finally {
    await server.close()
  }
})

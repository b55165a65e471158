import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  asAdmin,
  createApp,
  createUsers,
  type DatabaseKind,
  databaseKinds,
  expectRefusal,
  nowSeconds,
  startOn,
  startWatched,
  withoutDuration,
} from "../../../test/fixtures.ts"
import { manualClock } from "../../base/clock.ts"
import { type Answer, createPostgresDatabase, serverToken, type TestServer, userToken } from "../../testing.ts"

const banPath = "/api/v2/moderation/ban"
const unbanPath = (query: string): string => `/api/v2/moderation/unban?${query}`

const ok = ({ status, body }: Answer) => {
  if (status >= 300) throw new Error(`got ${status}: ${JSON.stringify(body)}`)
  return body
}

for (const kind of databaseKinds) {
  describe(`bans on ${kind}`, () => {
    let t: TestServer
    let count = 0
    beforeAll(async () => {
      t = await startOn(kind)
      await createUsers(
        t,
        { id: "mod", role: "moderator" } as { id: string },
        { id: "boss", role: "admin" } as { id: string },
        "alice",
      )
    })
    afterAll(() => t.close())

    const user = async (): Promise<string> => {
      const id = `user${++count}`
      await createUsers(t, id)
      return id
    }
    const channel = async (members: string[], more: object = {}): Promise<string> => {
      const id = `room${++count}`
      const data = { created_by_id: "boss", members, ...more }
      ok(await t.call("POST", `/api/v2/chat/channels/messaging/${id}/query`, { body: { data } }))
      return `messaging:${id}`
    }
    const ban = (body: object, as = serverToken()) => t.call("POST", banPath, { as, body })
    const say = (userId: string, cid: string, claims: object = {}) =>
      t.call("POST", `/api/v2/chat/channels/${cid.replace(":", "/")}/message`, {
        as: userToken(userId, claims),
        body: { message: { text: "hi" } },
      })
    const query = (filter: object, as = serverToken(), more: object = {}) => {
      const payload = encodeURIComponent(JSON.stringify({ filter_conditions: filter, ...more }))
      return t.call("GET", `/api/v2/chat/query_banned_users?payload=${payload}`, { as })
    }
    const decisionOf = async ({ headers }: Answer) =>
      ok(await t.call("GET", `/api/admin/v1/decisions/${headers.get("x-decision-id")}`, asAdmin)).decision

    test("who is banned from the app reads everywhere and writes nowhere, until they are unbanned", async () => {
      const id = await user()
      const cid = await channel([id, "alice"])
      const feedPath = `/api/v2/feeds/feed_groups/user/feeds/${id}`
      ok(await t.call("POST", feedPath, { as: userToken(id), body: {} }))
      const call = `/api/v2/video/call/default/c${id}`
      ok(await t.call("POST", call, { body: { data: { created_by_id: "boss", members: [{ user_id: id }] } } }))

      const reads: [string, string, object?][] = [
        ["POST", `/api/v2/chat/channels/${cid.replace(":", "/")}/query`, {}],
        ["POST", "/api/v2/chat/channels", { filter_conditions: {} }],
        ["POST", `/api/v2/chat/channels/${cid.replace(":", "/")}/read`, {}],
        ["GET", "/api/v2/users?payload={}"],
        ["POST", feedPath, {}],
        ["GET", call],
      ]
      const writes: [string, string, object?][] = [
        ["POST", `/api/v2/chat/channels/${cid.replace(":", "/")}/message`, { message: { text: "hi" } }],
        ["POST", `/api/v2/chat/channels/${cid.replace(":", "/")}/event`, { event: { type: "typing.start" } }],
        ["POST", `/api/v2/chat/channels/messaging/new${id}/query`, { data: { members: [id] } }],
        ["POST", "/api/v2/feeds/activities", { type: "post", text: "hi", feeds: [`user:${id}`] }],
        ["POST", `/api/v2/video/call/default/new${id}`, {}],
        ["POST", call, { ring: true }],
        ["PATCH", "/api/v2/users", { users: [{ id, set: { name: "N" } }] }],
      ]
      ok(await ban({ target_user_id: id, banned_by_id: "boss", reason: "spam" }))
      for (const [method, path, body] of reads) ok(await t.call(method, path, { as: userToken(id), body }))
      for (const [method, path, body] of writes) {
        const answer = await t.call(method, path, { as: userToken(id), body })
        expectRefusal(answer, "notAllowed")
        expect({ path, message: answer.body.message }).toEqual({
          path,
          message: expect.stringContaining(`User '${id}' is banned`),
        })
      }
      // To get a feed that one may not make says nothing of whether there is one, whatever the reason.
      const timeline = `/api/v2/feeds/feed_groups/timeline/feeds/${id}`
      const noFeed = await t.call("POST", timeline, { as: userToken(id), body: {} })
      expectRefusal(noFeed, "notFound")
      expect((await decisionOf(noFeed)).failed).toMatchObject({ check: "ban", rule: "app" })
      const socket = await t.connect(id, { details: { name: "New name" } })
      expect(socket.first.me).toMatchObject({ banned: true, shadow_banned: false })
      expect(socket.first.me.name).toBeUndefined()
      socket.close()

      ok(await t.call("POST", unbanPath(`target_user_id=${id}&created_by=boss`), { body: {} }))
      for (const [method, path, body] of writes.slice(0, 4)) ok(await t.call(method, path, { as: userToken(id), body }))
    })

    test("a ban from a channel holds there and nowhere else, and for who comes back too", async () => {
      const id = await user()
      const [here, there] = [await channel([id]), await channel([id])]
      ok(await ban({ target_user_id: id, channel_cid: here, timeout: 60 }))
      const refused = await say(id, here)
      expectRefusal(refused, "notAllowed")
      expect(refused.body.message).toContain(`User '${id}' is banned`)
      ok(await say(id, there))
      // The backend is bound by nobody's ban.
      const body = { message: { text: "hi", user_id: id } }
      ok(await t.call("POST", `/api/v2/chat/channels/${here.replace(":", "/")}/message`, { body }))

      const shown = ok(
        await t.call("POST", `/api/v2/chat/channels/${here.replace(":", "/")}/query`, { as: userToken(id), body: {} }),
      )
      expect(shown.membership).toMatchObject({ banned: true, shadow_banned: false, user: { banned: false } })
      expect(Date.parse(shown.membership.ban_expires)).toBeGreaterThan(Date.now() + 59 * 60_000)
      expect(shown.channel.own_capabilities).not.toContain("send-message")

      const update = `/api/v2/chat/channels/${here.replace(":", "/")}`
      ok(await t.call("POST", update, { body: { remove_members: [id] } }))
      ok(await t.call("POST", update, { body: { add_members: [id] } }))
      expectRefusal(await say(id, here), "notAllowed")
      const [type, channelId] = here.split(":")
      ok(await t.call("DELETE", `${banPath}?target_user_id=${id}&type=${type}&id=${channelId}`))
      ok(await say(id, here))
    })

    test("a refusal says which ban it is, until when, and what would end it; explain says the same", async () => {
      const id = await user()
      const cid = await channel([id])
      ok(await ban({ target_user_id: id, channel_cid: cid, timeout: 60 }))
      const decision = await decisionOf(await say(id, cid))
      expect(decision.failed).toMatchObject({ check: "ban", rule: "channel" })
      expect(decision.failed.detail).toMatch(new RegExp(`^banned from channel ${cid} until 20\\d\\d-`))
      expect(decision.remedy).toBe(`unban user '${id}' from ${cid}, or wait until the ban has run out`)
      ok(await ban({ target_user_id: id }))
      const ofApp = await decisionOf(await say(id, cid))
      expect(ofApp.failed).toMatchObject({ check: "ban", rule: "app", detail: "banned from the app for ever" })

      const app = ok(await t.call("GET", "/api/v2/app")).app.id
      const explain = async (action: string) =>
        ok(
          await t.call("POST", `/api/admin/v1/apps/${app}/explain`, {
            ...asAdmin,
            body: { user_id: id, action, resource: { type: "channel", id: cid } },
          }),
        )
      expect(await explain("create-message")).toMatchObject({ allowed: false, failed: { check: "ban", rule: "app" } })
      expect(await explain("read-channel")).toMatchObject({ allowed: true })
    })

    test("the banned hear of it, and so do those who watch", async () => {
      const id = await user()
      const cid = await channel([id, "alice"])
      const [own, watcher] = [await t.connect(id), await t.connect("alice")]
      ok(
        await t.call("POST", `/api/v2/chat/channels/${cid.replace(":", "/")}/query`, {
          as: userToken("alice"),
          body: { watch: true },
          connectionId: watcher.connectionId,
        }),
      )
      ok(await ban({ target_user_id: id, channel_cid: cid, banned_by_id: "mod", reason: "spam", timeout: 5 }))
      for (const socket of [own, watcher]) {
        const event = await socket.next("user.banned")
        expect(event).toMatchObject({ cid, user: { id }, created_by: { id: "mod" }, reason: "spam", shadow: false })
        expect(Date.parse(event.expiration)).toBeGreaterThan(Date.now())
      }
      ok(await t.call("POST", unbanPath(`target_user_id=${id}&channel_cid=${cid}`), { body: {} }))
      for (const socket of [own, watcher])
        expect(await socket.next("user.unbanned")).toMatchObject({ cid, user: { id } })

      ok(await ban({ target_user_id: id }))
      expect(await own.next("user.banned")).toMatchObject({ user: { id, banned: true } })
      ok(await t.call("POST", unbanPath(`target_user_id=${id}`), { body: {} }))
      await own.next("user.unbanned")
      // Whoever watches a channel hears nothing of a ban from the app, and nobody hears of one that was not there.
      ok(await t.call("POST", unbanPath(`target_user_id=${id}`), { body: {} }))
      ok(await say("alice", cid))
      await watcher.next("message.new")
      expect(watcher.seen("user.banned").length).toBe(1)
      expect(own.seen("user.unbanned").length).toBe(2)
      own.close()
      watcher.close()
    })

    test("moderators ban users, not themselves, not each other and no admin; users ban nobody", async () => {
      const id = await user()
      const asMod = userToken("mod")
      ok(await ban({ target_user_id: id }, asMod))
      ok(await t.call("POST", unbanPath(`target_user_id=${id}`), { as: asMod, body: {} }))
      for (const target of ["mod", "boss"]) expectRefusal(await ban({ target_user_id: target }, asMod), "notAllowed")
      expectRefusal(await ban({ target_user_id: "absent" }, asMod), "notFound")
      expectRefusal(await ban({ target_user_id: "boss" }, userToken(id)), "notAllowed")
      expectRefusal(await ban({ target_user_id: "absent" }, userToken(id)), "notAllowed")
      expectRefusal(await ban({ target_user_id: id, banned_by_id: "boss" }, asMod), "notAllowed")
      ok(await ban({ target_user_id: "mod" }, userToken("boss")))
      expectRefusal(await ban({ target_user_id: id }, asMod), "notAllowed")
      ok(await t.call("POST", unbanPath("target_user_id=mod"), { as: userToken("boss"), body: {} }))

      const cid = await channel([id, "alice"])
      ok(await t.call("POST", `/api/v2/chat/channels/${cid.replace(":", "/")}`, { body: { add_moderators: [id] } }))
      ok(await ban({ target_user_id: "alice", channel_cid: cid }, userToken(id)))
      expectRefusal(await ban({ target_user_id: "boss", channel_cid: cid }, userToken(id)), "notAllowed")
      expectRefusal(await ban({ target_user_id: "alice" }, userToken(id)), "notAllowed")
    })

    test("case 27: a channel that the caller may not know of is as absent as one that is not there", async () => {
      const id = await user()
      const hidden = await channel(["alice"])
      for (const as of [userToken(id), serverToken({ scopes: { "chat:messaging:other": ["manage"] } })]) {
        const at = (cid: string): Promise<Answer>[] => [
          ban({ target_user_id: "alice", channel_cid: cid }, as),
          t.call("POST", unbanPath(`target_user_id=alice&channel_cid=${cid}`), { as, body: {} }),
          t.call("DELETE", `${banPath}?target_user_id=alice&channel_cid=${cid}`, { as }),
          query({ channel_cid: cid }, as),
        ]
        const [there, gone] = [await Promise.all(at(hidden)), await Promise.all(at("messaging:gone"))]
        for (const [index, answer] of there.entries()) {
          expectRefusal(answer, "notFound")
          expect(withoutDuration(answer).replaceAll(hidden, "messaging:gone")).toBe(
            withoutDuration(gone[index] as Answer),
          )
        }
      }
    })

    test("case 28: a narrowed token bans within its scopes only", async () => {
      const id = await user()
      const cid = await channel([id])
      const narrowed = (scopes: object) => serverToken({ scopes })
      expectRefusal(await ban({ target_user_id: id }, narrowed({ [`chat:${cid}`]: ["manage"] })), "notAllowed")
      expectRefusal(
        await ban({ target_user_id: id }, narrowed({ [`app:user:${id}`]: ["read", "write"] })),
        "notAllowed",
      )
      ok(await ban({ target_user_id: id }, narrowed({ [`app:user:${id}`]: ["ban-user"] })))
      expectRefusal(
        await ban({ target_user_id: id, channel_cid: cid }, narrowed({ [`app:user:${id}`]: ["manage"] })),
        "notFound",
      )
      ok(await ban({ target_user_id: id, channel_cid: cid }, narrowed({ [`chat:${cid}`]: ["ban-channel-member"] })))
      const other = await user()
      ok(await ban({ target_user_id: other }))
      const found = ok(await query({}, narrowed({ [`app:user:${id}`]: ["manage"] })))
      expect(
        found.bans.map((found: { user: { id: string }; channel?: object }) => [found.user.id, found.channel]),
      ).toEqual([[id, undefined]])
    })

    test("bans are found by user, channel, who did it and when, page by page", async () => {
      const [a, b, c] = [await user(), await user(), await user()]
      const cid = await channel([a, b, c, "alice"])
      for (const target_user_id of [a, b, c]) ok(await ban({ target_user_id, channel_cid: cid, banned_by_id: "mod" }))
      ok(await ban({ target_user_id: a, reason: "rude", timeout: 60, banned_by_id: "boss" }))
      const ids = (answer: Answer): string[] => ok(answer).bans.map((found: { user: { id: string } }) => found.user.id)

      const [ofApp] = ok(await query({ user_id: a, banned_by_id: "boss" })).bans
      expect(ofApp).toMatchObject({
        user: { id: a, banned: true },
        banned_by: { id: "boss" },
        reason: "rude",
        shadow: false,
      })
      expect(ofApp.channel).toBeUndefined()
      expect(Date.parse(ofApp.expires)).toBeGreaterThan(Date.now())
      const [ofChannel] = ok(await query({ channel_cid: cid, user_id: b })).bans
      expect(ofChannel).toMatchObject({ user: { id: b, banned: false }, banned_by: { id: "mod" }, channel: { cid } })
      expect(ofChannel.expires).toBeUndefined()
      expect(ids(await query({ user_id: { $in: [a, b] } })).sort()).toEqual([a, a, b].sort())

      const sort = [{ field: "created_at", direction: 1 }]
      const pages = [0, 1, 2].map((offset) => query({ channel_cid: cid }, serverToken(), { limit: 1, offset, sort }))
      expect((await Promise.all(pages)).flatMap(ids).sort()).toEqual([a, b, c].sort())
      // Of the app for who bans from the app; of a channel for who bans there; nothing for anybody else.
      expect(ids(await query({ user_id: { $in: [a, b] } }, userToken("mod")))).toEqual([a])
      expect(ids(await query({ channel_cid: cid }, userToken("boss"))).length).toBe(3)
      expectRefusal(await query({ channel_cid: cid }, userToken("alice")), "notAllowed")
      expectRefusal(await query({}, userToken("alice")), "notAllowed")
      expectRefusal(await query({ no: 1 }), "input")
      expectRefusal(await query({}, serverToken(), { sort: [{ field: "no" }] }), "input")

      const users = `/api/v2/users?payload=${encodeURIComponent(JSON.stringify({ filter_conditions: { banned: true, id: { $in: [a, b, c] } } }))}`
      expect(ok(await t.call("GET", users)).users).toMatchObject([{ id: a, banned: true, ban_expires: ofApp.expires }])
      const free = users.replace("true", "false")
      expect(
        ok(await t.call("GET", free))
          .users.map(({ id }: { id: string }) => id)
          .sort(),
      ).toEqual([b, c].sort())
    })

    test("an update of a user leaves the ban as it is, and cannot set one", async () => {
      const id = await user()
      ok(await ban({ target_user_id: id }))
      await createUsers(t, { id, name: "Again", banned: false } as { id: string })
      const found = ok(await query({ user_id: id })).bans
      expect(found).toMatchObject([{ user: { id, name: "Again", banned: true } }])
      const partial = { users: [{ id, set: { banned: false } }] }
      expectRefusal(await t.call("PATCH", "/api/v2/users", { body: partial }), "input")
    })

    test("case 33: a ban in one app is none in another", async () => {
      const id = await user()
      const other = await createApp(t)
      const asOther = { apiKey: other.apiKey, as: serverToken({}, other.secret) }
      ok(await t.call("POST", "/api/v2/users", { ...asOther, body: { users: { [id]: { id } } } }))
      ok(await ban({ target_user_id: id }))
      const own = { apiKey: other.apiKey, as: userToken(id, {}, other.secret) }
      ok(await t.call("PATCH", "/api/v2/users", { ...own, body: { users: [{ id, set: { name: "N" } }] } }))
      const list = await t.call("GET", "/api/v2/chat/query_banned_users?payload={}", asOther)
      expect(ok(list).bans).toEqual([])
    })

    test("what is not offered or not sensible is refused with a reason", async () => {
      const id = await user()
      for (const more of [
        { shadow: true },
        { ip_ban: true },
        { delete_messages: "hard" },
        { ban_from_future_channels: true },
        { timeout: -1 },
        { timeout: 1e12 },
        { channel_cid: "no cid" },
        { type: "messaging" },
        { reason: "x".repeat(1_001) },
      ]) {
        expectRefusal(await ban({ target_user_id: id, ...more }), "input")
      }
      expectRefusal(await ban({ target_user_id: "absent" }), "notFound")
      expectRefusal(await ban({ target_user_id: id, channel_cid: "messaging:absent" }), "notFound")
      expectRefusal(await ban({ target_user_id: id, banned_by_id: "nobody" }), "input")
      expectRefusal(await ban({ target_user_id: id, banned_by_id: id }), "notAllowed")
      expect(ok(await query({ user_id: id })).bans).toEqual([])
    })

    test("bans stand in the audit log, with who made them and what for", async () => {
      const id = await user()
      const cid = await channel([id])
      ok(await ban({ target_user_id: id, reason: "spam" }, userToken("mod")))
      ok(await ban({ target_user_id: id, channel_cid: cid }))
      ok(await t.call("POST", unbanPath(`target_user_id=${id}`), { body: {} }))
      const { entries } = ok(await t.call("GET", "/api/admin/v1/audit?limit=3", asAdmin))
      expect(entries).toMatchObject([
        { action: "user.unbanned", actor: expect.stringContaining("server"), target: { user_id: id } },
        { action: "user.banned", target: { user_id: id, channel_cid: cid } },
        { action: "user.banned", actor: "user mod", target: { user_id: id }, after: { reason: "spam", expires: null } },
      ])
    })
  })

  test(`on ${kind}, a ban counts for nothing from the moment it runs out, and is then cleared away and told`, async () => {
    const clock = manualClock(Date.now())
    const database = kind === ("postgres" satisfies DatabaseKind) ? await createPostgresDatabase() : null
    const env: Record<string, string> = database === null ? {} : { WEIR_DATABASE_URL: database.url }
    const t = await startWatched({ clock, env })
    try {
      await createUsers(t, "john")
      const data = { created_by_id: "john", members: ["john"] }
      ok(await t.call("POST", "/api/v2/chat/channels/messaging/general/query", { body: { data } }))
      const as = userToken("john", { exp: nowSeconds() + 36_000 })
      const say = () =>
        t.call("POST", "/api/v2/chat/channels/messaging/general/message", { as, body: { message: { text: "hi" } } })
      const john = await t.connect("john", { token: as })
      const started = clock.now()
      ok(await t.call("POST", banPath, { body: { target_user_id: "john", timeout: 10 } }))
      ok(
        await t.call("POST", banPath, {
          body: { target_user_id: "john", channel_cid: "messaging:general", timeout: 20 },
        }),
      )
      clock.set(started + 600_000 - 1)
      expect((await say()).body.message).toContain("is banned")
      expect((await t.call("PATCH", "/api/v2/users", { as, body: { users: [{ id: "john" }] } })).status).toBe(403)
      clock.set(started + 600_000)
      ok(await t.call("PATCH", "/api/v2/users", { as, body: { users: [{ id: "john" }] } }))
      expectRefusal(await say(), "notAllowed")
      clock.set(started + 1_200_000)
      ok(await say())

      // The task looks every two seconds.
      const ended = [await john.next("user.unbanned", 8_000), await john.next("user.unbanned", 8_000)]
      expect(ended.map(({ cid }) => cid)).toEqual([undefined, "messaging:general"])
      expect(ended.every(({ created_by }) => created_by === undefined)).toBe(true)
      expect(ok(await t.call("GET", "/api/v2/chat/query_banned_users?payload={}")).bans).toEqual([])
      const { users } = ok(await t.call("GET", "/api/v2/users?payload={}"))
      expect(users).toMatchObject([{ id: "john", banned: false }])
      john.close()
    } finally {
      await t.close()
      await database?.drop()
    }
  }, 30_000)

  test(`on ${kind}, a new ban outlives the end of the one that it took the place of`, async () => {
    const clock = manualClock(Date.now())
    const database = kind === ("postgres" satisfies DatabaseKind) ? await createPostgresDatabase() : null
    const env: Record<string, string> = database === null ? {} : { WEIR_DATABASE_URL: database.url }
    const t = await startWatched({ clock, env })
    try {
      await createUsers(t, "john", "jane")
      const started = clock.now()
      ok(await t.call("POST", banPath, { body: { target_user_id: "john", timeout: 10 } }))
      ok(await t.call("POST", banPath, { body: { target_user_id: "john" } }))
      ok(await t.call("POST", banPath, { body: { target_user_id: "jane", timeout: 10 } }))
      const jane = await t.connect("jane", { token: userToken("jane", { exp: nowSeconds() + 36_000 }) })
      clock.set(started + 600_000)
      // Tasks are done in the order in which they are due, so john's is over when jane hears of hers.
      await jane.next("user.unbanned", 8_000)
      const { bans } = ok(await t.call("GET", "/api/v2/chat/query_banned_users?payload={}"))
      expect(bans).toMatchObject([{ user: { id: "john", banned: true } }])
      jane.close()
    } finally {
      await t.close()
      await database?.drop()
    }
  }, 30_000)
}

// Members and guests who say more than their role lets them say.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { serverToken, type TestServer, userToken } from "../../src/testing.ts"
import { createGuest, createUsers, databaseKinds, expectRefusal, startOn } from "../fixtures.ts"

for (const kind of databaseKinds) {
  describe(`escalation on ${kind}`, () => {
    let t: TestServer
    let guest: { id: string; token: string }
    const alice = userToken("alice")
    const bob = userToken("bob")
    const messaging = "/api/v2/chat/channels/messaging/talk"
    const stream = "/api/v2/chat/channels/livestream/show"

    beforeAll(async () => {
      t = await startOn(kind)
      await createUsers(t, "alice", "bob", "carol")
      guest = await createGuest(t)
      const made = await t.call("POST", `${messaging}/query`, {
        as: alice,
        body: { data: { members: ["alice", "bob"] } },
      })
      expect(made.status).toBe(201)
      expect((await t.call("POST", `${stream}/query`, { body: { data: { created_by_id: "alice" } } })).status).toBe(201)
    })
    afterAll(() => t.close())

    test("case 28: a system message needs a change to speak of, or the right to make one", async () => {
      const message = { text: "The moderators ask for your password" }
      for (const body of [
        { message },
        { message, add_members: ["bob"] },
        { message, add_members: [{ user_id: "bob" }] },
        { message, remove_members: [] },
        { message, data: {} },
        { message, data: { frozen: false } },
        { message, add_moderators: [] },
      ]) {
        expectRefusal(await t.call("POST", messaging, { as: bob, body }), "notAllowed")
      }
      // What really happens may be said.
      const left = await t.call("POST", messaging, {
        as: bob,
        body: { remove_members: ["bob"], message: { text: "Bob left" } },
      })
      expect(left.status).toBe(201)
      expect(left.body.message).toMatchObject({ type: "system", user: { id: "bob" } })
      expect((await t.call("POST", messaging, { as: alice, body: { add_members: ["bob"] } })).status).toBe(201)
    })

    test("case 28: a guest brings no link along in the message about joining", async () => {
      const link = { text: "see https://evil.test/" }
      expectRefusal(
        await t.call("POST", `${stream}/message`, { as: guest.token, body: { message: link } }),
        "notAllowed",
      )
      expectRefusal(
        await t.call("POST", stream, { as: guest.token, body: { add_members: [guest.id], message: link } }),
        "notAllowed",
      )
    })

    test("case 28: only who takes part in a call rings its members", async () => {
      for (const [type, as, authType] of [
        ["livestream", null, "anonymous"],
        ["livestream", bob, "jwt"],
        ["audio_room", bob, "jwt"],
        ["audio_room", guest.token, "jwt"],
        ["livestream", userToken("bob", { call_cids: ["livestream:ringing"] }), "jwt"],
      ] as const) {
        const path = `/api/v2/video/call/${type}/ringing`
        const data = { members: [{ user_id: "carol" }] }
        expect((await t.call("POST", path, { as: alice, body: { data } })).status).toBe(201)
        const carol = await t.connect("carol")
        for (const body of [{ ring: true }, { notify: true }, { ring: true, video: true, data }]) {
          expectRefusal(await t.call("POST", path, { as, authType, body }), "notAllowed")
        }
        expect((await t.call("POST", path, { as, authType, body: { ring: false } })).status).toBe(201)
        expect((await t.call("POST", path, { as: alice, body: { ring: true } })).status).toBe(201)
        await carol.next("call.ring")
        expect(carol.seen("call.ring")).toHaveLength(1)
        expect(carol.seen("call.notification")).toEqual([])
        carol.close()
      }
    })

    test("case 29: nothing that the server keeps is set from outside", async () => {
      const kept = {
        app_id: 1,
        created_at: "2001-01-01T00:00:00Z",
        updated_at: "2001-01-01T00:00:00Z",
        deleted_at: "2001-01-01T00:00:00Z",
        cid: "messaging:other",
        user_id: "bob",
        user: { id: "bob", role: "admin" },
        html: "<b>",
        pinned: true,
        shadowed: true,
        reply_count: 99,
        type: "regular",
        seq: 1,
        __proto__: null,
        own_capabilities: ["all"],
        config_overrides: { max_message_length: 1_000_000 },
        member_count: 99,
        truncated_by_id: "x",
        role: "admin",
        teams: ["red"],
        banned: true,
      }
      const sent = await t.call("POST", `${messaging}/message`, { as: bob, body: { message: { text: "hi", ...kept } } })
      expect(sent.status).toBe(201)
      expect(sent.body.message).toMatchObject({
        cid: "messaging:talk",
        html: "",
        pinned: false,
        reply_count: 0,
        shadowed: false,
      })
      expect(sent.body.message.user.id).toBe("bob")
      expect(sent.body.message.user.role).toBe("user")
      expect(sent.body.message.created_at.startsWith("2001")).toBe(false)

      const { user_id: _, user: __, ...channelData } = kept
      const channel = await t.call("POST", "/api/v2/chat/channels/messaging/mass/query", {
        as: bob,
        body: { data: { ...channelData, members: ["bob"], custom: {} } },
      })
      expect(channel.status).toBe(201)
      expect(channel.body.channel).toMatchObject({ cid: "messaging:mass", member_count: 1, created_by: { id: "bob" } })
      expect(channel.body.channel.config.max_message_length).toBe(5000)
      expect(channel.body.channel.created_at.startsWith("2001")).toBe(false)
      expect(channel.body.channel.own_capabilities).not.toContain("all")
      for (const data of [{ created_by_id: "alice" }, { created_by: { id: "alice" } }]) {
        expectRefusal(
          await t.call("POST", "/api/v2/chat/channels/messaging/mass2/query", { as: bob, body: { data } }),
          "notAllowed",
        )
      }

      const call = await t.call("POST", "/api/v2/video/call/default/mass", {
        as: bob,
        body: { data: { ...channelData, backstage: true, created_at: "2001", ended_at: "2001", team: undefined } },
      })
      expect(call.status).toBe(201)
      expect(call.body.call).toMatchObject({ cid: "default:mass", created_by: { id: "bob" } })
      expect(call.body.call.ended_at).toBeUndefined()

      const feed = await t.call("POST", "/api/v2/feeds/feed_groups/user/feeds/bob", {
        as: bob,
        body: { data: { ...channelData, follower_count: 9, created_by_id: "alice" }, user_id: "bob" },
      })
      expect(feed.status).toBe(201)
      expect(feed.body.feed).toMatchObject({ follower_count: 0, created_by: { id: "bob" } })

      const activity = await t.call("POST", "/api/v2/feeds/activities", {
        as: bob,
        body: { ...channelData, id: "mass", type: "post", feeds: ["user:bob"], popularity: 99, score: 9 },
      })
      expect(activity.status).toBe(201)
      expect(activity.body.activity).toMatchObject({ popularity: 0, score: 0, user: { id: "bob" } })

      const stored = await t.call(
        "GET",
        `/api/v2/users?payload=${encodeURIComponent('{"filter_conditions":{"id":"bob"}}')}`,
      )
      expect(stored.body.users[0]).toMatchObject({ role: "user", teams: [], banned: false })
      expect(({} as Record<string, unknown>).role).toBeUndefined()
    })

    test("case 29: a prototype's name is a name like others", async () => {
      const raw = (text: string) => JSON.parse(text) as object
      const evil =
        '{"__proto__":{"role":"admin","teams":["red"],"polluted":1},"constructor":{"prototype":{"polluted":1}}}'
      for (const [method, path, body] of [
        ["POST", "/api/v2/users", `{"users":{"bob":{"id":"bob","custom":${evil}}}}`],
        ["POST", "/api/v2/users", `{"users":{"bob":{"id":"bob","__proto__":{"role":"admin"}}}}`],
        ["PATCH", "/api/v2/users", `{"users":[{"id":"bob","set":${evil}}]}`],
        [
          "PATCH",
          "/api/v2/users",
          `{"users":[{"id":"bob","set":{"__proto__.role":"admin","a.__proto__.polluted":1}}]}`,
        ],
        ["PATCH", "/api/v2/users", `{"users":[{"id":"bob","set":{"constructor.prototype.polluted":1}}]}`],
        ["POST", `${messaging}/message`, `{"message":{"text":"a","custom":${evil},"attachments":[${evil}]}}`],
        ["POST", messaging, `{"data":{"custom":${evil}}}`],
        ["POST", `${messaging}/event`, `{"event":{"type":"my.own","custom":${evil}}}`],
        ["POST", "/api/v2/video/call/default/mass", `{"data":{"settings_override":${evil}}}`],
        ["POST", "/api/v2/video/call/default/proto", `{"data":{"settings_override":${evil},"custom":${evil}}}`],
        ["POST", "/api/v2/video/call/default/proto", `{"data":{"settings_override":{"audio":${evil}}}}`],
        [
          "PATCH",
          "/api/v2/feeds/activities/mass",
          `{"set":{"custom.__proto__.polluted":1,"custom.constructor.prototype.polluted":1}}`,
        ],
        ["POST", "/api/v2/chat/channels", `{"filter_conditions":${evil}}`],
      ] as const) {
        raw(body)
        const answer = await t.call(method, path, { as: bob, body })
        expect({ path, fault: answer.status >= 500 }).toEqual({ path, fault: false })
      }
      const socket = await t.connect("bob", { details: raw(evil) as Record<string, unknown> })
      socket.close()
      expect(({} as Record<string, unknown>).polluted).toBeUndefined()
      const stored = await t.call(
        "GET",
        `/api/v2/users?payload=${encodeURIComponent('{"filter_conditions":{"id":"bob"}}')}`,
        {
          as: serverToken(),
        },
      )
      expect(stored.body.users[0]).toMatchObject({ role: "user", teams: [] })
    })
  })
}

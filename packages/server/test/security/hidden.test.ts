// What may not be known must look like what is not there: same status, same text, same headers, whatever else is wrong
// with the request. Each row asks for a hidden thing and for an absent one and compares the answers byte for byte.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { Answer, TestServer } from "../../src/testing.ts"
import { userToken } from "../../src/testing.ts"
import { createGuest, createUsers, databaseKinds, startOn, withoutDuration } from "../fixtures.ts"

const hugeCustom = { blob: "x".repeat(6_000) }
const someText = { text: "hello" }

/** Asks about the id; everything else of the request is the same for the hidden thing and for the absent one. */
type Probe = readonly [name: string, method: string, path: (id: string) => string, body?: (id: string) => unknown]

const channelPath = (id: string, rest = "") => `/api/v2/chat/channels/messaging/${id}${rest}`
const members = (payload: object) => `/api/v2/chat/members?payload=${encodeURIComponent(JSON.stringify(payload))}`

const channelProbes: readonly Probe[] = [
  ["UpdateChannel", "POST", (id) => channelPath(id), () => ({ data: { custom: {} } })],
  ["UpdateChannel, nothing asked", "POST", (id) => channelPath(id), () => ({})],
  ["UpdateChannel, custom too large", "POST", (id) => channelPath(id), () => ({ data: { custom: hugeCustom } })],
  [
    "UpdateChannel, a member's custom too large",
    "POST",
    (id) => channelPath(id),
    () => ({ add_members: [{ user_id: "eve", custom: hugeCustom }] }),
  ],
  ["UpdateChannel, team with U+0000", "POST", (id) => channelPath(id), () => ({ data: { team: "a\0b" } })],
  ["UpdateChannel, disabled", "POST", (id) => channelPath(id), () => ({ data: { disabled: true } })],
  ["UpdateChannel, add oneself", "POST", (id) => channelPath(id), () => ({ add_members: ["eve"] })],
  ["SendMessage", "POST", (id) => channelPath(id, "/message"), () => ({ message: someText })],
  ["SendMessage, empty", "POST", (id) => channelPath(id, "/message"), () => ({ message: {} })],
  [
    "SendMessage, reply to nothing",
    "POST",
    (id) => channelPath(id, "/message"),
    () => ({ message: { ...someText, parent_id: "nothing" } }),
  ],
  [
    "SendMessage, custom too large",
    "POST",
    (id) => channelPath(id, "/message"),
    () => ({ message: { ...someText, custom: hugeCustom } }),
  ],
  [
    "SendMessage, system",
    "POST",
    (id) => channelPath(id, "/message"),
    () => ({ message: { ...someText, type: "system" } }),
  ],
  ["MarkRead", "POST", (id) => channelPath(id, "/read"), () => ({})],
  ["MarkRead, up to nothing", "POST", (id) => channelPath(id, "/read"), () => ({ message_id: "nothing" })],
  ["SendEvent, typing", "POST", (id) => channelPath(id, "/event"), () => ({ event: { type: "typing.start" } })],
  ["SendEvent, reserved", "POST", (id) => channelPath(id, "/event"), () => ({ event: { type: "message.new" } })],
  ["StopWatching", "POST", (id) => `${channelPath(id, "/stop-watching")}?connection_id=x`, () => ({})],
  ["QueryMembers", "GET", (id) => members({ type: "messaging", id, filter_conditions: {} })],
  [
    "QueryMembers, bad filter",
    "GET",
    (id) => members({ type: "messaging", id, filter_conditions: { no: { $such: 1 } } }),
  ],
]

const messagePath = (id: string, query = "") => `/api/v2/chat/messages/${id}${query}`
const messageProbes: readonly Probe[] = [
  ["GetMessage", "GET", (id) => messagePath(id)],
  ["GetMessage, deleted shown", "GET", (id) => messagePath(id, "?show_deleted_message=true")],
  ["UpdateMessage", "POST", (id) => messagePath(id), () => ({ message: someText })],
  ["UpdateMessage, empty", "POST", (id) => messagePath(id), () => ({ message: {} })],
  ["UpdateMessage, too large", "POST", (id) => messagePath(id), () => ({ message: { custom: hugeCustom } })],
  ["DeleteMessage", "DELETE", (id) => messagePath(id)],
  ["DeleteMessage, hard", "DELETE", (id) => messagePath(id, "?hard=true")],
  [
    "SendMessage elsewhere, as a reply to it",
    "POST",
    () => channelPath("evesown", "/message"),
    (id) => ({ message: { ...someText, parent_id: id } }),
  ],
  ["MarkRead elsewhere, up to it", "POST", () => channelPath("evesown", "/read"), (id) => ({ message_id: id })],
  ...(["id_lt", "id_gte", "id_around"] as const).map(
    (anchor): Probe => [
      `GetOrCreateChannel elsewhere, ${anchor}`,
      "POST",
      () => channelPath("evesown", "/query"),
      (id) => ({ messages: { [anchor]: id } }),
    ],
  ),
]

const callPath = (id: string, rest = "") => `/api/v2/video/call/default/${id}${rest}`
const callProbes: readonly Probe[] = [
  ["GetCall", "GET", (id) => callPath(id)],
  ["GetCall, watched by nobody", "GET", (id) => `${callPath(id)}?connection_id=x`],
  ["UpdateCall", "PATCH", (id) => callPath(id), () => ({ custom: {} })],
  ["UpdateCall, bad time", "PATCH", (id) => callPath(id), () => ({ starts_at: "soon" })],
  ["UpdateCall, bad settings", "PATCH", (id) => callPath(id), () => ({ settings_override: { no: {} } })],
  ["EndCall", "POST", (id) => callPath(id, "/mark_ended"), () => ({})],
  ["QueryCallMembers", "POST", () => "/api/v2/video/call/members", (id) => ({ type: "default", id })],
  [
    "QueryCallMembers, bad sort",
    "POST",
    () => "/api/v2/video/call/members",
    (id) => ({ type: "default", id, sort: [{ field: "no" }] }),
  ],
  ["UpdateCallMembers", "POST", (id) => callPath(id, "/members"), () => ({ update_members: [{ user_id: "eve" }] })],
  [
    "UpdateCallMembers, bad role",
    "POST",
    (id) => callPath(id, "/members"),
    () => ({ update_members: [{ user_id: "eve", role: "king" }] }),
  ],
  ["UpdateCallMembers, leave", "POST", (id) => callPath(id, "/members"), () => ({ remove_members: ["eve"] })],
]

const follow = (source: string, target: string) => ({ source, target })
const post = (feeds: string[], more: object = {}) => ({ type: "post", text: "hi", feeds, ...more })
const feedPath = (id: string, rest = "") => `/api/v2/feeds/feed_groups/user/feeds/${id}${rest}`
const feedProbes: readonly Probe[] = [
  ["GetOrCreateFeed", "POST", (id) => feedPath(id), () => ({})],
  ["GetOrCreateFeed, custom too large", "POST", (id) => feedPath(id), () => ({ data: { custom: hugeCustom } })],
  ["GetOrCreateFeed, bad cursor", "POST", (id) => feedPath(id), () => ({ next: "!" })],
  ["ChangeFeedVisibility", "PUT", (id) => feedPath(id, "/visibility"), () => ({ visibility: "public" })],
  [
    "UpdateFeedMembers",
    "PATCH",
    (id) => feedPath(id, "/members"),
    () => ({ operation: "upsert", members: [{ user_id: "eve" }] }),
  ],
  [
    "UpdateFeedMembers, bad role",
    "PATCH",
    (id) => feedPath(id, "/members"),
    () => ({ operation: "upsert", members: [{ user_id: "eve", role: "king" }] }),
  ],
  ["AddActivity", "POST", () => "/api/v2/feeds/activities", (id) => post([`user:${id}`])],
  ["AddActivity, and to nothing", "POST", () => "/api/v2/feeds/activities", (id) => post([`user:${id}`, "user:no"])],
  [
    "AddActivity, to one's own first",
    "POST",
    () => "/api/v2/feeds/activities",
    (id) => post(["user:eve", `user:${id}`]),
  ],
  [
    "AddActivity, too large",
    "POST",
    () => "/api/v2/feeds/activities",
    (id) => post([`user:${id}`], { custom: hugeCustom }),
  ],
  ["Follow", "POST", () => "/api/v2/feeds/follows", (id) => follow("user:eve", `user:${id}`)],
  ["Follow, from it", "POST", () => "/api/v2/feeds/follows", (id) => follow(`user:${id}`, "user:eve")],
  ["Follow, from it to nothing", "POST", () => "/api/v2/feeds/follows", (id) => follow(`user:${id}`, "user:no")],
  ["Unfollow", "DELETE", (id) => `/api/v2/feeds/follows/user:eve/user:${id}`],
  ["Unfollow, from it", "DELETE", (id) => `/api/v2/feeds/follows/user:${id}/user:eve`],
  ["AcceptFollow", "POST", () => "/api/v2/feeds/follows/accept", (id) => follow("user:eve", `user:${id}`)],
  ["RejectFollow", "POST", () => "/api/v2/feeds/follows/reject", (id) => follow("user:eve", `user:${id}`)],
  ["QueryFollows", "POST", () => "/api/v2/feeds/follows/query", (id) => ({ filter: { source_feed: `user:${id}` } })],
]

const activityPath = (id: string, query = "") => `/api/v2/feeds/activities/${id}${query}`
const activityProbes: readonly Probe[] = [
  ["GetActivity", "GET", (id) => activityPath(id)],
  ["UpdateActivity", "PUT", (id) => activityPath(id), () => ({ text: "mine now" })],
  ["UpdateActivity, to nothing", "PUT", (id) => activityPath(id), () => ({ text: "x", feeds: ["user:no"] })],
  ["UpdateActivity, to one's own", "PUT", (id) => activityPath(id), () => ({ text: "x", feeds: ["user:eve"] })],
  ["UpdateActivityPartial", "PATCH", (id) => activityPath(id), () => ({ set: { text: "x" } })],
  ["UpdateActivityPartial, bad field", "PATCH", (id) => activityPath(id), () => ({ set: { user_id: "eve" } })],
  ["DeleteActivity", "DELETE", (id) => activityPath(id)],
  ["DeleteActivity, hard", "DELETE", (id) => activityPath(id, "?hard_delete=true")],
]

for (const kind of databaseKinds) {
  describe(`hidden on ${kind}`, () => {
    let t: TestServer
    let guest: { id: string; token: string }
    const eve = userToken("eve")

    beforeAll(async () => {
      t = await startOn(kind)
      await createUsers(t, "alice", "bob", "eve")
      guest = await createGuest(t)
      const alice = userToken("alice")
      const ok = async (answer: Promise<Answer>) => expect((await answer).status).toBeLessThan(300)
      for (const id of ["hidden", "hiddengone"]) {
        await ok(
          t.call("POST", channelPath(id, "/query"), { as: alice, body: { data: { members: ["alice", "bob"] } } }),
        )
      }
      await ok(t.call("POST", channelPath("evesown", "/query"), { as: eve, body: { data: { members: ["eve"] } } }))
      const message = { ...someText, id: "hiddenmsg" }
      await ok(t.call("POST", channelPath("hidden", "/message"), { as: alice, body: { message } }))
      await ok(t.call("POST", feedPath("eve"), { as: eve, body: {} }))
      await ok(t.call("POST", feedPath("hidden"), { body: { user_id: "alice", data: { visibility: "private" } } }))
      const hidden = { ...post(["user:hidden"]), id: "hiddenact", user_id: "alice" }
      await ok(t.call("POST", "/api/v2/feeds/activities", { body: hidden }))
      await ok(t.call("POST", callPath("hidden"), { as: alice, body: { data: { members: [{ user_id: "bob" }] } } }))
    })
    afterAll(() => t.close())

    const look = async (
      [, method, path, body]: Probe,
      id: string,
      as: string | null,
      authType: string,
    ): Promise<string> => {
      const answer = await t.call(method, path(id), { as, authType, body: body?.(id) })
      const names = [...answer.headers.keys()].sort().join(" ")
      return `${withoutDuration(answer).replaceAll(id, "ID")} ${names}`
    }

    for (const [what, hiddenId, absentId, probes] of [
      ["channel", "hidden", "absent", channelProbes],
      ["message", "hiddenmsg", "absentmsg", messageProbes],
      ["call", "hidden", "absent", callProbes],
      ["feed", "hidden", "absent", feedProbes],
      ["activity", "hiddenact", "absentact", activityProbes],
    ] as const) {
      test.each(probes.map((probe) => [probe[0], probe] as const))(
        `case 27: a hidden ${what}: %s`,
        async (_, probe) => {
          for (const [as, authType] of [
            [eve, "jwt"],
            [guest.token, "jwt"],
            [null, "anonymous"],
            [userToken("alice", { call_cids: ["default:other"] }), "jwt"],
          ] as const) {
            const absent = await look(probe, absentId, as, authType)
            expect(await look(probe, hiddenId, as, authType)).toBe(absent)
          }
        },
      )
    }

    test("case 27: who may not make a channel does not learn that there is one", async () => {
      for (const [as, authType] of [
        [guest.token, "jwt"],
        [null, "anonymous"],
        [userToken("alice", { call_cids: ["default:other"] }), "jwt"],
      ] as const) {
        for (const body of [{}, { data: { members: ["alice"] } }, { data: { frozen: true } }, { state: false }]) {
          const probe: Probe = ["", "POST", (id) => channelPath(id, "/query"), () => body]
          expect(await look(probe, "hidden", as, authType)).toBe(await look(probe, "absent", as, authType))
        }
      }
    })

    test("case 27: nobody learns who talks to whom by asking for their conversation", async () => {
      const conversation = (as: string, ids: string[], body: object = {}) =>
        t.call("POST", "/api/v2/chat/channels/messaging/query", { as, body: { ...body, data: { members: ids } } })
      const made = await conversation(userToken("alice"), ["alice", "bob"])
      expect(made.status).toBe(201)
      const there = made.body.channel.id as string
      // The same about two who never spoke: nothing may differ but the ids.
      await createUsers(t, "carol", "dave")
      const silent = await conversation(userToken("carol"), ["carol", "dave"])
      const gone = silent.body.channel.id as string
      const deleted = await t.call("POST", "/api/v2/users/delete", {
        body: { user_ids: ["carol"], user: "soft", conversations: "soft" },
      })
      expect(deleted.status).toBe(201)
      for (let tries = 0; ; tries++) {
        const task = await t.call("GET", `/api/v2/tasks/${deleted.body.task_id}`)
        if (task.body.status === "completed") break
        expect(tries).toBeLessThan(200)
        await Bun.sleep(20)
      }
      const absent = `!members-${"A".repeat(43)}`
      for (const as of [eve, guest.token]) {
        const about = async (ids: string[]) => withoutDuration(await conversation(as, ids))
        const nobody = await about(["alice", "frank"])
        expect(await about(["alice", "bob"])).toBe(nobody)
        expect(await about(["carol", "dave"])).toBe(nobody)
        for (const body of [{}, { data: { members: ["eve", "bob"] } }]) {
          const byId = async (id: string) =>
            withoutDuration(
              await t.call("POST", channelPath(encodeURIComponent(id), "/query"), { as, body }),
            ).replaceAll(id, "ID")
          expect(await byId(there)).toBe(await byId(absent))
          expect(await byId(gone)).toBe(await byId(absent))
        }
        for (const ids of [["alice", "bob"]]) {
          const payload = (members: string[]) => ({ type: "messaging", members, filter_conditions: {} })
          const asked = async (who: string[]) =>
            withoutDuration(await t.call("GET", membersQuery(payload(who)), { as })).replace(/!members-[\w-]+/, "ID")
          expect(await asked(ids)).toBe(await asked(["alice", "frank"]))
        }
      }
    })
  })
}

const membersQuery = (payload: object) => `/api/v2/chat/members?payload=${encodeURIComponent(JSON.stringify(payload))}`

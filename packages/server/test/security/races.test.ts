// Two who change one thing at once: neither may undo what the other one closed. On databases that run transactions side
// by side these are real races; the others run along.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type TestServer, userToken } from "../../src/testing.ts"
import { createUsers, databaseKinds, startOn } from "../fixtures.ts"

const rounds = 30
const pause = () => Bun.sleep(Math.random() * 4)

for (const kind of databaseKinds) {
  describe(`races on ${kind}`, () => {
    let t: TestServer
    const alice = userToken("alice")
    beforeAll(async () => {
      t = await startOn(kind)
      await createUsers(t, "alice", "bob")
      const body = { data: { visibility: "public" } }
      for (const name of ["alice"]) {
        const path = `/api/v2/feeds/feed_groups/user/feeds/${name}`
        expect((await t.call("POST", path, { as: alice, body })).status).toBe(201)
      }
    })
    afterAll(() => t.close())

    test("a deleted activity does not come back by a change on its way", async () => {
      for (let round = 0; round < rounds; round++) {
        const id = `act${round}`
        const body = { id, type: "post", text: "secret", feeds: ["user:alice"] }
        expect((await t.call("POST", "/api/v2/feeds/activities", { as: alice, body })).status).toBe(201)
        const path = `/api/v2/feeds/activities/${id}`
        const changes = [0, 1, 2].map(async (index) => {
          await pause()
          return t.call("PUT", path, { as: alice, body: { text: `n${index}` } })
        })
        await pause()
        const deleted = await t.call("DELETE", path, { as: alice })
        expect(deleted.status).toBe(200)
        for (const { status } of await Promise.all(changes)) expect([201, 200, 404]).toContain(status)
        expect({ round, status: (await t.call("GET", path, { as: alice })).status }).toEqual({ round, status: 404 })
      }
      const feed = await t.call("POST", "/api/v2/feeds/feed_groups/user/feeds/alice", { as: alice, body: {} })
      expect(feed.body.activities).toEqual([])
      expect(feed.body.feed.activity_count).toBe(0)
    }, 60_000)

    test("a deleted message does not come back by a change on its way", async () => {
      const channel = "/api/v2/chat/channels/messaging/races"
      await t.call("POST", `${channel}/query`, { as: alice, body: { data: { members: ["alice"] } } })
      for (let round = 0; round < rounds; round++) {
        const id = `msg${round}`
        await t.call("POST", `${channel}/message`, { as: alice, body: { message: { id, text: "secret" } } })
        const path = `/api/v2/chat/messages/${id}`
        const changes = [0, 1].map(async (index) => {
          await pause()
          return t.call("POST", path, { as: alice, body: { message: { text: `n${index}` } } })
        })
        await pause()
        expect((await t.call("DELETE", path, { as: alice })).status).toBe(200)
        await Promise.all(changes)
        const { body } = await t.call("GET", path, { as: alice })
        expect({ round, type: body.message.type, text: body.message.text }).toEqual({
          round,
          type: "deleted",
          text: "",
        })
      }
    }, 60_000)

    test("a removed member does not come back by a role that is given meanwhile", async () => {
      const channel = "/api/v2/chat/channels/messaging/roles"
      await t.call("POST", `${channel}/query`, { as: alice, body: { data: { members: ["alice", "bob"] } } })
      for (let round = 0; round < rounds; round++) {
        await Promise.all([
          t.call("POST", channel, { body: { remove_members: ["bob"] } }),
          pause().then(() =>
            t.call("POST", channel, {
              body: { assign_roles: [{ user_id: "bob", channel_role: "channel_moderator" }] },
            }),
          ),
        ])
        const answer = await t.call("POST", `${channel}/query`, { as: userToken("bob"), body: {} })
        expect({ round, status: answer.status }).toEqual({ round, status: 403 })
        expect((await t.call("POST", channel, { body: { add_members: ["bob"] } })).status).toBe(201)
      }
    }, 60_000)

    test("a call that ended does not begin again by a change on its way", async () => {
      for (let round = 0; round < rounds; round++) {
        const path = `/api/v2/video/call/default/race${round}`
        await t.call("POST", path, { as: alice, body: {} })
        await Promise.all([
          t.call("POST", `${path}/mark_ended`, { as: alice, body: {} }),
          pause().then(() => t.call("PATCH", path, { as: alice, body: { custom: { round } } })),
          pause().then(() =>
            t.call("POST", `${path}/members`, { as: alice, body: { update_members: [{ user_id: "bob" }] } }),
          ),
        ])
        const { body } = await t.call("GET", path, { as: alice })
        expect({ round, ended: body.call.ended_at !== undefined }).toEqual({ round, ended: true })
      }
    }, 60_000)
  })
}

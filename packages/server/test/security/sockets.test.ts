// Rights that end must end on open sockets too. Each case opens a socket, subscribes it by a right, takes the right
// away, and lets something happen that only those with the right may hear.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Answer, serverToken, type TestServer, type TestSocket, userToken } from "../../src/testing.ts"
import { createUsers, databaseKinds, startOn } from "../fixtures.ts"

for (const kind of databaseKinds) {
  describe(`sockets on ${kind}`, () => {
    let t: TestServer
    let counter = 0
    const fresh = (name = "s") => `${name}${counter++}`
    beforeAll(async () => {
      t = await startOn(kind)
      await createUsers(t, "alice")
    })
    afterAll(() => t.close())

    const ok = async (answer: Promise<Answer>): Promise<Answer["body"]> => {
      const { status, body } = await answer
      expect({ status, body }).toMatchObject({ status: status < 300 ? status : 200 })
      return body
    }
    const setUser = (id: string, set: object) =>
      ok(t.call("PATCH", "/api/v2/users", { body: { users: [{ id, set }] } }))
    const channel = (type: string, id: string, rest = "") => `/api/v2/chat/channels/${type}/${id}${rest}`
    const makeChannel = (type: string, id: string, data: object = {}) =>
      ok(t.call("POST", channel(type, id, "/query"), { body: { data: { created_by_id: "alice", ...data } } }))
    const update = (type: string, id: string, body: object) => ok(t.call("POST", channel(type, id), { body }))
    const say = (type: string, id: string, text: string) =>
      ok(t.call("POST", channel(type, id, "/message"), { body: { message: { text, user_id: "alice" } } }))
    const watchChannel = (socket: TestSocket, as: string, type: string, id: string) =>
      ok(t.call("POST", channel(type, id, "/query"), { as, connectionId: socket.connectionId, body: { watch: true } }))
    /** What the socket heard until now of things that happen in the channel. */
    const heard = (socket: TestSocket) => socket.frames.filter((frame) => frame.message?.text === "secret")

    /** The right went away: the secret is not heard, whether the socket still stands or was sent away. */
    async function expectDeaf(socket: TestSocket, tell: () => Promise<unknown>): Promise<void> {
      // Somebody who may hear it proves that it was told at all.
      await tell()
      await Bun.sleep(60)
      expect(heard(socket)).toEqual([])
    }

    test("case 31: a role that is taken away", async () => {
      const [user, id] = [fresh("mod"), fresh()]
      await createUsers(t, { id: user, role: "admin" } as { id: string })
      await makeChannel("messaging", id, { members: ["alice"] })
      const socket = await t.connect(user)
      await watchChannel(socket, userToken(user), "messaging", id)
      await say("messaging", id, "hello")
      await socket.next("message.new")
      await setUser(user, { role: "user" })
      await expectDeaf(socket, () => say("messaging", id, "secret"))
    })

    test("case 31: a role that is taken away by replacing the user", async () => {
      const [user, id] = [fresh("mod"), fresh()]
      await createUsers(t, { id: user, role: "admin" } as { id: string })
      await makeChannel("messaging", id, { members: ["alice"] })
      const socket = await t.connect(user)
      await watchChannel(socket, userToken(user), "messaging", id)
      await ok(t.call("POST", "/api/v2/users", { body: { users: { [user]: { id: user, role: "user" } } } }))
      await expectDeaf(socket, () => say("messaging", id, "secret"))
    })

    test("case 31: a team that is taken away", async () => {
      const [user, id] = [fresh("red"), fresh()]
      await createUsers(t, { id: user, teams: ["red"] } as { id: string })
      await makeChannel("livestream", id, { team: "red" })
      const socket = await t.connect(user)
      await watchChannel(socket, userToken(user), "livestream", id)
      await say("livestream", id, "hello")
      await socket.next("message.new")
      await setUser(user, { teams: [] })
      await expectDeaf(socket, () => say("livestream", id, "secret"))
    })

    test("case 31: a team that is taken away: calls and feeds", async () => {
      const user = fresh("red")
      await createUsers(t, { id: user, teams: ["red"], role: "admin" } as { id: string })
      const call = `/api/v2/video/call/audio_room/${fresh("room")}`
      await ok(t.call("POST", call, { body: { data: { created_by_id: "alice", team: "red" } } }))
      const feedId = fresh("f")
      await ok(
        t.call("POST", `/api/v2/feeds/feed_groups/user/feeds/${feedId}`, {
          body: { user_id: "alice", data: { visibility: "private" } },
        }),
      )
      const socket = await t.connect(user)
      const as = userToken(user)
      await ok(t.call("GET", call, { as, connectionId: socket.connectionId }))
      await ok(
        t.call("POST", `/api/v2/feeds/feed_groups/user/feeds/${feedId}`, {
          as,
          connectionId: socket.connectionId,
          body: { watch: true },
        }),
      )
      await setUser(user, { teams: [], role: "user" })
      await ok(t.call("PATCH", call, { body: { custom: { text: "secret" } } }))
      await ok(
        t.call("POST", "/api/v2/feeds/activities", {
          body: { user_id: "alice", type: "post", text: "secret", feeds: [`user:${feedId}`] },
        }),
      )
      await Bun.sleep(60)
      expect(socket.frames.filter((frame) => JSON.stringify(frame).includes("secret"))).toEqual([])
    })

    test("case 31: whoever keeps their rights is not disturbed", async () => {
      const [user, id] = [fresh("calm"), fresh()]
      await createUsers(t, { id: user, role: "admin", teams: ["red"] } as { id: string })
      await makeChannel("messaging", id, { members: ["alice"] })
      const socket = await t.connect(user)
      await watchChannel(socket, userToken(user), "messaging", id)
      await setUser(user, { name: "New name", role: "admin", teams: ["red"] })
      await say("messaging", id, "still here")
      expect((await socket.next("message.new")).message.text).toBe("still here")
      socket.close()
    })

    test("case 31: a channel that moves to another team", async () => {
      const [red, blue, id] = [fresh("red"), fresh("blue"), fresh()]
      await createUsers(
        t,
        { id: red, teams: ["red"] } as { id: string },
        { id: blue, teams: ["blue", "red"] } as { id: string },
      )
      await makeChannel("livestream", id, { team: "red" })
      const [gone, stays] = [await t.connect(red), await t.connect(blue)]
      await watchChannel(gone, userToken(red), "livestream", id)
      await watchChannel(stays, userToken(blue), "livestream", id)
      await update("livestream", id, { data: { team: "blue" } })
      await expectDeaf(gone, () => say("livestream", id, "secret"))
    })

    test("case 31: a channel that is disabled, for members and for anonymous watchers", async () => {
      const [user, id] = [fresh("member"), fresh()]
      await createUsers(t, user)
      await makeChannel("livestream", id, { members: [user] })
      const socket = await t.connect(user)
      const anonymous = await t.connect("!anon", {
        url: `${t.url.replace(/^http/, "ws")}/api/v2/connect?api_key=testkey12345&stream-auth-type=anonymous&json=%7B%7D`,
      })
      await watchChannel(socket, userToken(user), "livestream", id)
      await ok(
        t.call("POST", channel("livestream", id, "/query"), {
          as: null,
          authType: "anonymous",
          connectionId: anonymous.connectionId,
          body: { watch: true },
        }),
      )
      await say("livestream", id, "hello")
      await anonymous.next("message.new")
      await update("livestream", id, { data: { disabled: true } })
      await expectDeaf(socket, () => say("livestream", id, "secret"))
      expect(heard(anonymous)).toEqual([])
    })

    test("case 31: a member's role that reads nothing", async () => {
      const [user, id] = [fresh("member"), fresh()]
      await createUsers(t, user)
      await makeChannel("messaging", id, { members: [user, "alice"] })
      const socket = await t.connect(user)
      await watchChannel(socket, userToken(user), "messaging", id)
      await update("messaging", id, { assign_roles: [{ user_id: user, channel_role: "pending" }] })
      await expectDeaf(socket, () => say("messaging", id, "secret"))
    })

    test("case 31: a call member's role that reads nothing", async () => {
      const [user, id] = [fresh("member"), fresh("call")]
      await createUsers(t, user)
      const call = `/api/v2/video/call/default/${id}`
      await ok(t.call("POST", call, { body: { data: { created_by_id: "alice", members: [{ user_id: user }] } } }))
      const socket = await t.connect(user)
      await ok(t.call("GET", call, { as: userToken(user), connectionId: socket.connectionId }))
      const answer = await t.call("POST", `${call}/members`, {
        as: userToken("alice"),
        body: { update_members: [{ user_id: user, role: "user" }] },
      })
      if (answer.status >= 300) return
      expect((await t.call("GET", call, { as: userToken(user) })).status).toBe(404)
      await ok(t.call("PATCH", call, { body: { custom: { text: "secret" } } }))
      await Bun.sleep(60)
      expect(socket.frames.filter((frame) => JSON.stringify(frame).includes("secret"))).toEqual([])
    })

    test("case 39: a user who connects while being shut out stays shut out, whatever they say of themselves", async () => {
      const rounds = 60
      for (let round = 0; round < rounds; round++) {
        const user = fresh("racer")
        await createUsers(t, user)
        // Half of the rounds fill the cache first, so that both ways of reading the user are raced.
        if (round % 2 === 0) await t.call("GET", "/api/v2/users", { as: userToken(user) })
        const connecting = Promise.all(
          [0, 1, 2].map((index) =>
            t.connect(user, { details: { name: `n${index}`, custom: { round } } }).catch(() => null),
          ),
        )
        const updating = t.call("PATCH", "/api/v2/users", {
          as: userToken(user),
          body: { users: [{ id: user, set: { a: 1 } }] },
        })
        await Bun.sleep(Math.random() * 6)
        expect((await t.call("POST", `/api/v2/users/${user}/deactivate`, { body: {} })).status).toBe(201)
        await updating
        const sockets = (await connecting).filter((socket) => socket !== null)
        const ended = await Promise.race([
          Promise.all(sockets.map((socket) => socket.closed)).then(() => true),
          Bun.sleep(3_000).then(() => false),
        ])
        expect({ round, ended }).toEqual({ round, ended: true })
        expect({ round, status: (await t.call("GET", "/api/v2/users", { as: userToken(user) })).status }).toEqual({
          round,
          status: 401,
        })
      }
    }, 60_000)

    test("case 29: a role that a server gives is not lost to what the user says at the same time", async () => {
      for (let round = 0; round < 40; round++) {
        const user = fresh("new")
        // The user may be there or not when both begin.
        if (round % 2 === 0) await createUsers(t, user)
        const [given] = await Promise.all([
          t.call("POST", "/api/v2/users", {
            as: serverToken(),
            body: { users: { [user]: { id: user, role: "moderator", teams: ["red"] } } },
          }),
          t.connect(user, { details: { name: "N" } }).then(
            (socket) => socket.close(),
            () => undefined,
          ),
          t.call("PATCH", "/api/v2/users", { as: userToken(user), body: { users: [{ id: user, set: { a: 1 } }] } }),
          t.call("POST", "/api/v2/users", {
            as: userToken(user),
            body: { users: { [user]: { id: user, name: "M" } } },
          }),
        ])
        expect(given.status).toBe(201)
        const filter = encodeURIComponent(JSON.stringify({ filter_conditions: { id: user } }))
        const found = await t.call("GET", `/api/v2/users?payload=${filter}`)
        expect({ round, ...found.body.users[0] }).toMatchObject({ round, role: "moderator", teams: ["red"] })
      }
    }, 60_000)
  })
}

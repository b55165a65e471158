import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  createApp,
  createGuest,
  createUsers,
  databaseKinds,
  expectHidden,
  expectRefusal,
  nowSeconds,
  type OtherApp,
  startOn,
  strangers,
} from "../../../test/fixtures.ts"
import { serverToken, type TestServer, userToken } from "../../testing.ts"

for (const kind of databaseKinds) describe(`users on ${kind}`, () => usersOn(kind))

function usersOn(kind: (typeof databaseKinds)[number]): void {
  let server: TestServer
  let other: OtherApp
  beforeAll(async () => {
    server = await startOn(kind)
    other = await createApp(server)
    await createUsers(server, "jessica", "john", { id: "boss", role: "admin" } as { id: string })
  })
  afterAll(() => server.close())

  const find = async (filter: object, as = serverToken(), more: object = {}, options: object = {}) => {
    const payload = encodeURIComponent(JSON.stringify({ filter_conditions: filter, ...more }))
    return server.call("GET", `/api/v2/users?payload=${payload}`, { as, ...options })
  }
  const patch = (change: object, as = serverToken()) =>
    server.call("PATCH", "/api/v2/users", { as, body: { users: [change] } })
  const upsert = (user: { id: string }, as = serverToken()) =>
    server.call("POST", "/api/v2/users", { as, body: { users: { [user.id]: user } } })
  const stored = async (id: string) => (await find({ id })).body.users[0]

  describe("every operation refuses strangers", () => {
    const calls: [string, string, object | undefined][] = [
      ["POST", "/api/v2/users", { users: { jessica: { id: "jessica" } } }],
      ["PATCH", "/api/v2/users", { users: [{ id: "jessica", set: { name: "x" } }] }],
      ["GET", "/api/v2/users", undefined],
      ["POST", "/api/v2/users/jessica/deactivate", {}],
      ["POST", "/api/v2/users/jessica/reactivate", {}],
      ["POST", "/api/v2/users/delete", { user_ids: ["jessica"] }],
    ]
    for (const [method, path, body] of calls) {
      test(`${method} ${path}`, async () => {
        for (const [name, credentials, error] of strangers(other)) {
          const answer = await server.call(method, path, { ...credentials, body })
          expect({ name, code: answer.body.code }).toEqual({ name, code: expect.any(Number) })
          expectRefusal(answer, error)
        }
      })
    }
    test("nothing of it happened", async () => {
      expect(await stored("jessica")).not.toHaveProperty("name")
    })
  })

  describe("UpdateUsers", () => {
    test("a server call sets everything, and a second one replaces it", async () => {
      const first = await upsert({
        id: "all",
        name: "All",
        image: "i",
        language: "en",
        role: "admin",
        teams: ["red"],
        custom: { a: [1, null] },
      } as { id: string })
      expect(first.status).toBe(201)
      expect(first.body.duration).toMatch(/ms$/)
      expect(first.body.users.all).toMatchObject({
        id: "all",
        name: "All",
        role: "admin",
        teams: ["red"],
        custom: { a: [1, null] },
        online: false,
        banned: false,
        devices: [],
        mutes: [],
        total_unread_count: 0,
      })
      expect(first.body.users.all.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      const second = await upsert({ id: "all" })
      expect(second.body.users.all).toMatchObject({ role: "admin", teams: ["red"], custom: {}, language: "" })
      expect(second.body.users.all).not.toHaveProperty("name")
      expect(second.body.users.all.created_at).toBe(first.body.users.all.created_at)
    })

    test("a user changes themselves and is created by it", async () => {
      const { status, body } = await upsert({ id: "fresh", name: "Fresh" } as { id: string }, userToken("fresh"))
      expect(status).toBe(201)
      expect(body.users.fresh).toMatchObject({ name: "Fresh", role: "user" })
    })

    test("a user changes nobody else, whether they exist or not; an admin does", async () => {
      expectRefusal(await upsert({ id: "john" }, userToken("jessica")), "notAllowed")
      expectRefusal(await upsert({ id: "nobody-yet" }, userToken("jessica")), "notAllowed")
      expect((await find({ id: "nobody-yet" })).body.users).toEqual([])
      expect((await upsert({ id: "john" }, userToken("boss"))).status).toBe(201)
    })

    test("case 29: role and teams come from server calls only", async () => {
      for (const said of [{ role: "admin" }, { teams: ["red"] }]) {
        expectRefusal(await upsert({ id: "jessica", ...said }, userToken("jessica")), "notAllowed")
        expectRefusal(await upsert({ id: "jessica", ...said }, userToken("boss")), "notAllowed")
      }
      expect(await stored("jessica")).toMatchObject({ role: "user", teams: [] })
    })

    test("null for a typed field counts as not said, also within the map of users", async () => {
      const { status, body } = await upsert({ id: "nulls", name: null, teams: null } as unknown as { id: string })
      expect(status).toBe(201)
      expect(body.users.nulls).toMatchObject({ teams: [] })
    })

    test("what is wrong is named", async () => {
      const send = (body: unknown) => server.call("POST", "/api/v2/users", { body })
      expectRefusal(await send({}), "input", "users")
      expectRefusal(await send([]), "input")
      expectRefusal(await send({ users: { a: { id: "b" } } }), "input", "users.a.id")
      expectRefusal(await send({ users: { a: null } }), "input", "users.a")
      expectRefusal(await send({ users: { "a b": { id: "a b" } } }), "input", "users.a b.id")
      expectRefusal(await send({ users: { a: { id: "a", name: 5 } } }), "input", "users.a.name")
      expectRefusal(await send({ users: { a: { id: "a", custom: { x: "y".repeat(6000) } } } }), "input", "custom")
      const many = Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`u${n}`, { id: `u${n}` }]))
      expectRefusal(await send({ users: many }), "input", "users")
    })

    test("one bad user fails the whole batch", async () => {
      const body = { users: { good: { id: "good" }, bad: { id: "bad", role: "no spaces" } } }
      expectRefusal(await server.call("POST", "/api/v2/users", { body }), "input", "users.bad.role")
      expect((await find({ id: "good" })).body.users).toEqual([])
    })

    test("ids that are names of JavaScript are ids like others", async () => {
      for (const id of ["__proto__", "constructor", "toString"]) {
        const answer = await server.call("POST", "/api/v2/users", {
          body: `{"users":{"${id}":{"id":"${id}","custom":{"${id}":{"x":1}}}}}`,
        })
        expect(answer.status).toBe(201)
        expect(Object.getOwnPropertyDescriptor(answer.body.users, id)?.value.id).toBe(id)
        expect((await find({ id })).body.users).toHaveLength(1)
      }
      expect(({} as { x?: number }).x).toBeUndefined()
    })
  })

  describe("UpdateUsersPartial", () => {
    test("sets and unsets columns and custom paths", async () => {
      await upsert({ id: "part", name: "P", custom: { a: { b: 1, c: 2 } } } as { id: string })
      const { status, body } = await patch({
        id: "part",
        set: { "a.b": 5, "custom.d": true, language: "de" },
        unset: ["a.c", "name"],
      })
      expect(status).toBe(200)
      expect(body.users.part).toMatchObject({ custom: { a: { b: 5 }, d: true }, language: "de" })
      expect(body.users.part).not.toHaveProperty("name")
    })

    test("a user changes themselves, nobody else", async () => {
      expect((await patch({ id: "jessica", set: { name: "J" } }, userToken("jessica"))).status).toBe(200)
      expectRefusal(await patch({ id: "john", set: { name: "J" } }, userToken("jessica")), "notAllowed")
      expectRefusal(await patch({ id: "ghost", set: { name: "J" } }, userToken("jessica")), "notAllowed")
    })

    test("an absent user is 16 to who may change users", async () => {
      expectRefusal(await patch({ id: "ghost", set: { name: "J" } }), "notFound")
      expectRefusal(await patch({ id: "ghost", set: { name: "J" } }, userToken("boss")), "notFound")
    })

    test("case 29: nobody sets, unsets or nulls what decides about rights", async () => {
      const guest = await createGuest(server)
      for (const name of ["role", "teams", "revoke_tokens_issued_before"]) {
        for (const change of [
          { set: { [name]: name === "teams" ? ["red"] : "admin" } },
          { set: { [name]: null } },
          { unset: [name] },
        ]) {
          if (name === "revoke_tokens_issued_before" && "set" in change && change.set?.[name] === "admin") continue
          expectRefusal(await patch({ id: guest.id, ...change }, guest.token), "notAllowed")
          expectRefusal(await patch({ id: "boss", ...change }, userToken("boss")), "notAllowed")
        }
      }
      expect(await stored(guest.id)).toMatchObject({ role: "guest", teams: [] })
      expect(await stored("boss")).toMatchObject({ role: "admin" })
      for (const name of ["created_at", "banned", "deactivated_at", "deleted_at", "id"]) {
        expectRefusal(await patch({ id: "jessica", set: { [name]: "x" } }, userToken("jessica")), "input", name)
      }
    })

    test("what is wrong is named", async () => {
      expectRefusal(await patch({ id: "jessica", set: { name: 5 } }), "input", "name")
      expectRefusal(await patch({ id: "jessica", set: { "a..b": 5 } }), "input", "a..b")
      expectRefusal(await patch({ id: "jessica", set: { "a.__proto__.b": 5 } }), "input", "a.__proto__.b")
      expectRefusal(await patch({ id: "jessica", set: { revoke_tokens_issued_before: "soon" } }), "input")
      expectRefusal(await patch({ id: "jessica", set: { x: "y".repeat(6000) } }), "input", "custom")
      expectRefusal(await server.call("PATCH", "/api/v2/users", { body: { users: [] } }), "input", "users")
    })
  })

  describe("QueryUsers", () => {
    test("server and user find by filter, sort and page", async () => {
      await createUsers(
        server,
        { id: "q1", custom: { group: "q" } } as { id: string },
        { id: "q2", custom: { group: "q" } } as { id: string },
      )
      for (const as of [serverToken(), userToken("jessica")]) {
        const { status, body } = await find({ group: "q" }, as, { sort: [{ field: "id", direction: -1 }] })
        expect(status).toBe(200)
        expect(body.users.map(({ id }: { id: string }) => id)).toEqual(["q2", "q1"])
        const page = await find({ group: "q" }, as, { sort: [{ field: "id", direction: 1 }], limit: 1, offset: 1 })
        expect(page.body.users.map(({ id }: { id: string }) => id)).toEqual(["q2"])
      }
      expect((await server.call("GET", "/api/v2/users")).status).toBe(200)
    })

    test("another app's users are not there", async () => {
      const answer = await find({ id: "jessica" }, serverToken({}, other.secret), {}, { apiKey: other.apiKey })
      expect(answer.body.users).toEqual([])
    })

    test("a call token and an anonymous caller are refused", async () => {
      expectRefusal(await find({}, userToken("jessica", { call_cids: ["default:a"] })), "notAllowed")
      expectRefusal(await server.call("GET", "/api/v2/users", { as: null, authType: "anonymous" }), "notAllowed")
    })

    test("others do not see that somebody hides, their settings or their cut-off; oneself and the server do", async () => {
      const settings = { typing_indicators: { enabled: false } }
      await upsert({ id: "shy", invisible: true, privacy_settings: settings } as { id: string })
      await patch({ id: "shy", set: { revoke_tokens_issued_before: "2020-01-01T00:00:00Z" } })
      const [seen] = (await find({ id: "shy" }, userToken("jessica"))).body.users
      expect(seen).toMatchObject({ invisible: false, online: false })
      expect(seen).not.toHaveProperty("privacy_settings")
      expect(seen).not.toHaveProperty("revoke_tokens_issued_before")
      for (const as of [serverToken(), userToken("shy")]) {
        expect((await find({ id: "shy" }, as)).body.users[0]).toMatchObject({
          invisible: true,
          privacy_settings: settings,
        })
      }
    })

    test("teams part users from each other (contract/auth.md §6.9)", async () => {
      await createUsers(
        server,
        { id: "red1", teams: ["red"] } as { id: string },
        { id: "red2", teams: ["red", "blue"] } as { id: string },
        { id: "green1", teams: ["green"] } as { id: string },
      )
      const filter = { id: { $in: ["red1", "red2", "green1", "jessica"] } }
      const ids = async (as: string) => (await find(filter, as)).body.users.map(({ id }: { id: string }) => id).sort()
      expect(await ids(userToken("red1"))).toEqual(["red1", "red2"])
      expect(await ids(userToken("jessica"))).toEqual(["jessica"])
      expect(await ids(serverToken())).toEqual(["green1", "jessica", "red1", "red2"])
    })

    test("what is wrong is 4", async () => {
      expectRefusal(await server.call("GET", "/api/v2/users?payload="), "input", "payload")
      expectRefusal(await server.call("GET", "/api/v2/users?payload=%7B%22x"), "input", "payload")
      expectRefusal(await find({}, serverToken(), { limit: 101 }), "input", "payload.limit")
      expectRefusal(await find({ name: { $nope: 1 } }), "input")
      expectRefusal(await find({}, serverToken(), { sort: [{ field: "secret_column" }] }), "input")
      expectRefusal(await find({}, userToken("jessica"), { presence: true }), "input")
      expectRefusal(
        await find({}, userToken("jessica"), { presence: true }, { connectionId: "nope" }),
        "connectionNotFound",
      )
    })
  })

  describe("DeactivateUser and ReactivateUser", () => {
    test("a deactivated user is shut out and let in again", async () => {
      await createUsers(server, "off")
      const gone = await server.call("POST", "/api/v2/users/off/deactivate")
      expect(gone.status).toBe(201)
      expect(gone.body.user.deactivated_at).toBeString()
      expectRefusal(await find({}, userToken("off")), "authentication")
      expect((await find({ id: "off" })).body.users).toEqual([])
      expect((await find({ id: "off" }, serverToken(), { include_deactivated_users: true })).body.users).toHaveLength(1)
      const back = await server.call("POST", "/api/v2/users/off/reactivate", { body: { name: "Back" } })
      expect(back.status).toBe(201)
      expect(back.body.user).toMatchObject({ name: "Back" })
      expect((await find({}, userToken("off"))).status).toBe(200)
    })

    test("only server calls, only users that are there", async () => {
      for (const verb of ["deactivate", "reactivate"]) {
        for (const as of [userToken("jessica"), userToken("boss")]) {
          const there = await server.call("POST", `/api/v2/users/john/${verb}`, { as, body: {} })
          const absent = await server.call("POST", `/api/v2/users/ghost/${verb}`, { as, body: {} })
          expectRefusal(there, "notAllowed")
          expect({ ...there.body, duration: "" }).toEqual({ ...absent.body, duration: "" })
        }
        expectRefusal(await server.call("POST", `/api/v2/users/ghost/${verb}`), "notFound")
        expectRefusal(await server.call("POST", `/api/v2/users/a%20b/${verb}`), "input", "user_id")
        expectRefusal(
          await server.call("POST", `/api/v2/users/john/${verb}`, { body: { created_by_id: 5 } }),
          "input",
          "created_by_id",
        )
      }
    })

    test("a user of another app is as absent as one that never was", async () => {
      const options = { as: serverToken({}, other.secret), apiKey: other.apiKey }
      const there = await server.call("POST", "/api/v2/users/jessica/deactivate", options)
      const absent = await server.call("POST", "/api/v2/users/ghost/deactivate", options)
      expectHidden(there, absent, "jessica", "ghost")
    })
  })

  describe("revocation", () => {
    test("case 35: the next request with an older token is 40; a token of the same second works", async () => {
      await createUsers(server, "revoked")
      const cutoff = nowSeconds()
      const old = userToken("revoked", { iat: cutoff - 1 })
      expect((await find({}, old)).status).toBe(200)
      await patch({ id: "revoked", set: { revoke_tokens_issued_before: new Date(cutoff * 1000 + 400).toISOString() } })
      expectRefusal(await find({}, old), "tokenExpired")
      expectRefusal(await find({}, userToken("revoked", { iat: undefined })), "tokenExpired")
      expect((await find({}, userToken("revoked", { iat: cutoff }))).status).toBe(200)
      await patch({ id: "revoked", set: { revoke_tokens_issued_before: null } })
      expect((await find({}, old)).status).toBe(200)
    })
  })

  describe("DeleteUsers", () => {
    const remove = (body: object, as = serverToken()) => server.call("POST", "/api/v2/users/delete", { as, body })
    const finish = async (id: string) => {
      for (let tries = 0; tries < 100; tries++) {
        const { status, body } = await server.call("GET", `/api/v2/tasks/${id}`)
        expect(status).toBe(200)
        if (body.status !== "pending" && body.status !== "running") return body
        await Bun.sleep(20)
      }
      throw new Error("the task did not end")
    }

    for (const mode of ["soft", "pruning", "hard"] as const) {
      test(`${mode}: gone at once, the task ends, and no old token opens the id again`, async () => {
        const id = `del-${mode}`
        await createUsers(server, { id, name: "N", role: "admin", custom: { a: 1 } } as { id: string })
        const token = userToken(id)
        expect((await find({}, token)).status).toBe(200)
        const { status, body } = await remove({
          user_ids: [id, id],
          user: mode,
          messages: "hard",
          conversations: "hard",
        })
        expect(status).toBe(201)
        expectRefusal(await find({}, token), "authentication")
        const task = await finish(body.task_id)
        expect(task).toMatchObject({ task_id: body.task_id, status: "completed", result: { deleted_users: 1 } })
        expectRefusal(await find({}, token), "authentication")
        expect((await find({ id })).body.users).toEqual([])
        expectRefusal(await upsert({ id }), "input")
        expectRefusal(await patch({ id, set: { name: "x" } }), "notFound")
        expectRefusal(await server.call("POST", `/api/v2/users/${id}/reactivate`), "notFound")
      })
    }

    test("only server calls; absent users, wrong words and impossible mixes are refused", async () => {
      expectRefusal(await remove({ user_ids: ["john"] }, userToken("john")), "notAllowed")
      expectRefusal(await remove({ user_ids: ["john", "ghost"] }), "notFound")
      expect(await stored("john")).toBeDefined()
      expectRefusal(await remove({ user_ids: [] }), "input", "user_ids")
      expectRefusal(await remove({ user_ids: ["john"], user: "later" }), "input", "user")
      expectRefusal(await remove({ user_ids: ["john"], user: "hard" }), "input", "user")
    })
  })

  describe("CreateGuest", () => {
    const guest = (body: unknown, options: object = {}) =>
      server.call("POST", "/api/v2/guest", { as: null, authType: null, body, ...options })

    test("the key is enough, and a leftover token is not looked at", async () => {
      for (const options of [
        {},
        { authType: "anonymous" },
        { as: "bogus", authType: "anonymous" },
        { as: "x.y.z", authType: "jwt" },
        { as: userToken("jessica") },
      ]) {
        const { status, body } = await guest({ user: { id: "visitor", name: "V" } }, options)
        expect(status).toBe(201)
        expect(body.user).toMatchObject({ role: "guest", name: "V", teams: [] })
        expect(body.user.id).toMatch(/^guest-[0-9a-f-]{36}-visitor$/)
        expect((await find({ id: body.user.id }, body.access_token)).body.users).toHaveLength(1)
      }
    })

    test("a guest is never more than a guest", async () => {
      const { body } = await guest({ user: { id: "sly", role: "admin", teams: ["red"] } })
      expect(body.user).toMatchObject({ role: "guest", teams: [] })
      expectRefusal(await upsert({ id: "jessica" }, body.access_token), "notAllowed")
      expectRefusal(await server.call("GET", "/api/v2/app", { as: body.access_token }), "notAllowed")
      expect(
        (await upsert({ id: body.user.id, name: "W" } as { id: string }, body.access_token)).body.users[body.user.id]
          .role,
      ).toBe("guest")
    })

    test("without a key, with a wrong one and with wrong data", async () => {
      expectRefusal(await guest({ user: { id: "v" } }, { apiKey: null }), "accessKey")
      expectRefusal(await guest({ user: { id: "v" } }, { apiKey: "zzzzzzzzzzzz" }), "accessKey")
      expectRefusal(await guest({}), "input", "user")
      expectRefusal(await guest({ user: { id: "!anon" } }), "input", "user.id")
    })
  })

  describe("acting for a user", () => {
    const act = (body: object, as = serverToken()) =>
      server.call("POST", "/api/v2/video/call/default/acting", { as, body })

    test("an id that is no id is 4 and reaches no database", async () => {
      for (const user_id of [5, {}, [], "!anon", "a b", "", { toString: 1, valueOf: 1 }, "x".repeat(256)]) {
        expectRefusal(await act({ user_id }), "input", "user_id")
      }
      expectRefusal(await act({}), "input", "user_id")
    })

    test("nobody acts for a user who does not exist, is deactivated or deleted; `user` describes one", async () => {
      expectRefusal(await act({ user_id: "ghost" }), "input")
      await createUsers(server, "asleep")
      await server.call("POST", "/api/v2/users/asleep/deactivate")
      expectRefusal(await act({ user_id: "asleep" }), "input")
      expect((await act({ user: { id: "described" } })).status).toBe(201)
      expect(await stored("described")).toBeDefined()
    })

    test("a client acts as itself only, whatever it sends along", async () => {
      for (const user_id of ["john", 5, {}, { toString: 1 }, "Jessica", "jessica "]) {
        expectRefusal(await act({ user_id }, userToken("jessica")), "notAllowed")
      }
      expectRefusal(await act({ user: { id: "john" } }, userToken("jessica")), "notAllowed")
      expectRefusal(await act({ data: { created_by_id: "john" } }, userToken("jessica")), "notAllowed")
    })
  })
}

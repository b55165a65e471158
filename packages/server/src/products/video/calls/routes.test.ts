import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  createApp,
  createGuest,
  createUsers,
  type DatabaseKind,
  databaseKinds,
  expectHidden,
  expectRefusal,
  type OtherApp,
  startOn,
  strangers,
  withoutDuration,
} from "../../../../test/fixtures.ts"
import { serverToken, sign, type TestServer, userToken } from "../../../testing.ts"

for (const kind of databaseKinds) describe(`calls on ${kind}`, () => callsOn(kind))

function callsOn(kind: DatabaseKind): void {
  let server: TestServer
  let other: OtherApp
  const maker = userToken("maker")
  const member = userToken("member")
  const stranger = userToken("stranger")
  beforeAll(async () => {
    server = await startOn(kind)
    other = await createApp(server)
    await createUsers(server, "maker", "member", "stranger", { id: "boss", role: "admin" } as { id: string })
  })
  afterAll(() => server.close())

  let calls = 0
  const path = (cid: string, more = ""): string => `/api/v2/video/call/${cid.replace(":", "/")}${more}`
  const open = (cid: string, as: string | null, body: object = {}, options: object = {}) =>
    server.call("POST", path(cid), { as, body, ...options })
  const get = (cid: string, as: string | null, options: object = {}) =>
    server.call("GET", path(cid), { as, ...options })
  const members = (cid: string, as: string | null, body: object = {}, options: object = {}) => {
    const [type, id] = cid.split(":")
    return server.call("POST", "/api/v2/video/call/members", { as, body: { type, id, ...body }, ...options })
  }
  /** A new call of `maker` with `member` in it. */
  const newCall = async (type = "default", data: object = {}): Promise<string> => {
    const cid = `${type}:c${++calls}`
    const { status } = await open(cid, maker, { data: { members: [{ user_id: "member" }], ...data } })
    expect(status).toBe(201)
    return cid
  }
  const idsOf = (answer: { body: { members: { user_id: string }[] } }) =>
    answer.body.members.map(({ user_id }) => user_id)

  test("every operation refuses strangers", async () => {
    const cid = await newCall()
    const operations: [string, string, object | undefined][] = [
      ["POST", path(cid), {}],
      ["GET", path(cid), undefined],
      ["PATCH", path(cid), { custom: { a: 1 } }],
      ["POST", path(cid, "/mark_ended"), undefined],
      ["POST", "/api/v2/video/call/members", { type: "default", id: cid.split(":")[1] }],
      ["POST", path(cid, "/members"), { remove_members: ["member"] }],
    ]
    for (const [method, target, body] of operations) {
      for (const [, credentials, error] of strangers(other)) {
        expectRefusal(await server.call(method, target, { ...credentials, body }), error)
      }
    }
    const { call, members: left } = (await get(cid, maker)).body
    expect(call.custom).toEqual({})
    expect(call).not.toHaveProperty("ended_at")
    expect(left).toHaveLength(1)
  })

  describe("GetOrCreateCall", () => {
    test("a user makes a call and is its host; again is the same call", async () => {
      const first = await open("default:mine", userToken("first-timer"), {
        data: { custom: { a: 1 }, members: [{ user_id: "member", role: "viewer" }] },
      })
      expect(first.status).toBe(201)
      expect(first.body.created).toBe(true)
      expect(first.body.call).toMatchObject({
        cid: "default:mine",
        type: "default",
        id: "mine",
        custom: { a: 1 },
        backstage: false,
        recording: false,
        blocked_user_ids: [],
        egress: { broadcasting: false, rtmps: [] },
      })
      expect(first.body.call.created_by.id).toBe("first-timer")
      expect(first.body.own_capabilities).toContain("end-call")
      expect(first.body.members).toMatchObject([
        { user_id: "member", role: "viewer", custom: {}, user: { id: "member" } },
      ])
      const again = await open("default:mine", userToken("first-timer"), { data: { custom: { b: 1 } } })
      expect(again.body).toMatchObject({
        created: false,
        call: { custom: { a: 1 }, created_at: first.body.call.created_at },
      })
    })

    // The row of a user who acts for the first time is made by the very transaction that shows it.
    test("a maker who is new is shown as they are stored", async () => {
      const { body } = await open("default:newcomer", userToken("newcomer"))
      expect(Date.now() - Date.parse(body.call.created_by.created_at)).toBeLessThan(60_000)
    })

    test("a server call acts for a user and must say for whom", async () => {
      expectRefusal(await open("default:served", serverToken()), "input", "user_id")
      for (const [index, body] of [
        { user_id: "maker" },
        { user: { id: "maker" } },
        { data: { created_by_id: "maker" } },
        { data: { created_by: { id: "maker" } } },
      ].entries()) {
        const { status, body: answer } = await open(`default:served${index}`, serverToken(), body)
        expect(status).toBe(201)
        expect(answer.call.created_by.id).toBe("maker")
      }
    })

    test("a call of the type default is for its members; who may make one learns that it is taken", async () => {
      const cid = await newCall()
      expect((await open(cid, member)).body.created).toBe(false)
      expect((await open(cid, userToken("boss"))).status).toBe(201)
      expectRefusal(await open(cid, stranger), "notAllowed")
    })

    test("who may not make one learns nothing", async () => {
      const cid = await newCall("default", { team: undefined })
      const guest = await createGuest(server)
      const there = await open(cid, guest.token)
      expectRefusal(there, "notAllowed")
      expect(withoutDuration(there)).toBe(withoutDuration(await open("default:absent", guest.token)))
      const anonymous = { authType: "anonymous" }
      const seen = await open(cid, null, {}, anonymous)
      expectRefusal(seen, "notAllowed")
      expect(withoutDuration(seen)).toBe(withoutDuration(await open("default:absent", null, {}, anonymous)))
    })

    test("a call begins in a team of its maker's only", async () => {
      await createUsers(server, { id: "red", teams: ["red"] } as { id: string })
      expect((await open("default:red1", userToken("red"), { data: { team: "red" } })).body.call.team).toBe("red")
      expectRefusal(await open("default:red2", userToken("red"), { data: { team: "blue" } }), "notAllowed")
      expectRefusal(await open("default:red3", maker, { data: { team: "red" } }), "notAllowed")
      expect((await open("default:red4", serverToken(), { user_id: "maker", data: { team: "red" } })).status).toBe(201)
    })

    test("what is wrong is named", async () => {
      expectRefusal(await open("nosuchtype:a", maker), "input", "type")
      expectRefusal(
        await server.call("POST", "/api/v2/video/call/default/a%20b", { as: maker, body: {} }),
        "input",
        "id",
      )
      expectRefusal(await open("default:w", maker, { data: { members: [{ user_id: "ghost" }] } }), "input")
      expectRefusal(
        await open("default:w", maker, { data: { members: [{ user_id: "member", role: "emperor" }] } }),
        "input",
        "members",
      )
      expectRefusal(await open("default:w", maker, { data: { custom: { x: "y".repeat(6000) } } }), "input", "custom")
      expectRefusal(await open("default:w", maker, { data: { starts_at: "soon" } }), "input", "starts_at")
      expectRefusal(await open("default:w", maker, { data: { settings_override: { nope: {} } } }), "input")
      expectRefusal(await open("default:w", maker, { members_limit: 101 }), "input", "members_limit")
      expectRefusal(await open("default:w", maker, {}, { connectionId: "nope" }), "connectionNotFound")
    })

    test("as many members with as much custom data as a request may bring still make a call", async () => {
      const people = Array.from({ length: 100 }, (_, n) => `crowd${n}`)
      const custom = { x: '\\"'.repeat(1200) }
      await createUsers(server, ...people)
      const all = people.map((user_id) => ({ user_id, custom }))
      const { status, body } = await open("default:crowd", maker, { data: { members: all }, ring: true, notify: true })
      expect(status).toBe(201)
      expect(body.members).toHaveLength(25)
      const changed = await server.call("POST", path("default:crowd", "/members"), {
        as: maker,
        body: { update_members: all },
      })
      expect(changed.status).toBe(201)
      expect(changed.body.members).toHaveLength(100)
    })

    test("two at once make one call", async () => {
      const answers = await Promise.all([maker, maker, maker].map((as) => open("default:race", as)))
      expect(answers.map(({ status }) => status)).toEqual([201, 201, 201])
      expect(answers.filter(({ body }) => body.created)).toHaveLength(1)
    })
  })

  describe("GetCall", () => {
    test("server, host and member see it; a stranger sees what is seen of an absent one", async () => {
      const cid = await newCall()
      for (const as of [serverToken(), maker, member, userToken("boss")]) {
        const { status, body } = await get(cid, as)
        expect(status).toBe(200)
        expect(body).toMatchObject({ call: { cid }, members: [{ user_id: "member" }] })
      }
      expect((await get(cid, member)).body.own_capabilities).not.toContain("end-call")
      const guest = await createGuest(server)
      for (const as of [stranger, guest.token])
        expectHidden(await get(cid, as), await get("default:absent", as), cid, "default:absent")
      const anonymous = { authType: "anonymous" }
      expectHidden(await get(cid, null, anonymous), await get("default:absent", null, anonymous), cid, "default:absent")
      const foreign = { apiKey: other.apiKey }
      const as = serverToken({}, other.secret)
      expectHidden(await get(cid, as, foreign), await get("default:absent", as, foreign), cid, "default:absent")
    })

    test("a type that is open by purpose is open, to the kinds it names", async () => {
      const room = await newCall("audio_room")
      const live = await newCall("livestream")
      expect((await get(room, stranger)).status).toBe(200)
      expect((await get(live, stranger)).status).toBe(200)
      expect((await get(live, null, { authType: "anonymous" })).status).toBe(200)
      expectRefusal(await get(room, null, { authType: "anonymous" }), "notFound")
    })

    test("case 27: a call token reaches the listed calls, with its role, and nothing else", async () => {
      const listed = await newCall()
      const unlisted = await newCall()
      const token = userToken("stranger", { call_cids: [listed], role: "viewer" })
      const { status, body } = await get(listed, token)
      expect(status).toBe(200)
      expect(body.own_capabilities).toContain("join-call")
      expect(body.own_capabilities).not.toContain("send-video")
      expectHidden(await get(unlisted, token), await get("default:absent", token), unlisted, "default:absent")
      expectRefusal(await get(listed, userToken("stranger", { call_cids: [listed] })), "notFound")
      expectRefusal(await get(listed, userToken("stranger", { call_cids: [] })), "notFound")
      // The maker's own power does not come along with a token that is limited to another call.
      const limited = userToken("maker", { call_cids: [listed] })
      expectRefusal(await get(unlisted, limited), "notFound")
      expectRefusal(await open("default:by-call-token", limited), "notAllowed")
      expectRefusal(await server.call("PATCH", path(unlisted), { as: limited, body: {} }), "notFound")
      expectRefusal(await server.call("POST", path(unlisted, "/mark_ended"), { as: limited }), "notFound")
    })

    test("an anonymous call token reaches the listed calls", async () => {
      const cid = await newCall()
      const token = sign({ user_id: "!anon", role: "viewer", call_cids: [cid] })
      for (const authType of ["anonymous", "jwt"]) {
        expect((await get(cid, token, { authType })).status).toBe(200)
        expectRefusal(await get(await newCall(), token, { authType }), "notFound")
      }
      expectRefusal(await get(cid, sign({ user_id: "!anon", role: "viewer" }), { authType: "jwt" }), "authentication")
      expectRefusal(
        await get(cid, userToken("maker", { call_cids: [cid] }), { authType: "anonymous" }),
        "authentication",
      )
    })

    test("what is wrong is named", async () => {
      expectRefusal(
        await server.call("GET", path(await newCall(), "?members_limit=x"), { as: maker }),
        "input",
        "members_limit",
      )
      expectRefusal(await server.call("GET", path("nosuchtype:x"), { as: maker }), "notFound")
      expectRefusal(await get(await newCall(), maker, { connectionId: "nope" }), "connectionNotFound")
    })
  })

  describe("UpdateCall and EndCall", () => {
    const update = (cid: string, as: string | null, body: object, options: object = {}) =>
      server.call("PATCH", path(cid), { as, body, ...options })
    const end = (cid: string, as: string | null) => server.call("POST", path(cid, "/mark_ended"), { as })

    test("server and host do", async () => {
      for (const as of [serverToken(), maker]) {
        const cid = await newCall()
        const changed = await update(cid, as, {
          custom: { b: 2 },
          starts_at: "2030-01-01T00:00:00+01:00",
          settings_override: { audio: { mic_default_on: false } },
        })
        expect(changed.status).toBe(200)
        expect(changed.body.call).toMatchObject({
          custom: { b: 2 },
          starts_at: "2029-12-31T23:00:00.000Z",
          settings: { audio: { mic_default_on: false } },
        })
        expect((await end(cid, as)).status).toBe(201)
        const { ended_at } = (await get(cid, maker)).body.call
        expect(ended_at).toBeString()
        expect((await end(cid, as)).status).toBe(201)
        expect((await get(cid, maker)).body.call.ended_at).toBe(ended_at)
      }
    })

    test("a member may not, a stranger sees nothing", async () => {
      const cid = await newCall()
      for (const act of [
        (as: string, of: string) => update(of, as, { custom: {} }),
        (as: string, of: string) => end(of, as),
      ]) {
        expectRefusal(await act(member, cid), "notAllowed")
        expectHidden(await act(stranger, cid), await act(stranger, "default:absent"), cid, "default:absent")
        expectRefusal(await act(serverToken(), "default:absent"), "notFound")
      }
      expectRefusal(await update(cid, null, {}, { authType: "anonymous" }), "notAllowed")
      expect((await get(cid, maker)).body.call).not.toHaveProperty("ended_at")
    })

    test("what is wrong is named", async () => {
      const cid = await newCall()
      expectRefusal(await update(cid, maker, { custom: 5 }), "input", "custom")
      expectRefusal(await update(cid, maker, { custom: { x: "y".repeat(6000) } }), "input", "custom")
      expectRefusal(await update(cid, maker, { starts_at: "soon" }), "input", "starts_at")
      expectRefusal(await update(cid, maker, { settings_override: { nope: {} } }), "input")
      expectRefusal(await update(cid, serverToken(), { user_id: {} }), "input", "user_id")
    })
  })

  describe("members", () => {
    const change = (cid: string, as: string | null, body: object, options: object = {}) =>
      server.call("POST", path(cid, "/members"), { as, body, ...options })

    test("server and host add, change and remove; a removed member is a stranger at once", async () => {
      for (const as of [serverToken(), maker]) {
        const cid = await newCall()
        const added = await change(cid, as, {
          update_members: [{ user_id: "stranger", role: "viewer", custom: { a: 1 } }],
        })
        expect(added.status).toBe(201)
        expect(added.body.members).toMatchObject([{ user_id: "stranger", role: "viewer", custom: { a: 1 } }])
        expect((await get(cid, stranger)).status).toBe(200)
        expect(
          (await change(cid, as, { update_members: [{ user_id: "stranger", role: "host" }] })).body.members,
        ).toMatchObject([{ role: "host" }])
        expect((await get(cid, stranger)).body.own_capabilities).toContain("end-call")
        await change(cid, as, { remove_members: ["stranger", "stranger"] })
        expectRefusal(await get(cid, stranger), "notFound")
      }
    })

    test("whoever is a member may leave, but not change or remove others", async () => {
      const cid = await newCall()
      await change(cid, maker, { update_members: [{ user_id: "stranger" }] })
      expectRefusal(await change(cid, member, { remove_members: ["stranger"] }), "notAllowed")
      expectRefusal(await change(cid, member, { remove_members: ["member", "stranger"] }), "notAllowed")
      expectRefusal(await change(cid, member, { update_members: [{ user_id: "member", role: "host" }] }), "notAllowed")
      expect((await change(cid, member, { remove_members: ["member"] })).status).toBe(201)
      expectRefusal(await get(cid, member), "notFound")
      expectHidden(
        await change(cid, member, { remove_members: ["member"] }),
        await change("default:absent", member, { remove_members: ["member"] }),
        cid,
        "default:absent",
      )
    })

    test("QueryCallMembers filters, sorts and pages for whoever may read", async () => {
      const cid = await newCall()
      await change(cid, maker, {
        update_members: [
          { user_id: "stranger", role: "viewer" },
          { user_id: "boss", role: "host" },
        ],
      })
      expect(idsOf(await members(cid, member, { sort: [{ field: "user_id", direction: -1 }] }))).toEqual([
        "stranger",
        "member",
        "boss",
      ])
      expect(
        idsOf(
          await members(cid, serverToken(), {
            filter_conditions: { role: { $in: ["viewer", "host"] } },
            sort: [{ field: "user_id" }],
          }),
        ),
      ).toEqual(["boss", "stranger"])
      const seen: string[] = []
      let next: string | undefined
      do {
        const page = await members(cid, maker, {
          limit: 1,
          sort: [{ field: "user_id" }],
          ...(next === undefined ? {} : { next }),
        })
        expect(page.status).toBe(201)
        seen.push(...idsOf(page))
        next = page.body.next
      } while (next !== undefined && seen.length < 10)
      expect(seen).toEqual(["boss", "member", "stranger"])
      const outsider = userToken("outsider")
      expectHidden(await members(cid, outsider), await members("default:absent", outsider), cid, "default:absent")
    })

    test("what is wrong is named", async () => {
      const cid = await newCall()
      expectRefusal(await change(cid, maker, { update_members: [{ user_id: "ghost" }] }), "input")
      expectRefusal(
        await change(cid, maker, { update_members: [{ user_id: "member", role: "emperor" }] }),
        "input",
        "members",
      )
      expectRefusal(await change(cid, maker, { update_members: [{}] }), "input", "update_members.0.user_id")
      expectRefusal(await change(cid, maker, { remove_members: "member" }), "input", "remove_members")
      expectRefusal(await members(cid, maker, { filter_conditions: { secret: 1 } }), "input", "filter_conditions")
      expectRefusal(
        await members(cid, maker, { filter_conditions: { role: { $in: [1] } } }),
        "input",
        "filter_conditions",
      )
      expectRefusal(await members(cid, maker, { sort: [{ field: "__proto__" }] }), "input", "sort")
      expectRefusal(await members(cid, maker, { next: "-1" }), "input", "next")
      expectRefusal(await members(cid, maker, { limit: 0 }), "input", "limit")
    })
  })

  describe("sockets", () => {
    test("a watcher hears the call, a member who does not watch hears it once, a stranger nothing", async () => {
      const cid = await newCall()
      const [watcher, reader, outsider] = await Promise.all([
        server.connect("maker"),
        server.connect("member"),
        server.connect("stranger"),
      ])
      expect((await get(cid, maker, { connectionId: watcher.connectionId })).status).toBe(200)
      await server.call("PATCH", path(cid), { as: maker, body: { custom: { n: 1 } } })
      for (const socket of [watcher, reader]) {
        expect(await socket.next("call.updated")).toMatchObject({
          call_cid: cid,
          call: { custom: { n: 1 } },
          capabilities_by_role: expect.any(Object),
        })
      }
      await server.call("POST", path(cid, "/mark_ended"), { as: maker })
      expect(await watcher.next("call.ended")).toMatchObject({ call_cid: cid, user: { id: "maker" } })
      expect(watcher.seen("call.updated")).toHaveLength(1)
      expect(reader.seen("call.updated")).toHaveLength(1)
      expect(outsider.frames.filter(({ call_cid }) => call_cid !== undefined)).toEqual([])
      for (const socket of [watcher, reader, outsider]) socket.close()
    })

    test("case 38: a member who is removed hears that, and then nothing more", async () => {
      const cid = await newCall()
      const socket = await server.connect("member")
      await get(cid, member, { connectionId: socket.connectionId })
      await server.call("POST", path(cid, "/members"), { as: maker, body: { remove_members: ["member"] } })
      expect(await socket.next("call.member_removed")).toMatchObject({ members: ["member"] })
      await server.call("PATCH", path(cid), { as: maker, body: { custom: { secret: 1 } } })
      const marker = await newCall()
      await server.call("PATCH", path(marker), { as: maker, body: { custom: { n: 2 } } })
      expect(await socket.next("call.updated")).toMatchObject({ call_cid: marker })
      expect(socket.seen("call.updated")).toHaveLength(1)
      socket.close()
    })

    test("a connection of another user cannot be bound", async () => {
      const cid = await newCall()
      const socket = await server.connect("stranger")
      expectRefusal(await get(cid, member, { connectionId: socket.connectionId }), "connectionNotFound")
      await server.call("PATCH", path(cid), { as: maker, body: { custom: { n: 1 } } })
      await Bun.sleep(100)
      expect(socket.frames.filter(({ call_cid }) => call_cid !== undefined)).toEqual([])
      socket.close()
    })

    test("case 24: the socket of a call token hears its calls, and nothing of its user's", async () => {
      const listed = await newCall()
      const unlisted = await newCall()
      const token = userToken("member", { call_cids: [listed], role: "viewer" })
      const socket = await server.connect("member", { token, details: { name: "Not by this token" } })
      expect(socket.first.type).toBe("connection.ok")
      expect((await get(listed, token, { connectionId: socket.connectionId })).status).toBe(200)
      expectRefusal(await get(unlisted, token, { connectionId: socket.connectionId }), "notFound")
      await server.call("PATCH", path(unlisted), { as: maker, body: { custom: { n: 1 } } })
      await server.call("PATCH", "/api/v2/users", { body: { users: [{ id: "member", set: { language: "fr" } }] } })
      await server.call("PATCH", path(listed), { as: maker, body: { custom: { n: 1 } } })
      expect(await socket.next("call.updated")).toMatchObject({ call_cid: listed })
      expect(socket.frames.map(({ type }) => type).filter((type) => type !== "health.check")).toEqual([
        "connection.ok",
        "call.updated",
      ])
      const { body } = await server.call(
        "GET",
        `/api/v2/users?payload=${encodeURIComponent('{"filter_conditions":{"id":"member"}}')}`,
      )
      expect(body.users[0]).not.toHaveProperty("name")
      socket.close()
    })

    test("ring goes to all members but the one who rings", async () => {
      const [ringing, rung] = await Promise.all([server.connect("maker"), server.connect("member")])
      const cid = `default:ring${++calls}`
      await open(cid, maker, {
        ring: true,
        video: false,
        data: { members: [{ user_id: "maker" }, { user_id: "member" }] },
      })
      expect(await rung.next("call.ring")).toMatchObject({
        call_cid: cid,
        user: { id: "maker" },
        video: false,
        members: [{ user_id: "maker" }, { user_id: "member" }],
      })
      await ringing.next("call.created")
      await Bun.sleep(50)
      expect(ringing.seen("call.ring")).toEqual([])
      for (const socket of [ringing, rung]) socket.close()
    })
  })
}

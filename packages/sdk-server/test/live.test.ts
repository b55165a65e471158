// Every call of the server SDK against a real Weir: what the app itself may do, and how refusals arrive.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { WeirApiError } from "../../sdk-client/src/errors.ts"
import { refusalOf, refusalsOf } from "../../sdk-client/test/live-server.ts"
import { startTestServer, type TestServer, testApiKey, testApiSecret } from "../../server/src/testing.ts"
import { createWeirServer, type WeirServer } from "../src/server.ts"
import { createServerToken, createServerTokenAsync } from "../src/tokens.ts"

let weir: TestServer
let app: WeirServer
let counter = 0

/** An id that no other test uses. */
const fresh = () => `n${++counter}`

beforeAll(async () => {
  weir = await startTestServer()
  app = createWeirServer({ apiKey: testApiKey, apiSecret: testApiSecret, baseUrl: weir.url })
  await app.users.upsert(["ann", "bob"].map((id) => ({ id })))
})

afterAll(() => weir.close())

async function expectRefusals(cases: [call: Promise<unknown>, refusal: string][]): Promise<void> {
  const refusals = await refusalsOf(cases.map(([call]) => call))
  expect(refusals).toEqual(cases.map(([, refusal]) => refusal))
}

describe("users", () => {
  test("are made, changed, found, with what only the app may say of them", async () => {
    const [a, b] = [fresh(), fresh()]
    const { users } = await app.users.upsert([
      { id: a, name: "A", role: "moderator", teams: ["red"], custom: { n: 1 } },
      { id: b },
    ])
    expect(users[a]).toMatchObject({ name: "A", role: "moderator", teams: ["red"], custom: { n: 1 } })
    const changed = await app.users.updatePartial([{ id: a, set: { role: "user", "custom.m": 2 }, unset: ["name"] }])
    expect(changed.users[a]).toMatchObject({ role: "user", custom: { n: 1, m: 2 } })
    expect(changed.users[a]).not.toHaveProperty("name")
    const page = {
      filter_conditions: { id: { $in: [a, b] } },
      sort: [{ field: "id", direction: -1 } as const],
      limit: 1,
    }
    expect((await app.users.query(page)).users.map(({ id }) => id)).toEqual([b])
    expect((await app.users.query({ ...page, offset: 1 })).users.map(({ id }) => id)).toEqual([a])

    expect(await refusalOf(app.users.upsert([{ id: "not an id" }]))).toBe("400/4")
    expect(await refusalOf(app.users.updatePartial([{ id: "absent", set: { name: "x" } }]))).toBe("404/16")
    expect(await refusalOf(app.users.query({ limit: 1000 }))).toBe("400/4")
  })

  test("are shut out and let in", async () => {
    const id = fresh()
    await app.users.upsert([{ id, name: "before" }])
    expect((await app.users.deactivate(id)).user.deactivated_at).toBeString()
    expect((await app.users.query({ filter_conditions: { id } })).users).toEqual([])
    expect((await app.users.query({ filter_conditions: { id }, include_deactivated_users: true })).users).toHaveLength(
      1,
    )
    const { user } = await app.users.reactivate(id, { name: "after" })
    expect([user.name, user.deactivated_at]).toEqual(["after", undefined])
    expect(await refusalOf(app.users.deactivate("absent"))).toBe("404/16")
    expect(await refusalOf(app.users.reactivate("absent"))).toBe("404/16")
  })

  test.each(["soft", "hard"] as const)("are deleted by a %s task", async (user) => {
    const id = fresh()
    await app.users.upsert([{ id }])
    await app.channels.getOrCreate("messaging", id, { data: { created_by_id: id, members: [id] } })
    const request = user === "hard" ? { user, messages: user, conversations: user } : { user }
    const { task_id } = await app.users.delete({ user_ids: [id], ...request })
    const task = await app.waitForTask(task_id)
    expect(task).toMatchObject({ task_id, status: "completed" })
    expect(await refusalOf(app.users.upsert([{ id }]))).toBe("400/4")
    expect(await refusalOf(app.users.delete({ user_ids: ["absent"] }))).toBe("404/16")
    expect(await refusalOf(app.users.delete({ user_ids: ["ann"], user: "hard" }))).toBe("400/4")
    expect(await refusalOf(app.tasks.get("absent"))).toBe("404/16")
  })

  test("as guests", async () => {
    const { user, access_token } = await app.guests.create({ id: "visitor" })
    expect(user.role).toBe("guest")
    const own = await weir.call("GET", "/api/v2/users", { as: access_token })
    expect(own.status).toBe(200)
    expect(await refusalOf(app.guests.create({ id: "" }))).toBe("400/4")
  })
})

test("channels and messages, for users", async () => {
  const id = fresh()
  const made = await app.channels.getOrCreate("messaging", id, {
    data: {
      created_by_id: "ann",
      members: ["ann", { user_id: "bob", channel_role: "channel_moderator" }],
      custom: { n: 1 },
    },
  })
  expect(made.channel).toMatchObject({ cid: `messaging:${id}`, created_by: { id: "ann" }, custom: { n: 1 } })
  expect(made.members.find(({ user_id }) => user_id === "bob")?.channel_role).toBe("channel_moderator")
  const distinct = await app.channels.getOrCreateDistinct("messaging", {
    data: { created_by_id: "ann", members: ["ann", "bob"] },
  })
  expect(distinct.channel.id).toStartWith("!members-")
  const { channels } = await app.channels.query({ filter_conditions: { cid: `messaging:${id}` }, state: false })
  expect(channels.map(({ channel }) => channel.id)).toEqual([id])

  const { message } = await app.channels.sendMessage(
    "messaging",
    id,
    { text: "hi", user_id: "ann" },
    { skip_push: true },
  )
  expect(message.user.id).toBe("ann")
  expect((await app.messages.get(message.id)).message.text).toBe("hi")
  expect((await app.messages.update(message.id, { text: "ho", user_id: "ann" })).message.text).toBe("ho")
  expect(await app.channels.markRead("messaging", id, { user_id: "bob" })).toMatchObject({
    event: { user: { id: "bob" } },
  })
  const typing = await app.channels.sendEvent("messaging", id, { type: "typing.start", user_id: "ann" })
  expect(typing.event).toMatchObject({ type: "typing.start", cid: `messaging:${id}` })
  expect((await app.messages.delete(message.id, { deleted_by: "ann" })).message.deleted_at).toBeString()
  await app.messages.delete(message.id, { hard: true })

  const acting = "user_id is required for server side requests"
  const missing = await app.channels.sendMessage("messaging", id, { text: "who?" }).catch((thrown) => thrown)
  expect(missing).toBeInstanceOf(WeirApiError)
  expect([missing.status, missing.code, missing.reason]).toEqual([400, 4, acting])
  await expectRefusals([
    [app.channels.getOrCreate("messaging", fresh(), {}), "400/4"],
    [app.channels.getOrCreateDistinct("messaging", { data: { created_by_id: "ann" } }), "400/4"],
    [app.channels.query({ filter_conditions: { nonsense: 1 } }), "400/4"],
    [app.channels.sendMessage("messaging", "absent", { text: "hi", user_id: "ann" }), "404/16"],
    [app.channels.markRead("messaging", "absent", { user_id: "ann" }), "404/16"],
    [app.channels.sendEvent("messaging", "absent", { type: "typing.start", user_id: "ann" }), "404/16"],
    [app.channels.sendEvent("messaging", id, { type: "message.new", user_id: "ann" }), "400/4"],
    [app.messages.get(message.id), "404/16"],
    [app.messages.update(message.id, { text: "x", user_id: "ann" }), "404/16"],
    [app.messages.delete(message.id), "404/16"],
  ])
})

test("feeds, activities and follows, for users", async () => {
  const feed = await app.feeds.getOrCreate("user", "ann", { user_id: "ann", data: { visibility: "visible" } })
  expect(feed).toMatchObject({
    created: true,
    feed: { feed: "user:ann", visibility: "visible", created_by: { id: "ann" } },
  })
  await app.feeds.getOrCreate("timeline", "bob", { user_id: "bob" })
  expect((await app.follows.create({ source: "timeline:bob", target: "user:ann" })).follow.status).toBe("accepted")
  const { activity } = await app.activities.add({ type: "post", feeds: ["user:ann"], user_id: "ann", text: "one" })
  expect((await app.activities.get(activity.id, { user_id: "bob" })).activity.text).toBe("one")
  const { activities } = await app.feeds.getOrCreate("timeline", "bob", { user_id: "bob", limit: 5 })
  expect(activities.map(({ id }) => id)).toEqual([activity.id])
  expect((await app.activities.update(activity.id, { text: "two", user_id: "ann" })).activity.text).toBe("two")
  expect((await app.follows.delete("timeline:bob", "user:ann")).follow.source_feed.feed).toBe("timeline:bob")
  await app.activities.delete(activity.id, { hard_delete: true })

  await expectRefusals([
    [app.feeds.getOrCreate("nonsense", "ann", { user_id: "ann" }), "404/16"],
    [app.feeds.getOrCreate("user", "nobody-yet"), "400/4"],
    [app.activities.add({ type: "post", feeds: ["user:absent"], user_id: "ann" }), "404/16"],
    [app.activities.add({ type: "post", feeds: [], user_id: "ann" }), "400/4"],
    [app.activities.get(activity.id), "404/16"],
    [app.activities.update(activity.id, { text: "x", user_id: "ann" }), "404/16"],
    [app.activities.delete(activity.id), "404/16"],
    [app.follows.create({ source: "timeline:bob", target: "user:absent" }), "404/16"],
    [app.follows.delete("timeline:bob", "user:ann"), "404/16"],
  ])
})

test("calls, and tokens that open nothing else", async () => {
  const id = fresh()
  const made = await app.calls.getOrCreate("default", id, {
    data: { created_by_id: "ann", members: [{ user_id: "bob", role: "host" }], custom: { n: 1 } },
  })
  expect(made).toMatchObject({ created: true, call: { cid: `default:${id}`, created_by: { id: "ann" } } })
  expect((await app.calls.get("default", id, { members_limit: 1 })).members).toHaveLength(1)
  expect((await app.calls.queryMembers("default", id)).members.map(({ user_id }) => user_id)).toEqual(["bob"])

  const path = `/api/v2/video/call/default/${id}`
  const token = app.createCallToken({ callCids: [`default:${id}`], role: "viewer", userId: "stranger" })
  expect((await weir.call("GET", path, { as: token })).status).toBe(200)
  expect((await weir.call("GET", "/api/v2/users", { as: token })).body.code).toBe(17)

  await app.calls.end("default", id)
  expect((await app.calls.get("default", id)).call.ended_at).toBeString()
  expect(
    new Set(
      await refusalsOf([
        app.calls.get("default", "absent"),
        app.calls.queryMembers("default", "absent"),
        app.calls.end("default", "absent"),
      ]),
    ),
  ).toEqual(new Set(["404/16"]))
  expect(await refusalOf(app.calls.getOrCreate("default", fresh()))).toBe("400/4")
})

describe("tokens", () => {
  test("are believed as they were made", async () => {
    const me = { as: app.createToken("ann") }
    expect((await weir.call("GET", "/api/v2/users", me)).status).toBe(200)
    expect((await weir.call("GET", "/api/v2/users", { as: await app.createTokenAsync("ann") })).status).toBe(200)
    expect((await weir.call("GET", "/api/v2/app", { as: createServerToken(testApiSecret) })).status).toBe(200)
    expect((await weir.call("GET", "/api/v2/app", { as: await createServerTokenAsync(testApiSecret) })).status).toBe(
      200,
    )
    expect((await weir.call("GET", "/api/v2/app", me)).body.code).toBe(17)
    const seconds = Math.floor(Date.now() / 1000)
    const old = app.createToken("ann", { issuedAt: seconds - 60, expiresIn: 30 })
    expect((await weir.call("GET", "/api/v2/users", { as: old })).body.code).toBe(40)
    const early = app.createToken("ann", { nbf: seconds + 60 })
    expect((await weir.call("GET", "/api/v2/users", { as: early })).body.code).toBe(41)
    const future = app.createToken("ann", { issuedAt: seconds + 60 })
    expect((await weir.call("GET", "/api/v2/users", { as: future })).body.code).toBe(42)
  })

  test("of another secret or key are refused, and asked once", async () => {
    let asked = 0
    const counting = {
      baseUrl: weir.url,
      fetch: (url: string, init: RequestInit) => {
        asked += 1
        return fetch(url, init)
      },
    }
    const forger = createWeirServer({ apiKey: testApiKey, apiSecret: "wrong".repeat(13), ...counting })
    expect(await refusalOf(forger.users.query())).toBe("401/43")
    const nobody = createWeirServer({ apiKey: "nobodyskey00", apiSecret: testApiSecret, ...counting })
    expect(await refusalOf(nobody.users.query())).toBe("401/2")
    expect(asked).toBe(2)
  })
})

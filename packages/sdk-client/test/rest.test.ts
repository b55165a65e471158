import { afterAll, beforeEach, describe, expect, test } from "bun:test"
import manifest from "../package.json"
import { createOperations } from "../src/operations.ts"
import { createRest, path, type RestAuth, type RestRequest } from "../src/rest.ts"
import { systemTimers } from "../src/timers.ts"
import { version } from "../src/version.ts"
import { apiKey, inSeconds, mint, startHandshakeServer } from "./handshake-server.ts"

const server = startHandshakeServer()
afterAll(() => server.stop())

beforeEach(() => {
  server.requests.length = 0
  server.rest = () => ({})
})

const rest = (timeoutMs = 2000) =>
  createRest({
    baseUrl: server.url,
    apiKey,
    clientTag: "weir-test-0",
    timeoutMs,
    fetch: (url, init) => fetch(url, init),
    timers: { ...systemTimers, random: () => 0 },
  })

const fixed = (token: string): RestAuth => ({ kind: "jwt", token: async () => token, replace: null })
const good = mint({ user_id: "ann" })
const get: RestRequest = { method: "GET", path: "/api/v2/users" }

test("a request carries key, bare token, kind and client tag; arrays, objects and absent values are spelled as the wire wants", async () => {
  const query = { ids: ["a", "b"], payload: { a: "&=#%" }, flag: true, limit: 3, absent: undefined }
  expect(await rest().call<object>({ ...get, query }, fixed(good))).toEqual({ duration: "0.10ms" })
  const [seen] = server.requests
  expect(Object.fromEntries(seen?.query ?? [])).toEqual({
    api_key: apiKey,
    ids: "a,b",
    payload: '{"a":"&=#%"}',
    flag: "true",
    limit: "3",
  })
  expect(seen?.headers.get("authorization")).toBe(good)
  expect(seen?.headers.get("stream-auth-type")).toBe("jwt")
  expect(seen?.headers.get("x-stream-client")).toBe("weir-test-0")
  expect(seen?.body).toBeNull()
})

test("an anonymous request has no Authorization header", async () => {
  await rest().call(get, { kind: "anonymous", token: async () => null, replace: null })
  expect(server.requests[0]?.headers.get("authorization")).toBeNull()
  expect(server.requests[0]?.headers.get("stream-auth-type")).toBe("anonymous")
})

describe("an expired token", () => {
  const expired = mint({ user_id: "ann", exp: inSeconds(-10) })

  test("is replaced once and the request sent again, also when it is a POST", async () => {
    const auth: RestAuth = {
      kind: "jwt",
      token: async () => expired,
      replace: async (old) => (old === expired ? good : ""),
    }
    await rest().call({ method: "POST", path: "/api/v2/users", body: { users: {} } }, auth)
    expect(server.requests.map(({ headers }) => headers.get("authorization"))).toEqual([expired, good])
  })

  test("whose replacement is expired as well is an error, not a loop", async () => {
    const auth: RestAuth = { kind: "jwt", token: async () => expired, replace: async () => expired }
    await expect(rest().call(get, auth)).rejects.toMatchObject({ name: "WeirApiError", code: 40, status: 401 })
    expect(server.requests).toHaveLength(2)
  })

  test("given as text is an error at once", async () => {
    await expect(rest().call(get, fixed(expired))).rejects.toMatchObject({ code: 40 })
    expect(server.requests).toHaveLength(1)
  })
})

test.each([2, 5, 17, 41, 42, 43])("code %d is never sent again", async (code) => {
  server.rest = () => ({ code, status: code === 17 ? 403 : 401, reason: "no" })
  let replaced = 0
  const auth: RestAuth = {
    kind: "jwt",
    token: async () => good,
    replace: async () => {
      replaced += 1
      return good
    },
  }
  await expect(rest().call(get, auth)).rejects.toMatchObject({ code })
  expect([server.requests.length, replaced]).toEqual([1, 0])
})

test("429 gives the wait that the server asks for", async () => {
  server.rest = () =>
    Response.json({ code: 9, message: "slow down", StatusCode: 429 }, { status: 429, headers: { "retry-after": "12" } })
  await expect(rest().call(get, fixed(good))).rejects.toMatchObject({ code: 9, retryAfterSeconds: 12 })
  expect(server.requests).toHaveLength(1)
})

describe("without an answer", () => {
  test("GET, PUT and DELETE are tried three times, POST and PATCH once", async () => {
    for (const [method, tries] of [
      ["GET", 3],
      ["PUT", 3],
      ["DELETE", 3],
      ["POST", 1],
      ["PATCH", 1],
    ] as const) {
      let tried = 0
      const away = createRest({
        baseUrl: "http://127.0.0.1:1",
        apiKey,
        clientTag: "t",
        timeoutMs: 1000,
        timers: { ...systemTimers, random: () => 0 },
        fetch: (url, init) => {
          tried += 1
          return fetch(url, init)
        },
      })
      await expect(away.call({ method, path: "/x" }, fixed(good))).rejects.toMatchObject({
        name: "WeirTransportError",
        reason: "network",
      })
      expect([method, tried]).toEqual([method, tries])
    }
  })

  test("a time-out ends the request", async () => {
    server.rest = () => "hang"
    const request: RestRequest = { method: "POST", path: "/x", body: {} }
    await expect(rest(50).call(request, fixed(good))).rejects.toMatchObject({ reason: "timeout" })
  })

  test("an answer that is no JSON is told apart from a refusal", async () => {
    server.rest = () => new Response("<html>")
    await expect(rest().call({ ...get, method: "POST" }, fixed(good))).rejects.toMatchObject({
      name: "WeirTransportError",
    })
  })
})

describe("a path", () => {
  test("escapes what an id may bring", () => {
    expect(path`/a/${"x/../y?z#w%"}/b`).toBe("/a/x%2F..%2Fy%3Fz%23w%25/b")
  })
  test.each(["", ".", "..", undefined as unknown as string])(
    "refuses the id %p, which would reach another path",
    (id) => {
      expect(() => path`/a/${id}`).toThrow(TypeError)
    },
  )
})

test("each operation is sent to its path of the contract", async () => {
  const send = <A>(request: RestRequest) => rest().call<A>(request, fixed(good))
  const { users, guests, tasks, channels, messages, feeds, activities, follows, calls } = createOperations(send)
  const bound = { connection_id: "c1" }
  await users.upsert([{ id: "ann", name: "Ann" }])
  await users.updatePartial([{ id: "ann", set: { name: "A" }, unset: ["x"] }])
  await users.query({ filter_conditions: { id: { $in: ["ann"] } } }, bound)
  await users.deactivate("ann", { mark_messages_deleted: true })
  await users.reactivate("ann")
  await users.delete({ user_ids: ["ann"], user: "soft" })
  await guests.create({ id: "g" })
  await tasks.get("t1")
  await channels.getOrCreate("messaging", "general", { watch: true }, bound)
  await channels.getOrCreateDistinct("messaging", { data: { members: ["a", "b"] } })
  await channels.query({ filter_conditions: {} })
  await channels.sendMessage("messaging", "general", { text: "hi" }, { skip_push: true })
  await channels.markRead("messaging", "general")
  await channels.sendEvent("messaging", "general", { type: "typing.start" })
  await messages.get("m1")
  await messages.update("m1", { text: "ho" })
  await messages.delete("m1", { hard: true })
  await feeds.getOrCreate("user", "ann", { watch: true }, bound)
  await activities.add({ type: "post", feeds: ["user:ann"] })
  await activities.get("a1", { user_id: "ann" })
  await activities.update("a1", { text: "x" })
  await activities.delete("a1", { hard_delete: true })
  await follows.create({ source: "timeline:ann", target: "user:bob" })
  await follows.delete("timeline:ann", "user:bob")
  await calls.getOrCreate("default", "c")
  await calls.get("default", "c", { members_limit: 5 })
  await calls.queryMembers("default", "c", { limit: 2 })
  await calls.end("default", "c")

  const sent = server.requests.map(({ method, path: at, query, body }) => {
    query.delete("api_key")
    return [`${method} ${at}${query.size > 0 ? `?${decodeURIComponent(String(query))}` : ""}`, body]
  })
  expect(sent).toEqual([
    ["POST /api/v2/users", { users: { ann: { id: "ann", name: "Ann" } } }],
    ["PATCH /api/v2/users", { users: [{ id: "ann", set: { name: "A" }, unset: ["x"] }] }],
    ['GET /api/v2/users?payload={"filter_conditions":{"id":{"$in":["ann"]}}}&connection_id=c1', null],
    ["POST /api/v2/users/ann/deactivate", { mark_messages_deleted: true }],
    ["POST /api/v2/users/ann/reactivate", {}],
    ["POST /api/v2/users/delete", { user_ids: ["ann"], user: "soft" }],
    ["POST /api/v2/guest", { user: { id: "g" } }],
    ["GET /api/v2/tasks/t1", null],
    ["POST /api/v2/chat/channels/messaging/general/query?connection_id=c1", { watch: true }],
    ["POST /api/v2/chat/channels/messaging/query", { data: { members: ["a", "b"] } }],
    ["POST /api/v2/chat/channels", { filter_conditions: {} }],
    ["POST /api/v2/chat/channels/messaging/general/message", { message: { text: "hi" }, skip_push: true }],
    ["POST /api/v2/chat/channels/messaging/general/read", {}],
    ["POST /api/v2/chat/channels/messaging/general/event", { event: { type: "typing.start" } }],
    ["GET /api/v2/chat/messages/m1", null],
    ["POST /api/v2/chat/messages/m1", { message: { text: "ho" } }],
    ["DELETE /api/v2/chat/messages/m1?hard=true", null],
    ["POST /api/v2/feeds/feed_groups/user/feeds/ann?connection_id=c1", { watch: true }],
    ["POST /api/v2/feeds/activities", { type: "post", feeds: ["user:ann"] }],
    ["GET /api/v2/feeds/activities/a1?user_id=ann", null],
    ["PUT /api/v2/feeds/activities/a1", { text: "x" }],
    ["DELETE /api/v2/feeds/activities/a1?hard_delete=true", null],
    ["POST /api/v2/feeds/follows", { source: "timeline:ann", target: "user:bob" }],
    ["DELETE /api/v2/feeds/follows/timeline%3Aann/user%3Abob", null],
    ["POST /api/v2/video/call/default/c", {}],
    ["GET /api/v2/video/call/default/c?members_limit=5", null],
    ["POST /api/v2/video/call/members", { type: "default", id: "c", limit: 2 }],
    ["POST /api/v2/video/call/default/c/mark_ended", {}],
  ])
})

test("the version is the package's", () => {
  expect(version).toBe(manifest.version)
})

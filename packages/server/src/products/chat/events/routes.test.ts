// Events that clients send, through the real door. Nothing of this touches a table, so one database is enough.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { serverToken, startTestServer, type TestServer, userToken } from "../../../testing.ts"

let t: TestServer
let counter = 0

beforeAll(async () => {
  t = await startTestServer()
  const users = Object.fromEntries(["alice", "bob", "eve"].map((id) => [id, { id }]))
  const shy = { id: "shy", privacy_settings: { typing_indicators: { enabled: false } } }
  const guest = { id: "guest", role: "guest" }
  expect((await t.call("POST", "/api/v2/users", { body: { users: { ...users, shy, guest } } })).status).toBe(201)
})
afterAll(() => t.close())

const as = (userId: string) => userToken(userId)
const channel = async (members: string[], type = "messaging"): Promise<string> => {
  const cid = `${type}/e${process.pid}-${counter++}`
  const body = { data: { created_by_id: "alice", members } }
  expect((await t.call("POST", `/api/v2/chat/channels/${cid}/query`, { body })).status).toBe(201)
  return cid
}
const tell = (cid: string, token: string, event: object) =>
  t.call("POST", `/api/v2/chat/channels/${cid}/event`, { as: token, body: { event } })
const watch = async (cid: string, userId: string) => {
  const socket = await t.connect(userId)
  const query = { as: as(userId), body: { watch: true }, connectionId: socket.connectionId }
  expect((await t.call("POST", `/api/v2/chat/channels/${cid}/query`, query)).status).toBe(201)
  return socket
}
const codes = (answer: { status: number; body: { code: number } }) => [answer.status, answer.body.code]

test("typing reaches the watchers and is kept nowhere", async () => {
  const cid = await channel(["alice", "bob"])
  const bob = await watch(cid, "bob")
  const answer = await tell(cid, as("alice"), { type: "typing.start", parent_id: "p" })
  expect(answer.status).toBe(201)
  expect(answer.body.event).toMatchObject({ type: "typing.start", user: { id: "alice" }, custom: {} })
  const event = await bob.next("typing.start")
  expect(event).toMatchObject({
    cid: cid.replace("/", ":"),
    channel_type: "messaging",
    parent_id: "p",
    user: { id: "alice" },
  })
  await tell(cid, as("alice"), { type: "typing.stop" })
  await bob.next("typing.stop")
  const state = await t.call("POST", `/api/v2/chat/channels/${cid}/query`, { as: as("alice"), body: {} })
  expect(state.body.messages).toEqual([])
  bob.close()
})

test("whoever hides their typing is not shown, and is not told so", async () => {
  const cid = await channel(["shy", "bob"])
  const bob = await watch(cid, "bob")
  expect((await tell(cid, as("shy"), { type: "typing.start" })).status).toBe(201)
  expect((await tell(cid, as("shy"), { type: "end.of.test" })).status).toBe(201)
  await bob.next("end.of.test")
  expect(bob.seen("typing.start")).toEqual([])
  bob.close()
})

test("events of the app's own bring their data", async () => {
  const cid = await channel(["alice", "bob"])
  const bob = await watch(cid, "bob")
  await tell(cid, as("alice"), { type: "friendship_request", custom: { text: "hey" } })
  expect(await bob.next("friendship_request")).toMatchObject({ custom: { text: "hey" }, user: { id: "alice" } })
  expect((await tell(cid, serverToken(), { type: "from_above", user_id: "eve" })).status).toBe(201)
  expect(await bob.next("from_above")).toMatchObject({ user: { id: "eve" } })
  bob.close()
})

test("what is refused", async () => {
  const cid = await channel(["alice", "bob"])
  const typing = { type: "typing.start" }
  const stranger = await tell(cid, as("eve"), typing)
  const absent = await tell("messaging/not-there", as("eve"), typing)
  expect(codes(stranger)).toEqual([404, 16])
  expect(stranger.body.message).toBe(absent.body.message.replace("messaging:not-there", cid.replace("/", ":")))
  const stream = await tell(await channel([], "livestream"), as("bob"), typing)
  expect(codes(stream)).toEqual([400, 18])
  // The name of an event is checked after the right to know of the channel.
  expect(codes(await tell(cid, as("eve"), { type: "message.new" }))).toEqual([404, 16])
  for (const type of [
    "message.new",
    "notification.mark_read",
    "user.watching.start",
    "member.added",
    "no spaces",
    "",
  ]) {
    expect(codes(await tell(cid, as("alice"), { type }))).toEqual([400, 4])
  }
  expect(codes(await tell(cid, as("alice"), { type: "big", custom: { a: "x".repeat(6000) } }))).toEqual([400, 4])
  expect(codes(await tell(cid, as("alice"), { type: "typing.start", user_id: "bob" }))).toEqual([403, 17])
  expect(codes(await tell(cid, serverToken(), typing))).toEqual([400, 4])
  const path = `/api/v2/chat/channels/${cid}/event`
  expect(codes(await t.call("POST", path, { as: null, body: { event: typing } }))).toEqual([401, 5])
  expect(codes(await t.call("POST", path, { as: null, authType: "anonymous", body: { event: typing } }))).toEqual([
    403, 17,
  ])
  expect(codes(await t.call("POST", path, { as: as("alice"), body: {} }))).toEqual([400, 4])
})

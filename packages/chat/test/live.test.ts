// StreamChat against a real Weir, as chat apps use it: the app on its server, its users on their devices.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import {
  apiKey,
  apiSecret,
  type LiveServer,
  next,
  refusalOf,
  refusalsOf,
  startLiveServer,
} from "../../sdk-client/test/live-server.ts"
import type { ChatChannel, ChatEvent } from "../src/channel.ts"
import { StreamChat } from "../src/client.ts"

let weir: LiveServer
let app: StreamChat
const clients: StreamChat[] = []
let counter = 0

/** An id that no other test uses. */
const fresh = () => `n${++counter}`

beforeAll(async () => {
  weir = await startLiveServer()
  app = new StreamChat(apiKey, apiSecret, { baseURL: weir.url })
  await app.upsertUsers(["ann", "bob", "eve"].map((id) => ({ id })))
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.disconnectUser()
})

afterAll(() => weir.close())

function newClient(): StreamChat {
  const client = new StreamChat(apiKey, { baseURL: weir.url })
  clients.push(client)
  return client
}

async function connected(id: string): Promise<StreamChat> {
  const client = newClient()
  await client.connectUser({ id }, async () => app.createToken(id))
  return client
}

/** The next event of a type. Call it before what causes the event. */
const heard = (source: StreamChat | ChatChannel, type: string) => next<ChatEvent>(source, type)

describe("the app", () => {
  test("makes, changes, finds, shuts out and deletes users", async () => {
    const [a, b] = [fresh(), fresh()]
    const { users } = await app.upsertUsers([{ id: a, name: "A", role: "admin", town: "Bern" }, { id: b }])
    expect(users[a]).toMatchObject({ name: "A", role: "admin", town: "Bern" })
    expect((await app.upsertUser({ id: b, name: "B" })).users[b]?.name).toBe("B")
    const changed = await app.partialUpdateUser({ id: a, set: { "custom.town": "Basel" } })
    expect(changed.users[a]?.town).toBe("Basel")
    await app.partialUpdateUsers([{ id: b, unset: ["name"] }])
    const found = await app.queryUsers({ id: { $in: [a, b] } }, { id: -1 }, { limit: 5 })
    expect(found.users.map(({ id, name }) => [id, name])).toEqual([
      [b, undefined],
      [a, "A"],
    ])
    expect((await app.deactivateUser(b)).user.deactivated_at).toBeString()
    expect((await app.reactivateUser(b, { name: "again" })).user.name).toBe("again")
    const { task_id } = await app.deleteUsers([b])
    expect((await app.getTask(task_id)).task_id).toBe(task_id)
    expect(await refusalOf(app.upsertUser({ id: b }))).toBe("400/4")
    expect(await refusalOf(app.getTask("absent"))).toBe("404/16")
  })

  test("makes channels and speaks for users in them", async () => {
    const channel = app.channel("messaging", fresh(), { created_by_id: "ann", members: ["ann", "bob"], name: "Lunch" })
    expect((await channel.create()).channel).toMatchObject({ name: "Lunch", member_count: 2 })
    const { message } = await channel.sendMessage({ text: "Noon?", user_id: "ann", mood: "hungry" })
    expect(message).toMatchObject({ text: "Noon?", mood: "hungry", user: { id: "ann" } })
    expect((await app.getMessage(message.id)).message.mood).toBe("hungry")
    expect((await app.updateMessage({ id: message.id, text: "One?", user_id: "ann" })).message.text).toBe("One?")
    expect(await channel.markRead({ user_id: "bob" })).toMatchObject({ event: { user: { id: "bob" } } })
    expect((await app.deleteMessage(message.id)).message.deleted_at).toBeString()
    await app.deleteMessage(message.id, true)
    expect(await refusalOf(app.getMessage(message.id))).toBe("404/16")
    const [same] = await app.queryChannels({ cid: channel.cid }, { last_message_at: -1 })
    expect(same?.data.name).toBe("Lunch")
    expect(await refusalOf(app.queryChannels({}, [], { watch: true }))).toBe("not_connected")
  })
})

describe("a user", () => {
  test("connects with what they say of themselves", async () => {
    const client = newClient()
    expect([client.wsConnection, client.userID, client.connectedUsers.current]).toEqual([null, undefined, null])
    const answer = await client.connectUser({ id: "ann", name: "Ann", town: "Bern" }, app.createToken("ann"))
    expect(answer.me).toMatchObject({ id: "ann", name: "Ann", town: "Bern", role: "user" })
    expect(client.connectedUsers.current).toMatchObject({ id: "ann", town: "Bern" })
    expect(client.wsConnection).toEqual({ isHealthy: true, connectionID: answer.connection_id })
    expect((await client.upsertUser({ id: "ann", name: "Anna" })).users.ann?.name).toBe("Anna")
    expect(await refusalOf(client.upsertUser({ id: "bob" }))).toBe("403/17")
    expect(await refusalOf(client.deactivateUser("bob"))).toBe("403/17")
    expect(await refusalOf(client.connectUser({ id: "bob" }, app.createToken("bob")))).toBe("already_connected")
    await client.disconnectUser()
    expect([client.userID, client.connectedUsers.current]).toEqual([undefined, null])
    await client.connectUser({ id: "bob" }, app.createToken("bob"))
    expect(client.userID).toBe("bob")
  })

  test.each([
    ["that has ended", () => app.createToken("ann", 1000, 900), "401/40"],
    ["of a wrong secret", () => new StreamChat(apiKey, "wrong".repeat(13)).createToken("ann"), "401/43"],
    ["of somebody else", () => app.createToken("bob"), "token_mismatch"],
  ])("is refused with a token %s", async (_, token, refusal) => {
    const client = newClient()
    const before = weir.connects
    expect(await refusalOf(client.connectUser({ id: "ann" }, token()))).toBe(refusal)
    expect(weir.connects - before).toBe(refusal.startsWith("401") ? 1 : 0)
    expect(client.connectedUsers.current).toBeNull()
    // The same client may try again.
    expect((await client.connectUser({ id: "ann" }, app.createToken("ann"))).me.id).toBe("ann")
  })

  test("who is shut out while connected is told so, once", async () => {
    const id = fresh()
    const client = await connected(id)
    const changes: unknown[] = []
    client.on("connection.changed", ({ online }) => changes.push(online))
    const failed = heard(client, "connection.failed")
    const before = weir.connects
    await app.deactivateUser(id)
    expect((await failed).error).toMatchObject({ code: 5 })
    expect(client.wsConnection?.isHealthy).toBe(false)
    await Bun.sleep(600)
    expect([weir.connects, changes]).toEqual([before, [false]])
  })
})

describe("a channel", () => {
  test("tells of everything that happens in it", async () => {
    const [ann, bob] = [await connected("ann"), await connected("bob")]
    const id = fresh()
    const mine = ann.channel("messaging", id, { members: ["ann", "bob"], name: "Lunch" })
    const added = heard(bob, "notification.added_to_channel")
    await mine.watch()
    expect(await added).toMatchObject({ cid: mine.cid, channel: { name: "Lunch" } })
    const noticed = heard(bob, "notification.message_new")
    const { message } = await mine.sendMessage({ text: "Noon?", mood: "hungry" })
    expect(await noticed).toMatchObject({ cid: mine.cid, message: { text: "Noon?", mood: "hungry" } })

    const theirs = bob.channel("messaging", id)
    const state = await theirs.watch()
    expect(state.messages.map(({ text }) => text)).toEqual(["Noon?"])
    expect([theirs.data.name, theirs.snapshot?.members.length]).toEqual(["Lunch", 2])
    const all: string[] = []
    theirs.on(({ type }) => {
      // That one watches oneself is told at once, so it may come before or after the answer.
      if (!type.startsWith("user.watching.")) all.push(type)
    })
    const change = (body: object) => weir.direct.call("POST", `/api/v2/chat/channels/messaging/${id}`, { body })
    const steps: [string, () => Promise<unknown>][] = [
      ["typing.start", () => mine.keystroke()],
      ["typing.stop", () => mine.stopTyping()],
      ["message.new", () => mine.sendMessage({ text: "Or one?" })],
      ["message.updated", () => ann.updateMessage({ id: message.id, text: "Half past?" })],
      ["message.deleted", () => ann.deleteMessage(message.id)],
      ["message.read", () => mine.markRead()],
      ["wave", () => mine.sendEvent({ type: "wave", hand: "left" })],
      ["member.added", () => change({ add_members: ["eve"] })],
      ["member.updated", () => change({ add_moderators: ["eve"] })],
      ["member.removed", () => change({ remove_members: ["eve"] })],
      ["channel.updated", () => change({ data: { custom: { name: "Dinner" } } })],
    ]
    for (const [type, act] of steps) {
      const event = heard(theirs, type)
      await act()
      expect(await event).toMatchObject({ type, cid: mine.cid })
    }
    expect(all).toEqual(steps.map(([type]) => type))
  })

  test("counts what its members have not read, until they have", async () => {
    const channel = app.channel("messaging", fresh(), { created_by_id: "ann", members: ["ann", "bob"] })
    await channel.create()
    await channel.sendMessage({ text: "one", user_id: "ann" })
    await channel.sendMessage({ text: "two", user_id: "ann" })
    const bob = newClient()
    const { me } = await bob.connectUser({ id: "bob" }, app.createToken("bob"))
    const unread = me.total_unread_count as number
    expect(unread).toBeGreaterThanOrEqual(2)
    const marked = heard(bob, "notification.mark_read")
    await bob.channel("messaging", channel.id).markRead()
    expect(await marked).toMatchObject({
      total_unread_count: unread - 2,
      unread_channels: (me.unread_channels as number) - 1,
    })
  })

  test("is closed to others, and only its own events reach its listeners", async () => {
    const [ann, eve] = [await connected("ann"), await connected("eve")]
    const [one, two] = [
      ann.channel("messaging", fresh(), { members: ["ann"] }),
      ann.channel("messaging", fresh(), { members: ["ann"] }),
    ]
    await one.watch()
    await two.watch()
    const texts: unknown[] = []
    const subscription = one.on("message.new", ({ message }) => texts.push((message as { text: string }).text))
    await two.sendMessage({ text: "two" })
    const last = heard(one, "message.new")
    await one.sendMessage({ text: "one" })
    await last
    subscription.unsubscribe()
    const later = heard(one, "message.new")
    await one.sendMessage({ text: "unheard" })
    await later
    expect(texts).toEqual(["one"])
    const closed = [eve.channel("messaging", one.id).watch(), eve.channel("messaging", one.id).create()]
    expect(await refusalsOf(closed)).toEqual(["403/17", "403/17"])
    expect(await refusalOf(eve.channel("messaging", one.id).sendMessage({ text: "me too" }))).toBe("404/16")
    expect(await eve.queryChannels({ cid: one.cid })).toEqual([])
  })

  test("is found by its members, and heard from then on", async () => {
    const made = app.channel("messaging", fresh(), { created_by_id: "ann", members: ["ann", "bob"] })
    await made.create()
    const bob = await connected("bob")
    const [found] = await bob.queryChannels({ members: { $in: ["bob"] }, cid: made.cid }, { last_message_at: -1 })
    const event = heard(found as ChatChannel, "message.new")
    await made.sendMessage({ text: "hi", user_id: "ann" })
    expect(await event).toMatchObject({ message: { text: "hi" } })
    const distinct = bob.channel("messaging", { members: ["ann", "bob"] })
    await distinct.create()
    expect(distinct.id).toStartWith("!members-")
  })
})

test("presence of those who were asked about is told, also after the line was cut", async () => {
  const ann = await connected("ann")
  const { users } = await ann.queryUsers({ id: { $in: ["bob"] } }, undefined, { presence: true })
  expect(users).toMatchObject([{ id: "bob", online: false }])
  const came = heard(ann, "user.presence.changed")
  const bob = await connected("bob")
  expect(await came).toMatchObject({ user: { id: "bob", online: true } })
  const recovered = [heard(ann, "connection.recovered"), heard(bob, "connection.recovered")]
  weir.cut()
  await Promise.all(recovered)
  const went = next<ChatEvent>(
    ann,
    "user.presence.changed",
    ({ user }) => (user as { online: boolean }).online === false,
  )
  await bob.disconnectUser()
  expect(await went).toMatchObject({ user: { id: "bob" } })
})

test("guests and strangers take part where they may", async () => {
  const room = app.channel("livestream", fresh(), { created_by_id: "ann" })
  await room.create()
  const stranger = newClient()
  expect((await stranger.connectAnonymousUser()).me.id).toBe("!anon")
  const watched = stranger.channel("livestream", room.id)
  await watched.watch()
  const guest = newClient()
  const { me } = await guest.setGuestUser({ id: "visitor", name: "A visitor", town: "Bern" })
  expect(me).toMatchObject({ role: "guest", name: "A visitor", town: "Bern" })
  expect(guest.userID).toBe(me.id)
  const event = heard(watched, "message.new")
  await guest.channel("livestream", room.id).sendMessage({ text: "hello" })
  expect(await event).toMatchObject({ message: { text: "hello", user: { id: me.id } } })
  expect(await refusalOf(watched.sendMessage({ text: "me too" }))).toBe("403/17")
})

test("instances of one process are apart, and one key has one", async () => {
  const options = { baseURL: weir.url }
  const shared = StreamChat.getInstance(apiKey, options)
  expect(StreamChat.getInstance(apiKey, options)).toBe(shared)
  expect(StreamChat.getInstance(apiKey, apiSecret, options)).not.toBe(shared)
  clients.push(shared)
  const other = await connected("bob")
  await shared.connectUser({ id: "ann" }, app.createToken("ann"))
  expect([shared.userID, other.userID]).toEqual(["ann", "bob"])
  expect(shared.wsConnection?.connectionID).not.toBe(other.wsConnection?.connectionID)
  const event = heard(other, "notification.message_new")
  const channel = shared.channel("messaging", { members: ["ann", "bob"] })
  await channel.watch()
  await channel.sendMessage({ text: "hi" })
  expect(await event).toMatchObject({ message: { user: { id: "ann" } } })
  await shared.disconnectUser()
  expect(other.wsConnection?.isHealthy).toBe(true)
})

test("a restart of the server is no more than a pause", async () => {
  const [ann, bob] = [await connected("ann"), await connected("bob")]
  const mine = ann.channel("messaging", fresh(), { members: ["ann", "bob"] })
  await mine.watch()
  const recovered = [heard(ann, "connection.recovered"), heard(bob, "connection.recovered")]
  await weir.restart()
  await Promise.all(recovered)
  const [seen, noticed] = [heard(mine, "message.new"), heard(bob, "notification.message_new")]
  await bob.channel("messaging", mine.id).sendMessage({ text: "still here" })
  expect(await seen).toMatchObject({ message: { text: "still here" } })
  await bob.channel("messaging", mine.id).watch()
  await mine.sendMessage({ text: "good" })
  await noticed
})

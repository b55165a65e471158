// Every call of the client against a real Weir: what a user may do, and how each refusal arrives.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { createWeirServer, type WeirServer } from "../../sdk-server/src/server.ts"
import { WeirClient } from "../src/client.ts"
import { WeirApiError, WeirTransportError } from "../src/errors.ts"
import type { RestAuth } from "../src/rest.ts"
import { apiKey, apiSecret, type LiveServer, next, refusalOf, refusalsOf, startLiveServer } from "./live-server.ts"

let weir: LiveServer
let app: WeirServer
const clients: WeirClient[] = []
let counter = 0

/** An id that no other test uses. */
const fresh = () => `n${++counter}`

beforeAll(async () => {
  weir = await startLiveServer()
  app = createWeirServer({ apiKey, apiSecret, baseUrl: weir.url })
  await app.users.upsert(["ann", "bob", "eve"].map((id) => ({ id })))
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.disconnect()
})

afterAll(() => weir.close())

async function connected(userId: string): Promise<WeirClient> {
  const client = new WeirClient({ apiKey, baseUrl: weir.url })
  clients.push(client)
  await client.connect({ id: userId }, () => app.createToken(userId))
  return client
}

describe("users", () => {
  test("one may say who oneself is, not who others are, nor what one may do", async () => {
    const ann = await connected("ann")
    const { users } = ann.operations
    const said = await users.upsert([{ id: "ann", name: "Ann", custom: { team: "blue" } }])
    expect(said.users.ann).toMatchObject({ id: "ann", name: "Ann", role: "user", custom: { team: "blue" } })
    expect(said.duration).toMatch(/ms$/)
    const changed = await users.updatePartial([{ id: "ann", set: { "custom.town": "Bern" }, unset: ["custom.team"] }])
    expect(changed.users.ann?.custom).toEqual({ town: "Bern" })
    expect(await refusalOf(users.upsert([{ id: "bob", name: "Not Bob" }]))).toBe("403/17")
    expect(await refusalOf(users.upsert([{ id: "ann", role: "admin" }]))).toBe("403/17")
    expect(await refusalOf(users.updatePartial([{ id: "ann", set: { teams: ["red"] } }]))).toBe("403/17")
    expect(await refusalOf(users.updatePartial([{ id: "ann" }, { id: "no one" }]))).toBe("400/4")
  })

  test("anybody with an account may look others up", async () => {
    const ann = await connected("ann")
    const { users } = await ann.queryUsers({
      filter_conditions: { id: { $in: ["bob", "eve"] } },
      sort: [{ field: "id" }],
    })
    expect(users.map(({ id }) => id)).toEqual(["bob", "eve"])
    expect(await refusalOf(ann.queryUsers({ filter_conditions: { $nonsense: 1 } }))).toBe("400/4")
  })

  test("only the app shuts users out, lets them in, deletes them and follows tasks", async () => {
    const { users, tasks } = (await connected("ann")).operations
    expect(
      new Set(
        await refusalsOf([
          users.deactivate("bob"),
          users.reactivate("bob"),
          users.delete({ user_ids: ["bob"] }),
          tasks.get("some-task"),
        ]),
      ),
    ).toEqual(new Set(["403/17"]))
  })

  test("presence of those who were asked about is told", async () => {
    const ann = await connected("ann")
    const before = await ann.queryUsers({ filter_conditions: { id: "bob" }, presence: true })
    expect(before.users[0]?.online).toBe(false)
    const changes: (boolean | undefined)[] = []
    ann.on("user.presence.changed", ({ user }) => changes.push(user.online))
    const came = next(ann, "user.presence.changed")
    const bob = await connected("bob")
    await came
    const went = next(ann, "user.presence.changed")
    await bob.disconnect()
    await went
    expect(changes).toEqual([true, false])
  })

  test("a guest is made without an account", async () => {
    const client = new WeirClient({ apiKey, baseUrl: weir.url, auth: anonymous })
    const { user, access_token } = await client.operations.guests.create({ id: "visitor", name: "V" })
    expect(user).toMatchObject({ role: "guest", name: "V" })
    expect(access_token.split(".")).toHaveLength(3)
    expect(await refusalOf(client.operations.guests.create({ id: "" }))).toBe("400/4")
  })
})

const anonymous: RestAuth = { kind: "anonymous", token: async () => null, replace: null }

describe("channels", () => {
  test("are made, watched, read and found by their members, and by nobody else", async () => {
    const [ann, bob, eve] = (await Promise.all(["ann", "bob", "eve"].map(connected))) as [
      WeirClient,
      WeirClient,
      WeirClient,
    ]
    const id = fresh()
    const channel = ann.channel("messaging", id, { members: ["ann", "bob"], custom: { name: "Lunch" } })
    const told = next(bob, "notification.added_to_channel")
    const state = await channel.watch({ presence: true })
    expect(state.channel).toMatchObject({ cid: `messaging:${id}`, member_count: 2, custom: { name: "Lunch" } })
    expect(state.members.map(({ user_id }) => user_id).sort()).toEqual(["ann", "bob"])
    expect(await told).toMatchObject({ cid: `messaging:${id}` })

    const page = await bob.queryChannels({ filter_conditions: { members: { $in: ["bob"] }, id }, watch: true })
    expect(page.channels.map(({ channel }) => channel.id)).toEqual([id])
    expect((await eve.queryChannels({ filter_conditions: { id } })).channels).toEqual([])
    expect(await refusalOf(eve.channel("messaging", id).watch())).toBe("403/17")
    expect(await refusalOf(eve.channel("nonsense", id).query())).toBe("404/16")
    expect(await refusalOf(ann.operations.channels.getOrCreate("messaging", id, { watch: true }))).toBe("400/4")
    const elsewhere = { connection_id: bob.connectionId as string }
    expect(await refusalOf(ann.operations.channels.getOrCreate("messaging", id, { watch: true }, elsewhere))).toBe(
      "404/46",
    )
  })

  test("of exactly some members are one, whoever asks", async () => {
    const [ann, bob] = (await Promise.all(["ann", "bob"].map(connected))) as [WeirClient, WeirClient]
    const mine = ann.channel("messaging", null, { members: ["ann", "bob"] })
    await mine.watch()
    const theirs = bob.channel("messaging", null, { members: ["bob", "ann"] })
    await theirs.query()
    expect(theirs.cid).toBe(mine.cid)
    expect(await refusalOf(ann.channel("messaging", null, { members: ["bob", "eve"] }).query())).toBe("403/17")
    expect(await refusalOf(ann.channel("messaging", null).query())).toBe("400/4")
  })

  test("carry messages, typing and reads", async () => {
    const id = fresh()
    await app.channels.getOrCreate("messaging", id, { data: { created_by_id: "ann", members: ["ann", "bob"] } })
    const first = await connected("bob")
    const unreadBefore = first.me?.total_unread_count ?? 0
    const channelsBefore = first.me?.unread_channels ?? 0
    const told = next(first, "notification.message_new")
    const ann = await connected("ann")
    const mine = ann.channel("messaging", id)
    const { message } = await mine.sendMessage({ text: "Noon?", custom: { mood: "hungry" } })
    expect(message).toMatchObject({ text: "Noon?", user: { id: "ann" }, custom: { mood: "hungry" } })
    await told
    await mine.sendMessage({ text: "Or one?" })
    await first.disconnect()

    const bob = await connected("bob")
    expect(bob.me?.total_unread_count).toBe(unreadBefore + 2)
    expect(bob.me?.unread_channels).toBe(channelsBefore + 1)
    const theirs = bob.channel("messaging", id)
    const { messages, read } = await theirs.watch()
    expect(messages.map(({ text }) => text)).toEqual(["Noon?", "Or one?"])
    expect(read?.find(({ user }) => user.id === "bob")?.unread_messages).toBe(2)
    await mine.watch()
    const [seen, counted] = [next(mine, "message.read"), next(bob, "notification.mark_read")]
    expect(await theirs.markRead()).toMatchObject({ event: { type: "message.read", cid: `messaging:${id}` } })
    expect(await seen).toMatchObject({ user: { id: "bob" } })
    expect(await counted).toMatchObject({ total_unread_count: unreadBefore, unread_channels: channelsBefore })

    for (const [type, act] of [
      ["typing.start", () => mine.keystroke()],
      ["typing.stop", () => mine.stopTyping()],
      ["message.new", () => mine.sendMessage({ text: "so?" })],
      ["message.updated", () => mine.updateMessage(message.id, { text: "Noon, then?" })],
      ["message.deleted", () => mine.deleteMessage(message.id)],
    ] as const) {
      const heard = next(theirs, type)
      await act()
      expect(await heard).toMatchObject({ type, cid: `messaging:${id}`, user: { id: "ann" } })
    }
    const custom = next(theirs, "wave")
    await ann.operations.channels.sendEvent("messaging", id, { type: "wave", custom: { hand: "left" } })
    expect(await custom).toMatchObject({ custom: { hand: "left" } })
    expect((await theirs.getMessage(message.id)).message.deleted_at).toBeString()
  })

  test("refuse what is not a member's, and what is not one's own", async () => {
    const id = fresh()
    await app.channels.getOrCreate("messaging", id, { data: { created_by_id: "ann", members: ["ann", "bob"] } })
    const [ann, bob, eve] = (await Promise.all(["ann", "bob", "eve"].map(connected))) as [
      WeirClient,
      WeirClient,
      WeirClient,
    ]
    const { message } = await ann.channel("messaging", id).sendMessage({ text: "ours" })
    const outside = eve.channel("messaging", id)
    expect(
      new Set(
        await refusalsOf([
          outside.sendMessage({ text: "mine too" }),
          outside.getMessage(message.id),
          outside.updateMessage(message.id, { text: "changed" }),
          outside.deleteMessage(message.id),
          outside.markRead(),
          outside.keystroke(),
        ]),
      ),
    ).toEqual(new Set(["404/16"]))
    const inside = bob.channel("messaging", id)
    expect(await refusalOf(inside.updateMessage(message.id, { text: "changed" }))).toBe("403/17")
    expect(await refusalOf(inside.deleteMessage(message.id))).toBe("403/17")
    expect(await refusalOf(inside.sendMessage({ text: "as her", user_id: "ann" }))).toBe("403/17")
    expect(await refusalOf(inside.sendMessage({ text: "x".repeat(6000) }))).toBe("400/20")
    expect(await refusalOf(inside.sendMessage({ text: "x".repeat(2_000_000) }))).toBe("413/22")
    expect(await refusalOf(inside.markRead({ message_id: "absent" }))).toBe("404/16")
    await app.channels.getOrCreate("livestream", id, { data: { created_by_id: "ann" } })
    expect(await refusalOf(bob.channel("livestream", id).keystroke())).toBe("400/18")
  })
})

describe("feeds", () => {
  test("are written by their owner and read by those who may", async () => {
    const [ann, bob] = (await Promise.all(["ann", "bob"].map(connected))) as [WeirClient, WeirClient]
    const mine = ann.feed("user", "ann")
    const state = await mine.getOrCreate({ data: { name: "Ann's", custom: { color: "red" } }, watch: true })
    expect(state.feed).toMatchObject({ feed: "user:ann", name: "Ann's", custom: { color: "red" } })
    const timeline = bob.feed("timeline", "bob")
    await timeline.getOrCreate({ watch: true })
    const [followed, follow] = await Promise.all([next(mine, "feeds.follow.created"), timeline.follow("user:ann")])
    expect(follow.follow.status).toBe("accepted")
    expect(followed).toMatchObject({ fid: "user:ann", follow: { source_feed: { feed: "timeline:bob" } } })

    const added = next(mine, "feeds.activity.added")
    const { activity } = await mine.addActivity({ type: "post", text: "first", custom: { n: 1 } })
    expect(activity).toMatchObject({ type: "post", text: "first", feeds: ["user:ann"], user: { id: "ann" } })
    expect(await added).toMatchObject({ activity: { id: activity.id } })
    expect((await timeline.getOrCreate()).activities.map(({ id }) => id)).toEqual([activity.id])
    expect((await timeline.getActivity(activity.id)).activity.text).toBe("first")

    const updated = next(mine, "feeds.activity.updated")
    await mine.updateActivity(activity.id, { text: "better" })
    expect(await updated).toMatchObject({ activity: { text: "better" } })
    const theirs = bob.feed("user", "ann")
    expect(await refusalOf(theirs.updateActivity(activity.id, { text: "worse" }))).toBe("403/17")
    expect(await refusalOf(theirs.deleteActivity(activity.id))).toBe("403/17")
    expect(await refusalOf(theirs.addActivity({ type: "post", text: "on her wall" }))).toBe("403/17")

    const deleted = next(mine, "feeds.activity.deleted")
    await mine.deleteActivity(activity.id)
    await deleted
    expect(await refusalOf(mine.getActivity(activity.id))).toBe("404/16")
    const unfollowed = next(mine, "feeds.follow.deleted")
    await timeline.unfollow("user:ann")
    await unfollowed
    expect(await refusalOf(timeline.unfollow("user:ann"))).toBe("404/16")
  })

  test("of others are not made, and closed ones are as good as absent", async () => {
    const eve = await connected("eve")
    await app.feeds.getOrCreate("user", "bob", { user_id: "bob", data: { visibility: "private" } })
    const { activity } = await app.activities.add({ type: "post", feeds: ["user:bob"], user_id: "bob", text: "hush" })
    expect(await refusalOf(eve.feed("user", "bob").getOrCreate())).toBe("404/16")
    expect(await refusalOf(eve.feed("user", "bob").getActivity(activity.id))).toBe("404/16")
    await eve.feed("timeline", "eve").getOrCreate()
    expect(await refusalOf(eve.feed("timeline", "eve").follow("user:bob"))).toBe("404/16")
    expect(await refusalOf(eve.feed("user", "nobody-else").addActivity({ type: "post" }))).toBe("404/16")
    expect(await refusalOf(eve.feed("nonsense", "eve").getOrCreate())).toBe("404/16")
    expect(await refusalOf(eve.feed("user", "eve").getOrCreate({ limit: -1 }))).toBe("400/4")
  })
})

describe("calls", () => {
  test("ring those who are called, are found by them, and end for all", async () => {
    const [ann, bob, eve] = (await Promise.all(["ann", "bob", "eve"].map(connected))) as [
      WeirClient,
      WeirClient,
      WeirClient,
    ]
    const id = fresh()
    let ownRings = 0
    ann.on("call.ring", () => {
      ownRings += 1
    })
    const rings = next(bob, "call.ring")
    const call = ann.call("default", id)
    const made = await call.getOrCreate({
      data: { members: [{ user_id: "ann" }, { user_id: "bob" }], custom: { topic: "lunch" } },
      ring: true,
      watch: true,
    })
    expect([made.created, made.call.cid]).toEqual([true, `default:${id}`])
    expect(await rings).toMatchObject({ call_cid: `default:${id}`, user: { id: "ann" }, video: true })

    const theirs = bob.call("default", id)
    expect((await theirs.get({ watch: true, members_limit: 1 })).members).toHaveLength(1)
    expect((await theirs.queryMembers({ sort: [{ field: "user_id" }] })).members.map(({ user_id }) => user_id)).toEqual(
      ["ann", "bob"],
    )
    expect(await refusalOf(theirs.end())).toBe("403/17")
    expect(
      new Set(
        await refusalsOf([
          eve.call("default", id).get(),
          eve.call("default", id).queryMembers(),
          eve.call("default", id).end(),
        ]),
      ),
    ).toEqual(new Set(["404/16"]))
    expect(await refusalOf(eve.call("default", id).getOrCreate())).toBe("403/17")
    expect(await refusalOf(ann.call("nonsense", id).getOrCreate())).toBe("400/4")

    const ended = Promise.all([next(call, "call.ended"), next(theirs, "call.ended")])
    await call.end()
    await ended
    expect((await theirs.get()).call.ended_at).toBeString()
    expect(ownRings).toBe(0)
  })

  test("a call token opens its calls and nothing else", async () => {
    const [open, shut] = [fresh(), fresh()]
    for (const id of [open, shut]) {
      await app.calls.getOrCreate("default", id, {
        data: { created_by_id: "ann", members: [{ user_id: "ann" }, { user_id: "bob" }] },
      })
    }
    const bob = new WeirClient({ apiKey, baseUrl: weir.url })
    clients.push(bob)
    await bob.connect({ id: "bob" }, () =>
      app.createCallToken({ callCids: [`default:${open}`], role: "viewer", userId: "bob" }),
    )
    const call = bob.call("default", open)
    expect((await call.get({ watch: true })).own_capabilities).toContain("join-call")
    expect(await refusalOf(bob.call("default", shut).get())).toBe("404/16")
    expect(await refusalOf(bob.operations.users.query())).toBe("403/17")
    expect(await refusalOf(bob.channel("messaging", fresh(), { members: ["bob"] }).query())).toBe("403/17")
    expect(await refusalOf(bob.feed("user", "bob").getOrCreate())).toMatch(/403\/17|404\/16/)
    // Such a socket hears its call, and nothing else of its user.
    let overheard = 0
    bob.on("notification.added_to_channel", () => {
      overheard += 1
    })
    await app.channels.getOrCreate("messaging", fresh(), { data: { created_by_id: "ann", members: ["bob"] } })
    const ended = next(call, "call.ended")
    await app.calls.end("default", open)
    await ended
    expect(overheard).toBe(0)
  })

  test("a call token for anyone works without a user", async () => {
    const id = fresh()
    await app.calls.getOrCreate("default", id, { data: { created_by_id: "ann" } })
    const token = await app.createCallTokenAsync({ callCids: [`default:${id}`], role: "viewer" })
    const client = new WeirClient({
      apiKey,
      baseUrl: weir.url,
      auth: { kind: "anonymous", token: async () => token, replace: null },
    })
    expect((await client.operations.calls.get("default", id)).call.id).toBe(id)
    expect(await refusalOf(client.operations.calls.get("default", fresh()))).toBe("404/16")
    expect(await refusalOf(client.operations.calls.end("default", id))).toBe("403/17")
  })
})

describe("an error", () => {
  test("of the server holds all that its envelope says", async () => {
    const eve = await connected("eve")
    const error = await eve.operations.users.upsert([{ id: "ann" }]).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(WeirApiError)
    expect(error).toMatchObject({ status: 403, code: 17, unrecoverable: true, retryAfterSeconds: null })
    expect(error.message).toStartWith("UpdateUsers failed with error: ")
    expect(error.reason).toContain("not allowed")
    expect(error.decisionId).toMatch(/^[0-9a-f-]{36}$/)
    const page = await fetch(error.moreInfo)
    expect(page.status).toBe(200)
    const invalid = await eve.operations.users
      .upsert([{ id: "eve", name: 1 as unknown as string }])
      .catch((thrown) => thrown)
    expect(Object.keys(invalid.fields).join()).toContain("name")
  })

  test("says so when no server answers", async () => {
    const client = new WeirClient({ apiKey, baseUrl: "http://127.0.0.1:9", auth: anonymous })
    const error = await client.operations.guests.create({ id: "v" }).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(WeirTransportError)
    expect(error.reason).toBe("network")
  })
})

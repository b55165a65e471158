import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { jwtVerify } from "jose"
import {
  apiKey,
  apiSecret,
  type HandshakeServer,
  mint,
  startHandshakeServer,
} from "../../sdk-client/test/handshake-server.ts"
import { until } from "../../sdk-client/test/manual-timers.ts"
import manifest from "../package.json"
import { type ChatEvent, StreamChat, version } from "../src/index.ts"

let server: HandshakeServer
const clients: StreamChat[] = []

beforeEach(() => {
  server = startHandshakeServer()
})

afterEach(async () => {
  for (const client of clients.splice(0)) await client.disconnectUser()
  await server.stop()
})

function newClient(secret?: string): StreamChat {
  const options = { baseURL: server.url }
  const client = secret === undefined ? new StreamChat(apiKey, options) : new StreamChat(apiKey, secret, options)
  clients.push(client)
  return client
}

const annToken = mint({ user_id: "ann" })
const claimsOf = async (token: string) =>
  (await jwtVerify(token, new TextEncoder().encode(apiSecret), { currentDate: new Date(0) })).payload

describe("createToken", () => {
  test("is synchronous and lives 24 h unless told otherwise", async () => {
    const token = newClient(apiSecret).createToken("ann")
    expect(token).toBeTypeOf("string")
    const claims = await claimsOf(token)
    expect(claims.user_id).toBe("ann")
    expect((claims.exp as number) - (claims.iat as number)).toBe(86_400)
    expect(claims.iat).toBeWithin(Math.floor(Date.now() / 1000) - 1, Math.floor(Date.now() / 1000) + 1)
  })

  test("takes absolute seconds, and null for no end", async () => {
    const client = newClient(apiSecret)
    expect(await claimsOf(client.createToken("ann", 2_000_000_000, 1_700_000_000))).toEqual({
      user_id: "ann",
      iat: 1_700_000_000,
      exp: 2_000_000_000,
    })
    expect(await claimsOf(client.createToken("ann", 2_000_000_000))).toMatchObject({ exp: 2_000_000_000 })
    expect((await claimsOf(client.createToken("ann", null))).exp).toBeUndefined()
  })

  test("refuses milliseconds, fractions and a missing user", () => {
    const client = newClient(apiSecret)
    expect(() => client.createToken("ann", Date.now())).toThrow("Unix seconds")
    expect(() => client.createToken("ann", 1.5)).toThrow("Unix seconds")
    expect(() => client.createToken("")).toThrow(TypeError)
  })

  test("without a secret says where tokens are made", () => {
    expect(() => newClient().createToken("ann")).toThrow("tokens can only be created server-side using the API Secret")
  })
})

describe("getInstance", () => {
  test("gives one instance per key and secret, and never mixes app and user", () => {
    const key = "instancekey1"
    const user = StreamChat.getInstance(key)
    const app = StreamChat.getInstance(key, apiSecret)
    expect(StreamChat.getInstance(key)).toBe(user)
    expect(StreamChat.getInstance(key, { timeout: 5 })).toBe(user)
    expect(StreamChat.getInstance(key, apiSecret)).toBe(app)
    expect(app).not.toBe(user)
    expect(StreamChat.getInstance("instancekey2")).not.toBe(user)
  })

  test("refuses what cannot be right", () => {
    expect(() => StreamChat.getInstance("")).toThrow(TypeError)
    expect(() => new StreamChat(apiKey, "short")).toThrow(TypeError)
  })

  test("shows no secret when it is printed or serialised", () => {
    const client = newClient(apiSecret)
    expect(Bun.inspect(client)).not.toContain(apiSecret)
    expect(JSON.stringify(client)).not.toContain(apiSecret)
  })
})

describe("a connected user", () => {
  test("is under connectedUsers.current, with custom data flat", async () => {
    const client = newClient()
    expect([client.connectedUsers.current, client.userID, client.wsConnection]).toEqual([null, undefined, null])
    const { me, connection_id } = await client.connectUser({ id: "ann", name: "Ann", color: "red" }, annToken)
    expect(server.firstFrames[0]?.user_details).toEqual({ id: "ann", name: "Ann", custom: { color: "red" } })
    expect(me).toMatchObject({ id: "ann", color: "red" })
    expect(client.connectedUsers.current).toEqual(me)
    expect([client.userID, client.user?.id, connection_id]).toEqual(["ann", "ann", "c1"])
    expect(client.wsConnection).toEqual({ isHealthy: true, connectionID: "c1" })
    await client.disconnectUser()
    expect([client.connectedUsers.current, client.userID, client.wsConnection]).toEqual([null, undefined, null])
  })

  test("may come by a provider, anonymously or as a guest", async () => {
    expect((await newClient().connectUser({ id: "ann" }, async () => annToken)).me.id).toBe("ann")
    expect((await newClient().connectAnonymousUser()).me.id).toBe("!anon")
    const token = mint({ user_id: "guest-x-tom" })
    server.rest = () => ({ user: { id: "guest-x-tom", custom: {} }, access_token: token })
    const guest = newClient()
    await guest.setGuestUser({ id: "tom", color: "blue" })
    expect(guest.userID).toBe("guest-x-tom")
    expect(server.requests[0]?.body).toEqual({ user: { id: "tom", custom: { color: "blue" } } })
  })

  test("hears events flat, by type or all, until unsubscribed", async () => {
    const client = newClient()
    await client.connectUser({ id: "ann" }, annToken)
    const heard: string[] = []
    const all = client.on((event) => heard.push(`* ${event.type}`))
    const listener = (event: ChatEvent) => heard.push((event.message as { mood: string }).mood)
    client.on("message.new", listener)
    const channel = client.channel("messaging", "a")
    const own = channel.on("message.new", (event) => heard.push(`a ${event.cid}`))
    const send = (frame: object) => server.sockets[0]?.send(JSON.stringify(frame))
    send({ type: "message.new", cid: "messaging:b", message: { custom: { mood: "good" } } })
    send({ type: "message.new", cid: "messaging:a", message: { custom: { mood: "bad" } } })
    await until("both arrived", () => heard.length === 5)
    expect(heard.sort()).toEqual(["* message.new", "* message.new", "a messaging:a", "bad", "good"])
    all.unsubscribe()
    own.unsubscribe()
    client.off("message.new", listener)
    let last = false
    client.on("last", () => {
      last = true
    })
    send({ type: "message.new", cid: "messaging:a", message: {} })
    send({ type: "last" })
    await until("the last arrived", () => last)
    expect(heard).toHaveLength(5)
  })
})

describe("channels", () => {
  const state = (id: string) => ({
    channel: { type: "messaging", id, cid: `messaging:${id}`, frozen: false, custom: { name: "General" } },
    messages: [{ id: "m1", text: "hi", custom: { mood: "good" } }],
    members: [],
  })

  test("are made, watched and written to with flat data", async () => {
    server.rest = ({ path }) =>
      path.endsWith("/query") ? state("general") : { message: { id: "m2", custom: { mood: "ok" } } }
    const client = newClient()
    await client.connectUser({ id: "ann" }, annToken)
    const channel = client.channel("messaging", "general", { name: "General", members: ["ann"] })
    expect([channel.id, channel.cid, channel.data.name]).toEqual(["general", "messaging:general", "General"])
    const answer = await channel.watch()
    expect(server.requests[0]?.query.get("connection_id")).toBe("c1")
    expect(server.requests[0]?.body).toEqual({
      state: true,
      watch: true,
      data: { members: ["ann"], custom: { name: "General" } },
    })
    expect((answer.messages[0] as unknown as { mood: string }).mood).toBe("good")
    expect(channel.data).toMatchObject({ name: "General", frozen: false })
    const { message } = await channel.sendMessage({ text: "ho", mood: "ok" })
    expect(server.requests[1]?.body).toEqual({ message: { text: "ho", custom: { mood: "ok" } } })
    expect(message).toMatchObject({ id: "m2", mood: "ok" })
  })

  test("without an id are the distinct channel of their members, in both spellings", async () => {
    server.rest = () => state("!members-x")
    const client = newClient()
    await client.connectUser({ id: "ann" }, annToken)
    const members = { members: ["ann", "bob"] }
    for (const channel of [client.channel("messaging", undefined, members), client.channel("messaging", members)]) {
      expect(channel.id).toBeUndefined()
      await channel.create()
      expect(channel.id).toBe("!members-x")
    }
    expect(server.requests.map(({ path }) => path)).toEqual(Array(2).fill("/api/v2/chat/channels/messaging/query"))
    expect(server.requests[0]?.body).toEqual({ state: false, data: { members: ["ann", "bob"] } })
  })

  test("are queried with watch as a user, and without as the app", async () => {
    server.rest = () => ({ channels: [state("general")] })
    const client = newClient()
    await client.connectUser({ id: "ann" }, annToken)
    const [channel] = await client.queryChannels({ members: { $in: ["ann"] } }, { last_message_at: -1 }, { limit: 5 })
    expect(channel?.cid).toBe("messaging:general")
    expect(channel?.snapshot?.messages).toHaveLength(1)
    expect(server.requests[0]?.query.get("connection_id")).toBe("c1")
    expect(server.requests[0]?.body).toEqual({
      filter_conditions: { members: { $in: ["ann"] } },
      sort: [{ field: "last_message_at", direction: -1 }],
      state: true,
      limit: 5,
      watch: true,
    })
    await newClient(apiSecret).queryChannels({})
    expect(server.requests[1]?.query.get("connection_id")).toBeNull()
    expect(server.requests[1]?.body).toMatchObject({ watch: false })
  })
})

describe("with the secret", () => {
  test("calls go out as the app, without connecting", async () => {
    server.rest = () => ({ users: { ann: { id: "ann", custom: { color: "red" } } } })
    const client = newClient(apiSecret)
    const { users } = await client.upsertUsers([{ id: "ann", role: "admin", color: "red" }])
    expect(users.ann).toMatchObject({ id: "ann", color: "red" })
    expect(server.requests[0]?.body).toEqual({ users: { ann: { id: "ann", role: "admin", custom: { color: "red" } } } })
    expect(server.requests[0]?.headers.get("x-stream-client")).toBe(`weir-chat-${manifest.version}`)
    expect(await claimsOf(server.requests[0]?.headers.get("authorization") as string)).toMatchObject({ server: true })
    await client.partialUpdateUser({ id: "ann", set: { role: "user" } })
    await client.deactivateUser("ann", { mark_messages_deleted: true })
    expect(server.requests.slice(1).map(({ method, path }) => `${method} ${path}`)).toEqual([
      "PATCH /api/v2/users",
      "POST /api/v2/users/ann/deactivate",
    ])
  })

  test("webhooks are verified", () => {
    const client = newClient(apiSecret)
    const signature = createHmac("sha256", apiSecret).update("{}").digest("hex")
    expect(client.verifyWebhook("{}", signature)).toBe(true)
    expect(client.verifyWebhook("{ }", signature)).toBe(false)
    expect(() => newClient().verifyWebhook("{}", signature)).toThrow("server-side")
  })

  test("a browser is refused", () => {
    const global = globalThis as Record<string, unknown>
    global.window = {}
    global.document = {}
    try {
      expect(() => new StreamChat(apiKey, apiSecret)).toThrow("browser")
    } finally {
      delete global.window
      delete global.document
    }
  })
})

test("without a user and without a secret a call is refused locally", async () => {
  await expect(newClient().queryUsers({})).rejects.toMatchObject({ reason: "not_connected" })
  await newClient(apiSecret).queryUsers({})
  expect(server.requests).toHaveLength(1)
})

test("the version is the package's", () => {
  expect(version).toBe(manifest.version)
})

// The door of the sockets, through real connections.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import {
  createUsers,
  expectEnvelope,
  expectRefusal,
  nowSeconds,
  startWatched,
  type WatchedServer,
} from "../../test/fixtures.ts"
import { openTcpSocket, type TcpSocket } from "../../test/tcp-socket.ts"
import { type ManualClock, manualClock } from "../base/clock.ts"
import { limits } from "../events/limits.ts"
import { type ConnectOptions, serverToken, sign, type TestSocket, testApiKey, userToken } from "../testing.ts"

const connectPath = `/api/v2/connect?api_key=${testApiKey}&stream-auth-type=jwt`
const opened: { close?(): void; destroy?(): void }[] = []
afterEach(() => {
  for (const socket of opened.splice(0)) (socket.close ?? socket.destroy)?.()
})
const tcp = async (server: WatchedServer, path = connectPath): Promise<TcpSocket> => {
  const socket = await openTcpSocket(server.url, path)
  opened.push(socket)
  return socket
}
const dial = async (server: WatchedServer, userId: string, options?: ConnectOptions): Promise<TestSocket> => {
  const socket = await server.connect(userId, options)
  opened.push(socket)
  return socket
}
const until = async (what: string, is: () => boolean, timeoutMs = 5_000): Promise<void> => {
  const endMs = performance.now() + timeoutMs
  while (!is()) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await Bun.sleep(5)
  }
}
/** The handshake ended with this error, said in full, and this close code. */
const expectRefused = async (socket: TestSocket, code: number, closeCode: number): Promise<void> => {
  expect(socket.first).toMatchObject({ type: "connection.error", connection_id: "", created_at: expect.any(String) })
  expectEnvelope(socket.first.error)
  expect(socket.first.error).toMatchObject({ code, message: expect.stringMatching(/^Connect failed with error: "/) })
  expect((await socket.closed).code).toBe(closeCode)
}

describe("connecting", () => {
  let server: WatchedServer
  beforeAll(async () => {
    server = await startWatched()
    await createUsers(server, "jessica", { id: "staff", role: "admin" } as { id: string })
  })
  afterAll(() => server.close())
  const ws = (path: string) => `${server.url.replace("http", "ws")}${path}`

  test("a first frame with token and details opens it and answers with the own user", async () => {
    const socket = await dial(server, "newcomer", { details: { name: "New", custom: { a: 1 }, flat: true } })
    expect(socket.first).toMatchObject({
      type: "connection.ok",
      connection_id: expect.stringMatching(/^[a-z0-9]{12}-[a-z0-9]{20}$/),
      cid: "*",
    })
    expect(socket.first.me).toMatchObject({
      id: "newcomer",
      name: "New",
      custom: { a: 1, flat: true },
      role: "user",
      online: true,
      total_unread_count: 0,
      devices: [],
      mutes: [],
    })
    const again = await dial(server, "newcomer")
    expect(again.first.me).toMatchObject({ name: "New", custom: { a: 1, flat: true } })
    expect(again.connectionId).not.toBe(socket.connectionId)
  })

  test("case 29: details set no right and nothing that the server keeps", async () => {
    const { first } = await dial(server, "sly", {
      details: {
        role: "admin",
        teams: ["red"],
        banned: false,
        created_at: "1999-01-01T00:00:00Z",
        online: false,
        deactivated_at: null,
      },
    })
    expect(first.me).toMatchObject({ role: "user", teams: [], custom: {} })
    expect(Date.parse(first.me.created_at)).toBeGreaterThan(Date.now() - 60_000)
    expect((await dial(server, "staff", { details: { role: "user" } })).first.me.role).toBe("admin")
  })

  test("a token in the query, with or without the id, opens it at once", async () => {
    for (const more of [
      "",
      `&json=${encodeURIComponent('{"user_details":{"id":"jessica","name":"J"}}')}`,
      "&stream-auth-type=jwt",
    ]) {
      const { first } = await dial(server, "jessica", {
        url: ws(`${connectPath}&authorization=${userToken("jessica")}${more}`),
      })
      expect(first).toMatchObject({ type: "connection.ok", me: { id: "jessica" } })
    }
  })

  test("the older dialect begins with health.check and tells errors as {error}", async () => {
    const url = (token: string, json: object) =>
      ws(
        `/connect?api_key=${testApiKey}&stream-auth-type=jwt&authorization=${token}&json=${encodeURIComponent(JSON.stringify(json))}`,
      )
    const socket = await dial(server, "jessica", {
      url: url(userToken("jessica"), { user_id: "jessica", user_details: { id: "jessica", name: "Jess" } }),
    })
    expect(socket.first).toMatchObject({
      type: "health.check",
      cid: "*",
      connection_id: expect.any(String),
      me: { id: "jessica", name: "Jess" },
    })
    const refused = await dial(server, "jessica", {
      url: url(userToken("jessica", { iat: 1, exp: 2 }), { user_id: "jessica" }),
    })
    expect(Object.keys(refused.first)).toEqual(["error", "decision_id"])
    expectEnvelope(refused.first.error)
    expect(refused.first.error.message).toBe('Connect failed with error: "JWTAuth error: token is expired (exp)"')
    expect((await refused.closed).code).toBe(4040)
    const other = await dial(server, "jessica", { url: url(userToken("jessica"), { user_id: "john" }) })
    expect(other.first.error.code).toBe(5)
  })

  test("case 25: another user's id, or one that only looks the same, is refused", async () => {
    for (const id of [
      "john",
      "Jessica",
      "JESSICA",
      "jessica ",
      " jessica",
      "jessicа",
      "ｊessica",
      "jessica\u200b",
      "jes\u0073ica\u0301",
      "",
      5,
      null,
      ["jessica"],
      { id: "jessica" },
    ]) {
      const socket = await dial(server, "jessica", { token: userToken("jessica"), details: { id } })
      expect({ id, code: socket.first.error?.code }).toEqual({ id, code: 5 })
      await expectRefused(socket, 5, 4505)
    }
    // No database keeps U+0000, so it is no text to begin with.
    await expectRefused(await dial(server, "jessica", { details: { id: "jessica\u0000" } }), 4, 4504)
    const bare = await tcp(server)
    bare.send(1, JSON.stringify({ token: userToken("jessica"), user_details: {} }))
    expect((await bare.closed).code).toBe(4504)
  })

  test("each fault of a token has its code, and the close code says whether to come back", async () => {
    const now = nowSeconds()
    const table: [string, string, number, number][] = [
      ["expired", userToken("jessica", { iat: now - 9, exp: now - 1 }), 40, 4040],
      ["not valid yet", userToken("jessica", { nbf: now + 60 }), 41, 4541],
      ["from the future", userToken("jessica", { iat: now + 60 }), 42, 4542],
      ["wrong secret", userToken("jessica", {}, "w".repeat(64)), 43, 4543],
      ["malformed", "nonsense", 5, 4505],
      ["empty", "", 5, 4505],
      ["server token", serverToken(), 17, 4517],
      ["feeds scope", sign({ resource: "*", action: "*", feed_id: "*" }), 5, 4505],
    ]
    for (const [, token, code, closeCode] of table)
      await expectRefused(await dial(server, "jessica", { token }), code, closeCode)
    const unknown = await dial(server, "jessica", { apiKey: "zzzzzzzzzzzz" })
    await expectRefused(unknown, 2, 4502)
    const noType = await dial(server, "jessica", {
      url: ws(`/api/v2/connect?api_key=${testApiKey}&authorization=${userToken("jessica")}`),
    })
    await expectRefused(noType, 2, 4502)
    const noKey = await dial(server, "jessica", {
      url: ws(`/api/v2/connect?stream-auth-type=jwt&authorization=${userToken("jessica")}`),
    })
    await expectRefused(noKey, 2, 4502)
  })

  test("an anonymous caller connects, hears nothing of anybody, and a call token of theirs does not", async () => {
    const anonymous = await dial(server, "", {
      url: ws(`/api/v2/connect?api_key=${testApiKey}&stream-auth-type=anonymous&json=%7B%7D`),
    })
    expect(anonymous.first).toMatchObject({ type: "connection.ok", me: { id: "!anon", role: "anonymous" } })
    const token = sign({ user_id: "!anon", role: "viewer", call_cids: ["default:a"] })
    const refused = await dial(server, "", {
      url: ws(`/api/v2/connect?api_key=${testApiKey}&stream-auth-type=anonymous&authorization=${token}`),
    })
    await expectRefused(refused, 17, 4517)
  })

  test("a first frame that is none: binary, no JSON, no object, too big", async () => {
    const faults: [number, string | Uint8Array, number][] = [
      [
        2,
        new TextEncoder().encode(JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica" } })),
        4504,
      ],
      [1, "{", 4504],
      [1, "[]", 4504],
      [1, '"token"', 4504],
      [1, JSON.stringify({ token: userToken("jessica"), user_details: [] }), 4504],
      [1, JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica", custom: "text" } }), 4504],
      [
        1,
        JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica", name: "x".repeat(300) } }),
        4504,
      ],
      [1, JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica", x: "y".repeat(6_000) } }), 4504],
      [
        1,
        JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica", x: "y".repeat(30_000) } }),
        4522,
      ],
    ]
    for (const [opcode, payload, code] of faults) {
      const socket = await tcp(server)
      socket.send(opcode, payload)
      expect({ payload: String(payload).slice(0, 20), code: (await socket.closed).code }).toEqual({
        payload: String(payload).slice(0, 20),
        code,
      })
      expect(JSON.parse(socket.texts[0] as string)).toMatchObject({
        type: "connection.error",
        error: { code: code - 4500 },
      })
    }
  })

  test("frames beyond the bound end the socket", async () => {
    for (const admitted of [false, true]) {
      const socket = await tcp(server)
      if (admitted) {
        socket.send(1, JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica" } }))
        await until("connection.ok", () => socket.texts[0]?.includes('"connection.ok"') === true)
      }
      socket.send(1, "x".repeat(limits.frameBytesMax + 1))
      expect((await socket.closed).code).toBeOneOf([1006, 1009])
    }
    expect((await dial(server, "jessica")).first.type).toBe("connection.ok")
  })

  test("case 64: a flood of frames ends the socket, before and after it is admitted", async () => {
    for (const admitted of [false, true]) {
      const socket = await tcp(server)
      if (admitted) {
        socket.send(1, JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica" } }))
        await until("connection.ok", () => socket.texts[0]?.includes('"connection.ok"') === true)
        for (let frame = 0; frame <= limits.framesPerMinuteMax; frame++) socket.send(1, '{"type":"health.check"}')
        expect((await socket.closed).code).toBe(4009)
        expect(JSON.parse(socket.texts.at(-1) as string)).toMatchObject({
          type: "connection.error",
          error: { code: 9 },
        })
      } else {
        for (let frame = 0; frame <= limits.framesPerMinuteMax; frame++) socket.send(1, "{")
        expect((await socket.closed).code).toBe(4504)
        expect(socket.texts).toHaveLength(1)
      }
    }
  })

  test("a second first frame changes nobody", async () => {
    const socket = await dial(server, "jessica")
    socket.send({ token: userToken("staff"), user_details: { id: "staff" } })
    await Bun.sleep(50)
    expect(socket.frames.filter(({ type }) => type !== "health.check")).toHaveLength(1)
  })

  test("the first frame is always connection.ok, also while much is going on", async () => {
    let going = true
    const busy = (async () => {
      for (let n = 0; going; n++)
        await server.call("PATCH", "/api/v2/users", { body: { users: [{ id: "busy", set: { n } }] } })
    })()
    await createUsers(server, "busy")
    // New details each time, so that each handshake writes and reads the user while it is told of.
    const firsts = await Promise.all(
      Array.from(
        { length: 40 },
        async (_, n) => (await dial(server, "busy", { details: { name: `B${n}` } })).first.type,
      ),
    )
    going = false
    await busy
    expect(new Set(firsts)).toEqual(new Set(["connection.ok"]))
  })

  test("case 51: neither a token nor what stands in the query is ever logged", async () => {
    const secret = userToken("canary-user-of-the-query", {}, "w".repeat(64))
    await dial(server, "x", {
      url: ws(
        `/connect?api_key=${testApiKey}&stream-auth-type=jwt&authorization=${secret}&json=${encodeURIComponent('{"canary":"canary-json"}')}`,
      ),
    })
    await dial(server, "x", { token: secret })
    const log = server.log.join("")
    expect(log).toContain('"operation":"Connect"')
    for (const part of [...secret.split("."), "canary-json"]) expect(log).not.toContain(part)
  })

  test("a plain request to the socket's path is told what it speaks", async () => {
    const response = await fetch(`${server.url}${connectPath}`)
    expect(response.status).toBe(404)
    expectEnvelope(await response.json())
  })
})

describe("what ends a socket", () => {
  let server: WatchedServer
  beforeAll(async () => {
    server = await startWatched()
    await createUsers(server, "jessica", "watched", "hidden")
  })
  afterAll(() => server.close())
  const byServer = (path: string, body: object = {}) => server.call("POST", `/api/v2/users/${path}`, { body })

  test("the token's expiry, within a second and a half, with a code that asks for a new token", async () => {
    const exp = nowSeconds() + 2
    const socket = await dial(server, "jessica", { token: userToken("jessica", { exp }) })
    const { code } = await socket.closed
    expect(code).toBe(4040)
    const lateMs = Date.now() - exp * 1000
    expect(lateMs).toBeGreaterThanOrEqual(-20)
    expect(lateMs).toBeLessThan(1_500)
    expect(socket.seen("connection.error")).toMatchObject([{ connection_id: socket.connectionId, error: { code: 40 } }])
  })

  test("cases 36, 37: deactivation ends every socket of the user at once, those of call tokens too, and lets none back", async () => {
    await createUsers(server, "out")
    const token = userToken("out")
    const callToken = userToken("out", { call_cids: ["default:a"], role: "viewer" })
    const sockets = await Promise.all([token, token, callToken].map((as) => dial(server, "out", { token: as })))
    const bystander = await dial(server, "jessica")
    const beforeMs = performance.now()
    await byServer("out/deactivate")
    for (const socket of sockets) {
      expect((await socket.closed).code).toBe(4505)
      expect(socket.seen("connection.error")).toMatchObject([{ error: { code: 5 } }])
    }
    expect(performance.now() - beforeMs).toBeLessThan(1_000)
    for (const as of [token, callToken]) await expectRefused(await dial(server, "out", { token: as }), 5, 4505)
    expect(bystander.seen("connection.error")).toEqual([])
    await byServer("out/reactivate")
    expect((await dial(server, "out", { token })).first.type).toBe("connection.ok")
  })

  test("revoking ends them with a code that asks for a new token, and only a new one comes back", async () => {
    await createUsers(server, "revoked")
    const old = userToken("revoked", { iat: nowSeconds() - 10 })
    const socket = await dial(server, "revoked", { token: old })
    await server.call("PATCH", "/api/v2/users", {
      body: { users: [{ id: "revoked", set: { revoke_tokens_issued_before: new Date().toISOString() } }] },
    })
    expect((await socket.closed).code).toBe(4040)
    await expectRefused(await dial(server, "revoked", { token: old }), 40, 4040)
    expect((await dial(server, "revoked")).first.type).toBe("connection.ok")
  })

  test("deleting ends them for good", async () => {
    await createUsers(server, "deleted")
    const socket = await dial(server, "deleted")
    await byServer("delete", { user_ids: ["deleted"] })
    expect((await socket.closed).code).toBe(4505)
    await expectRefused(await dial(server, "deleted"), 5, 4505)
  })

  // The socket is either not let in or sent away; whichever comes first, it is not connected in the end.
  test("case 39: connecting while being shut out never ends connected", async () => {
    for (let round = 0; round < 15; round++) {
      const id = `racer${round}`
      await createUsers(server, id)
      const connecting = Array.from({ length: 4 }, async (_, n) => {
        await Bun.sleep(n * 2)
        return dial(server, id, { details: { name: `R${n}` } })
      })
      await Bun.sleep(Math.random() * 8)
      await byServer(`${id}/deactivate`)
      for (const socket of await Promise.all(connecting)) expect((await socket.closed).code).toBe(4505)
    }
  })

  test("presence is told to who asked, once per change, and not of those who hide", async () => {
    const watcher = await dial(server, "jessica")
    const payload = (ids: string[]) =>
      encodeURIComponent(JSON.stringify({ filter_conditions: { id: { $in: ids } }, presence: true }))
    const ask = (ids: string[], connectionId: string) =>
      server.call("GET", `/api/v2/users?payload=${payload(ids)}`, { as: userToken("jessica"), connectionId })
    expect((await ask(["watched", "hidden"], watcher.connectionId)).status).toBe(200)
    // The first connect of a user writes their row, so nothing of them is cached when it is told.
    const first = await dial(server, "watched", { details: { name: "W" } })
    const second = await dial(server, "watched")
    expect(await watcher.next("user.presence.changed")).toMatchObject({
      user: { id: "watched", online: true, name: "W" },
    })
    first.close()
    await first.closed
    second.close()
    expect(await watcher.next("user.presence.changed")).toMatchObject({ user: { id: "watched", online: false } })
    await dial(server, "hidden", { details: { invisible: true } })
    await Bun.sleep(100)
    expect(watcher.seen("user.presence.changed")).toHaveLength(2)
    expectRefusal(await ask(["watched"], (await dial(server, "hidden")).connectionId), "connectionNotFound")
    expectRefusal(await ask(["watched"], "x".repeat(12)), "connectionNotFound")
  })

  test("draining sends everybody away with «come back», those in the middle of the handshake too", async () => {
    const own = await startWatched()
    const sockets = await Promise.all([dial(own, "jessica"), dial(own, "john")])
    const waiting = await tcp(own)
    const beforeMs = performance.now()
    const closing = own.close()
    for (const socket of sockets) expect(await socket.closed).toMatchObject({ code: 1012 })
    waiting.send(1, JSON.stringify({ token: userToken("late"), user_details: { id: "late" } }))
    expect((await waiting.closed).code).toBeOneOf([1012, 1006])
    expect(waiting.texts.filter((text) => text.includes("connection.ok"))).toEqual([])
    await closing
    expect(performance.now() - beforeMs).toBeLessThan(10_000)
  })
})

describe("time", () => {
  let clock: ManualClock
  let server: WatchedServer
  beforeAll(async () => {
    clock = manualClock(Date.now())
    server = await startWatched({ clock })
  })
  afterAll(() => server.close())

  test("who says nothing first is sent away in time", async () => {
    const beforeMs = performance.now()
    const socket = await tcp(server)
    expect((await socket.closed).code).toBe(4000)
    expect(performance.now() - beforeMs).toBeWithin(
      limits.firstFrameTimeoutMs - 100,
      limits.firstFrameTimeoutMs + 2_000,
    )
  })

  test("health.check goes both ways; who answers stays, who is silent goes", async () => {
    const hello = JSON.stringify({
      token: userToken("talker", { iat: undefined, exp: undefined }),
      user_details: { id: "talker" },
    })
    const [talker, silent] = [await tcp(server), await tcp(server)]
    for (const socket of [talker, silent]) {
      socket.send(1, hello)
      await until("connection.ok", () => socket.texts[0]?.includes('"connection.ok"') === true)
    }
    for (let beat = 1; beat <= 3; beat++) {
      clock.advance(limits.healthCheckEveryMs)
      await until("health.check", () => talker.texts.filter((text) => text.includes('"health.check"')).length >= beat)
      talker.send(1, '{"type":"health.check"}')
      // The word has to arrive before time goes on.
      await Bun.sleep(100)
    }
    expect(await silent.closed).toEqual({ code: 4001, reason: "nothing was heard for too long" })
    expect(JSON.parse(talker.texts.at(-1) as string)).toMatchObject({
      type: "health.check",
      connection_id: expect.any(String),
      created_at: expect.any(String),
    })
    clock.advance(limits.silenceMs - 1_000)
    await Bun.sleep(limits.sweepEveryMs + 200)
    talker.send(1, "{}")
    const ended = await Promise.race([talker.closed.then(() => true), Bun.sleep(200).then(() => false)])
    expect(ended).toBe(false)
  })

  test("case 26: a step of the world's clock ends no socket and keeps none open", async () => {
    const socket = await tcp(server)
    const now = Math.floor(clock.now() / 1000)
    socket.send(
      1,
      JSON.stringify({ token: sign({ user_id: "stepped", iat: now, exp: now + 20 }), user_details: { id: "stepped" } }),
    )
    await until("connection.ok", () => socket.texts[0]?.includes('"connection.ok"') === true)
    for (const step of [3_600_000, -3_600_000]) {
      clock.set(clock.now() + step)
      await Bun.sleep(limits.sweepEveryMs + 200)
    }
    expect(socket.texts).toHaveLength(1)
    clock.set(clock.now() - 3_600_000)
    clock.advance(20_000)
    expect((await socket.closed).code).toBe(4040)
  })
})

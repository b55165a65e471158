// Case 64: what a stranger can do to the door of the sockets, and that nobody else waits for it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { randomBytes } from "node:crypto"
import { limits } from "../../src/events/limits.ts"
import { testApiKey, userToken } from "../../src/testing.ts"
import { createUsers, startWatched, type WatchedServer } from "../fixtures.ts"
import { openRaw, type RawConnection, until, upgradeRequest } from "../node-process.ts"
import { openTcpSocket } from "../tcp-socket.ts"

const connectPath = `/api/v2/connect?api_key=${testApiKey}&stream-auth-type=jwt`
const raws: RawConnection[] = []
let t: WatchedServer
beforeAll(async () => {
  t = await startWatched()
  await createUsers(t, "jessica", "bob")
})
afterEach(() => {
  for (const { socket } of raws.splice(0)) socket.destroy()
})
afterAll(() => t.close())

const raw = async (): Promise<RawConnection> => {
  const connection = await openRaw(t.url)
  raws.push(connection)
  return connection
}
/** One frame with a mask of zeros, of a payload shorter than 64 KiB. */
function frame(opcode: number, payload: string | Uint8Array, isLast = true): Buffer {
  const bytes = Buffer.from(payload as string)
  const head = bytes.length < 126 ? [0x80 | bytes.length] : [0x80 | 126, bytes.length >> 8, bytes.length & 255]
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode, ...head, 0, 0, 0, 0]), bytes])
}
/** An open socket of somebody else is answered as ever. */
async function expectOthersServed(): Promise<void> {
  const startedMs = performance.now()
  const socket = await t.connect("bob")
  expect(socket.first.type).toBe("connection.ok")
  socket.close()
  expect((await t.call("GET", "/api/v2/users", { as: userToken("bob") })).status).toBe(200)
  expect(performance.now() - startedMs).toBeLessThan(2_000)
}

describe("case 64: where the token travels", () => {
  test("one in the first frame needs nothing in the query, and what the query holds is in no line of the log", async () => {
    const socket = await t.connect("jessica")
    expect(socket.first).toMatchObject({ type: "connection.ok", me: { id: "jessica" } })
    socket.close()
    const canary = `canary${randomBytes(8).toString("hex")}`
    for (const path of [
      `${connectPath}&authorization=${canary}.${canary}.${canary}`,
      `${connectPath}&Authorization=${canary}&token=${canary}`,
      `/connect?api_key=${testApiKey}&stream-auth-type=jwt&json=${encodeURIComponent(JSON.stringify({ user_details: { id: canary } }))}&authorization=${canary}`,
      `/api/v2/connect?api_key=${canary}&authorization=${canary}`,
    ]) {
      const dialled = await openTcpSocket(t.url, path)
      dialled.send(1, JSON.stringify({ token: canary, user_details: { id: canary } }))
      await dialled.closed
      // The same by plain HTTP, where no socket opens.
      await t.call("GET", path, { as: null, apiKey: null })
    }
    expect(t.log.length).toBeGreaterThan(3)
    expect(t.log.join("")).not.toContain(canary)
  })

  test("one that the URL brought is the one that counts: a first frame behind it changes nobody", async () => {
    const path = `${connectPath}&authorization=${userToken("jessica")}`
    const socket = await openTcpSocket(t.url, path)
    socket.send(1, JSON.stringify({ token: userToken("bob"), user_details: { id: "bob" } }))
    await until("the first frame", () => socket.texts.length > 0)
    expect(JSON.parse(socket.texts[0] as string).me.id).toBe("jessica")
    socket.destroy()
  })
})

describe("case 64: slow handshakes", () => {
  test("a socket without a first frame ends, and costs nobody else anything", async () => {
    const startedMs = performance.now()
    const silent = await Promise.all(Array.from({ length: 50 }, () => openTcpSocket(t.url, connectPath)))
    await expectOthersServed()
    const codes = await Promise.all(silent.map(({ closed }) => closed.then(({ code }) => code)))
    const tookMs = performance.now() - startedMs
    expect(new Set(codes).size).toBe(1)
    expect(codes[0]).toBeGreaterThanOrEqual(4000)
    expect(tookMs).toBeGreaterThan(limits.firstFrameTimeoutMs - 500)
    expect(tookMs).toBeLessThan(limits.firstFrameTimeoutMs + 3_000)
  }, 15_000)

  test("one that drips its first frame, or keeps itself alive with pings, has no longer", async () => {
    const startedMs = performance.now()
    const dripping = await raw()
    dripping.socket.write(upgradeRequest(t.url))
    await until("the handshake", () => dripping.received().includes("101"))
    const pinging = await openTcpSocket(t.url, connectPath)
    const whole = frame(1, JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica" } }))
    let at = 0
    const drip = setInterval(() => {
      if (!dripping.socket.destroyed) dripping.socket.write(whole.subarray(at, ++at))
      pinging.send(9, "x")
    }, 100)
    const { code } = await pinging.closed
    await until("the dripping one ends", dripping.isClosed, limits.firstFrameTimeoutMs + 3_000)
    clearInterval(drip)
    expect(code).toBeGreaterThanOrEqual(4000)
    expect(performance.now() - startedMs).toBeLessThan(limits.firstFrameTimeoutMs + 3_000)
  }, 20_000)

  test("heads that drip in do not keep others waiting, and end", async () => {
    const slow = await Promise.all(Array.from({ length: 50 }, raw))
    for (const { socket } of slow) socket.write("GET /api/v2/connect HTTP/1.1\r\nHost: x\r\n")
    const drip = setInterval(() => {
      for (const { socket } of slow) if (!socket.destroyed) socket.write("X-A: b\r\n")
    }, 50)
    await expectOthersServed()
    clearInterval(drip)
    for (const { received } of slow) expect(received()).toBe("")
    // A head has a bound, whatever the patience of who sends it.
    const [endless] = slow
    for (let sent = 0; sent < 64 && endless?.isClosed() === false && endless.received() === ""; sent++) {
      endless.socket.write(`X-${sent}: ${"y".repeat(2_000)}\r\n`)
      await Bun.sleep(5)
    }
    await until(
      "the head is refused",
      () => endless?.isClosed() === true || /^HTTP\/1\.1 4\d\d/.test(endless?.received() ?? ""),
    )
    await expectOthersServed()
  })
})

describe("case 64: frames", () => {
  const open = async (admitted: boolean): Promise<RawConnection> => {
    const connection = await raw()
    connection.socket.write(upgradeRequest(t.url))
    await until("the handshake", () => connection.received().includes("101"))
    if (admitted) {
      connection.socket.write(
        frame(1, JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica" } })),
      )
      await until("connection.ok", () => connection.received().includes("connection.ok"))
    }
    return connection
  }

  test.each([false, true])(
    "a message in a million fragments ends the socket at its bound (admitted: %p)",
    async (admitted) => {
      const connection = await open(admitted)
      connection.socket.write(frame(1, "x", false))
      const fragments = Buffer.concat(Array.from({ length: 10_000 }, () => frame(0, "x", false)))
      const before = process.memoryUsage().rss
      for (let sent = 0; sent < 100 && !connection.isClosed(); sent++) {
        if (!connection.socket.write(fragments)) {
          await new Promise<void>((go) => connection.socket.once("drain", go).once("close", () => go()))
        }
        await Bun.sleep(1)
      }
      await until("the socket ends", connection.isClosed)
      expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
      await expectOthersServed()
    },
    20_000,
  )

  test("empty fragments without end are no message without end", async () => {
    const connection = await open(true)
    connection.socket.write(frame(1, "", false))
    const fragments = Buffer.concat(Array.from({ length: 10_000 }, () => frame(0, "", false)))
    for (let sent = 0; sent < 100 && !connection.isClosed(); sent++) {
      if (!connection.socket.write(fragments)) {
        await new Promise<void>((go) => connection.socket.once("drain", go).once("close", () => go()))
      }
    }
    await expectOthersServed()
  }, 20_000)

  test("a frame that says it is huge is refused by what it says, before it is there", async () => {
    for (const bytes of [limits.frameBytesMax + 1, 2 ** 31, 2 ** 40]) {
      const connection = await open(true)
      const head = Buffer.alloc(14)
      head[0] = 0x81
      head[1] = 0x80 | 127
      head.writeBigUInt64BE(BigInt(bytes), 2)
      connection.socket.write(head)
      await until("the socket ends", connection.isClosed)
    }
    await expectOthersServed()
  })

  test.each([9, 10])("a flood of control frames (opcode %p) ends the socket like one of messages", async (opcode) => {
    for (const admitted of [false, true]) {
      const connection = await open(admitted)
      const some = Buffer.concat(
        Array.from({ length: limits.framesPerMinuteMax + 1 }, () => frame(opcode, "x".repeat(125))),
      )
      connection.socket.write(some)
      await until(`the socket ends (admitted: ${admitted})`, connection.isClosed, 3_000)
    }
    await expectOthersServed()
  })

  test("a reader who stands still is dropped at the cap, and takes no more memory than that", async () => {
    const id = "still"
    const channel = `/api/v2/chat/channels/messaging/${id}`
    expect(
      (
        await t.call("POST", `${channel}/query`, {
          body: { data: { created_by_id: "bob", members: ["bob", "jessica"] } },
        })
      ).status,
    ).toBe(201)
    const stuck = await openTcpSocket(t.url, connectPath)
    stuck.send(1, JSON.stringify({ token: userToken("jessica"), user_details: { id: "jessica" } }))
    await until("connection.ok", () => stuck.texts[0]?.includes('"connection.ok"') === true)
    const reading = await t.connect("bob")
    stuck.stopReading()
    let isGone = false
    void stuck.closed.then(() => {
      isGone = true
    })
    const text = "z".repeat(15_000)
    const bytesSentMax = 64 * 1024 * 1024
    let sentBytes = 0
    // Its name is gone from the sockets of the user when it was dropped; until then it would take everything.
    const isOnline = async (): Promise<boolean> => {
      const filter = encodeURIComponent(JSON.stringify({ filter_conditions: { id: "jessica" }, presence: true }))
      return (await t.call("GET", `/api/v2/users?payload=${filter}`)).body.users[0].online
    }
    while (!isGone && sentBytes < bytesSentMax && (sentBytes === 0 || (await isOnline()))) {
      await Promise.all(
        Array.from({ length: 40 }, () =>
          t.call("POST", `${channel}/message`, {
            as: userToken("bob"),
            body: { message: { text: text.slice(0, 4_900) } },
          }),
        ),
      )
      sentBytes += 40 * 5_000
    }
    expect(sentBytes).toBeLessThan(bytesSentMax)
    expect(reading.frames.length).toBeGreaterThan(sentBytes / 10_000)
    reading.close()
    stuck.destroy()
  }, 60_000)
})

// The end of a node that is told to end: whoever is served is served to the end, whoever is connected is sent to
// another node, and no client can hold the process.

import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { call, connect, serverToken, testApiKey } from "../src/testing.ts"
import {
  endAllNodes,
  logOf,
  type NodeProcess,
  openRaw,
  startNode,
  temporaryFolder,
  until,
  upgradeRequest,
} from "./node-process.ts"

/** A service manager that waits longer than this kills. */
const exitWithinMs = 10_000
const clients = 8

const folder = temporaryFolder()
afterEach(endAllNodes)
afterAll(folder.remove)

describe("SIGTERM", () => {
  // Writes that were answered, and nothing else, must be in the database: an acknowledged write that is lost and a
  // write that happened behind the back of a refused client are equally wrong.
  test("under load ends with every request answered that was begun", async () => {
    const settings = { WEIR_DATA_DIR: folder.path }
    const node = await startNode(settings, { through: "launcher" })
    const sockets = await Promise.all(Array.from({ length: 20 }, (_, n) => connect(node.url, `hearer-${n}`)))
    const load = writeUntilClosed(node)
    const idle = await openRaw(node.url)
    await until("the load runs", () => load.acknowledged.size > 100)

    const startMs = performance.now()
    const ending = node.end("SIGTERM")
    const closes = await Promise.all(sockets.map((socket) => socket.closed))
    expect(new Set(closes.map(({ code }) => code))).toEqual(new Set([1012]))
    // Between the word to the sockets and the end, the node answers but lets nobody new in.
    const readiness = await call(node.url, "GET", "/readyz", { as: null })
    expect([readiness.status, readiness.body]).toEqual([503, "not ready: draining\n"])
    idle.socket.write(upgradeRequest(node.url))
    await until("the late socket is refused", () => idle.received() !== "" || idle.isClosed())
    expect(idle.received()).toStartWith("HTTP/1.1 503 ")
    const late = await call(node.url, "GET", "/api/v2/app")
    expect(late.status).toBe(200)
    expect(late.headers.get("connection")).toBe("close")

    expect(await ending).toBe(0)
    expect(performance.now() - startMs).toBeLessThan(exitWithinMs)
    await load.done
    expect(load.statuses).toEqual(new Set([201]))
    expect(logOf(node.output()).filter(({ level }) => level === "error")).toEqual([])

    const again = await startNode(settings)
    const stored = new Set<string>()
    for (;;) {
      const payload = {
        filter_conditions: { id: { $gt: `writer-` } },
        sort: [{ field: "id", direction: 1 }],
        limit: 100,
        offset: 0,
      }
      const after = [...stored].sort().at(-1)
      if (after !== undefined) payload.filter_conditions.id.$gt = after
      const found = await call(again.url, "GET", `/api/v2/users?payload=${encodeURIComponent(JSON.stringify(payload))}`)
      for (const { id } of found.body.users) if (id.startsWith("writer-")) stored.add(id)
      if (found.body.users.length < 100) break
    }
    expect(stored).toEqual(load.acknowledged)
  }, 40_000)

  test("is not held up by a socket that never answers, nor by a request that never arrives", async () => {
    const node = await startNode({ WEIR_DATA_DIR: folder.path })
    const deaf = await openRaw(node.url)
    deaf.socket.write(upgradeRequest(node.url))
    await until("the socket is open", () => deaf.received().startsWith("HTTP/1.1 101 "))
    // Never heard of again: it neither says who it is nor answers the close.
    deaf.socket.pause()

    const halfSent = await openRaw(node.url)
    halfSent.socket.write(
      [
        `POST /api/v2/users?api_key=${testApiKey} HTTP/1.1`,
        `Host: ${new URL(node.url).host}`,
        `Authorization: ${serverToken()}`,
        "Stream-Auth-Type: jwt",
        "Content-Type: application/json",
        "Content-Length: 1000",
        "",
        '{"users":',
      ].join("\r\n"),
    )
    const talker = await connect(node.url, "talker")
    const startMs = performance.now()
    const ending = node.end("SIGTERM")
    expect((await talker.closed).code).toBe(1012)
    expect(await ending).toBe(0)
    expect(performance.now() - startMs).toBeLessThan(exitWithinMs)
    await until("both connections are gone", () => deaf.socket.resume() && deaf.isClosed() && halfSent.isClosed())
    expect(halfSent.received()).not.toContain("HTTP/1.1 2")
    expect(logOf(node.output()).filter(({ level }) => level === "error")).toEqual([])
  }, 30_000)

  test("on a quiet node ends soon", async () => {
    const node = await startNode({ WEIR_DATA_DIR: folder.path })
    await call(node.url, "GET", "/api/v2/app")
    const startMs = performance.now()
    expect(await node.end("SIGTERM")).toBe(0)
    expect(performance.now() - startMs).toBeLessThan(4_000)
  }, 30_000)
})

interface Load {
  /** Ids of the users whose making was answered with success. */
  readonly acknowledged: Set<string>
  readonly statuses: Set<number>
  readonly done: Promise<unknown>
}

/** Several clients that make users one after the other, until the node takes no more connections. */
function writeUntilClosed({ url }: NodeProcess): Load {
  const acknowledged = new Set<string>()
  const statuses = new Set<number>()
  const client = async (name: string): Promise<void> => {
    for (let n = 0; ; n++) {
      const id = `writer-${name}-${n}`
      try {
        const { status } = await call(url, "POST", "/api/v2/users", { body: { users: { [id]: { id } } } })
        statuses.add(status)
        if (status === 201) acknowledged.add(id)
      } catch {
        return
      }
    }
  }
  return { acknowledged, statuses, done: Promise.all(Array.from({ length: clients }, (_, n) => client(String(n)))) }
}

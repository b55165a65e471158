// Two nodes that count together, over a real Redis.

import { afterAll, describe, expect, test } from "bun:test"
import type { AppCaller } from "@weir/protocol"
import { type OwnRedisServer, redisProgram, startRedisServer } from "../../../../contract/suites/bus/redis-server.ts"
import { createRateLimiter, RateLimitError } from "./rate-limit.ts"
import { bounds } from "./rate-limit-bounds.ts"
import { createRedisCounters, type SharedCounters } from "./rate-limit-shared.ts"

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const appLimit = 1_000
const backend = (appId: number): AppCaller => ({ kind: "server", appId, apiKey: "a", scopes: null, proof: null })

if (redisProgram === null) console.log("rate-limit-shared.slow.test.ts: skipped, needs the program redis-server")
else sharedTests(await startRedisServer())

function sharedTests(redis: OwnRedisServer): void {
  afterAll(() => redis.kill())

  const nodeOf = async (deployment: string, shared?: SharedCounters) => {
    const counters = shared ?? createRedisCounters({ url: redis.url, deployment, log: silent })
    const limiter = createRateLimiter({ enforced: true, overridesOf: () => null, shared: counters, log: silent })
    // Named in another order than on the next node: indexes differ between versions, names do not.
    const first = deployment.length % 2 === 0 ? "SendMessage" : "Other"
    const one = limiter.operation(first)
    const other = limiter.operation(first === "Other" ? "SendMessage" : "Other")
    const operation = first === "SendMessage" ? one : other
    while (shared === undefined && !counters.connected) await Bun.sleep(5)
    const take = (appId: number, atMs = Date.now()): boolean => {
      try {
        limiter.take(operation, backend(appId), null, () => "", atMs)
        return true
      } catch (error) {
        if (error instanceof RateLimitError) return false
        throw error
      }
    }
    const left = (appId: number) => limiter.stateOf(appId, "SendMessage", "server", Date.now())?.remaining
    return { limiter, counters, take, left }
  }
  /** Far from the end of its window, so that a test does not run over it. */
  const appInMidWindow = (): number => 1_000_020 + (Math.floor(Date.now() / 1000 + 30) % 60)
  const settle = () => Bun.sleep(bounds.shareEveryMs + 150)

  describe("case 65", () => {
    test("what one node lets in, the other knows of", async () => {
      const [a, b] = [await nodeOf("known"), await nodeOf("known")]
      const app = appInMidWindow()
      for (let i = 0; i < 40; i++) a.take(app)
      await settle()
      b.take(app)
      await settle()
      a.take(app)
      await settle()
      expect([a.left(app), b.left(app)]).toEqual([appLimit - 42, appLimit - 41])
      await Promise.all([a.limiter.close(), b.limiter.close()])
    })

    test("two nodes under an even load let in the limit, and no more than 5 % above it", async () => {
      const nodes = [await nodeOf("even"), await nodeOf("even")]
      const app = appInMidWindow()
      let taken = 0
      for (let i = 0; i < 400; i++) {
        for (const node of nodes) for (let j = 0; j < 2; j++) taken += node.take(app) ? 1 : 0
        await Bun.sleep(2)
      }
      console.log(`even load on two nodes: ${taken} of ${appLimit} let in`)
      expect(taken).toBeWithin(appLimit, appLimit * 1.05 + 1)
      await Promise.all(nodes.map(({ limiter }) => limiter.close()))
    }, 15_000)

    test("a burst that is over before Redis has answered gets each node's limit, and never more", async () => {
      const nodes = [await nodeOf("burst"), await nodeOf("burst")]
      const app = appInMidWindow()
      const burst = (count: number): number => {
        let taken = 0
        for (let i = 0; i < count; i++) for (const node of nodes) taken += node.take(app) ? 1 : 0
        return taken
      }
      expect(burst(appLimit * 2)).toBe(appLimit * nodes.length)
      await settle()
      expect(burst(10)).toBe(0)
      await Promise.all(nodes.map(({ limiter }) => limiter.close()))
    })

    test("apps and deployments do not count each other's", async () => {
      const [a, b] = [await nodeOf("one"), await nodeOf("two")]
      const app = appInMidWindow()
      for (let i = 0; i < 100; i++) a.take(app)
      await settle()
      a.take(app + 1)
      b.take(app)
      await settle()
      expect([a.left(app), a.left(app + 1), b.left(app)]).toEqual([appLimit - 100, appLimit - 1, appLimit - 1])
      await Promise.all([a.limiter.close(), b.limiter.close()])
    })

    test("counters go away by themselves", async () => {
      const a = await nodeOf("expiry")
      const app = appInMidWindow()
      a.take(app)
      await settle()
      const client = new Bun.RedisClient(redis.url)
      const keys = (await client.keys("weir:expiry:limits:*")) as string[]
      expect(keys).toHaveLength(1)
      expect(await client.pttl(keys[0] as string)).toBeWithin(100_000, 120_001)
      expect(await client.hgetall(keys[0] as string)).toEqual({ "SendMessage server app": "1" })
      client.close()
      await a.limiter.close()
    })
  })

  test("while Redis is away each node counts alone, and together again when it is back", async () => {
    const [a, b] = [await nodeOf("away"), await nodeOf("away")]
    const app = appInMidWindow()
    for (let i = 0; i < 100; i++) a.take(app)
    await settle()
    await redis.kill()
    let taken = 0
    for (let i = 0; i < appLimit * 2; i++) taken += a.take(app) ? 1 : 0
    expect(taken).toBe(appLimit - 100)
    for (let i = 0; i < 10; i++) b.take(app)
    await settle()
    expect(a.take(app)).toBe(false)
    await redis.start()
    const endMs = Date.now() + 10_000
    while (!(a.counters.connected && b.counters.connected) && Date.now() < endMs) await Bun.sleep(50)
    await settle()
    // Redis began anew and knows less than node a by itself, which stays with what it has let in.
    expect(a.take(app)).toBe(false)
    b.take(app)
    await settle()
    await settle()
    expect(b.left(app)).toBeLessThan(appLimit - 10)
    await Promise.all([a.limiter.close(), b.limiter.close()])
  }, 20_000)

  test("a Redis that stands still holds up nobody", async () => {
    const a = await nodeOf("still")
    const app = appInMidWindow()
    redis.freeze()
    const startedMs = performance.now()
    let taken = 0
    for (let i = 0; i < appLimit * 2; i++) taken += a.take(app) ? 1 : 0
    expect(performance.now() - startedMs).toBeLessThan(200)
    expect(taken).toBe(appLimit)
    await Bun.sleep(bounds.shareTimeoutMs + bounds.shareEveryMs + 200)
    expect(a.counters.connected).toBe(false)
    redis.thaw()
    await a.limiter.close()
  }, 15_000)
}

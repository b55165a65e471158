import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { type OwnRedisServer, redisProgram, startRedisServer } from "../../../../../contract/suites/bus/redis-server.ts"
import { busSuite, until } from "../../../../../contract/suites/bus/suite.ts"
import { systemClock } from "../../base/clock.ts"
import { randomId } from "../../base/ids.ts"
import { createLogger } from "../../base/log.ts"
import { limits } from "../limits.ts"
import { createRedisBus, type RedisBus } from "./redis.ts"

const log = createLogger({ level: "error", format: "json", write: () => {} })
const options = (url: string, deployment: string) => ({ url, deployment, clock: systemClock, log })

const sharedUrl = process.env.WEIR_TEST_REDIS_URL
if (sharedUrl === undefined)
  console.log("redis.test.ts: WEIR_TEST_REDIS_URL is not set, the suite on a given Redis is skipped")
else {
  const deployment = `test-${randomId(8)}`
  busSuite("Redis", { shared: true, open: () => createRedisBus(options(sharedUrl, deployment)) })
}

if (redisProgram === null)
  console.log("redis.test.ts: redis-server is not installed, the tests that stop it are skipped")
else {
  const server = await startRedisServer()
  afterAll(() => server.kill())
  busSuite("Redis, a server of its own", {
    shared: true,
    open: () => createRedisBus(options(server.url, "outage")),
    outage: { begin: server.kill, end: server.start },
  })
  redisTests(server)
}

function redisTests(server: OwnRedisServer): void {
  const opened: RedisBus[] = []
  const node = async (deployment = "own", url = server.url): Promise<RedisBus> => {
    const bus = await createRedisBus(options(url, deployment))
    opened.push(bus)
    return bus
  }
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((bus) => bus.close()))
  })
  const gapsOf = (bus: RedisBus): { count: number } => {
    const gaps = { count: 0 }
    bus.onGap(() => {
      gaps.count += 1
    })
    return gaps
  }
  /** Another program on the same Redis. */
  const stranger = async (run: (client: Bun.RedisClient) => Promise<void>): Promise<void> => {
    const client = new Bun.RedisClient(server.url)
    try {
      await run(client)
    } finally {
      client.close()
    }
  }

  describe("the bus over Redis", () => {
    test("deployments that share a Redis do not hear each other", async () => {
      const [a, b, other] = [await node("one"), await node("one"), await node("two")]
      const heard: string[] = []
      b.subscribe("event", () => heard.push("b"))
      other.subscribe("event", () => heard.push("other"))
      a.publish("event", "1")
      await until(() => heard.length > 0)
      await Bun.sleep(100)
      expect(heard).toEqual(["b"])
    })

    test("a message beyond the bound is dropped and counted, and the others learn that one is missing", async () => {
      const [a, b] = [await node(), await node()]
      const gaps = gapsOf(b)
      const heard: string[] = []
      b.subscribe("event", (payload) => heard.push(payload))
      a.publish("event", "before")
      await until(() => heard.length === 1)
      a.publish("event", "x".repeat(limits.busMessageBytesMax))
      expect(a.droppedCount).toBe(1)
      // The next beat carries the next number, so nothing else need be sent.
      await until(() => gaps.count === 1)
      expect(heard).toEqual(["before"])
    })

    test("what is on its way is bounded in bytes; beyond it messages are dropped and counted", async () => {
      const [a, b] = [await node(), await node()]
      const gaps = gapsOf(b)
      let heard = 0
      b.subscribe("event", () => {
        heard += 1
      })
      const size = 1024 * 1024
      const sent = limits.busInFlightBytesMax / size + 8
      for (let n = 0; n < sent; n += 1) a.publish("event", "x".repeat(size))
      expect(a.droppedCount).toBeGreaterThan(0)
      await until(() => heard === sent - a.droppedCount && gaps.count > 0)
      const { droppedCount } = a
      a.publish("event", "room again")
      await until(() => heard === sent - droppedCount + 1)
    })

    // Numbers are what tells a loss; without them an invalidation could vanish unseen.
    test("a missing number is a gap before the message that shows it; a late or foreign message is not heard", async () => {
      const bus = await node("numbers")
      const heard: string[] = []
      bus.onGap(() => heard.push("gap"))
      bus.subscribe("event", (payload) => heard.push(payload))
      await stranger(async (client) => {
        for (const message of [
          "aaaaaaaaaaaa 1 one",
          "aaaaaaaaaaaa 2 two",
          "aaaaaaaaaaaa 4 four",
          "aaaaaaaaaaaa 3 late",
          "no envelope",
          "aaaaaaaaaaaa x y",
          "aaaaaaaaaaaa 5 five",
        ]) {
          await client.publish("weir:numbers:event", message)
        }
      })
      await until(() => heard.includes("five"))
      expect(heard).toEqual(["one", "two", "gap", "four", "five"])
    })

    test("a node that comes later is no gap, for it or for the others", async () => {
      const a = await node()
      const gapsOfA = gapsOf(a)
      for (let n = 0; n < 10; n += 1) a.publish("event", String(n))
      const b = await node()
      const gapsOfB = gapsOf(b)
      const heard: string[] = []
      b.subscribe("event", (payload) => heard.push(payload))
      a.publish("event", "hello")
      b.publish("presence", "hello")
      await until(() => heard.length === 1)
      await Bun.sleep(2 * limits.busBeatEveryMs)
      expect([gapsOfA.count, gapsOfB.count]).toEqual([0, 0])
    })

    test("when the server cuts the subscribing connection alone, the node notices and comes back", async () => {
      const [a, b] = [await node("cut"), await node("cut")]
      const [gapsOfA, gapsOfB] = [gapsOf(a), gapsOf(b)]
      await stranger(async (client) => {
        await client.send("CLIENT", ["KILL", "TYPE", "pubsub"])
      })
      await until(() => gapsOfA.count === 1 && gapsOfB.count >= 1 && a.connected && b.connected)
      const heard: string[] = []
      b.subscribe("event", (payload) => heard.push(payload))
      a.publish("event", "again")
      await until(() => heard.length === 1)
    })

    test("what other nodes sent during an outage is part of its gap, and no second one", async () => {
      const bus = await node("once")
      const gaps = gapsOf(bus)
      const heard: string[] = []
      bus.subscribe("event", (payload) => heard.push(payload))
      await stranger(async (client) => {
        await client.publish("weir:once:event", "aaaaaaaaaaaa 1 before")
        await until(() => heard.length === 1)
        await client.send("CLIENT", ["KILL", "TYPE", "pubsub"])
        await until(() => gaps.count === 1)
        await client.publish("weir:once:event", "aaaaaaaaaaaa 9 after")
      })
      await until(() => heard.length === 2)
      expect(gaps.count).toBe(1)
    })

    // A firewall that forgets a connection, or a server that hangs, closes nothing: only the missing echo tells.
    test("a server that holds still is away, although the connections are open", async () => {
      const bus = await node("still")
      const gaps = gapsOf(bus)
      server.freeze()
      try {
        const frozenAtMs = performance.now()
        await until(() => !bus.connected)
        // Well inside the lease after which caches must not be believed.
        expect(performance.now() - frozenAtMs).toBeLessThan(limits.cacheLeaseMs)
      } finally {
        server.thaw()
      }
      await until(() => bus.connected && gaps.count > 0)
    }, 30_000)

    test("a Redis that cannot be reached or refuses stops the start, and its password stays out of the text", async () => {
      const secret = "s3cr3t"
      const nobody = `redis://weir:${secret}@127.0.0.1:1`
      const refused = server.url.replace("redis://", `redis://weir:${secret}@`)
      for (const url of [nobody, refused]) {
        const error = await createRedisBus(options(url, "x")).catch((thrown: unknown) => thrown)
        expect(error).toBeInstanceOf(Error)
        expect((error as Error).message).toContain(new URL(url).host)
        expect((error as Error).message).not.toContain(secret)
      }
    })
  })
}

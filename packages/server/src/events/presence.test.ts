import { afterEach, describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createLinkedBuses } from "../../../../contract/suites/bus/linked.ts"
import { until } from "../../../../contract/suites/bus/suite.ts"
import { manualClock, systemClock } from "../base/clock.ts"
import { randomId } from "../base/ids.ts"
import { createLogger } from "../base/log.ts"
import type { Bus } from "./bus/bus.ts"
import { createLocalBus } from "./bus/local.ts"
import { createRedisBus } from "./bus/redis.ts"
import { limits } from "./limits.ts"
import { createPresence, type Presence } from "./presence.ts"

interface Watched extends Presence {
  /** What onChange said, such as `1 anna on`. */
  readonly changes: string[]
}

const opened: Presence[] = []
afterEach(() => {
  for (const presence of opened.splice(0)) presence.close()
})

function watch(bus: Bus, clock = systemClock): Watched {
  const changes: string[] = []
  const presence = createPresence({
    bus,
    clock,
    onChange: (appId, userId, online) => changes.push(`${appId} ${userId} ${online ? "on" : "off"}`),
  })
  opened.push(presence)
  return { ...presence, changes }
}

describe("one node", () => {
  test("a user is online from the first socket to the last", () => {
    const presence = watch(createLocalBus())
    presence.connect(1, "anna")
    presence.connect(1, "anna")
    presence.connect(1, "ben")
    expect([presence.isOnline(1, "anna"), presence.onlineCount(1)]).toEqual([true, 2])
    presence.disconnect(1, "anna")
    expect(presence.isOnline(1, "anna")).toBe(true)
    presence.disconnect(1, "anna")
    expect([presence.isOnline(1, "anna"), presence.onlineCount(1)]).toEqual([false, 1])
    expect(presence.changes).toEqual(["1 anna on", "1 ben on", "1 anna off"])
  })

  test("the same name in another app is another user", () => {
    const presence = watch(createLocalBus())
    presence.connect(1, "anna")
    expect([presence.isOnline(2, "anna"), presence.onlineCount(2)]).toEqual([false, 0])
  })

  test("one disconnect too many changes nothing", () => {
    const presence = watch(createLocalBus())
    presence.disconnect(1, "anna")
    presence.connect(1, "anna")
    expect(presence.isOnline(1, "anna")).toBe(true)
    expect(presence.changes).toEqual(["1 anna on"])
  })

  test("the local bus carries no gossip", () => {
    const bus = createLocalBus()
    let heard = 0
    bus.subscribe("presence", () => {
      heard += 1
    })
    const presence = watch(bus)
    presence.connect(1, "anna")
    presence.beat()
    presence.close()
    expect(heard).toBe(0)
  })

  test("a listener that throws leaves true numbers behind", () => {
    const bus = createLocalBus()
    const presence = createPresence({
      bus,
      clock: systemClock,
      onChange() {
        throw new Error("on purpose")
      },
    })
    expect(() => presence.connect(1, "anna")).toThrow("on purpose")
    expect(presence.isOnline(1, "anna")).toBe(true)
    expect(() => presence.disconnect(1, "anna")).toThrow("on purpose")
    expect(presence.isOnline(1, "anna")).toBe(false)
  })
})

/** Nodes in one process, with a clock and links that the test moves. */
function cluster() {
  const clock = manualClock(0)
  const buses = createLinkedBuses("when-delivered")
  const open = () => {
    const bus = buses.open()
    return { bus, ...watch(bus, clock) }
  }
  return {
    clock,
    open,
    deliver: buses.deliverAll,
    /** Lets questions be answered and the answers arrive. */
    async settle() {
      for (let round = 0; round < 2; round += 1) {
        buses.deliverAll()
        await Bun.sleep(limits.presenceAnswerDelayMs + 15)
      }
      buses.deliverAll()
    },
    /** Lets time pass as it does: every node beats when its time has come. */
    pass(ms: number, nodes: readonly Presence[]) {
      for (let left = ms; left > 0; left -= limits.presenceBeatEveryMs) {
        clock.advance(Math.min(left, limits.presenceBeatEveryMs))
        for (const node of nodes) node.beat()
        buses.deliverAll()
      }
    },
  }
}

describe("many nodes", () => {
  test("everyone hears of the first and the last socket of a user anywhere, once", () => {
    const { open, deliver } = cluster()
    const [a, b] = [open(), open()]
    deliver()
    a.connect(1, "anna")
    deliver()
    b.connect(1, "anna")
    b.connect(1, "anna")
    deliver()
    a.disconnect(1, "anna")
    deliver()
    for (const node of [a, b]) expect([node.isOnline(1, "anna"), node.onlineCount(1)]).toEqual([true, 1])
    b.disconnect(1, "anna")
    b.disconnect(1, "anna")
    deliver()
    for (const node of [a, b]) {
      expect(node.isOnline(1, "anna")).toBe(false)
      expect(node.changes).toEqual(["1 anna on", "1 anna off"])
    }
  })

  test("a newcomer learns who is online, however many they are", async () => {
    const { open, settle } = cluster()
    const a = open()
    const count = 2 * limits.presenceUsersPerMessageMax + 1
    for (let n = 0; n < count; n += 1) a.connect(1 + (n % 3), `user-${n}`)
    const b = open()
    await settle()
    expect(b.onlineCount(1) + b.onlineCount(2) + b.onlineCount(3)).toBe(count)
    expect(b.isOnline(2, "user-1")).toBe(true)
    expect(b.changes).toHaveLength(count)
    expect(new Set(b.changes).size).toBe(count)
  })

  test("a list that arrives with a hole is not believed", () => {
    const { open, deliver } = cluster()
    const [a, b] = [open(), open()]
    b.connect(1, "ben")
    deliver()
    const part = (part: number, last: boolean, user: string): void =>
      b.bus.publish("presence", JSON.stringify({ t: "list", part, last, users: [[1, [user]]] }))
    part(0, false, "anna")
    part(2, true, "cleo")
    deliver()
    expect(a.changes).toEqual(["1 ben on"])
    part(0, false, "anna")
    part(1, true, "cleo")
    deliver()
    expect(a.changes.slice(1)).toEqual(["1 anna on", "1 cleo on", "1 ben off"])
  })

  test("a newcomer to an empty house is known at once, and what it says counts", () => {
    const { open, deliver } = cluster()
    const a = open()
    const b = open()
    b.connect(1, "ben")
    deliver()
    expect(a.isOnline(1, "ben")).toBe(true)
  })

  test("a node that falls silent is forgotten with its users, no sooner and once", async () => {
    const { open, pass, settle } = cluster()
    const [a, b] = [open(), open()]
    a.connect(1, "both")
    b.connect(1, "both")
    b.connect(1, "only b")
    await settle()
    pass(limits.presenceSilenceMs, [a, b])
    expect(a.isOnline(1, "only b")).toBe(true)
    // From here on b says nothing: its process is gone without a word.
    pass(limits.presenceSilenceMs - limits.presenceBeatEveryMs, [a])
    expect(a.isOnline(1, "only b")).toBe(true)
    pass(2 * limits.presenceBeatEveryMs, [a])
    expect([a.isOnline(1, "only b"), a.isOnline(1, "both"), a.onlineCount(1)]).toEqual([false, true, 1])
    expect(a.changes).toEqual(["1 both on", "1 only b on", "1 only b off"])
  })

  test("a node that was forgotten and speaks again is asked for its list", async () => {
    const { open, pass, settle } = cluster()
    const [a, b] = [open(), open()]
    b.connect(1, "ben")
    await settle()
    pass(limits.presenceSilenceMs + limits.presenceBeatEveryMs, [a])
    expect(a.isOnline(1, "ben")).toBe(false)
    b.beat()
    await settle()
    expect(a.isOnline(1, "ben")).toBe(true)
    expect(a.changes).toEqual(["1 ben on", "1 ben off", "1 ben on"])
  })

  test("good-bye is believed at once", () => {
    const { open, deliver } = cluster()
    const [a, b] = [open(), open()]
    b.connect(1, "ben")
    deliver()
    b.close()
    deliver()
    expect(a.changes).toEqual(["1 ben on", "1 ben off"])
  })

  // A restart of Redis must not send every user of the other nodes offline and back.
  test("while this node is deaf nobody is forgotten; afterwards only the change is told", async () => {
    const { open, pass, settle } = cluster()
    const [a, b] = [open(), open()]
    b.connect(1, "stays")
    b.connect(1, "goes")
    await settle()
    a.bus.cut()
    b.disconnect(1, "goes")
    b.connect(1, "comes")
    pass(10 * limits.presenceSilenceMs, [a, b])
    expect([a.isOnline(1, "stays"), a.isOnline(1, "comes")]).toEqual([true, false])
    a.bus.mend()
    await settle()
    expect(a.changes.slice(0, 2)).toEqual(["1 stays on", "1 goes on"])
    expect(a.changes.slice(2).sort()).toEqual(["1 comes on", "1 goes off"])
  })

  test("after this process stood still, the others get time to speak before they are forgotten", async () => {
    const { clock, open, settle } = cluster()
    const [a, b] = [open(), open()]
    b.connect(1, "ben")
    await settle()
    clock.advance(10 * limits.presenceSilenceMs)
    a.beat()
    expect(a.isOnline(1, "ben")).toBe(true)
  })

  // Whatever happened on the way, in the end every node knows the truth, and what it told its listeners adds up to it.
  test("all nodes agree after any order of events, losses included", async () => {
    const step = fc.record({
      do: fc.constantFrom(
        "connect",
        "connect",
        "connect",
        "disconnect",
        "disconnect",
        "deliver",
        "cut",
        "mend",
        "restart",
      ),
      node: fc.nat({ max: 2 }),
      user: fc.constantFrom("anna", "ben", "cleo"),
      count: fc.integer({ min: 1, max: 5 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const { open, pass, settle } = cluster()
        const newNode = () => ({ ...open(), sockets: new Map<string, number>() })
        const nodes = [newNode(), newNode(), newNode()]
        for (const now of steps) {
          const node = nodes[now.node] as (typeof nodes)[number]
          const open = node.sockets.get(now.user) ?? 0
          if (now.do === "connect" || (now.do === "disconnect" && open > 0)) {
            node.sockets.set(now.user, open + (now.do === "connect" ? 1 : -1))
            node[now.do as "connect" | "disconnect"](1, now.user)
          } else if (now.do === "deliver") node.bus.deliver(now.count)
          else if (now.do === "cut") node.bus.cut()
          else if (now.do === "mend") node.bus.mend()
          else if (now.do === "restart") {
            node.bus.mend()
            node.close()
            await node.bus.close()
            nodes[now.node] = newNode()
          }
        }
        for (const node of nodes) node.bus.mend()
        // A good-bye that was lost is made up for by the silence after it.
        pass(limits.presenceSilenceMs + limits.presenceBeatEveryMs, nodes)
        await settle()
        for (const node of nodes) {
          const told = new Map<string, string>()
          for (const change of node.changes) {
            const [, user = "", state = ""] = change.split(" ")
            // Never the same news twice: each one is a change.
            expect(state).not.toBe(told.get(user) ?? "off")
            told.set(user, state)
          }
          for (const user of ["anna", "ben", "cleo"]) {
            const isOnline = nodes.some(({ sockets }) => (sockets.get(user) ?? 0) > 0)
            expect([user, node.isOnline(1, user)]).toEqual([user, isOnline])
            expect([user, told.get(user) ?? "off"]).toEqual([user, isOnline ? "on" : "off"])
          }
        }
      }),
      { numRuns: 30 },
    )
  }, 30_000)
})

const redisUrl = process.env.WEIR_TEST_REDIS_URL
if (redisUrl === undefined)
  console.log("presence.test.ts: WEIR_TEST_REDIS_URL is not set, the test over Redis is skipped")
else {
  test("over Redis: news, a newcomer, and good-bye", async () => {
    const log = createLogger({ level: "error", format: "json", write: () => {} })
    const deployment = `test-${randomId(8)}`
    const openBus = () => createRedisBus({ url: redisUrl, deployment, clock: systemClock, log })
    const buses = [await openBus(), await openBus()]
    try {
      const [a, b] = buses.map((bus) => watch(bus)) as [Watched, Watched]
      a.connect(1, "anna")
      await until(() => b.isOnline(1, "anna"))
      for (let n = 0; n < 3 * limits.presenceUsersPerMessageMax; n += 1) b.connect(2, `user-${n}`)
      buses.push(await openBus())
      const c = watch(buses[2] as Bus)
      await until(() => c.isOnline(1, "anna") && c.onlineCount(2) === 3 * limits.presenceUsersPerMessageMax)
      b.close()
      await until(() => a.onlineCount(2) === 0 && c.onlineCount(2) === 0)
      expect(c.isOnline(1, "anna")).toBe(true)
      a.disconnect(1, "anna")
      await until(() => !c.isOnline(1, "anna"))
    } finally {
      await Promise.all(buses.map((bus) => bus.close()))
    }
  }, 20_000)
}

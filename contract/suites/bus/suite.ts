// What every bus must do (packages/server/src/events/bus/bus.ts). Each implementation runs this suite in one call.

import { afterEach, describe, expect, test } from "bun:test"
import type { Bus } from "../../../packages/server/src/events/bus/bus.ts"

export interface BusUnderTest {
  /** Opens one more node of the same deployment. */
  open(): Promise<Bus>
  /** Whether nodes hear each other. */
  readonly shared: boolean
  /** How to take away and give back what carries the messages; absent when nothing can be taken away. */
  readonly outage?: { begin(): Promise<void>; end(): Promise<void> }
}

/** Longer than any message takes, shorter than a test may. */
const patienceMs = 15_000
/** Long enough for an echo or a stray message to arrive. */
const quietMs = 150

export function busSuite(name: string, { open, shared, outage }: BusUnderTest): void {
  const opened: Bus[] = []
  const node = async (): Promise<Bus> => {
    const bus = await open()
    opened.push(bus)
    return bus
  }
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((bus) => bus.close()))
  })

  describe(`bus contract: ${name}`, () => {
    test("a node has an id of its own, is connected, and says whether it can have neighbours", async () => {
      const [a, b] = [await node(), await node()]
      expect(a.nodeId).toMatch(/^[a-z0-9]{12}$/)
      expect(a.nodeId).not.toBe(b.nodeId)
      expect([a.connected, a.shared]).toEqual([true, shared])
    })

    // Whoever drops a cache entry or counts a user must see it done when publish returns.
    test("own subscribers hear a message before publish returns, once, and never again", async () => {
      const bus = await node()
      const heard: unknown[] = []
      bus.subscribe("event", (payload, fromNode) => heard.push([payload, fromNode]))
      bus.publish("event", '{"n":1}')
      expect(heard).toEqual([['{"n":1}', bus.nodeId]])
      await Bun.sleep(quietMs)
      expect(heard).toHaveLength(1)
    })

    test("topics do not mix", async () => {
      const bus = await node()
      const heard: string[] = []
      for (const topic of ["event", "invalidate", "presence", "command"] as const) {
        bus.subscribe(topic, (payload) => heard.push(`${topic} ${payload}`))
      }
      bus.publish("command", "1")
      bus.publish("event", "2")
      expect(heard).toEqual(["command 1", "event 2"])
    })

    test("a message from within a listener is heard after the one before it, by everyone", async () => {
      const bus = await node()
      const heard: string[] = []
      bus.subscribe("event", (payload) => {
        heard.push(`first ${payload}`)
        if (payload === "1") bus.publish("event", "2")
      })
      bus.subscribe("event", (payload) => heard.push(`second ${payload}`))
      bus.publish("event", "1")
      expect(heard).toEqual(["first 1", "second 1", "first 2", "second 2"])
    })

    test("the end of a subscription ends that one alone, also in the middle of a message", async () => {
      const bus = await node()
      const heard: string[] = []
      const listener = (payload: string): number => heard.push(`twice ${payload}`)
      const ends = [bus.subscribe("event", listener), bus.subscribe("event", listener)]
      bus.subscribe("event", (payload) => {
        heard.push(`ender ${payload}`)
        endLast()
      })
      const endLast = bus.subscribe("event", (payload) => heard.push(`last ${payload}`))
      bus.publish("event", "1")
      expect(heard).toEqual(["twice 1", "twice 1", "ender 1"])
      ends[0]?.()
      ends[0]?.()
      bus.publish("event", "2")
      expect(heard.slice(3)).toEqual(["twice 2", "ender 2"])
    })

    test("a subscriber that comes while a message is told hears from the next one on", async () => {
      const bus = await node()
      const heard: string[] = []
      const end = bus.subscribe("event", () => {
        end()
        bus.subscribe("event", (payload) => heard.push(payload))
      })
      bus.publish("event", "1")
      bus.publish("event", "2")
      expect(heard).toEqual(["2"])
    })

    test("a subscriber that fails harms neither the others nor the publisher", async () => {
      const bus = await node()
      const heard: string[] = []
      bus.subscribe("event", () => {
        throw new Error("a subscriber that fails on purpose")
      })
      bus.subscribe("event", (payload) => heard.push(payload))
      expect(() => bus.publish("event", "1")).not.toThrow()
      bus.publish("event", "2")
      expect(heard).toEqual(["1", "2"])
    })

    test("after close nothing is said or heard, and nothing throws", async () => {
      const bus = await node()
      const heard: string[] = []
      bus.subscribe("event", (payload) => heard.push(payload))
      await bus.close()
      expect(() => bus.publish("event", "1")).not.toThrow()
      await bus.close()
      expect(heard).toEqual([])
    })
  })

  if (shared) sharedSuite(name, node)
  if (outage !== undefined) outageSuite(name, node, outage)
}

function sharedSuite(name: string, node: () => Promise<Bus>): void {
  describe(`bus contract, many nodes: ${name}`, () => {
    test("nodes hear each other with the sender's id, as soon as both are open", async () => {
      const [a, b] = [await node(), await node()]
      const [heardByA, heardByB] = [recorder(a), recorder(b)]
      a.publish("event", "from a")
      b.publish("event", "from b")
      await until(() => heardByA.length === 2 && heardByB.length === 2)
      await Bun.sleep(quietMs)
      expect([...heardByA].sort()).toEqual([`${a.nodeId} from a`, `${b.nodeId} from b`].sort())
      expect([...heardByB].sort()).toEqual([`${a.nodeId} from a`, `${b.nodeId} from b`].sort())
    })

    test("a payload arrives as it was, whatever is in it", async () => {
      const [a, b] = [await node(), await node()]
      const heard: string[] = []
      b.subscribe("command", (payload) => heard.push(payload))
      const payloads = ["", " ", " 1 2 ", '{"text":"zażółć 😀 \\u0000\\r\\n"}', "line\r\nline", "é".repeat(500_000)]
      for (const payload of payloads) a.publish("command", payload)
      await until(() => heard.length === payloads.length)
      expect(heard).toEqual(payloads)
    })

    test("10,000 messages of each of two senders arrive in their order, none lost, over all topics", async () => {
      const [a, b, c] = [await node(), await node(), await node()]
      const topics = ["event", "invalidate", "presence", "command"] as const
      const heard = new Map<string, number[]>([
        [a.nodeId, []],
        [b.nodeId, []],
      ])
      for (const topic of topics) {
        c.subscribe(topic, (payload, fromNode) => heard.get(fromNode)?.push(Number(payload)))
      }
      let gaps = 0
      c.onGap(() => {
        gaps += 1
      })
      const numbers = Array.from({ length: 10_000 }, (_, n) => n)
      for (const n of numbers) {
        for (const sender of [a, b]) sender.publish(topics[n % 4] as (typeof topics)[number], String(n))
        if (n % 500 === 0) await Bun.sleep(0)
      }
      await until(() => [...heard.values()].every((list) => list.length >= numbers.length))
      expect(heard.get(a.nodeId)).toEqual(numbers)
      expect(heard.get(b.nodeId)).toEqual(numbers)
      expect(gaps).toBe(0)
    })

    test("a closed node hears nothing more, and the others go on", async () => {
      const [a, b, c] = [await node(), await node(), await node()]
      const heardByB = recorder(b)
      const heardByC = recorder(c)
      await b.close()
      a.publish("event", "1")
      await until(() => heardByC.length === 1)
      await Bun.sleep(quietMs)
      expect(heardByB).toEqual([])
    })

    test("what was published just before close still arrives", async () => {
      const [a, b] = [await node(), await node()]
      const heard = recorder(b)
      for (let n = 0; n < 200; n += 1) a.publish("event", String(n))
      await a.close()
      await until(() => heard.length === 200)
      expect(heard.at(-1)).toBe(`${a.nodeId} 199`)
    })
  })
}

function outageSuite(
  name: string,
  node: () => Promise<Bus>,
  outage: { begin(): Promise<void>; end(): Promise<void> },
): void {
  describe(`bus contract, outage: ${name}`, () => {
    test("an outage is seen, throws nothing, ends in a gap on each node, and is over", async () => {
      const [a, b] = [await node(), await node()]
      const [heardByA, heardByB] = [recorder(a), recorder(b)]
      const gaps: string[] = []
      a.onGap(() => {
        throw new Error("a listener that fails on purpose")
      })
      // A gap is told when the bus is whole again, so that what is asked now is answered.
      a.onGap(() => gaps.push(`a ${a.connected}`))
      b.onGap(() => gaps.push(`b ${b.connected}`))

      await outage.begin()
      await until(() => !a.connected && !b.connected)
      expect(() => a.publish("event", "lost")).not.toThrow()
      expect(heardByA).toEqual([`${a.nodeId} lost`])

      await outage.end()
      await until(() => a.connected && b.connected && gaps.length >= 2)
      a.publish("event", "found")
      b.publish("event", "answered")
      await until(() => heardByB.length === 2 && heardByA.length === 3)
      expect(heardByB).not.toContain(`${a.nodeId} lost`)
      expect(heardByB).toContain(`${a.nodeId} found`)
      // One gap each: what was missed together is told together.
      expect(gaps.sort()).toEqual(["a true", "b true"])
    }, 30_000)

    test("a node that is closed during an outage ends at once", async () => {
      const a = await node()
      await outage.begin()
      await until(() => !a.connected)
      await a.close()
      await outage.end()
      expect(a.connected).toBe(false)
    }, 30_000)
  })
}

/** Everything a node hears on the topic `event`, as `<sender> <payload>`. */
function recorder(bus: Bus): string[] {
  const heard: string[] = []
  bus.subscribe("event", (payload, fromNode) => heard.push(`${fromNode} ${payload}`))
  return heard
}

/** Waits until something is so; fails when it takes too long. */
export async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + patienceMs
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`not so after ${patienceMs} ms: ${isSo}`)
    await Bun.sleep(5)
  }
}

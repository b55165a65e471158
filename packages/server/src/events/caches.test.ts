import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createLinkedBuses, type LinkedBus } from "../../../../contract/suites/bus/linked.ts"
import { manualClock } from "../base/clock.ts"
import { createLocalBus } from "./bus/local.ts"
import { type Cache, cacheKey, createCaches } from "./caches.ts"
import { limits } from "./limits.ts"

interface Versioned {
  readonly version: number
  /** When it was read from the database; monotonic milliseconds. */
  readonly readAtMs: number
}

/** A look-up that the test ends when it likes. */
function heldLoads<V>() {
  const held: { key: string; resolve(value: V | null): void; reject(error: Error): void }[] = []
  const load = (key: string): Promise<V | null> =>
    new Promise((resolve, reject) => {
      held.push({ key, resolve, reject })
    })
  return { held, load }
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
}

describe("one node", () => {
  const setUp = (options: { ttlMs?: number; entriesMax?: number } = {}) => {
    const clock = manualClock(0)
    const { held, load } = heldLoads<string>()
    const cache = createCaches(createLocalBus(), clock).create<string>({
      name: "users",
      entriesMax: 100,
      load,
      ...options,
    })
    return { clock, held, cache }
  }

  test("asks once, answers at once from then on, and without a time to live for ever", async () => {
    const { clock, held, cache } = setUp()
    expect(cache.peek("1|a")).toBeUndefined()
    const [first, second] = [cache.get("1|a"), cache.get("1|a")]
    expect(held.map(({ key }) => key)).toEqual(["1|a"])
    held[0]?.resolve("value")
    expect([await first, await second]).toEqual(["value", "value"])
    clock.advance(365 * 24 * 60 * 60_000)
    expect([cache.peek("1|a"), cache.get("1|a")]).toEqual(["value", "value"])
    expect(held).toHaveLength(1)
  })

  test("a time to live counts from the start of the look-up", async () => {
    const { clock, held, cache } = setUp({ ttlMs: 1_000 })
    const value = cache.get("1|a")
    clock.advance(600)
    held[0]?.resolve("value")
    await value
    clock.advance(399)
    expect(cache.peek("1|a")).toBe("value")
    clock.advance(1)
    expect(cache.peek("1|a")).toBeUndefined()
    expect(cache.get("1|a")).toBeInstanceOf(Promise)
  })

  test("«there is none» is believed briefly, even where values live for ever", async () => {
    const { clock, held, cache } = setUp()
    const value = cache.get("1|a")
    held[0]?.resolve(null)
    expect(await value).toBeNull()
    clock.advance(limits.cacheNegativeMs - 1)
    expect([cache.peek("1|a"), cache.get("1|a")]).toEqual([null, null])
    clock.advance(1)
    expect(cache.peek("1|a")).toBeUndefined()
  })

  test("a failed look-up fails all who wait and is not remembered", async () => {
    const { held, cache } = setUp()
    const waiting = [cache.get("1|a"), cache.get("1|a")]
    held[0]?.reject(new Error("database away"))
    for (const promise of waiting) await expect(promise as Promise<string>).rejects.toThrow("database away")
    const again = cache.get("1|a")
    held[1]?.resolve("value")
    expect(await again).toBe("value")
  })

  test("a look-up that hangs does not hold up those who come later", async () => {
    const { clock, held, cache } = setUp()
    const hanging = cache.get("1|a")
    clock.advance(limits.cacheJoinMs)
    const later = cache.get("1|a")
    held[1]?.resolve("new")
    expect(await later).toBe("new")
    // Should the first one end after all, its older value is for its own callers only.
    held[0]?.resolve("old")
    expect(await hanging).toBe("old")
    expect(cache.peek("1|a")).toBe("new")
  })

  test("the end of a dropped look-up leaves the one that follows it alone", async () => {
    const { held, cache } = setUp()
    const before = cache.get("1|a")
    cache.drop("1|a")
    const after = [cache.get("1|a")]
    held[0]?.resolve("old")
    expect(await before).toBe("old")
    after.push(cache.get("1|a"))
    expect(held).toHaveLength(2)
    held[1]?.resolve("new")
    expect(await Promise.all(after)).toEqual(["new", "new"])
    expect(cache.peek("1|a")).toBe("new")
  })

  test("clear forgets everything, also what is on its way", async () => {
    const { held, cache } = setUp()
    const known = cache.get("1|a")
    held[0]?.resolve("a")
    await known
    const coming = cache.get("1|b")
    cache.clear()
    held[1]?.resolve("b")
    expect(await coming).toBe("b")
    expect([cache.peek("1|a"), cache.peek("1|b")]).toEqual([undefined, undefined])
  })

  test("holds no more entries than its bound", async () => {
    const clock = manualClock(0)
    const cache = createCaches(createLocalBus(), clock).create<string>({
      name: "users",
      entriesMax: 10,
      load: async (key) => key,
    })
    for (let n = 0; n < 100; n += 1) await cache.get(cacheKey(1, String(n)))
    const cached = Array.from({ length: 100 }, (_, n) => cache.peek(cacheKey(1, String(n)))).filter(Boolean)
    expect(cached.length).toBeLessThanOrEqual(10)
    expect(cached.length).toBeGreaterThan(0)
  })

  test("two caches cannot have one name, and apps cannot share a key", () => {
    const caches = createCaches(createLocalBus(), manualClock(0))
    const options = { name: "users", entriesMax: 2, load: async () => null }
    caches.create<string>(options)
    expect(() => caches.create<string>(options)).toThrow("users")
    expect(cacheKey(1, "1|a")).not.toBe(cacheKey(11, "a"))
  })
})

describe("many nodes", () => {
  const setUp = () => {
    const clock = manualClock(0)
    const buses = createLinkedBuses("when-delivered")
    const loads = { count: 0 }
    const open = () => {
      const bus = buses.open()
      const caches = createCaches(bus, clock)
      const create = (name: string) => caches.create<number>({ name, entriesMax: 100, load: async () => ++loads.count })
      return { bus, users: create("users"), keys: create("keys") }
    }
    return { clock, buses, loads, a: open(), b: open() }
  }

  test("drop forgets the key everywhere, in that cache alone", async () => {
    const { buses, a, b } = setUp()
    for (const cache of [a.users, a.keys, b.users, b.keys]) {
      await cache.get("1|x")
      await cache.get("1|y")
    }
    a.users.drop("1|x")
    expect(a.users.peek("1|x")).toBeUndefined()
    expect(b.users.peek("1|x")).toBeDefined()
    buses.deliverAll()
    expect(b.users.peek("1|x")).toBeUndefined()
    for (const kept of [a.users.peek("1|y"), b.users.peek("1|y"), a.keys.peek("1|x"), b.keys.peek("1|x")]) {
      expect(kept).toBeDefined()
    }
  })

  // A node that does not hear of a revocation must stop believing its cache, whatever else happens.
  test("nothing is served beyond the lease, be the bus there or away", async () => {
    for (const isAway of [false, true]) {
      const { clock, a } = setUp()
      await a.users.get("1|x")
      if (isAway) a.bus.cut()
      clock.advance(limits.cacheLeaseMs - 1)
      expect(a.users.peek("1|x")).toBe(1)
      clock.advance(1)
      expect(a.users.peek("1|x")).toBeUndefined()
    }
  })

  test("a gap empties the caches of those who missed something", async () => {
    const { a, b } = setUp()
    await a.users.get("1|x")
    await b.users.get("1|x")
    b.bus.cut()
    a.users.drop("1|x")
    b.bus.mend()
    expect(b.users.peek("1|x")).toBeUndefined()
  })

  test("a word about a cache that this node does not have is nothing to it", async () => {
    const { buses, a, b } = setUp()
    await a.users.get("1|x")
    b.bus.publish("invalidate", JSON.stringify(["cache of a later version", "1|x"]))
    buses.deliverAll()
    expect(a.users.peek("1|x")).toBe(1)
  })
})

// The race that matters: a node looks a value up, the value changes, the look-up ends late. Two nodes, three keys,
// and every order of looking up, changing, hearing of it, and losing the link. A read sees the database as it was
// when the look-up began, which is the worst case.
describe("the stale look-up", () => {
  const lease = limits.cacheLeaseMs
  const keys = [cacheKey(1, "a"), cacheKey(1, "b"), cacheKey(2, "a")]
  const node = fc.nat({ max: 1 })
  const key = fc.constantFrom(...keys)
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("get" as const), node, key }) },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("finish" as const),
        which: fc.nat({ max: 9 }),
        fails: fc.nat({ max: 9 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("change" as const), node, key, exists: fc.boolean() }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("deliver" as const), node, count: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.nat({ max: lease + 10 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("cut" as const, "mend" as const), node }) },
  )

  class World {
    readonly clock = manualClock(0)
    readonly buses = createLinkedBuses("when-delivered")
    /** Whether the row exists, by version; the last one is the present. */
    readonly rows = new Map(keys.map((key) => [key, [true]]))
    readonly loads: { finish(): void; fail(): void }[] = []
    readonly nodes = [this.openNode(), this.openNode()]

    openNode() {
      const bus = this.buses.open()
      const cache: Cache<Versioned> = createCaches(bus, this.clock).create<Versioned>({
        name: "rows",
        entriesMax: 100,
        load: (key) => this.load(key),
      })
      return {
        bus,
        cache,
        isCut: false,
        mustSee: new Map<string, number>(),
        onTheWay: [] as [key: string, version: number][],
      }
    }
    version(key: string): number {
      return (this.rows.get(key)?.length ?? 0) - 1
    }
    load(key: string): Promise<Versioned | null> {
      const version = this.version(key)
      const value = this.rows.get(key)?.[version] ? { version, readAtMs: this.clock.monotonic() } : null
      return new Promise((resolve, reject) => {
        this.loads.push({ finish: () => resolve(value), fail: () => reject(new Error("database away")) })
      })
    }
    /** Null carries no version, so any time at which there was no row and that may still be seen will do. */
    check(value: Versioned | null | undefined, key: string, mustSee: number, readAfterMs: number): void {
      if (value === null) expect(this.rows.get(key)?.slice(mustSee)).toContain(false)
      else if (value !== undefined) {
        expect(value.version).toBeGreaterThanOrEqual(mustSee)
        expect(value.readAtMs).toBeGreaterThan(readAfterMs)
      }
    }
    checkAll(): void {
      for (const { cache, mustSee } of this.nodes) {
        for (const key of keys) this.check(cache.peek(key), key, mustSee.get(key) ?? 0, this.clock.monotonic() - lease)
      }
    }
  }

  const bothEnds = async (steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]): Promise<void> => {
    const world = new World()
    const failures: unknown[] = []
    const answered: Promise<void>[] = []
    const at = (index: number) => world.nodes[index] as (typeof world.nodes)[number]
    for (const now of steps) {
      if (now.do === "get") {
        const { cache, mustSee } = at(now.node)
        const required = mustSee.get(now.key) ?? 0
        const readAfterMs = world.clock.monotonic() - lease
        const value = cache.get(now.key)
        const running = world.loads.length
        // Whoever asks now may see what was true when they asked, and nothing older than what this node has heard.
        const answer = Promise.resolve(value).then((v) => world.check(v, now.key, required, readAfterMs))
        answered.push(answer.catch((error) => void (error.message !== "database away" && failures.push(error))))
        Promise.resolve(cache.get(now.key)).catch(() => {})
        expect(world.loads.length).toBe(running)
      } else if (now.do === "finish") {
        const [load] = world.loads.splice(now.which % Math.max(1, world.loads.length), 1)
        if (now.fails === 0) load?.fail()
        else load?.finish()
      } else if (now.do === "change") {
        world.rows.get(now.key)?.push(now.exists)
        const version = world.version(now.key)
        const { cache, mustSee, isCut } = at(now.node)
        cache.drop(now.key)
        mustSee.set(now.key, version)
        const other = at(1 - now.node)
        if (!isCut && !other.isCut) other.onTheWay.push([now.key, version])
      } else if (now.do === "deliver") {
        const { bus, mustSee, onTheWay } = at(now.node)
        ;(bus as LinkedBus).deliver(now.count)
        for (const [key, version] of onTheWay.splice(0, now.count))
          mustSee.set(key, Math.max(version, mustSee.get(key) ?? 0))
      } else if (now.do === "advance") {
        world.clock.advance(now.ms)
      } else if (now.do === "cut") {
        at(now.node).bus.cut()
        at(now.node).isCut = true
        at(now.node).onTheWay.length = 0
      } else {
        const wasCut = at(now.node).isCut
        at(now.node).bus.mend()
        at(now.node).isCut = false
        // From the gap on, everything that happened before it must be seen.
        if (wasCut) for (const key of keys) at(now.node).mustSee.set(key, world.version(key))
      }
      await settle()
      world.checkAll()
    }
    // In the end, when nothing is on its way, everyone who asks gets what is true.
    for (const { bus } of world.nodes) bus.mend()
    world.buses.deliverAll()
    for (const load of world.loads.splice(0)) load.finish()
    await Promise.all(answered)
    expect(failures).toEqual([])
    for (const { cache } of world.nodes) {
      for (const key of keys) {
        const value = cache.get(key)
        for (const load of world.loads.splice(0)) load.finish()
        const exists = world.rows.get(key)?.at(-1)
        expect((await value)?.version ?? null).toBe(exists ? world.version(key) : null)
      }
    }
  }

  test("is never put back, on any node, in any order", async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), bothEnds), { numRuns: 400 })
  })
})

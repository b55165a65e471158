import { expect, test } from "bun:test"
import fc from "fast-check"
import { createLru } from "./lru.ts"

const action = fc.record({
  kind: fc.constantFrom("get", "set", "set", "delete", "clear"),
  key: fc.integer({ min: 0, max: 12 }),
})

// Against a plain map that never forgets: what is found is what was set last, the bound holds after every step, and
// what was used recently is still there.
test("holds what was set last, never more than its bound, and keeps what is in use", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 9 }), fc.array(action, { maxLength: 200 }), (entriesMax, actions) => {
      const lru = createLru<number>(entriesMax)
      const model = new Map<string, number>()
      let recent: string[] = []
      const use = (key: string): void => {
        recent = [key, ...recent.filter((other) => other !== key)]
      }
      actions.forEach(({ kind, key: number }, step) => {
        const key = `k${kind === "clear" ? 0 : number}`
        if (kind === "set") {
          lru.set(key, step)
          model.set(key, step)
          use(key)
        } else if (kind === "get") {
          const found = lru.get(key)
          const mustBeThere = recent.indexOf(key) >= 0 && recent.indexOf(key) < Math.floor(entriesMax / 2)
          if (found !== undefined || mustBeThere) expect(found).toBe(model.get(key))
          if (found === undefined) recent = recent.filter((other) => other !== key)
          else use(key)
        } else if (kind === "delete") {
          const wasThere = lru.delete(key)
          if (wasThere) expect(model.has(key)).toBe(true)
          model.delete(key)
          recent = recent.filter((other) => other !== key)
          expect(lru.get(key)).toBeUndefined()
        } else if (number === 0) {
          lru.clear()
          model.clear()
          recent = []
          expect(lru.size).toBe(0)
        }
        expect(lru.size).toBeLessThanOrEqual(entriesMax)
      })
    }),
    { numRuns: 300 },
  )
})

test("forgets the unused before the used", () => {
  const lru = createLru<string>(100)
  lru.set("hot", "value")
  for (let i = 0; i < 10_000; i += 1) {
    lru.set(`cold${i}`, "value")
    expect(lru.get("hot")).toBe("value")
  }
  expect(lru.get("cold0")).toBeUndefined()
  expect(lru.get("cold9999")).toBe("value")
})

test("null is a value", () => {
  const lru = createLru<string | null>(2)
  lru.set("absent", null)
  expect(lru.get("absent")).toBeNull()
})

test("a bound below two is refused", () => {
  for (const bound of [1, 0, -1, 2.5, Number.POSITIVE_INFINITY]) expect(() => createLru(bound)).toThrow(RangeError)
})

import { expect, test } from "bun:test"
import fc from "fast-check"
import { lowercaseAlphanumeric, randomId, randomInt, secret64, uuid } from "./ids.ts"
import { limits } from "./limits.ts"

test("an id has the length and the alphabet that were asked for", () => {
  expect(randomId(12)).toMatch(/^[a-z0-9]{12}$/)
  expect(secret64()).toMatch(/^[a-z0-9]{64}$/)
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.uniqueArray(fc.integer({ min: 0x20, max: 0x7e }), { minLength: 2, maxLength: 90 }),
      (length, codes) => {
        const alphabet = String.fromCharCode(...codes)
        const id = randomId(length, alphabet)
        return id.length === length && [...id].every((char) => alphabet.includes(char))
      },
    ),
    { numRuns: 200 },
  )
})

// A byte modulo 36 would draw a, b, c and d by 1/7 more often than the rest. The bound is eight standard deviations
// of an even draw; the fault would be at more than twenty.
test("every character is equally likely", () => {
  const drawn = 360_000
  const counts = new Map<string, number>()
  for (let left = drawn; left > 0; left -= 1_000) {
    for (const char of randomId(1_000)) counts.set(char, (counts.get(char) ?? 0) + 1)
  }
  const expected = drawn / lowercaseAlphanumeric.length
  for (const char of lowercaseAlphanumeric) {
    expect(Math.abs((counts.get(char) ?? 0) - expected)).toBeLessThan(8 * Math.sqrt(expected))
  }
})

test("no two ids are the same, across many refills of the pool", () => {
  const count = (20 * limits.randomPoolBytes) / 16
  expect(new Set(Array.from({ length: count }, () => randomId(16))).size).toBe(count)
})

test("lengths and alphabets out of bounds are refused", () => {
  for (const length of [0, -1, 1.5, Number.NaN, limits.randomIdCharsMax + 1]) {
    expect(() => randomId(length)).toThrow(RangeError)
  }
  expect(() => randomId(4, "a")).toThrow(RangeError)
  expect(() => randomId(4, "ab".repeat(129))).toThrow(RangeError)
})

test("a UUID is of version 7 and sorts by the order of making", () => {
  const beforeMs = Date.now()
  const ids = Array.from({ length: 5_000 }, () => uuid())
  const afterMs = Date.now()
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(ids).toEqual([...new Set(ids)].sort())
  const madeMs = Number.parseInt((ids[0] as string).replace("-", "").slice(0, 12), 16)
  expect(madeMs).toBeGreaterThanOrEqual(beforeMs)
  expect(madeMs).toBeLessThanOrEqual(afterMs)
})

test("a random integer lies in its bounds and reaches both ends", () => {
  const seen = new Set(Array.from({ length: 500 }, () => randomInt(3, 6)))
  expect([...seen].sort()).toEqual([3, 4, 5])
  expect(() => randomInt(5, 5)).toThrow(RangeError)
})

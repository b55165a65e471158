import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { type CanonicalValue, canonicalJson } from "./canonical-json.ts"

const asValue = (value: unknown): CanonicalValue => value as CanonicalValue

describe("canonical JSON", () => {
  test.each([
    ["constants", [null, true, false], "[null,true,false]"],
    ["whole numbers", [0, -0, -1, 2 ** 53 - 1], "[0,0,-1,9007199254740991]"],
    ["members in order, those that are undefined left out", { b: 1, a: undefined, "": [] }, '{"":[],"b":1}'],
    ["members at every depth", { z: { y: 1, x: { w: 2, v: 3 } } }, '{"z":{"x":{"v":3,"w":2},"y":1}}'],
    // RFC 8785 §3.2.2.2: the short escapes, others in lower-case hex, and no escape for what needs none.
    [
      "text",
      "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/\b\t\f\r\u2028",
      '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\\b\\t\\f\\r\u2028"',
    ],
    ["numbers as names", { 10: 1, 9: 2 }, '{"10":1,"9":2}'],
  ] as [string, unknown, string][])("%s", (_name, value, text) => {
    expect(canonicalJson(asValue(value))).toBe(text)
  })

  // RFC 8785 §3.2.3: by UTF-16 code units, so the face stands before the letter although its code point is greater.
  test("the members of the RFC's example stand in its order", () => {
    const value = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toHaveLength(7)
    const names = [...canonicalJson(value).matchAll(/:"([^"]*)"/g)].map(([, text]) => text)
    expect(names).toEqual([
      "Carriage Return",
      "One",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ])
  })

  test.each([
    0.5,
    1e21,
    2 ** 53,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "\ud800",
    "a\udc00b",
    { "\ud800": 1 },
    [[{ a: 0.1 }]],
  ])("%p has no canonical form", (value) => {
    expect(() => canonicalJson(asValue(value))).toThrow(RangeError)
  })
})

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.string({ unit: "binary" }),
    fc.array(tie("value"), { maxLength: 4 }),
    // JSON.parse gives `__proto__` as a member of its own, but not every way of building an object does.
    fc.dictionary(
      fc.string({ unit: "binary" }).filter((name) => name !== "__proto__"),
      tie("value"),
      { maxKeys: 4 },
    ),
  ),
})).value

test("property: JSON reads it back, and the order in which members were set does not show", () => {
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed)
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([name, member]) => [name, reversed(member)]),
    )
  }
  fc.assert(
    fc.property(values, (value) => {
      const text = canonicalJson(asValue(value))
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(canonicalJson(asValue(reversed(value)))).toBe(text)
      expect(canonicalJson(JSON.parse(text))).toBe(text)
    }),
  )
})

test("property: different values have different texts", () => {
  fc.assert(
    fc.property(values, values, (a, b) => {
      const isSame = canonicalJson(asValue(a)) === canonicalJson(asValue(b))
      expect(isSame).toBe(Bun.deepEquals(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)), true))
    }),
  )
})

test("a member called __proto__ is a member like others", () => {
  expect(canonicalJson(JSON.parse('{"__proto__":{"b":1,"a":2},"a":1}'))).toBe('{"__proto__":{"a":2,"b":1},"a":1}')
})

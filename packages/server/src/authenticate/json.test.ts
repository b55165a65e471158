import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { JsonError, memberNames, parseStrictJson, readMembers } from "./json.ts"

const depthMax = 8
const wanted = memberNames(["a", "user_id", "exp"])

const read = (text: string): unknown[] => {
  const bytes = Buffer.from(text)
  return readMembers(Buffer.concat([bytes, Buffer.from("}")]), bytes.length, wanted, depthMax)
}
/** What a function returns, or the message of the JsonError that it throws; any other error is a crash. */
const outcome = (run: () => unknown): unknown => {
  try {
    return { value: run() }
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError)
    return (error as JsonError).message
  }
}
const wantedOf = (text: string): unknown => {
  const value = parseStrictJson(text, depthMax)
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new JsonError("it is not an object")
  return wanted.names.map((name) => Object.getOwnPropertyDescriptor(value, name)?.value)
}

describe("parseStrictJson", () => {
  test("what JSON.stringify writes comes back, at any spacing", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 1, "\t"), (value, space) => {
        const text = JSON.stringify(value, null, space)
        const again = outcome(() => parseStrictJson(text, depthMax))
        // Strings of half a surrogate pair are the only thing that JSON.stringify writes and we refuse.
        if (/\\ud[89a-f]/.test(text) && typeof again === "string") expect(again).toContain("surrogate")
        else expect(again).toEqual({ value: JSON.parse(text) })
      }),
      { numRuns: 500 },
    )
  })

  // Built from members of which we know whether a name repeats, so that the answer comes from somewhere else.
  test("a repeated name is refused, wherever and however it is written", () => {
    const spelled = (name: string, escaped: boolean) =>
      escaped
        ? `"${[...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join("")}"`
        : `"${name}"`
    const member = fc.record({
      name: fc.constantFrom("a", "b", "c", "user_id", "__proto__", "constructor", "1", ""),
      escape: fc.boolean(),
      space: fc.constantFrom("", " ", "\n"),
      value: fc.constantFrom(
        "1",
        '"x"',
        '":"',
        '"a\\":"',
        '"\\\\"',
        "[]",
        '[{"a":1}]',
        '{"a":{"b":2}}',
        "true",
        "null",
      ),
    })
    fc.assert(
      fc.property(fc.array(member, { maxLength: 5 }), fc.boolean(), (members, nested) => {
        const object = `{${members.map((m) => `${spelled(m.name, m.escape)}${m.space}:${m.space}${m.value}`).join(",")}}`
        const text = nested ? `{"outer":[${object}]}` : object
        const repeats = new Set(members.map((m) => m.name)).size !== members.length
        const refused = "a member name is repeated"
        expect(outcome(() => parseStrictJson(text, depthMax))).toEqual(repeats ? refused : { value: JSON.parse(text) })
      }),
      { numRuns: 2000 },
    )
  })

  test("nesting is bounded, and text that is far deeper does no harm", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
    expect(parseStrictJson(nested(depthMax), depthMax)).toBeArray()
    expect(outcome(() => parseStrictJson(nested(depthMax + 1), depthMax))).toBe("it is nested too deeply")
    expect(outcome(() => parseStrictJson(nested(10_000), depthMax))).toBeString()
    expect(outcome(() => parseStrictJson(`${'{"a":'.repeat(9)}1${"}".repeat(9)}`, depthMax))).toBe(
      "it is nested too deeply",
    )
  })

  test("half a surrogate pair is refused in names and values, a whole pair is not", () => {
    expect(outcome(() => parseStrictJson('{"a":"\\ud800"}', depthMax))).toContain("surrogate")
    expect(outcome(() => parseStrictJson('{"\\udc00":1}', depthMax))).toContain("surrogate")
    expect(parseStrictJson('["\\ud83d\\ude00"]', depthMax)).toEqual(["\u{1f600}"])
  })

  test("__proto__ and constructor are members like others", () => {
    const value = parseStrictJson('{"__proto__":{"polluted":true},"constructor":1}', depthMax) as object
    expect(Object.keys(value)).toEqual(["__proto__", "constructor"])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })
})

describe("readMembers", () => {
  // The quick reader may know less than the complete one, but never anything else.
  test("agrees with parseStrictJson on plain objects and on texts that are nearly so", () => {
    const name = fc.constantFrom("a", "user_id", "exp", "b", "iss", "user_ie", "")
    const value = fc.oneof(
      fc.integer({ min: 0 }).map(String),
      fc.string({ maxLength: 6 }).map((text) => JSON.stringify(text)),
      fc.constantFrom(
        ...[
          "true",
          "false",
          "null",
          "0",
          "-0",
          "00",
          "01",
          "1.5",
          "1e3",
          "1e400",
          "123456789012345",
          "1234567890123456",
        ],
        ...[
          "9007199254740993",
          "12345678901234567890",
          "1234567890123456789012345",
          "99999999999999999999999",
          "[]",
          "{}",
          '["a:b"]',
          '"\\u0061"',
          '"é"',
          '"\t"',
          '"\x7f"',
          "tru",
          "truee",
          '"open',
          "1 ",
        ],
      ),
    )
    const members = fc.array(fc.tuple(name, value), { maxLength: 5 })
    const plain = members.map((list) => `{${list.map(([n, v]) => `"${n}":${v}`).join(",")}}`)
    const mutated = fc
      .tuple(plain, fc.nat(60), fc.nat(2), fc.constantFrom("", '"', ",", ":", "{", "}", " ", "\\", "0", "a", "\0"))
      .map(([text, at, remove, insert]) => text.slice(0, at) + insert + text.slice(at + remove))
    fc.assert(
      fc.property(fc.oneof(plain, mutated), (text) => {
        expect(outcome(() => read(text))).toEqual(outcome(() => wantedOf(text)))
      }),
      { numRuns: 5000 },
    )
  })

  test("objects with many members, of which the last repeats the first", () => {
    for (const count of [2, 23, 24, 25, 26, 200]) {
      const members = Array.from({ length: count - 1 }, (_, index) => `"m${index}":${index}`)
      expect(read(`{${[...members, '"a":7'].join(",")}}`)).toEqual([7, undefined, undefined])
      expect(outcome(() => read(`{${[...members, '"m0":7'].join(",")}}`))).toBe("a member name is repeated")
    }
  })

  test("what lies behind the text does not count", () => {
    const bytes = Buffer.from('{"a":1,"exp":23}}}')
    const readFirst = (length: number) => outcome(() => readMembers(bytes, length, wanted, depthMax))
    expect(readFirst(16)).toEqual({ value: [1, undefined, 23] })
    for (const length of [0, 1, 3, 5, 6, 7, 10, 13, 14, 15, 17, 18])
      expect(readFirst(length)).toBe("it is not valid JSON")
  })

  test("names of one hash are told apart", () => {
    // 31 * "a" + "b" = 31 * "b" + "C": both names have the same hash.
    const names = memberNames(["ab"])
    const bytes = (text: string) => Buffer.from(text)
    expect(readMembers(bytes('{"bC":1}'), 8, names, depthMax)).toEqual([undefined])
    expect(readMembers(bytes('{"bC":1,"ab":2}'), 15, names, depthMax)).toEqual([2])
  })

  test("invalid UTF-8, a byte order mark and values that are no object are refused", () => {
    const refuse = (bytes: Buffer) => outcome(() => readMembers(bytes, bytes.length, wanted, depthMax))
    expect(refuse(Buffer.from('{"a":"\xff"}', "latin1"))).toBe("it is not valid UTF-8")
    expect(refuse(Buffer.from('{"a":"\xed\xa0\x80"}', "latin1"))).toBe("it is not valid UTF-8")
    expect(refuse(Buffer.from('{"a":"\xc0\xaf"}', "latin1"))).toBe("it is not valid UTF-8")
    expect(refuse(Buffer.from('\ufeff{"a":1}'))).toBe("it is not valid JSON")
    for (const text of ["", "[]", "null", '"a"', "1", "{", '{"a":1}}', '{"a":1}{'])
      expect(refuse(Buffer.from(text))).toBeString()
  })

  test("a member of the prototype is not a member of the object", () => {
    const names = memberNames(["toString", "constructor", "__proto__"])
    const text = '{"b": null}'
    expect(readMembers(Buffer.from(text), text.length, names, depthMax)).toEqual([undefined, undefined, undefined])
  })
})

import { describe, expect, test } from "bun:test"
import { ApiError, Custom, type Operation, operation } from "@weir/protocol"
import fc from "fast-check"
import { Type } from "typebox"
import { inputReader, parseBody } from "./input.ts"
import { parseQuery, parseTarget } from "./target.ts"

const sample = operation({
  name: "Sample",
  method: "POST",
  path: "/x/{id}",
  tag: "common",
  summary: "for the test",
  access: ["user"],
  params: Type.Object({ id: Type.String({ maxLength: 5 }) }),
  query: Type.Object({
    ids: Type.Optional(Type.Array(Type.String(), { maxItems: 3 })),
    hard: Type.Optional(Type.Boolean()),
    limit: Type.Optional(Type.Integer()),
    payload: Type.Optional(Type.Object({ limit: Type.Optional(Type.Integer()) })),
  }),
  body: Type.Object({
    text: Type.Optional(Type.String({ maxLength: 3 })),
    custom: Type.Optional(Custom),
    members: Type.Optional(Type.Array(Type.Object({ user_id: Type.String(), role: Type.Optional(Type.String()) }))),
  }),
  output: Type.Object({}),
  status: 200,
  errors: [],
})
const reader = inputReader(sample as unknown as Operation)
const read = (query: string, body: unknown = null) => reader.read({ id: "a" }, parseQuery(query), body)
const fieldsOf = (run: () => unknown): Record<string, string> | undefined => {
  try {
    run()
  } catch (error) {
    expect((error as ApiError).code).toBe(4)
    return (error as ApiError).fields
  }
  throw new Error("nothing was refused")
}

describe("query", () => {
  test("an array comes in each of the spellings that clients use", () => {
    for (const query of [
      "ids=a,b",
      "ids[0]=a&ids[1]=b",
      "ids%5B0%5D=a&ids%5B1%5D=b",
      "ids[]=a&ids[]=b",
      "ids=a&ids=b",
      "ids=%5B%22a%22%2C+%22b%22%5D",
    ]) {
      expect(read(query).query).toEqual({ ids: ["a", "b"] })
    }
  })

  test("booleans come as words and as digits", () => {
    for (const [text, value] of [
      ["true", true],
      ["True", true],
      ["1", true],
      ["false", false],
      ["0", false],
    ] as const) {
      expect(read(`hard=${text}`).query).toEqual({ hard: value })
    }
    expect(fieldsOf(() => read("hard=yes"))).toEqual({ hard: "must be boolean" })
  })

  test("numbers are numbers, and what is none is named", () => {
    expect(read("limit=5").query).toEqual({ limit: 5 })
    expect(Object.keys(fieldsOf(() => read("limit=5.5")) ?? {})).toEqual(["limit"])
    expect(Object.keys(fieldsOf(() => read("limit=")) ?? {})).toEqual(["limit"])
  })

  test("a JSON payload is parsed; an empty or cut one is the caller's error, not ours", () => {
    expect(read("payload=%7B%22limit%22%3A2%7D").query).toEqual({ payload: { limit: 2 } })
    expect(Object.keys(fieldsOf(() => read("payload=")) ?? {})).toEqual(["payload"])
    expect(Object.keys(fieldsOf(() => read("payload=%7B%22limit")) ?? {})).toEqual(["payload"])
  })
})

describe("body", () => {
  test("absent, null and {} are one", () => {
    expect(read("", null).body).toEqual({})
    expect(read("", parseBody("null")).body).toEqual({})
    expect(read("", parseBody("")).body).toEqual({})
  })

  test("a typed member that is null counts as absent, a free-form one keeps its null", () => {
    const body = { text: null, custom: { a: null }, members: [{ user_id: "a", role: null }] }
    expect(read("", body).body as object).toEqual({ custom: { a: null }, members: [{ user_id: "a" }] })
  })

  test("every fault is named by its field", () => {
    expect(Object.keys(fieldsOf(() => read("", { text: "long", members: [{ user_id: 1 }, {}] })) ?? {})).toEqual([
      "text",
      "members.0.user_id",
      "members.1.user_id",
    ])
    expect(fieldsOf(() => read("", []))).toBeDefined()
    expect(fieldsOf(() => read("", "x"))).toBeDefined()
  })

  test("JSON that is none, or nested too deep, is refused with code 4", () => {
    expect(() => parseBody("{")).toThrow(ApiError)
    expect(() => parseBody(`${"[".repeat(10_000)}${"]".repeat(10_000)}`)).toThrow(ApiError)
    expect(() => parseBody(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`)).toThrow("nested too deep")
  })

  test("what no database keeps is refused by name, wherever it stands", () => {
    for (const text of ['{"custom":{"a":["x\\u0000"]}}', '{"text":"\\ud800"}', '{"\\u0000":1}']) {
      expect(() => parseBody(text)).toThrow(ApiError)
    }
    expect(parseBody('{"text":"\\ud83d\\ude00 \\\\u0000"}')).toEqual({ text: "\u{1f600} \\u0000" })
    expect(() => parseQuery("a=%00")).toThrow(ApiError)
  })

  test("__proto__ in a body changes no object's prototype", () => {
    const body = parseBody('{"custom":{"__proto__":{"polluted":true}}}')
    read("", body)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  test("any JSON is either read or refused with code 4", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          read("", value)
        } catch (error) {
          expect((error as ApiError).code).toBe(4)
        }
      }),
    )
  })
})

describe("target", () => {
  test("splits path and query and decodes plus as a space", () => {
    const target = parseTarget("http://host:1/a/b?x=1+2&y&x=%26")
    expect(target.path).toBe("/a/b")
    expect(target.query.get("x")).toEqual(["1 2", "&"])
    expect(target.query.get("y")).toEqual([""])
  })

  test("a URL beyond the bound and a broken escape are refused", () => {
    expect(() => parseTarget(`http://h/${"a".repeat(20_000)}`)).toThrow(ApiError)
    expect(() => parseTarget("http://h/?a=%zz")).toThrow(ApiError)
  })
})

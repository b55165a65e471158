import { describe, expect, test } from "bun:test"
import { ApiError, limits } from "@weir/protocol"
import fc from "fast-check"
import { inspectToken } from "./inspect.ts"
import { base64url, commonPayload, mint, refusal, sign, verify, withHeader, withPayload } from "./mint-for-tests.ts"

describe("what an inspection says", () => {
  test.each([
    [{ user_id: "john" }, "user"],
    [{}, "server"],
    [{ server: true }, "server"],
    [{ user_id: "john", call_cids: [] }, "call"],
    [{ user_id: "john", channel_cids: ["a:b"] }, "call"],
    [{ resource: "*", action: "read", feed_id: "a" }, "feeds"],
  ] as const)("%j is a token of the kind %s", (claims, kind) => {
    expect(inspectToken(mint(claims))).toMatchObject({ header: { alg: "HS256" }, claims, kind, problems: [] })
  })

  test("a development token has no problem of form", () => {
    const token = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${commonPayload}.devtoken`
    expect(inspectToken(token)).toMatchObject({ kind: "development", problems: [] })
  })

  test("a header that names its algorithm in any other way than by text", () => {
    // An object whose conversion to text fails, and a list that converts to the right one.
    for (const alg of ['{"toString":1,"valueOf":1}', '["HS256"]', "null", "7", '"none"']) {
      const { problems, kind } = inspectToken(withHeader(`{"alg":${alg}}`))
      expect(problems).toEqual([expect.stringContaining(alg)])
      expect(kind).toBe("user")
    }
    expect(inspectToken(withHeader("{}")).problems).toEqual([expect.stringContaining("missing")])
  })

  test("case 12: __proto__ in a token stays a name", () => {
    const { header, claims, problems } = inspectToken(
      sign(base64url('{"__proto__":{"alg":"HS256"}}'), base64url('{"__proto__":{"user_id":"root"}}')),
    )
    expect([header?.alg, claims?.user_id]).toEqual([undefined, undefined])
    expect(problems).toHaveLength(1)
    expect(({} as Record<string, unknown>).user_id).toBeUndefined()
  })

  test("what is too long is not read", () => {
    const { header, claims, kind, problems } = inspectToken("a".repeat(limits.tokenBytesMax + 1))
    expect([header, claims, kind]).toEqual([null, null, null])
    expect(problems).toEqual([expect.stringContaining(String(limits.tokenBytesMax))])
  })
})

// An inspection that finds nothing wrong with what the verifier refuses would send people looking elsewhere.
test.each([
  withPayload('{"user_id":"a","user_id":"b"}'),
  withPayload('{"user_id":7}'),
  withPayload('{"user_id":"john","exp":"1"}'),
  withPayload('{"server":true,"user_id":"john"}'),
  withPayload('{"user_id":"john","scopes":{"chat:*":["read"]}}'),
  withPayload('{"user_id":"john","scopes":{"__proto__":["read"]}}'),
  withHeader('{"alg":"HS256","crit":["exp"]}'),
  withHeader('{"alg":"HS256","typ":"at+jwt"}'),
  withHeader('{"alg":"HS256","kid":7}'),
  `${mint({ user_id: "john" })}=`,
])("what the verifier refuses, the inspection names: %s", (token) => {
  const { problems } = inspectToken(token)
  expect(problems).toHaveLength(1)
  expect(refusal(token).reason).toBe(`JWTAuth error: ${problems[0]}`)
})

// 0: accepted; 5: malformed; 43: nobody signed it, and then the verifier has not read what it says.
function codeOf(text: string): number {
  try {
    verify(text)
    return 0
  } catch (error) {
    if (error instanceof ApiError) return error.code
    throw error
  }
}

test("property: never throws, and finds a fault exactly where the verifier finds one of form", () => {
  const value = fc.oneof(
    fc.constantFrom<unknown>("HS256", "JWT", "john", true, null, [], ["a:b"], { toString: 1, valueOf: 1 }),
    fc.string(),
    fc.integer(),
  )
  const objectOf = (...names: string[]) => fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 })
  const header = fc.oneof(fc.constant({ alg: "HS256" }), objectOf("alg", "typ", "kid", "crit", "__proto__"))
  const payload = objectOf("user_id", "server", "exp", "call_cids", "aud", "scopes", "__proto__")
  const encoded = (claims: object) => base64url(JSON.stringify(claims))
  const signed = fc.tuple(header, payload).map(([head, claims]) => sign(encoded(head), encoded(claims)))
  const segment = fc.oneof(header.map(encoded), fc.string(), fc.base64String())
  const parts = fc.array(segment, { maxLength: 5 }).map((segments) => segments.join("."))
  const tally = { malformed: 0, sound: 0 }
  fc.assert(
    fc.property(fc.oneof({ weight: 3, arbitrary: signed }, { weight: 1, arbitrary: parts }), (text) => {
      const { problems } = inspectToken(text)
      const code = codeOf(text)
      if (code === 43) return
      tally[code === 5 ? "malformed" : "sound"] += 1
      expect(problems.length > 0).toBe(code === 5)
    }),
    { numRuns: 200 },
  )
  // Both happen, or the property says nothing.
  expect(Math.min(tally.malformed, tally.sound)).toBeGreaterThan(0)
})

import { describe, expect, test } from "bun:test"
import { limits } from "@weir/protocol"
import fc from "fast-check"
import { inspectToken } from "./inspect.ts"
import {
  base64url,
  commonPayload,
  keys,
  mint,
  refusal,
  sign,
  verify,
  withHeader,
  withPayload,
} from "./mint-for-tests.ts"

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

test("property: never throws, and finds a fault exactly where the verifier finds one of form", () => {
  const json = fc.json({ maxDepth: 2 })
  const segment = fc.oneof(json.map(base64url), fc.string(), fc.string({ unit: "binary" }), fc.base64String())
  const texts = fc.oneof(
    fc.array(segment, { maxLength: 5 }).map((parts) => parts.join(".")),
    fc.tuple(json, json).map(([header, payload]) => sign(base64url(header), base64url(payload))),
    json.map((payload) => withPayload(payload)),
    fc
      .dictionary(fc.constantFrom("user_id", "server", "exp", "call_cids", "aud"), fc.jsonValue({ maxDepth: 1 }))
      .map(mint),
  )
  let sound = 0
  fc.assert(
    fc.property(texts, (text) => {
      const { problems } = inspectToken(text)
      if (problems.length > 0) expect(refusal(text, keys).code).toBe(5)
      else {
        sound += 1
        expect(verify(text).kind).toBeString()
      }
    }),
    { numRuns: 200 },
  )
  // Both happen, or the property says nothing.
  expect(sound).toBeGreaterThan(0)
})

// The numbers of cases are those of the project's list of security tests: claims and time are 18-25.

import { describe, expect, test } from "bun:test"
import type { ApiError } from "@weir/protocol"
import { callCidsMax, roleCharsMax, type TokenClaims } from "./claims.ts"
import { expectMalformed, mint, verify, withPayload } from "./mint-for-tests.ts"
import { checkTimes, isRevoked } from "./token.ts"

describe("what a token may say", () => {
  const nothing = {
    kind: "user",
    userId: null,
    exp: null,
    iat: null,
    nbf: null,
    callCids: null,
    channelCids: null,
    role: null,
    jti: null,
    deviceId: null,
    scopes: null,
    iss: null,
    aud: [],
  }
  const rows: [string, object, Partial<TokenClaims>][] = [
    ["user, and nothing else", { user_id: "john" }, { userId: "john" }],
    ["user with times", { user_id: "j@x-1_2", exp: 3, iat: 1, nbf: 2 }, { userId: "j@x-1_2", exp: 3, iat: 1, nbf: 2 }],
    ["times with fractions", { user_id: "john", iat: 1.25, exp: 2e3 }, { userId: "john", iat: 1.25, exp: 2000 }],
    ["server", { server: true, iat: 1 }, { kind: "server", iat: 1 }],
    ["nothing at all", {}, { kind: "server" }],
    [
      "call token",
      { user_id: "john", call_cids: ["livestream:1", "a_b:c-d"], role: "viewer" },
      {
        kind: "call",
        userId: "john",
        callCids: ["livestream:1", "a_b:c-d"],
        role: "viewer",
      },
    ],
    [
      "call token without role",
      { user_id: "john", call_cids: ["a:b"] },
      { kind: "call", userId: "john", callCids: ["a:b"] },
    ],
    ["call token for no call", { user_id: "john", call_cids: [] }, { kind: "call", userId: "john", callCids: [] }],
    [
      "anonymous with calls",
      { user_id: "!anon", call_cids: ["a:b"] },
      { kind: "call", userId: "!anon", callCids: ["a:b"] },
    ],
    [
      "channel token",
      { user_id: "john", channel_cids: ["messaging:!members-a"] },
      { kind: "call", userId: "john", channelCids: ["messaging:!members-a"] },
    ],
    [
      "ids and issuer",
      { user_id: "john", jti: "t1", device_id: "d1", iss: "me", aud: ["a", "b"] },
      { userId: "john", jti: "t1", deviceId: "d1", iss: "me", aud: ["a", "b"] },
    ],
    ["one audience", { user_id: "john", aud: "a" }, { userId: "john", aud: ["a"] }],
    [
      "scopes",
      { user_id: "john", scopes: { "chat:messaging:*": ["read"] } },
      { userId: "john", scopes: { "chat:messaging:*": ["read"] } },
    ],
    ["role without calls is ignored", { user_id: "john", role: "admin" }, { userId: "john" }],
    ["role without calls, of any type", { user_id: "john", role: 7 }, { userId: "john" }],
    ["feed scope", { resource: "*", action: "read", feed_id: "user1" }, { kind: "feeds" }],
    ["feed scope in part", { action: "read" }, { kind: "feeds" }],
    ["feed scope of one feed", { feed_id: "user1" }, { kind: "feeds" }],
    [
      "other claims are ignored",
      { user_id: "john", sub: "user/john", jti: null, device_id: 7, iss: 1, aud: {}, a: { b: [1] } },
      { userId: "john" },
    ],
    ["longest user id", { user_id: "j".repeat(255) }, { userId: "j".repeat(255) }],
  ]
  test.each(rows)("%s", (_name, claims, expected) => {
    const all = { ...nothing, ...expected } as TokenClaims
    expect(verify(mint(claims))).toEqual(all)
    // White space sends the payload through the complete JSON reader; the answer is the same.
    expect(verify(withPayload(JSON.stringify(claims, null, 1)))).toEqual(all)
  })

  test("case 23: iss and aud are no claims of ours, whatever they hold", () => {
    for (const value of ["other", ["other"], [], 7, null]) {
      expect(verify(mint({ user_id: "john", iss: value, aud: value })).userId).toBe("john")
    }
  })

  test("case 18: exp may be missing; whether it should is the app's policy, not the verifier's", () => {
    expect(verify(mint({ user_id: "john" })).exp).toBeNull()
  })
})

describe("claims that are refused", () => {
  test.each([0, 1, "", null, ["john"], { id: "john" }, true].map((value) => [value]))(
    "user_id of a wrong type or empty: %j",
    (value) => {
      expectMalformed(mint({ user_id: value }), "user_id")
    },
  )

  test.each([
    " john",
    "john ",
    "john\n",
    "jo hn",
    "jöhn",
    "јohn",
    "john\0",
    "john​",
    "a.b",
    "a:b",
    "!john",
    "!anon",
    "j".repeat(256),
  ])("case 25: user_id outside the alphabet: %j", (value) => {
    expectMalformed(mint({ user_id: value }), "JWTAuth error: ")
  })

  test("case 25: the case of a user_id is kept, so John is not john", () => {
    expect(verify(mint({ user_id: "John" })).userId).toBe("John")
  })

  for (const name of ["exp", "iat", "nbf"] as const) {
    test.each(['"1"', "null", "true", "[1]", "{}", "-1", "-0.5", "1e400", "-1e400", "9007199254740992", "1e300"])(
      `case 19: ${name} of %s`,
      (value) => expectMalformed(withPayload(`{"user_id":"john","${name}":${value}}`), name),
    )
    test.each(["NaN", "Infinity", "01", "+1", "1.", ".5", "0x10"])(`case 19: ${name} of %s is not JSON`, (value) => {
      expectMalformed(withPayload(`{"user_id":"john","${name}":${value}}`), "not valid JSON")
    })
    test(`case 22: ${name} of 0 is a time, not an absence`, () => {
      for (const zero of ["0", "0.0", "-0", "0e5"]) {
        const value = verify(withPayload(`{"user_id":"john","${name}":${zero}}`))[name]
        expect(value === 0).toBeTrue()
      }
    })
    test(`case 19: ${name} of 2^53 - 1 is the largest`, () => {
      expect(verify(withPayload(`{"user_id":"john","${name}":9007199254740991}`))[name]).toBe(Number.MAX_SAFE_INTEGER)
    })
  }

  test.each([false, "true", 1, 0, null, [], {}].map((value) => [value]))("case 24: server of %j", (value) => {
    expectMalformed(mint({ server: value }), "server")
  })

  test.each([{ user_id: "john" }, { call_cids: ["a:b"] }, { resource: "*", action: "*" }, { feed_id: "user1" }])(
    "case 24: a server token is nothing besides: %j",
    (claims) => expectMalformed(mint({ server: true, ...claims }), "server token"),
  )

  test.each(
    [
      "a:b",
      { 0: "a:b" },
      null,
      [1],
      [null],
      [["a:b"]],
      ["ab"],
      [":b"],
      ["a:"],
      ["a:b:c"],
      ["a b:c"],
      ["a:b\n"],
      ["a:*"],
      [`a:${"b".repeat(65)}`],
      Array.from({ length: callCidsMax + 1 }, (_, index) => `a:${index}`),
    ].map((value) => [value]),
  )("call_cids of %j", (value) => {
    expectMalformed(mint({ user_id: "john", call_cids: value }), "call_cids")
  })

  test.each([1, null, "", ["admin"], "r".repeat(roleCharsMax + 1)].map((value) => [value]))(
    "role of %j in a call token",
    (value) => {
      expectMalformed(mint({ user_id: "john", call_cids: ["a:b"], role: value }), "role")
    },
  )

  test.each(["[]", "null", '"john"', "1", '[{"user_id":"john"}]', "", "{", '{"user_id":"john"}}', "{'user_id':1}"])(
    "payload of %j is no JSON object",
    (json) => expectMalformed(withPayload(json), "payload"),
  )
})

describe("checkTimes", () => {
  const now = 1_700_000_000
  const claimsOf = (times: Partial<TokenClaims>) => verify(mint({ user_id: "john", ...times }))
  const codeOf = (times: Partial<TokenClaims>, nowSeconds = now): number | null => {
    try {
      checkTimes(claimsOf(times), nowSeconds, 5)
      return null
    } catch (error) {
      return (error as ApiError).code
    }
  }
  test.each([
    ["exp", now, 40],
    ["exp", now - 0.001, 40],
    ["exp", now - 5, 40],
    ["exp", 0, 40],
    ["exp", now + 0.001, null],
    ["exp", now + 1, null],
    ["nbf", now + 5, null],
    ["nbf", now + 5.001, 41],
    ["nbf", now + 60, 41],
    ["nbf", 0, null],
    ["iat", now + 5, null],
    ["iat", now + 5.001, 42],
    ["iat", now + 60, 42],
    ["iat", 0, null],
  ] as const)("cases 19, 20, 22: %s of %d gives %p", (name, value, code) => {
    expect(codeOf({ [name]: value })).toBe(code)
  })

  test("no times, no bounds; all three are checked, exp first", () => {
    expect(codeOf({})).toBeNull()
    expect(codeOf({ exp: now, nbf: now + 60, iat: now + 60 })).toBe(40)
    expect(codeOf({ exp: now + 90, nbf: now + 60, iat: now + 60 })).toBe(41)
    expect(codeOf({ exp: now + 90, nbf: now, iat: now + 60 })).toBe(42)
  })

  test("case 19: a clock without a value refuses", () => {
    expect(codeOf({ exp: now }, Number.NaN)).toBe(40)
    expect(codeOf({ nbf: now }, Number.NaN)).toBe(41)
    expect(codeOf({ iat: now }, Number.NaN)).toBe(42)
  })

  test("what is ahead by millennia is no clock's fault: milliseconds, where seconds are due", () => {
    const remedyOf = (times: Partial<TokenClaims>): string => {
      try {
        checkTimes(claimsOf(times), now, 5)
      } catch (error) {
        return (error as ApiError).why?.remedy ?? ""
      }
      throw new Error("accepted")
    }
    for (const name of ["iat", "nbf"]) {
      expect(remedyOf({ [name]: now * 1000 })).toBe(`sign with ${name} in seconds, this looks like milliseconds`)
      expect(remedyOf({ [name]: now + 3600 })).toContain("NTP")
    }
  })

  test("texts and skew", () => {
    const errorOf = (times: Partial<TokenClaims>): ApiError => {
      try {
        checkTimes(claimsOf(times), now + 0.25, 5)
      } catch (error) {
        return error as ApiError
      }
      throw new Error("accepted")
    }
    const rows: [Partial<TokenClaims>, string, string][] = [
      [{ exp: now - 1 }, "JWTAuth error: token is expired (exp)", "1250 ms"],
      [{ nbf: now + 10 }, "JWTAuth error: token is not valid yet (nbf)", "9750 ms"],
      [{ iat: now + 10 }, "JWTAuth error: token used before issue at (iat)", "9750 ms"],
    ]
    for (const [times, reason, skew] of rows) {
      const error = errorOf(times)
      expect(error.reason).toBe(reason)
      expect(error.internal).toContain(skew)
      expect(error.status).toBe(401)
    }
  })
})

describe("isRevoked", () => {
  test.each([
    [100, 100, false],
    [100, 100.999, false],
    [100, 101, true],
    [100.5, 101, true],
    [100.5, 100.9, false],
    [0, 1, true],
    [0, 0, false],
    [100, Number.NaN, true],
  ] as const)("cases 20 and 22: iat %d against the cut-off %d is %p", (iat, cutoff, revoked) => {
    expect(isRevoked(iat, cutoff)).toBe(revoked)
  })

  test("case 21: without iat, any cut-off ends a token", () => {
    for (const cutoff of [0, 1, 1e12]) expect(isRevoked(null, cutoff)).toBeTrue()
  })
})

describe("kinds exclude each other", () => {
  test.each(
    [
      { server: true, user_id: "john" },
      { server: true, call_cids: [] },
      { server: true, channel_cids: [] },
      { server: true, resource: "*" },
      { call_cids: ["a:b"] },
      { channel_cids: ["a:b"] },
      { user_id: "john", resource: "*", call_cids: ["a:b"] },
      { user_id: "!anon" },
      { user_id: "john", channel_cids: ["a"] },
      { user_id: "john", channel_cids: "a:b" },
      { user_id: "john", scopes: { "chat:*": ["read"] } },
      { user_id: "john", scopes: [] },
      { user_id: "john", scopes: null },
    ].map((claims) => [claims]),
  )("case 24: %j", (claims) => {
    expectMalformed(mint(claims), "")
  })
})

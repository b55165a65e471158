import { describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import type { TokenClaims } from "./claims.ts"
import { mint, verify } from "./mint-for-tests.ts"
import { checkPolicy, parsePolicy, policyResponse, presets, requireKind, type TokenPolicy } from "./policy.ts"

const now = 1_000_000
const day = 86_400
const claimsOf = (claims: object): TokenClaims => verify(mint(claims))
const refusalOf = (policy: TokenPolicy, claims: object): [number, string | undefined] | null => {
  try {
    checkPolicy(policy, claimsOf(claims), now)
    return null
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    expect(error.reason).toContain(`rule ${error.why?.rule}`)
    return [error.code, error.why?.rule]
  }
}
const with_ = (over: object, preset: "strict" | "compatible" = "strict"): TokenPolicy =>
  parsePolicy({ preset, ...over })

/** Policy, claims, and the code and rule of the refusal. */
const table: [string, TokenPolicy, object, [number, string] | null][] = [
  ["case 18: strict wants exp", presets.strict, { user_id: "a", iat: now }, [5, "require_exp"]],
  ["strict wants iat", presets.strict, { user_id: "a", exp: now + 9 }, [5, "require_iat"]],
  ["strict allows a day", presets.strict, { user_id: "a", iat: now, exp: now + day }, null],
  ["strict allows no second more", presets.strict, { user_id: "a", iat: now, exp: now + day + 1 }, [5, "max_lifetime"]],
  ["strict wants the same of call tokens", presets.strict, { user_id: "a", call_cids: [] }, [5, "require_exp"]],
  ["strict: a server token with exp", presets.strict, { server: true, exp: now + 9 }, null],
  ["strict: a young server token", presets.strict, { server: true, iat: now - 3599 }, null],
  ["strict: an old server token", presets.strict, { server: true, iat: now - 3600 }, [40, "server_max_age"]],
  ["strict: a server token that says nothing", presets.strict, { server: true }, [5, "server_max_age"]],
  ["case 18: compatible takes a token without exp", presets.compatible, { user_id: "a", iat: now }, null],
  ["compatible takes a bare one", presets.compatible, { user_id: "a" }, null],
  ["compatible takes a long one", presets.compatible, { user_id: "a", iat: now, exp: now + 900 * day }, null],
  ["compatible takes an old server token", presets.compatible, { server: true, iat: 1 }, null],
  [
    "a kind that is not allowed",
    with_({ allowed_kinds: ["server"] }),
    { user_id: "a", iat: now, exp: now + 9 },
    [5, "allowed_kinds"],
  ],
  [
    "a longest life of one's own",
    with_({ max_lifetime_seconds: 60 }),
    { user_id: "a", iat: now, exp: now + 61 },
    [5, "max_lifetime"],
  ],
  ["case 23: another issuer", with_({ iss: "me" }), { user_id: "a", iat: now, exp: now + 9, iss: "you" }, [5, "iss"]],
  ["case 23: no issuer", with_({ iss: "me" }), { user_id: "a", iat: now, exp: now + 9 }, [5, "iss"]],
  ["case 23: the issuer", with_({ iss: "me" }), { user_id: "a", iat: now, exp: now + 9, iss: "me" }, null],
  [
    "case 23: a look-alike audience",
    with_({ aud: "app.1" }),
    { user_id: "a", iat: now, exp: now + 9, aud: "appx1" },
    [5, "aud"],
  ],
  [
    "case 23: an empty list of audiences",
    with_({ aud: "app.1" }),
    { user_id: "a", iat: now, exp: now + 9, aud: [] },
    [5, "aud"],
  ],
  [
    "case 23: one audience of several",
    with_({ aud: "app.1" }),
    { user_id: "a", iat: now, exp: now + 9, aud: ["x", "app.1"] },
    null,
  ],
]
describe("what a policy refuses", () => {
  for (const [name, policy, claims, expected] of table) {
    test(name, () => expect(refusalOf(policy, claims)).toEqual(expected))
  }
})

test("what a compatible policy lets pass is told, and what a strict one would let pass is not", () => {
  const warnings = (claims: object) => [...checkPolicy(presets.compatible, claimsOf(claims), now)]
  expect(warnings({ user_id: "a" })).toEqual(["require_exp", "require_iat"])
  expect(warnings({ user_id: "a", iat: now })).toEqual(["require_exp"])
  expect(warnings({ user_id: "a", exp: now })).toEqual(["require_iat"])
  expect(warnings({ user_id: "a", iat: now, exp: now + day + 1 })).toEqual(["max_lifetime"])
  expect(warnings({ user_id: "a", iat: now, exp: now + day })).toEqual([])
  expect(warnings({ server: true, iat: now - 3600 })).toEqual(["server_max_age"])
  expect(warnings({ server: true, iat: now - 10 })).toEqual([])
})

test("a policy is read as it is written, and absent rules are the preset's", () => {
  for (const preset of ["strict", "compatible"] as const) {
    expect(parsePolicy({ preset })).toEqual(presets[preset])
    expect(parsePolicy({ ...policyResponse(presets[preset]) })).toEqual(presets[preset])
  }
  expect(parsePolicy({ preset: "strict", leeway_seconds: 0 }).leewaySeconds).toBe(0)
})

test.each(
  [
    { preset: "lax" },
    { leeway_seconds: 61 },
    { leeway_seconds: -1 },
    { leeway_seconds: 1.5 },
    { leeway_seconds: "5" },
    { max_lifetime_seconds: 59, preset: "strict" },
    { max_lifetime_seconds: 1e9, preset: "strict" },
    { max_lifetime_seconds: 600, preset: "compatible" },
    { server_max_age_seconds: 0 },
    { allowed_kinds: ["root"] },
    { allowed_kinds: "user" },
    { require_exp: "yes" },
    { iss: "" },
    { aud: 7 },
  ].map((policy) => [policy]),
)("a policy that cannot be: %j", (policy) => {
  expect(() => parsePolicy(policy)).toThrow(expect.objectContaining({ code: 4 }))
})

test("callers without a token are kinds too", () => {
  const policy = with_({ allowed_kinds: ["user"] })
  expect(() => requireKind(policy, "anonymous")).toThrow(expect.objectContaining({ code: 5 }))
  expect(() => requireKind(policy, "guest")).toThrow(expect.objectContaining({ code: 5 }))
  expect(() => requireKind(presets.strict, "anonymous")).not.toThrow()
})

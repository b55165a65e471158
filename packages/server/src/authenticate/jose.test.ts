// The second opinion: random tokens and mutations of them, judged here and by jose. Ours never accepts what jose
// refuses, and where it refuses more, one of its own rules says so.

import { describe, expect, test } from "bun:test"
import { createSecretKey } from "node:crypto"
import { ApiError } from "@weir/protocol"
import fc from "fast-check"
import { type JWTPayload, jwtVerify } from "jose"
import type { TokenClaims } from "./claims.ts"
import { base64url, commonPayload, mint, secret, sign, verify, withPayload } from "./mint-for-tests.ts"
import { checkTimes } from "./token.ts"

describe("agreement with jose", () => {
  const now = 1_700_000_000
  const joseKey = createSecretKey(Buffer.from(secret))
  const joseAccepts = async (token: string): Promise<JWTPayload | null> => {
    try {
      const options = { algorithms: ["HS256"], currentDate: new Date(now * 1000), clockTolerance: 5 }
      return (await jwtVerify(token, joseKey, options)).payload
    } catch {
      return null
    }
  }
  const ours = (token: string): TokenClaims | ApiError => {
    try {
      const claims = verify(token)
      checkTimes(claims, now, 5)
      return claims
    } catch (error) {
      expect(error).toBeInstanceOf(ApiError)
      return error as ApiError
    }
  }
  // Where we refuse and jose accepts, one of our own rules has to say so; the signature is never such a rule.
  const stricter = new RegExp(
    [
      "not canonical",
      "repeated",
      "surrogate",
      "nested",
      "user_id",
      "server",
      "call_cids",
      "role is",
      "out of range",
      "must be a number",
      "token is not a JWT",
      "kid must",
      "crit or b64",
      "is expired",
      "before issue",
      "too long",
      "not ASCII",
      "UTF-8",
    ].join("|"),
  )
  async function compare(token: string): Promise<"accepted" | "refused" | "stricter"> {
    const [mine, theirs] = [ours(token), await joseAccepts(token)]
    if (mine instanceof ApiError) {
      if (theirs === null) return "refused"
      expect(mine.reason).toMatch(stricter)
      expect(mine.code).not.toBe(43)
      return "stricter"
    }
    expect(theirs).not.toBeNull()
    expect([mine.userId, mine.exp, mine.iat, mine.nbf]).toEqual(
      [theirs?.user_id, theirs?.exp, theirs?.iat, theirs?.nbf].map((value) => value ?? null) as never,
    )
    return "accepted"
  }

  const time = (min: number, max: number) =>
    fc.oneof(
      { weight: 12, arbitrary: fc.integer({ min: now + min, max: now + max }) },
      { weight: 4, arbitrary: fc.double({ min: now - 6, max: now + 6, noNaN: true }) },
      { weight: 1, arbitrary: fc.constantFrom<unknown>(0, -1, "1", null, 2 ** 53, 1e300) },
    )
  const claims = fc.record(
    {
      user_id: fc.oneof(
        { weight: 8, arbitrary: fc.stringMatching(/^[@\w-]{1,20}$/) },
        { weight: 1, arbitrary: fc.constantFrom<unknown>("a b", "", 7, "!anon") },
      ),
      exp: time(-6, 100),
      iat: time(-100, 6),
      nbf: time(-100, 6),
      server: fc.constantFrom<unknown>(true, false),
      call_cids: fc.constantFrom<unknown>(["a:b"], [], "a:b"),
      extra: fc.jsonValue({ maxDepth: 2 }),
    },
    { requiredKeys: [] },
  )
  const header = fc.constantFrom(
    ...[
      '{"alg":"HS256","typ":"JWT"}',
      '{"alg":"HS256"}',
      '{"typ":"JWT","alg":"HS256"}',
      '{"alg":"none"}',
      '{"alg":"HS384"}',
    ],
    ...[
      '{"alg":"HS256","typ":"at+jwt"}',
      '{"alg":"HS256","crit":["exp"]}',
      '{"alg":"HS256","b64":false}',
      '{"alg":"RS256"}',
      "[]",
    ],
  )
  const tally = () => ({ accepted: 0, refused: 0, stricter: 0 })

  test("on random claims", async () => {
    const seen = tally()
    await fc.assert(
      fc.asyncProperty(claims, fc.constantFrom(undefined, 1), async (value, space) => {
        seen[await compare(withPayload(JSON.stringify(value, null, space)))]++
      }),
      { numRuns: 1000 },
    )
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(20)
  })

  test("on headers, signed and unsigned", async () => {
    const seen = tally()
    await fc.assert(
      fc.asyncProperty(header, header, fc.boolean(), async (first, second, resign) => {
        const signed = sign(base64url(first), commonPayload)
        seen[await compare(resign ? signed : [base64url(second), ...signed.split(".").slice(1)].join("."))]++
      }),
      { numRuns: 500 },
    )
    expect(Math.min(seen.accepted, seen.refused)).toBeGreaterThan(20)
  })

  test("on mutations of a valid token", async () => {
    const good = mint({ user_id: "john", iat: now - 10, exp: now + 100 })
    const at = fc.nat(good.length)
    const character = fc.constantFrom(..."AZaz09-_+/=. \n\0é")
    const mutate = fc.oneof(
      fc.tuple(at, character).map(([i, c]) => good.slice(0, i) + c + good.slice(i + 1)),
      fc.tuple(at, character).map(([i, c]) => good.slice(0, i) + c + good.slice(i)),
      fc.tuple(at, fc.integer({ min: 1, max: 4 })).map(([i, n]) => good.slice(0, i) + good.slice(i + n)),
      at.map((i) => good.slice(0, i)),
      fc.tuple(at, at).map(([i, j]) => good.slice(0, Math.min(i, j)) + good.slice(Math.max(i, j))),
      fc.shuffledSubarray(good.split("."), { minLength: 1 }).map((segments) => segments.join(".")),
      // The last character of each segment, where spellings of the same bytes are.
      fc.tuple(fc.nat(2), character).map(([which, c]) =>
        good
          .split(".")
          .map((segment, index) => (index === which ? segment.slice(0, -1) + c : segment))
          .join("."),
      ),
    )
    const seen = tally()
    await fc.assert(
      fc.asyncProperty(mutate, async (token) => {
        const result = await compare(token)
        seen[result]++
        // A token has one spelling: nothing but the token itself is accepted.
        if (result === "accepted") expect(token).toBe(good)
      }),
      { numRuns: 2000 },
    )
    expect(seen.refused).toBeGreaterThan(1000)
  })

  test("on payloads that are mutated and then signed", async () => {
    const json = '{"user_id":"john","iat":1699999990,"exp":1700000100,"x":{"y":[1,"z"]}}'
    const insert = fc.constantFrom(
      "",
      '"',
      ",",
      ":",
      "{",
      "}",
      "[",
      "]",
      " ",
      "\\",
      "0",
      "-",
      "e",
      "a",
      '"user_id":"eve",',
    )
    const mutated = fc
      .tuple(fc.nat(json.length), fc.nat(3), insert)
      .map(([i, remove, text]) => json.slice(0, i) + text + json.slice(i + remove))
    const seen = tally()
    await fc.assert(
      fc.asyncProperty(mutated, async (text) => {
        seen[await compare(withPayload(text))]++
      }),
      { numRuns: 1500 },
    )
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(5)
  })
})

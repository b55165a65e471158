import { describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import fc from "fast-check"
import { jwtVerify } from "jose"
import {
  type CallTokenOptions,
  createCallToken,
  createCallTokenAsync,
  createServerToken,
  createServerTokenAsync,
  createToken,
  createTokenAsync,
  type TokenOptions,
} from "../src/index.ts"
import { durationSecondsOf } from "../src/tokens.ts"

const secret = "0123456789abcdefghijklmnopqrstuv".repeat(2)
const day = 24 * 60 * 60

/** What an independent implementation reads out of the token; rejects when the signature is wrong. */
const read = async (token: string) =>
  jwtVerify(token, new TextEncoder().encode(secret), { algorithms: ["HS256"], currentDate: new Date(0) })

const claimsOf = async (token: string) => (await read(token)).payload as Record<string, unknown>

describe("a token", () => {
  test("is byte for byte what HMAC-SHA256 over its own text gives", () => {
    const token = createToken(secret, "john", { issuedAt: 1_700_000_000, expiresIn: 3600 })
    const header = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString("base64url")
    const payload = Buffer.from('{"user_id":"john","iat":1700000000,"exp":1700003600}').toString("base64url")
    const signature = createHmac("sha256", secret).update(`${header}.${payload}`).digest("base64url")
    expect(token).toBe(`${header}.${payload}.${signature}`)
  })

  test("is read back by jose, whatever the claims; both forms are the same", async () => {
    const names = fc
      .string()
      .filter((name) => !["user_id", "exp", "iat", "server", "expiresIn", "issuedAt", "nbf", "aud"].includes(name))
    await fc.assert(
      fc.asyncProperty(
        fc.stringMatching(/^[@\w-]{1,255}$/),
        fc.dictionary(
          names,
          fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.boolean(), fc.array(fc.string())),
        ),
        fc.integer({ min: 0, max: 2_000_000_000 }),
        async (userId, claims, issuedAt) => {
          const options = { ...claims, issuedAt, expiresIn: 60 } as TokenOptions
          const token = createToken(secret, userId, options)
          expect(await createTokenAsync(secret, userId, options)).toBe(token)
          const { payload, protectedHeader } = await read(token)
          expect(protectedHeader).toEqual({ alg: "HS256", typ: "JWT" })
          expect(payload).toEqual(
            JSON.parse(JSON.stringify({ ...claims, user_id: userId, iat: issuedAt, exp: issuedAt + 60 })),
          )
        },
      ),
      { numRuns: 100 },
    )
  })

  test("is made now and lives 24 h unless told otherwise, and never lies in the future", async () => {
    const before = Math.floor(Date.now() / 1000)
    const { iat, exp } = (await claimsOf(createToken(secret, "john"))) as { iat: number; exp: number }
    expect(iat).toBeGreaterThanOrEqual(before)
    expect(iat).toBeLessThanOrEqual(Math.floor(Date.now() / 1000))
    expect(exp - iat).toBe(day)
    const dated = await claimsOf(createToken(secret, "john", { issuedAt: new Date(1_700_000_000_999) }))
    expect(dated.iat).toBe(1_700_000_000)
  })

  test("lives for ever only when asked to", async () => {
    expect(Object.keys(await claimsOf(createToken(secret, "john", { expiresIn: null })))).toEqual(["user_id", "iat"])
  })
})

test("a server token says so and names no user; a call token lists its calls", async () => {
  const options = { issuedAt: 100, expiresIn: "1h" } as const
  expect(await claimsOf(createServerToken(secret, options))).toEqual({ server: true, iat: 100, exp: 3700 })
  expect(await createServerTokenAsync(secret, options)).toBe(createServerToken(secret, options))
  const call: CallTokenOptions = { ...options, callCids: ["livestream:123"], role: "viewer" }
  expect(await claimsOf(createCallToken(secret, call))).toEqual({
    user_id: "!anon",
    call_cids: ["livestream:123"],
    role: "viewer",
    iat: 100,
    exp: 3700,
  })
  expect(await createCallTokenAsync(secret, call)).toBe(createCallToken(secret, call))
  expect(await claimsOf(createCallToken(secret, { ...call, userId: "john" }))).toMatchObject({ user_id: "john" })
})

describe("nothing is signed", () => {
  test.each(["", "a b", "a/b", "!anon", "x".repeat(256), "ä", undefined, null, 7])("for the user id %p", (userId) => {
    expect(() => createToken(secret, userId as string)).toThrow(TypeError)
  })

  test.each(["user_id", "exp", "iat", "server"])("when an extra claim would replace %s", (claim) => {
    expect(() => createToken(secret, "john", { [claim]: "x" })).toThrow(TypeError)
  })

  test.each([0, -1, 1.5, Number.NaN, 1e12, "1w", "h", "", "-1h"])("for a life of %p", (expiresIn) => {
    expect(() => createToken(secret, "john", { expiresIn: expiresIn as number })).toThrow(TypeError)
  })

  test.each([new Date(Number.NaN), -5, Number.POSITIVE_INFINITY])("for the issue time %p", (issuedAt) => {
    expect(() => createToken(secret, "john", { issuedAt })).toThrow(TypeError)
  })

  test.each([
    ["no call", []],
    ["an id without a type", ["nocolon"]],
    ["three parts", ["a:b:c"]],
    ["101 calls", Array(101).fill("default:x")],
  ])("for a call token with %s", (_, callCids: string[]) => {
    expect(() => createCallToken(secret, { callCids })).toThrow(TypeError)
  })

  test.each([
    ["missing", undefined],
    ["empty", ""],
    ["an API key", "k7m2x9q4w1z8"],
    ["a token", createToken(secret, "john")],
  ])("when the secret is %s", async (_, wrong) => {
    expect(() => createToken(wrong as string, "john")).toThrow(TypeError)
    await expect(createTokenAsync(wrong as string, "john")).rejects.toBeInstanceOf(TypeError)
  })

  test("in a browser, whichever form is called", async () => {
    const global = globalThis as Record<string, unknown>
    global.window = {}
    global.document = {}
    try {
      expect(() => createToken(secret, "john")).toThrow("browser")
      await expect(createTokenAsync(secret, "john")).rejects.toThrow("browser")
    } finally {
      delete global.window
      delete global.document
    }
  })
})

test.each([
  [90, 90],
  ["90", 90],
  ["45s", 45],
  ["30m", 1800],
  ["24h", day],
  ["7d", 7 * day],
])("a duration of %p is %d seconds", (duration, seconds) => {
  expect(durationSecondsOf(duration as number)).toBe(seconds)
})

// Tokens of every algorithm, damaged in ways that know their structure. Whatever comes out is refused with an error of
// the catalogue, or is, byte for byte, a text that a key has signed.

import { expect, test } from "bun:test"
import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import { ApiError } from "@weir/protocol"
import fc from "fast-check"
import {
  formProblem,
  importSecret,
  isDevToken,
  otherSpelling,
  readDevToken,
  type VerificationKey,
  verifyToken,
} from "../../src/authenticate/token.ts"
import { fuzz, fuzzTimeoutMs } from "./fuzz.ts"

const secret = "fuzz-secret-fuzz-secret-fuzz-secret-fuzz"
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" })
const ed = generateKeyPairSync("ed25519")
const keys: readonly VerificationKey[] = [
  { kid: "hs", alg: "HS256", key: importSecret(secret), state: "active" },
  {
    kid: "es",
    alg: "ES256",
    key: createPublicKey(ec.publicKey.export({ format: "pem", type: "spki" })),
    state: "active",
  },
  {
    kid: "ed",
    alg: "EdDSA",
    key: createPublicKey(ed.publicKey.export({ format: "pem", type: "spki" })),
    state: "retiring",
  },
]

/** What a key has signed; nothing else may ever be let in. */
const signed = new Set<string>()

const signers: Readonly<Record<string, (input: string) => Buffer>> = {
  HS256: (input) => createHmac("sha256", secret).update(input).digest(),
  ES256: (input) => sign("sha256", Buffer.from(input), { key: ec.privateKey as KeyObject, dsaEncoding: "ieee-p1363" }),
  EdDSA: (input) => sign(null, Buffer.from(input), ed.privateKey as KeyObject),
}

function mint(header: string, payload: string, alg: string): string {
  const input = `${Buffer.from(header).toString("base64url")}.${Buffer.from(payload).toString("base64url")}`
  const token = `${input}.${(signers[alg] as (text: string) => Buffer)(input).toString("base64url")}`
  signed.add(token)
  if (alg === "ES256") signed.add(otherSpelling(token))
  return token
}

const good = (["HS256", "ES256", "EdDSA"] as const).flatMap((alg, index) => {
  const kid = ["hs", "es", "ed"][index]
  return [
    { alg, typ: "JWT" },
    { alg, typ: "JWT", kid },
    { kid, alg },
  ].flatMap((header) =>
    [
      { user_id: "jessica", iat: 1_700_000_000, exp: 1_700_003_600 },
      { server: true, iat: 1_700_000_000 },
      { user_id: "!anon", call_cids: ["default:standup"], role: "guest" },
      { user_id: "jessica", jti: "t1", device_id: "d1", scopes: { "chat:messaging:*": ["read"] }, aud: ["a", "b"] },
    ].map((claims) => mint(JSON.stringify(header), JSON.stringify(claims), alg)),
  )
})

const values = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    "",
    "jessica",
    "none",
    "hs",
    [],
    {},
    -1,
    0,
    Number.POSITIVE_INFINITY,
    2 ** 53,
    "__proto__",
  ),
  fc.jsonValue({ maxDepth: 3 }),
)
const names = fc.constantFrom(
  ...["alg", "typ", "kid", "crit", "b64", "jwk", "user_id", "server", "exp", "iat", "nbf", "call_cids", "channel_cids"],
  ...["role", "resource", "jti", "scopes", "aud", "iss", "device_id", "__proto__", "constructor", "toString"],
)
const sourceOf = fc.constantFrom(...good)
const place = fc.nat({ max: 2 })
const decode = (part: string | undefined): string => Buffer.from(part ?? "", "base64url").toString()
const withPart = (token: string, index: number, change: (part: string) => string): string =>
  token
    .split(".")
    .map((part, at) => (at === index ? change(part) : part))
    .join(".")
const encode = (text: string): string => Buffer.from(text).toString("base64url")
/** Puts `inserted` in place of `length` characters from a place that is given as a part of the whole. */
const spliced = (text: string, at: number, length: number, inserted: string): string => {
  const start = Math.floor(at * text.length)
  return text.slice(0, start) + inserted + text.slice(start + length)
}
const splice = fc.tuple(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.nat({ max: 4 }),
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 4 }),
    fc.constantFrom(".", "=", "+", "/", " ", "\n", "\0", "é", "{", '"', ',"alg":"none"', "//", "A", "-_"),
  ),
)

const mutants: fc.Arbitrary<string> = fc.oneof(
  // The text itself.
  fc.tuple(sourceOf, splice).map(([token, [at, length, text]]) => spliced(token, at, length, text)),
  // One part, after decoding it.
  fc
    .tuple(sourceOf, place, splice)
    .map(([token, index, [at, length, text]]) =>
      withPart(token, index, (part) => encode(spliced(decode(part), at, length, text))),
    ),
  // One bit of one part.
  fc.tuple(sourceOf, place, fc.nat(), fc.nat({ max: 7 })).map(([token, index, at, bit]) =>
    withPart(token, index, (part) => {
      const bytes = Buffer.from(part, "base64url")
      const byte = at % Math.max(1, bytes.length)
      bytes[byte] = (bytes[byte] as number) ^ (1 << bit)
      return bytes.toString("base64url")
    }),
  ),
  // Parts of different tokens.
  fc.tuple(sourceOf, sourceOf, sourceOf).map((tokens) => tokens.map((token, at) => token.split(".")[at]).join(".")),
  // Other members, with the old signature, with none, or with what stands for one in development.
  fc
    .tuple(sourceOf, fc.boolean(), names, values, fc.constantFrom("keep", "", "devtoken", "none"))
    .map(([token, isHeader, name, value, signature]) => {
      const changed = withPart(token, isHeader ? 0 : 1, (part) => {
        const object = JSON.parse(decode(part)) as Record<string, unknown>
        return encode(JSON.stringify(Object.fromEntries([...Object.entries(object), [name, value]])))
      })
      return signature === "keep" ? changed : withPart(changed, 2, () => signature)
    }),
  // Parts more or fewer.
  fc
    .tuple(sourceOf, fc.array(fc.constantFrom("", "e30", "devtoken", "AAAA"), { maxLength: 3 }), place)
    .map(([token, more, kept]) => [...token.split(".").slice(0, kept + 1), ...more].join(".")),
  fc.string({ unit: "binary", maxLength: 200 }),
)

/** Refusals that a token may get: malformed (5), and those of the time and the signature (40 to 43). */
const codes = new Set([5, 40, 41, 42, 43])

test(
  "case 66: damaged tokens are refused as what they are, and only signed texts are let in",
  () => {
    let accepted = 0
    fuzz("tokens", fc.oneof({ weight: 1, arbitrary: sourceOf }, { weight: 30, arbitrary: mutants }), (token) => {
      let isProved = false
      try {
        verifyToken(token, keys, "testkey12345")
        isProved = true
      } catch (error) {
        if (!(error instanceof ApiError) || !codes.has(error.code)) throw error
      }
      if (isProved) {
        accepted += 1
        expect(signed.has(token)).toBe(true)
      }
      if (isDevToken(token)) {
        try {
          expect(readDevToken(token).kind).toBe("development")
        } catch (error) {
          if (!(error instanceof ApiError) || error.code !== 5) throw error
        }
      }
      const problem = formProblem(token)
      expect(problem === null || problem.length > 0).toBe(true)
      // Whatever is let in has no fault of form.
      if (isProved) expect(problem).toBeNull()
    })
    expect(accepted).toBeGreaterThan(0)
  },
  fuzzTimeoutMs,
)

test(
  "case 66: signed nonsense is refused as malformed, and what is let in says one thing",
  () => {
    const payloads = fc.oneof(
      fc.dictionary(names, values, { maxKeys: 6 }).map((claims) => JSON.stringify(claims)),
      fc
        .tuple(names, values, values)
        .map(
          ([name, a, b]) =>
            `{${JSON.stringify(name)}:${JSON.stringify(a)},"\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}":${JSON.stringify(b)}}`,
        ),
      fc.json({ maxDepth: 6 }),
      fc.string({ unit: "binary", maxLength: 60 }),
    )
    let accepted = 0
    fuzz("signed payloads", fc.tuple(payloads, fc.constantFrom("HS256", "EdDSA")), ([payload, alg]) => {
      const token = mint(JSON.stringify({ alg }), payload, alg)
      try {
        const { claims } = verifyToken(token, keys, "testkey12345")
        accepted += 1
        const plain = JSON.parse(payload) as Record<string, unknown>
        // Never a server by accident: somebody who is named is that user.
        if (Object.hasOwn(plain, "user_id")) expect(claims.kind).not.toBe("server")
        if (claims.kind === "server") expect(claims.userId).toBeNull()
        if (Object.hasOwn(plain, "scopes")) expect(claims.scopes).not.toBeNull()
        else expect(claims.scopes).toBeNull()
        for (const at of [claims.exp, claims.iat, claims.nbf]) expect(at === null || at >= 0).toBe(true)
      } catch (error) {
        if (!(error instanceof ApiError) || error.code !== 5) throw error
      } finally {
        signed.clear()
      }
    })
    expect(accepted).toBeGreaterThan(0)
  },
  fuzzTimeoutMs,
)

// The numbers of cases are those of the project's list of security tests: parsing and cryptography are 2-16.

import { describe, expect, test } from "bun:test"
import { createHmac, createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto"
import { type ApiError, limits } from "@weir/protocol"
import fc from "fast-check"
import {
  base64url,
  commonHeader,
  commonPayload,
  expectMalformed,
  expectUnproved,
  keyOf,
  keys,
  mint,
  refusal,
  secret,
  sign,
  verify,
  withHeader,
  withPayload,
} from "./mint-for-tests.ts"
import { importSecret, isHs256Mac, secretBytesMin, verificationKeysMax, verifyToken } from "./token.ts"

describe("form", () => {
  const good = sign(commonHeader, commonPayload)
  const [, , goodSignature] = good.split(".") as [string, string, string]

  test("case 10: two, four, five segments, the JSON serialisation and nothing", () => {
    const general = JSON.stringify({
      payload: commonPayload,
      signatures: [{ protected: commonHeader, signature: goodSignature }],
    })
    for (const token of [
      "",
      ".",
      "a",
      `${commonHeader}.${commonPayload}`,
      `${good}.`,
      `${good}.x`,
      `.${good}`,
      "a.b.c.d.e",
      general,
    ]) {
      expectMalformed(token, "token contains an invalid number of segments")
    }
    for (const token of ["..", `.${commonPayload}.${goodSignature}`]) expectMalformed(token, "header")
  })

  const spellings: [string, (segment: string) => string][] = [
    ["padding", (segment) => `${segment}=`],
    ["full padding", (segment) => segment + "=".repeat((4 - (segment.length % 4)) % 4 || 4)],
    ["a plus", (segment) => segment.replace(/.$/, "+")],
    ["a slash", (segment) => segment.replace(/.$/, "/")],
    ["a leading space", (segment) => ` ${segment}`],
    ["a trailing newline", (segment) => `${segment}\n`],
    ["a tab inside", (segment) => `${segment.slice(0, 5)}\t${segment.slice(5)}`],
    ["a zero byte", (segment) => `${segment}\0`],
    ["a character outside ASCII", (segment) => `${segment}é`],
    // Its low byte is that of "A"; a careless copy to bytes would take it for one.
    ["a wide character", (segment) => segment.replace(/.$/, "\u0141")],
    ["half a surrogate pair", (segment) => `${segment}\ud800`],
  ]
  test.each(spellings)("case 8: %s in a segment", (_name, respell) => {
    expectMalformed(sign(respell(commonHeader), commonPayload))
    expectMalformed(sign(commonHeader, respell(commonPayload)))
    expectMalformed(`${commonHeader}.${commonPayload}.${respell(goodSignature)}`)
  })

  test("case 8: bits left over after the last byte", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    // The next character has the same leading bits: a lenient decoder sees the same bytes.
    const next = (text: string) => text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1) as string) + 1]
    const twoOver = base64url('{"user_id":"johan"}') // 19 bytes
    const oneOver = base64url('{"user_id":"johann"}') // 20 bytes
    expect([twoOver.length % 4, oneOver.length % 4]).toEqual([2, 3])
    for (const payload of [twoOver, oneOver]) {
      expect(Buffer.from(next(payload), "base64url")).toEqual(Buffer.from(payload, "base64url"))
      expect(verify(sign(commonHeader, payload)).userId).toStartWith("joh")
      expectMalformed(sign(commonHeader, next(payload)), "payload is not canonical")
    }
    expectMalformed(`${commonHeader}.${commonPayload}.${next(goodSignature)}`, "signature is not canonical")
    const header = base64url('{"alg":"HS256"}   ')
    expect(verify(sign(header, commonPayload)).userId).toBe("john")
    const headerOver = base64url('{"alg":"HS256"} ')
    expectMalformed(sign(next(headerOver), commonPayload), "header is not canonical")
  })

  test("case 11: what is too long, too deep or no text is refused at once and without a crash", () => {
    const deep = (open: string, close: string, levels: number) => open.repeat(levels) + close.repeat(levels)
    const rows: [string, string][] = [
      ["the longest token and one more", `${good}${"A".repeat(limits.tokenBytesMax + 1 - good.length)}`],
      ["a megabyte of header", sign(base64url(`{"alg":"HS256","x":"${"x".repeat(1 << 20)}"}`), commonPayload)],
      ["a megabyte outside ASCII", "é".repeat(1 << 20)],
      ["just within, outside ASCII", "\u20ac".repeat(limits.tokenBytesMax)],
      ["a megabyte of dots", ".".repeat(1 << 20)],
      ["dots within the limit", ".".repeat(limits.tokenBytesMax)],
      ["10,000 levels", withPayload(`{"a":${deep("[", "]", 10_000)}}`)],
      ["2,900 levels", withPayload(`{"a":${deep("[", "]", 2_900)}}`)],
      ["65 levels", withPayload(`{"a":${deep("[", "]", 64)}}`)],
      ["65 levels of objects", withPayload(`${'{"a":'.repeat(64)}{}${"}".repeat(64)}`)],
      ["levels in the header", sign(base64url(`{"alg":"HS256","a":${deep("[", "]", 64)}}`), commonPayload)],
      ["unclosed levels", withPayload("[".repeat(5_000))],
      ["invalid UTF-8", withPayload(Buffer.from('{"user_id":"john","x":"\xff"}', "latin1"))],
      ["overlong UTF-8", withPayload(Buffer.from('{"user_id":"john","x":"\xc0\xaf"}', "latin1"))],
      ["a surrogate in UTF-8", withPayload(Buffer.from('{"user_id":"john","x":"\xed\xa0\x80"}', "latin1"))],
      ["cut UTF-8", withPayload(Buffer.from('{"user_id":"john","x":"\xe2\x82"}', "latin1"))],
      ["half an escaped pair", withPayload('{"user_id":"john","x":"\\ud800"}')],
      ["half an escaped pair in a name", withPayload('{"user_id":"john","\\udc00":1}')],
      ["a byte order mark", withPayload('\ufeff{"user_id":"john"}')],
      ["a control character", withPayload('{"user_id":"john","x":"\u0001"}')],
    ]
    for (const [name, token] of rows) {
      const startedAt = performance.now()
      expect([name, refusal(token).code]).toEqual([name, 5])
      // Generous against noise: the work is bounded by the length limit, so it takes microseconds.
      expect(performance.now() - startedAt).toBeLessThan(50)
    }
    expect(verify(withPayload(`{"user_id":"john","a":${deep("[", "]", 63)}}`)).userId).toBe("john")
    const filler = "x".repeat(Math.floor(((limits.tokenBytesMax - good.length) * 3) / 4) - 8)
    const longest = mint({ user_id: "john", x: filler })
    expect(longest.length).toBeGreaterThan(limits.tokenBytesMax - 16)
    expect(verify(longest).userId).toBe("john")
  })

  test.each([
    '{"user_id":"a","user_id":"b"}',
    '{"user_id":"a","user_id":"a"}',
    '{"user_id":"a","user\\u005fid":"b"}',
    '{"user_id":"a", "user_id" :"b"}',
    '{"server":true,"x":1,"x":1}',
    '{"user_id":"a","x":{"y":1,"y":2}}',
    '{"user_id":"a","x":[{"y":1},{"z":1,"z":1}]}',
    '{"user_id":"a","__proto__":1,"__proto__":2}',
    '{"user_id":"a","é":1,"\\u00e9":2}',
    '{"user_id":"a","x":"\\":","x":1}',
    '{"exp":1,"user_id":"a","exp":9999999999}',
  ])("case 7: a repeated member in the payload: %s", (json) => {
    expectMalformed(withPayload(json), "repeated")
  })

  test.each([
    '{"alg":"HS256","alg":"HS256"}',
    '{"alg":"none","alg":"HS256"}',
    '{"alg":"HS256","typ":"JWT","\\u0061lg":"none"}',
    '{"alg":"HS256","x":{"y":1,"y":1}}',
  ])("case 7: a repeated member in the header: %s", (json) => {
    expectMalformed(withHeader(json), "repeated")
  })

  test("case 7: colons in strings are not members", () => {
    const token = withPayload('{"user_id":"john","iss":"https://a:1","x":":","y ":" :","z\\":":"\\":"}')
    expect(verify(token).userId).toBe("john")
  })

  test("case 12: __proto__ and constructor set nothing", () => {
    const token = withPayload(
      '{"__proto__":{"user_id":"root","server":true},"constructor":{"prototype":{"polluted":1}}}',
    )
    expect(verify(token)).toMatchObject({ userId: null, kind: "server" })
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(({} as Record<string, unknown>).server).toBeUndefined()
    expectMalformed(withHeader('{"__proto__":{"alg":"HS256"}}'), "alg")
  })
})

describe("algorithm and header", () => {
  test.each([
    '"none"',
    '"None"',
    '"NONE"',
    '"nOnE"',
    '""',
    "null",
    '["HS256"]',
    '{"HS256":1}',
    "true",
    "0",
    '"hs256"',
    '"HS256 "',
    '"HS256\\u0000"',
    '"HS384"',
    '"HS512"',
    '"RS256"',
    '"PS256"',
    '"ES384"',
    '"A256KW"',
  ])("cases 2 and 4: alg of %s, even where the HMAC is right", (alg) => {
    expectMalformed(withHeader(`{"alg":${alg},"typ":"JWT"}`), "alg")
    expectMalformed(`${base64url(`{"alg":${alg},"typ":"JWT"}`)}.${commonPayload}.`, "alg")
  })

  test.each(["ES256", "EdDSA"])("case 4: alg of %s is another secret's, even where the HMAC is right", (alg) => {
    expectUnproved(withHeader(`{"alg":"${alg}","typ":"JWT"}`))
    expectUnproved(`${base64url(`{"alg":"${alg}","typ":"JWT"}`)}.${commonPayload}.`)
  })

  test("case 2: alg is missing", () => {
    for (const json of ["{}", '{"typ":"JWT"}', '{"Alg":"HS256"}', '{"ALG":"HS256"}'])
      expectMalformed(withHeader(json), "alg")
  })

  test("case 2: no signature, or an empty one", () => {
    expectUnproved(`${commonHeader}.${commonPayload}.`)
    expectUnproved(`${commonHeader}.${commonPayload}.devtoken`)
  })

  test("case 4: a right MAC of another hash, and a MAC cut short or made longer", () => {
    const input = `${commonHeader}.${commonPayload}`
    for (const hash of ["sha1", "sha384", "sha512", "sha512-256"]) {
      expectUnproved(`${input}.${createHmac(hash, secret).update(input).digest("base64url")}`)
    }
    const mac = createHmac("sha256", secret).update(input).digest()
    for (const length of [0, 1, 16, 31]) expectUnproved(`${input}.${base64url(mac.subarray(0, length))}`)
    expectUnproved(`${input}.${base64url(Buffer.concat([mac, Buffer.alloc(1)]))}`)
    expectUnproved(`${input}.${base64url(Buffer.concat([mac, Buffer.alloc(256)]))}`)
    expect(verify(`${input}.${base64url(mac)}`).userId).toBe("john")
  })

  test("case 3: the bytes of a public key prove nothing", () => {
    for (const { publicKey } of [
      generateKeyPairSync("rsa", { modulusLength: 2048 }),
      generateKeyPairSync("ec", { namedCurve: "P-256" }),
    ]) {
      const pem = publicKey.export({ type: "spki", format: "pem" }) as string
      const der = publicKey.export({ type: "spki", format: "der" })
      const jwk = JSON.stringify(publicKey.export({ format: "jwk" }))
      for (const bytes of [pem, pem.trim(), ` ${pem}`, `\n${pem}`, pem.replaceAll("\n", "\r\n"), der, jwk]) {
        expectUnproved(sign(commonHeader, commonPayload, bytes))
      }
      // Nor can such a key be given to the verifier by mistake.
      const confused = { kid: null, alg: "HS256", key: createPublicKey(pem), state: "active" } as const
      expect(() => verify(sign(commonHeader, commonPayload, der), [confused])).toThrow(RangeError)
    }
  })

  test("case 5: keys that a token brings along are not looked at", () => {
    const attacker = randomBytes(32)
    const jwk = { kty: "oct", k: base64url(attacker), alg: "HS256" }
    // A network look-up would need fetch; it must not be called. The verifier is synchronous, so none could be awaited.
    const fetched: unknown[] = []
    const original = globalThis.fetch
    globalThis.fetch = Object.assign(async (url: unknown) => Response.json(fetched.push(url)), { preconnect: () => {} })
    try {
      for (const extra of [
        { jwk },
        { jku: "https://keys.example/jwks" },
        { x5u: "https://keys.example/c" },
        { x5c: ["MIIB"] },
      ]) {
        const header = base64url(JSON.stringify({ alg: "HS256", ...extra }))
        expectUnproved(sign(header, commonPayload, attacker))
        expect(verify(sign(header, commonPayload)).userId).toBe("john")
      }
    } finally {
      globalThis.fetch = original
    }
    expect(fetched).toEqual([])
  })

  test.each(['"crit":["exp"]', '"crit":["b64"],"b64":false', '"crit":[]', '"crit":null', '"b64":false', '"b64":true'])(
    "case 6: header with %s",
    (member) => expectMalformed(withHeader(`{"alg":"HS256",${member}}`), "crit or b64"),
  )

  test("case 24: typ is absent or JWT", () => {
    for (const typ of ['"JWT"', '"jwt"', '"Jwt"'])
      expect(verify(withHeader(`{"typ":${typ},"alg":"HS256"}`)).userId).toBe("john")
    expect(verify(withHeader('{"alg":"HS256"}')).userId).toBe("john")
    for (const typ of [
      '"at+jwt"',
      '"application/jwt"',
      '"secevent+jwt"',
      '"JWT "',
      '"JWS"',
      '""',
      "null",
      "1",
      '["JWT"]',
    ]) {
      expectMalformed(withHeader(`{"alg":"HS256","typ":${typ}}`), "typ")
    }
  })
})

describe("keys", () => {
  const [secretA, secretB, secretC] = [1, 2, 3].map(() => randomBytes(32).toString("hex")) as [string, string, string]
  const signA = (header: object) => sign(base64url(JSON.stringify(header)), commonPayload, secretA)
  const kidHeader = (kid: unknown) => ({ alg: "HS256", typ: "JWT", kid })

  test("a token without kid is tried with every key", () => {
    const token = signA({ alg: "HS256" })
    expect(verify(token, [keyOf(secretA)]).userId).toBe("john")
    expect(verify(token, [keyOf(secretB, "b"), keyOf(secretC), keyOf(secretA, "a")]).userId).toBe("john")
    expectUnproved(token, [keyOf(secretB), keyOf(secretC, "c")])
    expectUnproved(token, [])
  })

  test("case 13: a token with kid stands or falls with that key alone", () => {
    const token = signA(kidHeader("a"))
    expect(verify(token, [keyOf(secretB, "b"), keyOf(secretA, "a")]).userId).toBe("john")
    expectUnproved(token, [keyOf(secretA, "b")])
    expectUnproved(token, [keyOf(secretA)])
    expectUnproved(token, [keyOf(secretB, "a"), keyOf(secretA)])
    expectUnproved(token, [keyOf(secretA, "A"), keyOf(secretA, "a "), keyOf(secretA, "")])
  })

  test("case 13: kid that is unknown, hostile or of a wrong type", () => {
    const known = [keyOf(secretA, "a"), keyOf(secretA)]
    for (const kid of [
      "",
      "x",
      "../../etc/passwd",
      "a' OR 1=1 --",
      "a\0",
      "\0",
      "__proto__",
      "constructor",
      "x".repeat(5_000),
    ]) {
      expectUnproved(signA(kidHeader(kid)), known)
    }
    expect(refusal(signA(kidHeader("x".repeat(10_240))), known).code).toBe(5)
    for (const kid of [null, 1, true, ["a"], { a: 1 }]) expect(refusal(signA(kidHeader(kid)), known).code).toBe(5)
  })

  test("case 14: the same kid in two apps: the one's key never proves the other's token, whatever was seen before", () => {
    const appA = [keyOf(secretA, "main")]
    const appB = [keyOf(secretB, "main")]
    const token = signA(kidHeader("main"))
    for (let i = 0; i < 3; i++) {
      expect(verify(token, appA).userId).toBe("john")
      expectUnproved(token, appB)
    }
    expect(verify(sign(base64url(JSON.stringify(kidHeader("main"))), commonPayload, secretB), appB).userId).toBe("john")
  })

  test("case 15: two keys of one name are ambiguous, so they prove nothing", () => {
    expectUnproved(signA(kidHeader("a")), [keyOf(secretA, "a"), keyOf(secretB, "a")])
  })

  test("case 16: short and empty secrets are refused", () => {
    expect(() => importSecret("")).toThrow(RangeError)
    expect(() => importSecret("x".repeat(secretBytesMin - 1))).toThrow(RangeError)
    expect(() => importSecret("\ud800".repeat(32))).toThrow(RangeError)
    expect(importSecret("é".repeat(secretBytesMin / 2)).symmetricKeySize).toBe(secretBytesMin)
    for (const short of ["", "short"]) {
      const key = createSecretKey(Buffer.from(short))
      expect(() =>
        verify(sign(commonHeader, commonPayload, short), [{ kid: null, alg: "HS256", key, state: "active" }]),
      ).toThrow(RangeError)
    }
  })

  test("more keys than allowed are a mistake of the caller", () => {
    const many = Array.from({ length: verificationKeysMax + 1 }, (_, index) => keyOf(secretA, `k${index}`))
    expect(() => verify(signA({ alg: "HS256" }), many)).toThrow(RangeError)
    expect(verify(signA({ alg: "HS256" }), many.slice(1)).userId).toBe("john")
  })

  test("the secret is its UTF-8 bytes, and MACs are those of node:crypto", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", minLength: 32, maxLength: 150 }),
        fc.uint8Array({ maxLength: 300 }),
        (text, input) => {
          const mac = createHmac("sha256", text).update(input).digest()
          expect(isHs256Mac(importSecret(text), input, mac)).toBeTrue()
          for (const at of [0, 15, 31]) {
            const wrong = Uint8Array.from(mac)
            wrong[at] = (wrong[at] as number) ^ 1
            expect(isHs256Mac(importSecret(text), input, wrong)).toBeFalse()
          }
        },
      ),
    )
  })

  test("43 names the API key, with its middle hidden, and never a secret", () => {
    const error = refusal(sign(commonHeader, commonPayload, secretA))
    expect(error.reason).toBe(
      'JWTAuth error: signature is not valid. Make sure the token is created using the secret for API key "a1b2****e5f6"',
    )
    expect(JSON.stringify({ ...error })).not.toContain(secret)
    try {
      verifyToken(sign(commonHeader, commonPayload, secretA), keys, "short")
      expect.unreachable()
    } catch (thrown) {
      expect((thrown as ApiError).reason).not.toContain("short")
    }
  })

  test("nothing of an unproved payload is read", () => {
    expectUnproved(sign(commonHeader, base64url("not JSON"), secretA))
  })

  test("many headers: those that were seen first are still read rightly", () => {
    const headerOf = (index: number) => base64url(JSON.stringify({ alg: "HS256", kid: `k${index}` }))
    const named = (index: number) => [keyOf(secretA, `k${index}`)]
    for (const index of [...Array(200).keys(), 0, 1, 199]) {
      expect(verify(sign(headerOf(index), commonPayload, secretA), named(index)).userId).toBe("john")
      expectUnproved(sign(headerOf(index), commonPayload, secretA), named(index + 1))
    }
  })
})

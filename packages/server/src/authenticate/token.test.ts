// The numbers of cases are those of the project's list of security tests: parsing and cryptography 2-16, claims and
// time 18-25.

import { describe, expect, test } from "bun:test"
import { createHmac, createPublicKey, createSecretKey, generateKeyPairSync, randomBytes } from "node:crypto"
import { ApiError, limits } from "@weir/protocol"
import fc from "fast-check"
import { type JWTPayload, jwtVerify } from "jose"
import { callCidsMax, roleCharsMax, type TokenClaims } from "./claims.ts"
import {
  checkTimes,
  importSecret,
  isHs256Mac,
  isRevoked,
  secretBytesMin,
  type VerificationKey,
  verificationKeysMax,
  verifyToken,
} from "./token.ts"

const secret = randomBytes(32).toString("hex")
const apiKey = "a1b2c3d4e5f6"
const keyOf = (value: string, kid: string | null = null): VerificationKey => ({
  kid,
  alg: "HS256",
  key: importSecret(value),
})
const keys = [keyOf(secret)]

const base64url = (value: string | Uint8Array): string => Buffer.from(value).toString("base64url")
const commonHeader = base64url('{"alg":"HS256","typ":"JWT"}')
const commonPayload = base64url('{"user_id":"john"}')
/** Signs two segments exactly as they are given, so that only the thing under test can be the reason of a refusal. */
const sign = (header: string, payload: string, hmacKey: string | Uint8Array = secret): string =>
  `${header}.${payload}.${createHmac("sha256", hmacKey).update(`${header}.${payload}`).digest("base64url")}`
const withHeader = (json: string): string => sign(base64url(json), commonPayload)
const withPayload = (json: string | Uint8Array): string => sign(commonHeader, base64url(json))
const mint = (claims: object): string => withPayload(JSON.stringify(claims))

const verify = (token: string, given: readonly VerificationKey[] = keys): TokenClaims =>
  verifyToken(token, given, apiKey)
/** The error that a token is refused with. Fails when the token is accepted, or on any error but the catalogue's. */
function refusal(token: string, given: readonly VerificationKey[] = keys): ApiError {
  try {
    verify(token, given)
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError)
    return error as ApiError
  }
  throw new Error(`accepted: ${token.slice(0, 200)}`)
}
const expectMalformed = (token: string, reason: string | RegExp = /./): void => {
  const error = refusal(token)
  expect([error.code, error.status]).toEqual([5, 401])
  expect(error.reason).toStartWith("JWTAuth error: ")
  expect(error.reason).toMatch(reason)
}
const expectUnproved = (token: string, given: readonly VerificationKey[] = keys): void => {
  const error = refusal(token, given)
  expect([error.code, error.status]).toEqual([43, 401])
}

describe("what a token may say", () => {
  const nothing = {
    userId: null,
    server: false,
    exp: null,
    iat: null,
    nbf: null,
    callCids: null,
    role: null,
    isFeedsScope: false,
  }
  const rows: [string, object, Partial<TokenClaims>][] = [
    ["user, and nothing else", { user_id: "john" }, { userId: "john" }],
    ["user with times", { user_id: "j@x-1_2", exp: 3, iat: 1, nbf: 2 }, { userId: "j@x-1_2", exp: 3, iat: 1, nbf: 2 }],
    ["times with fractions", { user_id: "john", iat: 1.25, exp: 2e3 }, { userId: "john", iat: 1.25, exp: 2000 }],
    ["server", { server: true, iat: 1 }, { server: true, iat: 1 }],
    ["nothing at all", {}, {}],
    [
      "call token",
      { user_id: "john", call_cids: ["livestream:1", "a_b:c-d"], role: "viewer" },
      {
        userId: "john",
        callCids: ["livestream:1", "a_b:c-d"],
        role: "viewer",
      },
    ],
    ["call token without role", { user_id: "john", call_cids: ["a:b"] }, { userId: "john", callCids: ["a:b"] }],
    ["call token for no call", { user_id: "john", call_cids: [] }, { userId: "john", callCids: [] }],
    ["anonymous with calls", { user_id: "!anon", call_cids: ["a:b"] }, { userId: "!anon", callCids: ["a:b"] }],
    ["role without calls is ignored", { user_id: "john", role: "admin" }, { userId: "john" }],
    ["role without calls, of any type", { user_id: "john", role: 7 }, { userId: "john" }],
    ["feed scope", { resource: "*", action: "read", feed_id: "user1" }, { isFeedsScope: true }],
    ["feed scope in part", { action: "read" }, { isFeedsScope: true }],
    ["feed scope of one feed", { feed_id: "user1" }, { isFeedsScope: true }],
    [
      "other claims are ignored",
      { user_id: "john", iss: "x", sub: "user/john", jti: null, a: { b: [1] } },
      { userId: "john" },
    ],
    ["longest user id", { user_id: "j".repeat(255) }, { userId: "j".repeat(255) }],
  ]
  test.each(rows)("%s", (_name, claims, expected) => {
    expect(verify(mint(claims))).toEqual({ ...nothing, ...expected })
    // White space sends the payload through the complete JSON reader; the answer is the same.
    expect(verify(withPayload(JSON.stringify(claims, null, 1)))).toEqual({ ...nothing, ...expected })
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
    expect(verify(token)).toMatchObject({ userId: null, server: false })
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
    '"ES256"',
    '"ES384"',
    '"EdDSA"',
    '"A256KW"',
  ])("cases 2 and 4: alg of %s, even where the HMAC is right", (alg) => {
    expectMalformed(withHeader(`{"alg":${alg},"typ":"JWT"}`), "alg")
    expectMalformed(`${base64url(`{"alg":${alg},"typ":"JWT"}`)}.${commonPayload}.`, "alg")
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
      const confused = { kid: null, alg: "HS256", key: createPublicKey(pem) } as const
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
      expect(() => verify(sign(commonHeader, commonPayload, short), [{ kid: null, alg: "HS256", key }])).toThrow(
        RangeError,
      )
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
  const issuedAt = (iat: number | null) => verify(mint(iat === null ? { user_id: "john" } : { user_id: "john", iat }))
  test.each([
    [100, [], false],
    [100, [null, null], false],
    [100, [100, null], false],
    [100, [100.999, null], false],
    [100, [101, null], true],
    [100.5, [101, null], true],
    [100.5, [100.9, null], false],
    [100, [null, 101], true],
    [100, [50, 101], true],
    [100, [101, 50], true],
    [0, [1, null], true],
    [0, [0, null], false],
    [100, [Number.NaN, null], true],
  ] as const)("cases 20 and 22: iat %d against the cut-offs %j is %p", (iat, cutoffs, revoked) => {
    expect(isRevoked(issuedAt(iat), cutoffs)).toBe(revoked)
  })

  test("case 21: without iat, any cut-off ends a token", () => {
    expect(isRevoked(issuedAt(null), [])).toBeFalse()
    expect(isRevoked(issuedAt(null), [null])).toBeFalse()
    for (const cutoff of [0, 1, 1e12]) expect(isRevoked(issuedAt(null), [null, cutoff])).toBeTrue()
  })
})

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

import { describe, expect, test } from "bun:test"
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign as signWith } from "node:crypto"
import type { ApiError } from "@weir/protocol"
import fc from "fast-check"
import { SignJWT } from "jose"
import { apiKey, base64url, commonPayload, keyOf, secret, sign as signHs256 } from "./mint-for-tests.ts"
import { createProof } from "./proof.ts"
import { importPublicKey } from "./public-key.ts"
import { isEd25519Signature, isEs256Signature, otherSpelling, type VerificationKey, verifyToken } from "./token.ts"

const pairs = {
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: generateKeyPairSync("ed25519"),
} as const
type Alg = keyof typeof pairs
const algs = ["ES256", "EdDSA"] as const

const verifier = (alg: Alg, kid: string | null = "k", key: KeyObject = pairs[alg].publicKey): VerificationKey => ({
  kid,
  alg,
  key,
  state: "active",
})
const mint = (alg: Alg, claims: object, header: object = {}): Promise<string> =>
  new SignJWT(claims as never).setProtectedHeader({ alg, typ: "JWT", ...header }).sign(pairs[alg].privateKey)
const codeOf = (token: string, keys: readonly VerificationKey[]): number => {
  try {
    verifyToken(token, keys, apiKey)
    return 0
  } catch (error) {
    return (error as ApiError).code
  }
}

for (const alg of algs) {
  describe(alg, () => {
    test("a token of another library is proved, and the proving key named", async () => {
      const token = await mint(alg, { user_id: "john" }, { kid: "k" })
      const proved = verifyToken(token, [keyOf(secret, "h"), verifier(alg)], apiKey)
      expect(proved.claims.userId).toBe("john")
      expect(proved.key.kid).toBe("k")
      expect(verifyToken(await mint(alg, { user_id: "john" }), [keyOf(secret), verifier(alg)], apiKey).key.alg).toBe(
        alg,
      )
    })

    test("cases 3 and 4: a secret of one algorithm proves no token of another, whatever its name", async () => {
      const other = alg === "ES256" ? "EdDSA" : "ES256"
      const token = await mint(alg, { user_id: "john" }, { kid: "k" })
      expect(codeOf(token, [verifier(other)])).toBe(43)
      expect(codeOf(token, [keyOf(secret, "k")])).toBe(43)
      // The public key's own text, taken for a secret.
      const { publicKey } = pairs[alg]
      const header = base64url(JSON.stringify({ alg: "HS256", typ: "JWT", kid: "k" }))
      for (const text of [
        publicKey.export({ type: "spki", format: "pem" }).toString(),
        publicKey.export({ type: "spki", format: "der" }),
        JSON.stringify(publicKey.export({ format: "jwk" })),
      ]) {
        expect(codeOf(signHs256(header, commonPayload, text), [verifier(alg)])).toBe(43)
      }
    })

    test("case 9: signatures that are cut, longer, zero, in DER or of something else", async () => {
      const token = await mint(alg, { user_id: "john" }, { kid: "k" })
      const dot = token.lastIndexOf(".")
      const input = token.slice(0, dot)
      const made = Buffer.from(token.slice(dot + 1), "base64url")
      const order = Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex")
      const half = Buffer.from(made.subarray(0, 32))
      const der = signWith(alg === "ES256" ? "sha256" : null, Buffer.from(input), pairs[alg].privateKey)
      const wrong = [
        made.subarray(0, 63),
        made.subarray(0, 32),
        Buffer.alloc(0),
        Buffer.concat([made, Buffer.alloc(1)]),
        Buffer.alloc(64),
        Buffer.concat([half, Buffer.alloc(32)]),
        Buffer.concat([Buffer.alloc(32), half]),
        Buffer.concat([order, half]),
        Buffer.concat([half, order]),
        Buffer.alloc(64, 0xff),
        ...(alg === "ES256" ? [der] : []),
      ]
      for (const signature of wrong) expect(codeOf(`${input}.${base64url(signature)}`, [verifier(alg)])).toBe(43)
      expect(codeOf(`${input}.${base64url(made)}`, [verifier(alg)])).toBe(0)
    })

    test("a changed byte anywhere ends the proof", async () => {
      const check = alg === "ES256" ? isEs256Signature : isEd25519Signature
      const input = Buffer.from("what is signed, as bytes")
      const options =
        alg === "ES256" ? { key: pairs[alg].privateKey, dsaEncoding: "ieee-p1363" as const } : pairs[alg].privateKey
      const signature = signWith(alg === "ES256" ? "sha256" : null, input, options)
      expect(check(pairs[alg].publicKey, input, signature)).toBe(true)
      fc.assert(
        fc.property(fc.nat(63), fc.integer({ min: 1, max: 255 }), (at, flip) => {
          const changed = Buffer.from(signature)
          changed[at] = (changed[at] as number) ^ flip
          expect(check(pairs[alg].publicKey, input, changed)).toBe(false)
        }),
        { numRuns: 200 },
      )
    })

    test("its public key is taken as PEM and as JWK, and nothing else is", () => {
      const { publicKey, privateKey } = pairs[alg]
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString()
      const jwk = publicKey.export({ format: "jwk" }) as Record<string, unknown>
      expect(importPublicKey(alg, pem).equals(publicKey)).toBe(true)
      expect(importPublicKey(alg, jwk).equals(publicKey)).toBe(true)
      const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ type: "spki", format: "pem" })
      const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ type: "spki", format: "pem" })
      const other = pairs[alg === "ES256" ? "EdDSA" : "ES256"].publicKey.export({ type: "spki", format: "pem" })
      for (const given of [
        privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        privateKey.export({ format: "jwk" }) as Record<string, unknown>,
        rsa.toString(),
        p384.toString(),
        other.toString(),
        "",
        "nonsense",
        pem.replace("A", "!"),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        { kty: "oct", k: "AAAA" },
        {},
        { ...jwk, x: "AAAA" },
      ]) {
        expect(() => importPublicKey(alg, given)).toThrow(expect.objectContaining({ code: 4 }))
      }
    })
  })
}

test("case 9: an Ed25519 key has one spelling: no y beyond the prime of the field, with either sign", () => {
  const prime = (1n << 255n) - 19n
  for (let y = prime; y < 1n << 255n; y++) {
    for (const sign of [0n, 1n]) {
      const point = Buffer.from((y | (sign << 255n)).toString(16).padStart(64, "0"), "hex").reverse()
      expect(() => importPublicKey("EdDSA", { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") })).toThrow(
        expect.objectContaining({ code: 4 }),
      )
    }
  }
})

test("case 9: S of Ed25519 and S plus the order are not both signatures", () => {
  const order = (1n << 252n) + 27742317777372353535851937790883648493n
  const littleEndian = (value: bigint) => Buffer.from(value.toString(16).padStart(64, "0"), "hex").reverse()
  const input = Buffer.from("what is signed")
  const made = signWith(null, input, pairs.EdDSA.privateKey)
  const s = BigInt(`0x${Buffer.from(made.subarray(32)).reverse().toString("hex")}`)
  const withS = (value: bigint) => Buffer.concat([made.subarray(0, 32), littleEndian(value)])
  expect(isEd25519Signature(pairs.EdDSA.publicKey, input, withS(s))).toBe(true)
  for (const other of [s + order, order, 0n, (1n << 256n) - 1n]) {
    expect(isEd25519Signature(pairs.EdDSA.publicKey, input, withS(other))).toBe(false)
  }
})

test("a JWK that says that it is for something else is not taken; one that says signatures is", () => {
  for (const alg of algs) {
    const jwk = pairs[alg].publicKey.export({ format: "jwk" }) as Record<string, unknown>
    for (const own of [{ alg }, { use: "sig" }, { key_ops: ["verify"] }, { kid: "x", ext: true, x5t: "AA" }]) {
      expect(importPublicKey(alg, { ...jwk, ...own }).equals(pairs[alg].publicKey)).toBe(true)
    }
    for (const own of [
      { alg: "HS256" },
      { alg: null },
      { alg: alg === "ES256" ? "EdDSA" : "ES256" },
      { use: "enc" },
      { key_ops: ["sign"] },
      { key_ops: "verify" },
    ]) {
      expect(() => importPublicKey(alg, { ...jwk, ...own })).toThrow(expect.objectContaining({ code: 4 }))
    }
  }
})

// Whoever holds a token can write its second text down, so a revocation by the hash of the first has to find it.
test("property: both texts of an ES256 token are proved, and each names the other; the others have one text", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{1,20}$/), (userId) => {
      const input = `${base64url('{"alg":"ES256"}')}.${base64url(JSON.stringify({ user_id: userId }))}`
      const options = { key: pairs.ES256.privateKey, dsaEncoding: "ieee-p1363" as const }
      const token = `${input}.${base64url(signWith("sha256", Buffer.from(input), options))}`
      const other = otherSpelling(token)
      expect(other).not.toBe(token)
      expect(otherSpelling(other)).toBe(token)
      const [first, second] = [token, other].map((text) => {
        const { claims, key } = verifyToken(text, [verifier("ES256")], apiKey)
        return createProof("jwt", key.kid, claims, text, key.alg)
      })
      expect(first?.sha256).toBe(createHash("sha256").update(token).digest("hex"))
      expect([first?.sha256, first?.otherSha256]).toEqual([second?.otherSha256, second?.sha256])
    }),
    { numRuns: 50 },
  )
  const claims = verifyToken(signHs256(base64url('{"alg":"HS256"}'), commonPayload), [keyOf(secret)], apiKey).claims
  for (const alg of ["HS256", "EdDSA", null] as const) {
    expect(createProof("jwt", null, claims, "a.b.c", alg).otherSha256).toBeNull()
  }
})

test("case 9: Ed25519 keys of small order are not taken: under them anybody can sign", () => {
  const points = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  ]
  for (const point of points) {
    const x = Buffer.from(point, "hex").toString("base64url")
    expect(() => importPublicKey("EdDSA", { kty: "OKP", crv: "Ed25519", x })).toThrow(
      expect.objectContaining({ code: 4 }),
    )
  }
})

test("property: a token is proved exactly when its algorithm and name lead to the secret that signed it", () => {
  const secrets = ["HS256", "ES256", "EdDSA"] as const
  const names = ["a", "b", null] as const
  const signed = (alg: (typeof secrets)[number], kid: string | null): string => {
    const header = base64url(JSON.stringify({ alg, typ: "JWT", ...(kid === null ? {} : { kid }) }))
    if (alg === "HS256") return signHs256(header, commonPayload)
    const input = Buffer.from(`${header}.${commonPayload}`)
    const { privateKey } = pairs[alg]
    const signature =
      alg === "ES256"
        ? signWith("sha256", input, { key: privateKey, dsaEncoding: "ieee-p1363" })
        : signWith(null, input, privateKey)
    return `${input}.${base64url(signature)}`
  }
  const keyFor = (alg: (typeof secrets)[number], kid: string | null): VerificationKey =>
    alg === "HS256"
      ? keyOf(secret, kid)
      : verifier(alg, kid, createPublicKey(pairs[alg].publicKey.export({ type: "spki", format: "pem" })))
  const one = fc.record({ alg: fc.constantFrom(...secrets), kid: fc.constantFrom(...names) })
  fc.assert(
    fc.property(one, fc.array(one, { maxLength: 4 }), (token, held) => {
      const named = held.filter(({ kid }) => kid === token.kid)
      const expected =
        token.kid === null
          ? held.some(({ alg }) => alg === token.alg)
          : named.length === 1 && named[0]?.alg === token.alg
      expect(
        codeOf(
          signed(token.alg, token.kid),
          held.map(({ alg, kid }) => keyFor(alg, kid)),
        ),
      ).toBe(expected ? 0 : 43)
    }),
    { numRuns: 300 },
  )
})

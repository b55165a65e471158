import { describe, expect, test } from "bun:test"
import {
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign as signWith,
  verify as verifyWith,
} from "node:crypto"
import { ApiError } from "@weir/protocol"
import { generateMasterKeyText, parseMasterKey, SealError } from "../../base/crypto.ts"
import { generatePrefixedSecret, isPrefixedSecret } from "../../base/secret-format.ts"
import { unused } from "../sessions/index.ts"
import { limits } from "./limits.ts"
import {
  cutOffOf,
  firstState,
  jwksOf,
  keyResponse,
  newKey,
  newSecret,
  requireStep,
  type SecretInput,
  sameSecrets,
  secretResponse,
  verificationKey,
} from "./rules.ts"
import type { SecretRow, SecretState } from "./store.ts"

const makeMasterKey = () => parseMasterKey(generateMasterKeyText()) as NonNullable<ReturnType<typeof parseMasterKey>>
const masterKey = makeMasterKey()
const now = 1_800_000_000_000
const place = { appId: 1_234_567, apiKey: "a1b2c3d4e5f6" }
const make = (input: SecretInput = {}, at = place) => newSecret(masterKey, at, input, now, "operator")
const inState = (state: SecretState, kid: string = state): SecretRow => ({ ...make({ kid }).row, state })

/** What a refusal says of which field; fails where nothing is refused. */
function refused(work: () => unknown): Readonly<Record<string, string>> {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError)
    expect([(error as ApiError).status, (error as ApiError).code]).toEqual([400, 4])
    return (error as ApiError).fields ?? {}
  }
  throw new Error("nothing was refused")
}

describe("states", () => {
  const states: readonly SecretState[] = ["standby", "active", "retiring", "revoked"]
  // From each state to each other one, with a second secret that verifies: free, only by force, or never.
  const table: Readonly<Record<SecretState, Readonly<Partial<Record<SecretState, "free" | "force" | "never">>>>> = {
    standby: { active: "free", retiring: "never", revoked: "free" },
    active: { standby: "free", retiring: "free", revoked: "force" },
    retiring: { standby: "never", active: "free", revoked: "free" },
    revoked: { standby: "never", active: "never", retiring: "never" },
  }
  const outcome = (from: SecretState, to: SecretState, others: readonly SecretRow[]) => {
    const secret = inState(from, "this")
    const may = (force: boolean): boolean => {
      try {
        requireStep(secret, to, [secret, ...others], force)
        return true
      } catch (error) {
        expect((error as ApiError).code).toBe(4)
        return false
      }
    }
    if (may(false)) {
      expect(may(true)).toBe(true)
      return "free"
    }
    return may(true) ? "force" : "never"
  }

  for (const from of states) {
    for (const to of states) {
      const expected = table[from][to]
      if (expected === undefined) continue
      test(`case 48: ${from} to ${to}: ${expected}`, () => {
        expect(outcome(from, to, [inState("active", "other")])).toBe(expected)
      })
    }
  }

  test("case 48: the last secret that verifies stops doing so by force only", () => {
    for (const others of [[], [inState("standby", "s"), inState("revoked", "r")]]) {
      expect(outcome("active", "standby", others)).toBe("force")
      expect(outcome("active", "revoked", others)).toBe("force")
      expect(outcome("retiring", "revoked", others)).toBe("force")
      // Both verify, so nothing is lost.
      expect(outcome("active", "retiring", others)).toBe("free")
      expect(outcome("standby", "revoked", others)).toBe("free")
    }
    expect(outcome("active", "standby", [inState("retiring", "other")])).toBe("free")
  })

  test("no more than the bound verify at once, and a secret that does already takes no second place", () => {
    const others = (count: number) =>
      Array.from({ length: count }, (_, index) => inState(index % 2 === 0 ? "active" : "retiring", `k${index}`))
    expect(outcome("standby", "active", others(limits.verifyingSecretsPerKeyMax - 1))).toBe("free")
    expect(outcome("standby", "active", others(limits.verifyingSecretsPerKeyMax))).toBe("never")
    expect(outcome("retiring", "active", others(limits.verifyingSecretsPerKeyMax - 1))).toBe("free")
  })

  test("a new secret is of use at once where none is, else it waits", () => {
    expect(firstState([])).toBe("active")
    expect(firstState([inState("standby"), inState("revoked")])).toBe("active")
    expect(firstState([inState("active")])).toBe("standby")
    expect(firstState([inState("retiring")])).toBe("standby")
  })
})

describe("shared secrets", () => {
  test("a made one is strong, shown as it is, and never shown by its row", () => {
    const { row, value } = make({ label: "backend" })
    expect(value).toMatch(/^[a-z0-9]{64}$/)
    expect(JSON.stringify(row)).not.toContain(value as string)
    expect(verificationKey(masterKey, row)).toMatchObject({ kid: row.kid, alg: "HS256", state: "active" })
    expect(verificationKey(masterKey, row).key.export().toString()).toBe(value as string)
    expect(row).toMatchObject({ state: "standby", label: "backend", created_by: "operator", imported: 0 })
    expect(row).toMatchObject({ created_at: now, state_since: now, app_id: place.appId, api_key: place.apiKey })
  })

  test("case 53: one with a prefix on request", () => {
    const { value } = make({ prefixed: true })
    expect(isPrefixedSecret(value as string)).toBe(true)
    expect(isPrefixedSecret(make({ prefixed: false }).value as string)).toBe(false)
  })

  test("case 53: an imported one with our prefix and a wrong checksum is a mistyped one", () => {
    const secret = generatePrefixedSecret()
    expect(make({ value: secret }).row.imported).toBe(1)
    const last = secret.at(-1) === "0" ? "1" : "0"
    expect(refused(() => make({ value: secret.slice(0, -1) + last }))).toEqual({ value: "is mistyped" })
  })

  test("case 16: an imported one has 32 bytes or more, counted in UTF-8", () => {
    for (const short of ["", "x", "x".repeat(31), "é".repeat(15)]) {
      expect(refused(() => make({ value: short })).value).toMatch(/at least 32 bytes/)
    }
    for (const value of ["x".repeat(32), "é".repeat(16)]) {
      const { row, value: shown } = make({ value })
      expect(shown).toBeNull()
      expect(row.imported).toBe(1)
      expect(verificationKey(masterKey, row).key.export().toString()).toBe(value)
    }
    // Half a surrogate pair becomes the same replacement character whichever half it was.
    expect(refused(() => make({ value: `${"x".repeat(40)}\ud800` })).value).toMatch(/well-formed/)
  })

  test("what does not go together is refused by its field", () => {
    const pem = spki(ecKeys.publicKey)
    expect(refused(() => make({ public_key: pem }))).toHaveProperty("public_key")
    expect(refused(() => make({ value: "x".repeat(40), prefixed: true }))).toHaveProperty("prefixed")
    expect(refused(() => make({ alg: "ES256", value: "x".repeat(40) }))).toHaveProperty("value")
    expect(refused(() => make({ alg: "EdDSA", prefixed: true }))).toHaveProperty("prefixed")
  })
})

const ecKeys = generateKeyPairSync("ec", { namedCurve: "P-256" })
const edKeys = generateKeyPairSync("ed25519")
const spki = (key: KeyObject): string => key.export({ format: "pem", type: "spki" }).toString()
const jwk = (key: KeyObject) => key.export({ format: "jwk" }) as Record<string, unknown>

describe("pairs", () => {
  test("a made one: the private half is shown and not kept, the public half proves what it signs", () => {
    for (const alg of ["ES256", "EdDSA"] as const) {
      const { row, value } = make({ alg })
      expect(value).toStartWith("-----BEGIN PRIVATE KEY-----")
      const { key } = verificationKey(masterKey, row)
      expect(key.type).toBe("public")
      const hash = alg === "ES256" ? "sha256" : null
      const text = Buffer.from("a token")
      expect(verifyWith(hash, text, key, signWith(hash, text, value as string))).toBe(true)
    }
  })

  test("an uploaded one, as PEM or JWK, is the same key", () => {
    for (const [alg, { publicKey }] of [["ES256", ecKeys] as const, ["EdDSA", edKeys] as const]) {
      for (const public_key of [spki(publicKey), jwk(publicKey)]) {
        const { row, value } = make({ alg, public_key })
        expect(value).toBeNull()
        expect(verificationKey(masterKey, row).key.equals(publicKey)).toBe(true)
      }
    }
  })

  test("private halves are refused, and the text says to keep them", () => {
    const privateJwk = jwk(ecKeys.privateKey)
    expect(refused(() => make({ alg: "ES256", public_key: privateJwk })).public_key).toMatch(/private member d/)
    expect(refused(() => make({ alg: "EdDSA", public_key: jwk(edKeys.privateKey) })).public_key).toMatch(/member d/)
    const symmetric = { kty: "oct", k: "c2VjcmV0" }
    expect(refused(() => make({ alg: "ES256", public_key: symmetric })).public_key).toMatch(/member k/)
    for (const type of ["pkcs8", "sec1"] as const) {
      const pem = ecKeys.privateKey.export({ format: "pem", type }).toString()
      expect(refused(() => make({ alg: "ES256", public_key: pem })).public_key).toMatch(/is a private key/)
    }
  })

  test("other kinds, other curves and weak points are refused", () => {
    const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey
    for (const key of [p384, rsa, edKeys.publicKey]) {
      expect(refused(() => make({ alg: "ES256", public_key: spki(key) })).public_key).toMatch(/P-256/)
      expect(refused(() => make({ alg: "ES256", public_key: jwk(key) }))).toHaveProperty("public_key")
    }
    const x25519 = generateKeyPairSync("x25519").publicKey
    for (const key of [ecKeys.publicKey, x25519, rsa]) {
      expect(refused(() => make({ alg: "EdDSA", public_key: spki(key) })).public_key).toMatch(/Ed25519/)
    }
    const { x, y } = jwk(ecKeys.publicKey) as { x: string; y: string }
    const offCurve = { kty: "EC", crv: "P-256", x, y: y.startsWith("A") ? `B${y.slice(1)}` : `A${y.slice(1)}` }
    expect(refused(() => make({ alg: "ES256", public_key: offCurve }))).toHaveProperty("public_key")
    for (const first of [0, 1]) {
      const point = Buffer.alloc(32)
      point[0] = first
      const smallOrder = { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") }
      expect(refused(() => make({ alg: "EdDSA", public_key: smallOrder })).public_key).toMatch(/small order/)
    }
    const nonsense = ["", "nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", {}, { kty: "EC" }]
    for (const public_key of nonsense) {
      expect(refused(() => make({ alg: "ES256", public_key }))).toHaveProperty("public_key")
    }
  })
})

describe("sealed rows", () => {
  const moved: readonly (readonly [string, (row: SecretRow, other: SecretRow) => SecretRow])[] = [
    ["another secret's row", (row, other) => ({ ...other, sealed: row.sealed })],
    ["another kid", (row) => ({ ...row, kid: "other" })],
    ["another key", (row) => ({ ...row, api_key: "bbbbbbbbbbbb" })],
    ["another app", (row) => ({ ...row, app_id: 7_654_321 })],
  ]
  for (const [where, move] of moved) {
    test(`case 50: a sealed secret that is moved to ${where} does not open`, () => {
      for (const alg of ["HS256", "ES256"] as const) {
        const { row } = make({ alg })
        expect(() => verificationKey(masterKey, row)).not.toThrow()
        expect(() => verificationKey(masterKey, move(row, make({ alg }).row))).toThrow(SealError)
      }
    })
  }

  test("case 50: two rows of one text have nothing in common, and another master key opens neither", () => {
    const value = "same-secret-in-two-places-0123456789"
    const rows = [make({ value, kid: "one" }).row, make({ value, kid: "two" }).row]
    const parts = rows.flatMap(({ sealed }) => sealed.split(".").slice(-2))
    expect(new Set(parts).size).toBe(4)
    for (const row of rows) expect(() => verificationKey(makeMasterKey(), row)).toThrow(SealError)
  })

  test("the same secret is found by what it is, not by how it is sealed or where it stands", () => {
    const value = "same-secret-in-two-places-0123456789"
    const { row } = make({ value })
    const same = make({ value }, { ...place, apiKey: "bbbbbbbbbbbb" }).row
    const damaged = { ...make({ value }).row, kid: "damaged" }
    const others = [make().row, same, damaged, make({ alg: "ES256" }).row, make({ value: `${value}0` }).row]
    expect(sameSecrets(masterKey, row, others)).toEqual([same])
    const ec = make({ alg: "ES256", public_key: spki(ecKeys.publicKey) }).row
    const ecAgain = make({ alg: "ES256", public_key: jwk(ecKeys.publicKey) }).row
    expect(sameSecrets(masterKey, ec, [...others, ecAgain])).toEqual([ecAgain])
  })
})

describe("what is shown", () => {
  test("case 17: a JWK Set has public members alone, and shared secrets are not in it", () => {
    const made = [make(), make({ alg: "ES256", kid: "ec" }), make({ alg: "EdDSA", kid: "ed" })]
    const set = jwksOf(made.map(({ row }) => verificationKey(masterKey, row)))
    expect(set.keys).toHaveLength(2)
    const [ec, ed] = set.keys as Record<string, unknown>[]
    expect(Object.keys(ec ?? {}).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"])
    expect(Object.keys(ed ?? {}).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"])
    expect(ec).toMatchObject({ kty: "EC", crv: "P-256", alg: "ES256", kid: "ec", use: "sig" })
    expect(ed).toMatchObject({ kty: "OKP", crv: "Ed25519", alg: "EdDSA", kid: "ed", use: "sig" })
    for (const [index, shown] of [ec, ed].entries()) {
      const key = createPublicKey({ key: shown as Record<string, string>, format: "jwk" })
      expect(key.equals(createPublicKey(made[index + 1]?.value as string))).toBe(true)
    }
    // Should a private key ever get here, its private members stay all the same.
    const leaked = jwksOf([{ kid: "p", alg: "EdDSA", key: edKeys.privateKey }])
    expect(JSON.stringify(leaked)).not.toContain(jwk(edKeys.privateKey).d as string)
  })

  test("case 50: an answer has nothing of the secret, sealed or not", () => {
    const { key, secretRow, secret } = newKey(masterKey, place.appId, "backend", now, "operator")
    const text = JSON.stringify([secretResponse(secretRow, unused), keyResponse(key, [secretRow], () => unused)])
    expect(text).not.toContain(secret.slice(0, 8))
    expect(text).not.toContain(secretRow.sealed.slice(-20))
    expect(text).toContain(secretRow.kid)
  })

  test("a key from the environment keeps its secret, which verifies at once", () => {
    const given = { apiKey: "mykeymykey12", apiSecret: "given-secret-given-secret-given-secret" }
    const { key, secretRow, secret } = newKey(masterKey, place.appId, "", now, "system", given)
    expect([key.api_key, secret, secretRow.state]).toEqual([given.apiKey, given.apiSecret, "active"])
    expect(verificationKey(masterKey, secretRow).key.export().toString()).toBe(given.apiSecret)
  })

  test("the end of a secret is safe when no token that it signed can still live", () => {
    const counted = { tokens: 3, users: 2 }
    const used = (secondsAgo: number) => ({ ...unused, lastUsedAt: now - secondsAgo * 1000 })
    expect(cutOffOf(unused, { tokens: 0, users: 0 }, null, now)).toMatchObject({ tokens: 0, users: 0, safe: true })
    expect(cutOffOf(used(86_401), counted, 86_400, now)).toMatchObject({ ...counted, safe: true })
    expect(cutOffOf(used(86_400), counted, 86_400, now)).toMatchObject({ ...counted, safe: false })
    expect(cutOffOf(used(365 * 86_400), counted, null, now)).toMatchObject({ ...counted, safe: false })
  })
})

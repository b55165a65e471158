// Every form in which a backend can hold a key, each proved by an independent implementation of JWS.

import { describe, expect, test } from "bun:test"
import { createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import { compactVerify } from "jose"
import {
  createCallToken,
  createServerTokenAsync,
  createToken,
  createTokenAsync,
  createWeirServer,
  type SigningKey,
} from "../src/index.ts"

const secret = "0123456789abcdefghijklmnopqrstuv".repeat(2)
const pairs = {
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: generateKeyPairSync("ed25519"),
}
const pemOf = (key: KeyObject): string => key.export({ format: "pem", type: "pkcs8" }).toString()
const webAlgorithms = { ES256: { name: "ECDSA", namedCurve: "P-256" }, EdDSA: { name: "Ed25519" } }
const hmac = (hash: string) => ({ name: "HMAC", hash })
const importHmac = (hash = "SHA-256", text = secret, usages: ("sign" | "verify")[] = ["sign"]) =>
  crypto.subtle.importKey("raw", new TextEncoder().encode(text), hmac(hash), false, usages)

/** Claims of a token whose signature this key proves; rejects otherwise. */
async function read(token: string, key: KeyObject | Uint8Array, alg: string): Promise<Record<string, unknown>> {
  const { payload } = await compactVerify(token, key, { algorithms: [alg] })
  return JSON.parse(new TextDecoder().decode(payload))
}

for (const alg of ["ES256", "EdDSA"] as const) {
  describe(alg, () => {
    const { privateKey, publicKey } = pairs[alg]

    test("as PEM and as KeyObject, at once and with a promise", async () => {
      for (const key of [pemOf(privateKey), `\n${pemOf(privateKey)}\n`, privateKey] as SigningKey[]) {
        expect(await read(createToken(key, "ann"), publicKey, alg)).toMatchObject({ user_id: "ann" })
        expect(await read(await createTokenAsync(key, "ann"), publicKey, alg)).toMatchObject({ user_id: "ann" })
        const token = createCallToken(key, { callCids: ["default:standup"] })
        expect(await read(token, publicKey, alg)).toMatchObject({ call_cids: ["default:standup"] })
      }
    })

    test("as WebCrypto key that cannot be read, with a promise only", async () => {
      const der = privateKey.export({ format: "der", type: "pkcs8" }) as Buffer<ArrayBuffer>
      const key = await crypto.subtle.importKey("pkcs8", der, webAlgorithms[alg], false, ["sign"])
      expect(await read(await createServerTokenAsync(key), publicKey, alg)).toMatchObject({ server: true })
      expect(() => createToken(key, "ann")).toThrow("Async")
    })

    test("another pair's public key does not prove it", async () => {
      const other =
        alg === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519")
      await expect(read(createToken(privateKey, "ann"), other.publicKey, alg)).rejects.toThrow()
    })
  })
}

test("HS256 with a WebCrypto key is what the secret's text gives", async () => {
  const options = { issuedAt: 1_700_000_000 }
  expect(await createTokenAsync(await importHmac(), "ann", options)).toBe(createToken(secret, "ann", options))
})

describe("nothing is signed", () => {
  const refused: [string, () => SigningKey | Promise<SigningKey>][] = [
    ["with a public key in PEM", () => pairs.ES256.publicKey.export({ format: "pem", type: "spki" }).toString()],
    ["with a public KeyObject", () => pairs.EdDSA.publicKey as unknown as SigningKey],
    ["with a secret KeyObject", () => createSecretKey(Buffer.from(secret)) as unknown as SigningKey],
    ["with a key on another curve", () => pemOf(generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey)],
    ["with an RSA key", () => pemOf(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey)],
    ["with an older form of PEM", () => pairs.ES256.privateKey.export({ format: "pem", type: "sec1" }).toString()],
    ["with PEM that holds something else", () => pemOf(pairs.ES256.privateKey).replace(/\n\w/, "\n!")],
    ["with a WebCrypto key for another hash", () => importHmac("SHA-512")],
    ["with a WebCrypto key that may not sign", () => importHmac("SHA-256", secret, ["verify"])],
    ["with a short WebCrypto key", () => importHmac("SHA-256", "short")],
    ["with an object", () => ({}) as SigningKey],
    ["with null", () => null as unknown as SigningKey],
  ]
  test.each(refused)("%s", async (_name, make) => {
    const key = await make()
    await expect(createTokenAsync(key, "ann")).rejects.toBeInstanceOf(TypeError)
    expect(() => createWeirServer({ apiKey: "a1b2c3d4e5f6", apiSecret: key })).toThrow(TypeError)
  })

  test("in a browser, with a key either", async () => {
    const global = globalThis as Record<string, unknown>
    const key = await importHmac()
    global.window = {}
    global.document = {}
    try {
      await expect(createTokenAsync(key, "ann")).rejects.toThrow("browser")
    } finally {
      delete global.window
      delete global.document
    }
  })
})

describe("a backend with a pair", () => {
  const options = { apiKey: "a1b2c3d4e5f6", apiSecret: pairs.EdDSA.privateKey, kid: "k1" }

  test("names the pair in its tokens", async () => {
    const weir = createWeirServer(options)
    for (const token of [weir.createToken("ann"), await weir.createTokenAsync("ann")]) {
      expect(JSON.parse(atob(token.split(".")[0] as string))).toEqual({ alg: "EdDSA", typ: "JWT", kid: "k1" })
    }
  })

  test("cannot prove itself by what needs a secret's text", () => {
    for (const auth of ["signature", "basic"] as const) {
      for (const apiSecret of [options.apiSecret, pemOf(pairs.ES256.privateKey)]) {
        expect(() => createWeirServer({ ...options, apiSecret, auth, baseUrl: "https://x.example" })).toThrow(TypeError)
      }
    }
  })

  test("reads webhooks with the secret that they are signed with", async () => {
    const body = '{"type":"message.new"}'
    const mac = new Bun.CryptoHasher("sha256", secret).update(body).digest("hex")
    expect(createWeirServer({ ...options, webhookSecret: secret }).verifyWebhook(body, mac)).toBe(true)
    const bare = createWeirServer(options)
    expect(() => bare.verifyWebhook(body, mac)).toThrow(TypeError)
    await expect(bare.verifyWebhookAsync(body, mac)).rejects.toBeInstanceOf(TypeError)
    await expect(bare.readWebhook(body, mac)).rejects.toBeInstanceOf(TypeError)
  })
})

test.each([
  ["https://weir.example", true],
  ["http://localhost:3030", true],
  ["http://127.8.0.1:3030", true],
  ["http://[::1]:3030", true],
  ["http://weir.example", false],
  ["http://127.0.0.1.evil.example", false],
  ["http://10.0.0.1", false],
])("key and secret themselves travel to %s: %p", (baseUrl, isAllowed) => {
  const make = () => createWeirServer({ apiKey: "a1b2c3d4e5f6", apiSecret: secret, auth: "basic", baseUrl })
  if (isAllowed) expect(make).not.toThrow()
  else expect(make).toThrow("https")
})

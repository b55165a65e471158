// What is signed, and how it is written. The reference values are Standard Webhooks' own, so that agreement is with the
// world and not with ourselves; contract/vectors/webhooks asks more, of receivers in any language.

import { describe, expect, test } from "bun:test"
import { createHash, createHmac, createPublicKey, verify } from "node:crypto"
import { Webhook } from "standardwebhooks"
import type { HookSecret, HookSigner } from "./hook.ts"
import { newHookSecret, type Signed, signatureHeaders } from "./sign.ts"

const hmac = (secret: string): HookSecret => ({ id: "a", alg: "hmac", secret })
const ed25519 = (secret: string): HookSecret => ({ id: "b", alg: "ed25519", secret })
const api = { apiKey: "a1b2c3d4e5f6", secret: "0123456789abcdefghijklmnopqrstuv" }

const delivery = (signer: Partial<HookSigner>, parts: Partial<Signed> = {}): Signed => ({
  signer: { api: null, own: [], ...signer },
  webhookId: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  attempt: 1,
  body: '{"test": 2432232314}',
  ...parts,
})

const reference = {
  atMs: 1_614_265_330_000,
  hmac: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  v1: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  ed25519: "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
  v1a: "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
} as const

describe("Standard Webhooks", () => {
  test("case 60: v1 and v1a are byte-exact with the reference vectors", async () => {
    expect(await signatureHeaders(delivery({ own: [hmac(reference.hmac)] }), reference.atMs)).toEqual({
      "x-webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "x-webhook-attempt": "1",
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": reference.v1,
    })
    const headers = await signatureHeaders(delivery({ own: [ed25519(reference.ed25519)] }), reference.atMs)
    expect(headers["webhook-signature"]).toBe(reference.v1a)
  })

  test("case 60: a rotation signs with each secret, in their order and with one space between", async () => {
    const second = newHookSecret("hmac").secret
    const own = [hmac(second), ed25519(reference.ed25519), hmac(reference.hmac)]
    const headers = await signatureHeaders(delivery({ own }), reference.atMs)
    const given = headers["webhook-signature"]?.split(" ") ?? []
    expect(given).toHaveLength(3)
    expect(given.slice(1)).toEqual([reference.v1a, reference.v1])
    expect(given[0]).toBe(
      new Webhook(second).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", new Date(reference.atMs), '{"test": 2432232314}'),
    )
  })

  // The library itself, against its own clock: what is sent now is accepted now, by the old secret and by the new one.
  test("the standardwebhooks library accepts what is signed, with either secret of a rotation", async () => {
    const [newer, older] = [newHookSecret("hmac").secret, newHookSecret("hmac").secret]
    const body = '{"type":"message.new","text":"grüezi 👋"}'
    const headers = await signatureHeaders(delivery({ api, own: [hmac(newer), hmac(older)] }, { body }), Date.now())
    for (const secret of [newer, older]) expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body))
    expect(() => new Webhook(newer).verify(body.replace("grüezi", "hello"), headers)).toThrow()
    expect(() => new Webhook(newHookSecret("hmac").secret).verify(body, headers)).toThrow()
  })

  test("the time is in whole seconds, cut and not rounded", async () => {
    const at = async (nowMs: number) =>
      (await signatureHeaders(delivery({ own: [hmac(reference.hmac)] }), nowMs))["webhook-timestamp"]
    expect(await Promise.all([1_614_265_330_000, 1_614_265_330_999, 1_614_265_331_000].map(at))).toEqual([
      "1614265330",
      "1614265330",
      "1614265331",
    ])
  })

  test("without a secret of the hook there is no unsigned time", async () => {
    expect(Object.keys(await signatureHeaders(delivery({ api }), reference.atMs)).sort()).toEqual([
      "x-api-key",
      "x-signature",
      "x-webhook-attempt",
      "x-webhook-id",
    ])
  })
})

describe("the documented scheme", () => {
  test("is the hex HMAC-SHA256 of the body's UTF-8 under the API secret", async () => {
    const body = '{"type":"message.new","text":"grüezi 👋"}'
    const headers = await signatureHeaders(delivery({ api }, { body, attempt: 7 }), reference.atMs)
    expect(headers).toEqual({
      "x-webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "x-webhook-attempt": "7",
      "x-api-key": api.apiKey,
      "x-signature": createHmac("sha256", api.secret).update(body, "utf8").digest("hex"),
    })
    expect(headers["x-signature"]).toMatch(/^[0-9a-f]{64}$/)
  })

  test("is absent where the app has only key pairs", async () => {
    const headers = await signatureHeaders(delivery({ own: [hmac(reference.hmac)] }), reference.atMs)
    expect(headers).not.toHaveProperty("x-signature")
    expect(headers).not.toHaveProperty("x-api-key")
  })
})

describe("new secrets", () => {
  test("of an HMAC are 32 random bytes", () => {
    const { secret, publicKey } = newHookSecret("hmac")
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(publicKey).toBeNull()
    expect(newHookSecret("hmac").secret).not.toBe(secret)
  })

  test("of Ed25519 are a pair: what the private key signs, the public key verifies", async () => {
    const { secret, publicKey } = newHookSecret("ed25519")
    const pair = Buffer.from(secret.slice("whsk_".length), "base64")
    const point = Buffer.from((publicKey as string).slice("whpk_".length), "base64")
    expect([pair.length, point.length]).toEqual([64, 32])
    expect(pair.subarray(32).equals(point)).toBe(true)
    const headers = await signatureHeaders(delivery({ own: [ed25519(secret)] }), reference.atMs)
    const signature = Buffer.from((headers["webhook-signature"] as string).slice("v1a,".length), "base64")
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") },
      format: "jwk",
    })
    const signed = Buffer.from('msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}')
    expect(verify(null, signed, key, signature)).toBe(true)
    expect(verify(null, Buffer.concat([signed, Buffer.of(32)]), key, signature)).toBe(false)
  })
})

describe("refused", () => {
  test.each(["", "msg.1", "msg 1", "msg_1\n", "msg_ü", "m".repeat(256)])("the id %j", async (webhookId) => {
    await expect(signatureHeaders(delivery({ api }, { webhookId }), reference.atMs)).rejects.toThrow(RangeError)
  })

  const short = createHash("sha256").update("x").digest().subarray(0, 23).toString("base64")
  test.each([
    ["an HMAC secret without prefix", hmac(reference.hmac.slice(6))],
    ["an HMAC secret that is too short", hmac(`whsec_${short}`)],
    ["an HMAC secret that is too long", hmac(`whsec_${Buffer.alloc(65, 1).toString("base64")}`)],
    ["an HMAC secret in base64url", hmac(`whsec_${Buffer.alloc(32, 255).toString("base64url")}`)],
    ["an HMAC secret that is a key pair", hmac(reference.ed25519)],
    ["a key pair that is an HMAC secret", ed25519(reference.hmac)],
    ["a key pair that is only a seed", ed25519(`whsk_${Buffer.alloc(32, 1).toString("base64")}`)],
    ["an empty secret", hmac("")],
  ])("%s, also when the key is ready under the right name, and nothing of it is said", async (_, secret) => {
    await signatureHeaders(delivery({ own: [hmac(reference.hmac), ed25519(reference.ed25519)] }), reference.atMs)
    let message = ""
    try {
      await signatureHeaders(delivery({ own: [secret] }), reference.atMs)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
      message = (error as Error).message
    }
    expect(message).not.toBe("")
    if (secret.secret !== "") expect(message).not.toContain(secret.secret.slice(6, 20))
  })
})

// What proves that a delivery is Weir's, in two schemes side by side. The documented one is the hex HMAC-SHA256 of the
// body under the API secret (auth.md §7.4). It holds no time, so nothing in it ends a replay; Standard Webhooks does:
// there the id, the time and the body are signed together, by each of the hook's own secrets, so that receivers go on
// through a rotation. Both cover the JSON before compression, whatever travels.

import {
  createHmac,
  createPrivateKey,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto"
import { createLru } from "../../base/lru.ts"
import type { HookDelivery, HookSecret } from "./hook.ts"

/** Bounds of Standard Webhooks («Signature scheme») for the key of an HMAC. */
const hmacKeyBytesMin = 24
const hmacKeyBytesMax = 64
/** Of a new HMAC secret: as long as its hash, beyond which nothing is gained. */
const hmacKeyBytes = 32
const seedBytes = 32
/** A private key as it is written: the seed (RFC 8032 §5.1.5) and the public key. */
const keyPairBytes = 64
/** Keys that are kept ready: to import an Ed25519 key costs as much as to sign with it. */
const keysReadyMax = 4_096
/** PKCS #8 of an Ed25519 key up to its seed (RFC 8410 §7). */
const pkcs8Head = Buffer.from("302e020100300506032b657004220420", "hex")

/** What is signed, and by what: of a delivery, or of a question, which is no delivery. */
export type Signed = Pick<HookDelivery, "signer" | "webhookId" | "attempt" | "body">

/**
 * The headers that sign it, by their lower-case names; the time that is signed is `nowMs` (milliseconds since 1970) in
 * whole seconds. `x-signature` and `x-api-key` are there when the app has an API secret, the three of Standard Webhooks
 * when the hook has a secret of its own: without a signature the time would be a claim that nobody can check.
 * Rejects with RangeError for an id that Standard Webhooks forbids (a full stop in it would make two readings of what is
 * signed) and for a secret that is none; the message holds nothing of the secret.
 */
export async function signatureHeaders(
  { signer, webhookId, attempt, body }: Signed,
  nowMs: number,
): Promise<Record<string, string>> {
  if (!/^[\w-]{1,255}$/.test(webhookId)) throw new RangeError("a webhook id holds letters, digits, _ and - only")
  const headers: Record<string, string> = { "x-webhook-id": webhookId, "x-webhook-attempt": String(attempt) }
  if (signer.api !== null) {
    headers["x-signature"] = appSignature(signer.api.secret, body)
    headers["x-api-key"] = signer.api.apiKey
  }
  if (signer.own.length > 0) {
    const timestamp = String(Math.floor(nowMs / 1000))
    const signed = Buffer.from(`${webhookId}.${timestamp}.${body}`)
    headers["webhook-id"] = webhookId
    headers["webhook-timestamp"] = timestamp
    headers["webhook-signature"] = (await Promise.all(signer.own.map((own) => signatureOf(own, signed)))).join(" ")
  }
  return headers
}

/**
 * A new secret of a hook, in the spelling of Standard Webhooks: `whsec_` and 32 random bytes, or `whsk_` with an Ed25519
 * key pair and `whpk_` with its public key, each in base64. `publicKey` is null for an HMAC, which has none.
 */
export function newHookSecret(alg: HookSecret["alg"]): { secret: string; publicKey: string | null } {
  if (alg === "hmac") return { secret: `whsec_${randomBytes(hmacKeyBytes).toString("base64")}`, publicKey: null }
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })
  const publicKey = Buffer.from(x as string, "base64url")
  const pair = Buffer.concat([Buffer.from(d as string, "base64url"), publicKey])
  return { secret: `whsk_${pair.toString("base64")}`, publicKey: `whpk_${publicKey.toString("base64")}` }
}

let lastSigned: { readonly secret: string; readonly body: string; readonly signature: string } | null = null

/**
 * The same for every hook that hears of an event, and they are sent one after the other: to keep it takes a third off
 * what signing for ten hooks costs, and adds nothing for one.
 */
function appSignature(secret: string, body: string): string {
  if (lastSigned === null || lastSigned.body !== body || lastSigned.secret !== secret) {
    lastSigned = { secret, body, signature: createHmac("sha256", secret).update(body).digest("hex") }
  }
  return lastSigned.signature
}

async function signatureOf(secret: HookSecret, signed: Buffer): Promise<string> {
  const key = keyOf(secret)
  return secret.alg === "hmac"
    ? `v1,${createHmac("sha256", key).update(signed).digest("base64")}`
    : `v1a,${(await signEd25519(signed, key)).toString("base64")}`
}

/** On another thread: it takes ten times as long as an HMAC, and whoever sends a message would wait for all of it. */
const signEd25519 = (signed: Buffer, key: KeyObject): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    sign(null, signed, key, (error, signature) => (error === null ? resolve(signature) : reject(error)))
  })

// By the secret itself and not by its id: whatever ids come to mean, no delivery is signed with another hook's key.
const keysReady = createLru<KeyObject>(keysReadyMax)

function keyOf(secret: HookSecret): KeyObject {
  const ready = keysReady.get(secret.secret)
  // The text begins with its algorithm, so one that is found under the wrong name is refused below.
  if (ready !== undefined && (ready.type === "secret") === (secret.alg === "hmac")) return ready
  const key = secret.alg === "hmac" ? hmacKeyOf(secret.secret) : privateKeyOf(secret.secret)
  keysReady.set(secret.secret, key)
  return key
}

function hmacKeyOf(text: string): KeyObject {
  const bytes = bytesAfter("whsec_", text)
  if (bytes === null || bytes.length < hmacKeyBytesMin || bytes.length > hmacKeyBytesMax) {
    throw new RangeError(`an HMAC secret is whsec_ and base64 of ${hmacKeyBytesMin} to ${hmacKeyBytesMax} bytes`)
  }
  return createSecretKey(bytes)
}

function privateKeyOf(text: string): KeyObject {
  const bytes = bytesAfter("whsk_", text)
  if (bytes === null || bytes.length !== keyPairBytes) {
    throw new RangeError(`an Ed25519 secret is whsk_ and base64 of ${keyPairBytes} bytes`)
  }
  const der = Buffer.concat([pkcs8Head, bytes.subarray(0, seedBytes)])
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" })
}

/** The bytes behind a prefix; null for another prefix and for what is not base64 in its one spelling. */
function bytesAfter(prefix: string, text: string): Buffer | null {
  if (!text.startsWith(prefix)) return null
  const bytes = Buffer.from(text.slice(prefix.length), "base64")
  return bytes.toString("base64") === text.slice(prefix.length) ? bytes : null
}

// An authenticator in software (WebAuthn Level 3): makes passkeys and proves them, also in ways that no good one would.

import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"

export interface Authenticator {
  /** Answers `navigator.credentials.create` (§5.1.3). */
  create(options: CreationOptions, origin: string, flaws?: Flaws): object
  /** Answers `navigator.credentials.get` (§5.1.4). */
  get(options: RequestOptions, origin: string, flaws?: Flaws): object
}

interface CreationOptions {
  readonly challenge: string
  readonly rp: { readonly id: string }
}
interface RequestOptions {
  readonly challenge: string
  readonly rpId: string
}

export interface Flaws {
  /** It did not ask for a PIN, finger or face. */
  readonly isUnverified?: boolean
  /** Sets the signature counter, as a copy of the authenticator would have it. */
  readonly counter?: number
  readonly rpId?: string
  readonly challenge?: string
  /** Signs with another key. */
  readonly isForged?: boolean
}

const userPresent = 0x01
const userVerified = 0x04
const attestedData = 0x40

export function createAuthenticator(): Authenticator {
  const credentialId = randomBytes(16)
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const stranger = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  let counter = 0
  const authData = (rpId: string, flags: number, flaws: Flaws, more: Buffer = Buffer.alloc(0)): Buffer => {
    counter = flaws.counter ?? counter + 1
    const count = Buffer.alloc(4)
    count.writeUInt32BE(counter)
    const verified = flaws.isUnverified === true ? 0 : userVerified
    return Buffer.concat([sha256(flaws.rpId ?? rpId), Buffer.of(flags | userPresent | verified), count, more])
  }
  const clientData = (type: string, challenge: string, origin: string): Buffer =>
    Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }))
  const id = credentialId.toString("base64url")
  return {
    create({ challenge, rp }, origin, flaws = {}) {
      const credential = Buffer.concat([
        Buffer.alloc(16),
        Buffer.of(0, credentialId.length),
        credentialId,
        coseKey(publicKey),
      ])
      const object = map([
        [text("fmt"), text("none")],
        [text("attStmt"), map([])],
        [text("authData"), bytes(authData(rp.id, attestedData, flaws, credential))],
      ])
      const response = {
        clientDataJSON: clientData("webauthn.create", flaws.challenge ?? challenge, origin).toString("base64url"),
        attestationObject: object.toString("base64url"),
        transports: ["internal"],
      }
      return { id, rawId: id, type: "public-key", clientExtensionResults: {}, response }
    },
    get({ challenge, rpId }, origin, flaws = {}) {
      const data = authData(rpId, 0, flaws)
      const client = clientData("webauthn.get", flaws.challenge ?? challenge, origin)
      const signed = Buffer.concat([data, createHash("sha256").update(client).digest()])
      const signature = sign("sha256", signed, flaws.isForged === true ? stranger : privateKey)
      const response = {
        clientDataJSON: client.toString("base64url"),
        authenticatorData: data.toString("base64url"),
        signature: signature.toString("base64url"),
      }
      return { id, rawId: id, type: "public-key", clientExtensionResults: {}, response }
    },
  }
}

const sha256 = (value: string): Buffer => createHash("sha256").update(value).digest()

/** An ES256 key as COSE has it (RFC 9053 §7.1). */
function coseKey(key: KeyObject): Buffer {
  const { x = "", y = "" } = key.export({ format: "jwk" })
  return map([
    [Buffer.of(0x01), Buffer.of(0x02)],
    [Buffer.of(0x03), Buffer.of(0x26)],
    [Buffer.of(0x20), Buffer.of(0x01)],
    [Buffer.of(0x21), bytes(Buffer.from(x, "base64url"))],
    [Buffer.of(0x22), bytes(Buffer.from(y, "base64url"))],
  ])
}

// CBOR (RFC 8949 §3.1): as much of it as the above needs.
function head(major: number, length: number): Buffer {
  if (length < 24) return Buffer.of((major << 5) | length)
  if (length < 256) return Buffer.of((major << 5) | 24, length)
  return Buffer.of((major << 5) | 25, length >> 8, length & 255)
}
const bytes = (value: Buffer): Buffer => Buffer.concat([head(2, value.length), value])
const text = (value: string): Buffer => Buffer.concat([head(3, value.length), Buffer.from(value)])
const map = (entries: readonly (readonly [Buffer, Buffer])[]): Buffer =>
  Buffer.concat([head(5, entries.length), ...entries.flat()])

// Sealing: how secrets lie in the database. AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce for every value,
// under a key that is derived from the master key. The associated data names the row that a value belongs to, so
// that whoever can write to the database cannot move one app's secret into another app's row.
//
// Random nonces are safe for 2^32 values under one key (SP 800-38D §8.3); a deployment seals a few values per API key.

import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject, randomBytes } from "node:crypto"

/** The deployment's master key. An opaque object, so that printing it shows nothing. Made by importMasterKey. */
export type MasterKey = KeyObject

export const masterKeyBytes = 32
/** Longest text that can be sealed: API secrets and webhook secrets are far below. */
export const sealedTextBytesMax = 64 * 1024

const sealVersion = "v1"
const nonceBytes = 12
const tagBytes = 16
/** Version, nonce and the base64url of the longest text with its tag. */
const sealedCharsMax = 32 + Math.ceil(((sealedTextBytesMax + tagBytes) * 4) / 3)

/**
 * A sealed value did not open: it was changed, belongs to another row, or another master key sealed it. Which of
 * these it was cannot be told apart, and the message holds nothing of the value.
 */
export class SealError extends Error {
  override readonly name = "SealError"
}

/** Wraps 32 raw bytes as a master key. Throws RangeError on any other length. */
export function importMasterKey(bytes: Uint8Array): MasterKey {
  if (bytes.byteLength !== masterKeyBytes) {
    throw new RangeError(`a master key has ${masterKeyBytes} bytes, this one has ${bytes.byteLength}`)
  }
  return createSecretKey(Buffer.from(bytes))
}

/**
 * Reads a master key from text: 32 bytes as 64 hexadecimal digits or as 43 characters of base64url (one trailing `=`
 * is accepted). Null when the text is neither. The two forms differ in length, so no text can be both.
 */
export function parseMasterKey(text: string): MasterKey | null {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return importMasterKey(Buffer.from(text, "hex"))
  const unpadded = text.endsWith("=") ? text.slice(0, -1) : text
  if (!/^[\w-]{43}$/.test(unpadded)) return null
  const bytes = Buffer.from(unpadded, "base64url")
  // Two unused bits end the text; other values of them would give one key several spellings, or hide a typing error.
  return bytes.toString("base64url") === unpadded ? importMasterKey(bytes) : null
}

/** A new random master key as 64 hexadecimal digits, the form that parseMasterKey reads. */
export const generateMasterKeyText = (): string => randomBytes(masterKeyBytes).toString("hex")

/**
 * The associated data of a sealed value: what kind of value it is and which row it belongs to, such as
 * `sealContext("api-secret", appId, apiKey)`. JSON keeps the parts apart: ("a", "bc") and ("ab", "c") differ.
 */
export const sealContext = (kind: string, ...row: readonly (string | number)[]): string =>
  JSON.stringify([kind, ...row])

/**
 * Seals a text as `v1.<nonce>.<ciphertext and tag>`, both parts base64url. Two calls never give the same value.
 * Throws RangeError when the text is longer than sealedTextBytesMax.
 */
export function seal(masterKey: MasterKey, plaintext: string, context: string): string {
  const text = Buffer.from(plaintext, "utf8")
  if (text.byteLength > sealedTextBytesMax)
    throw new RangeError(`a sealed text has at most ${sealedTextBytesMax} bytes`)
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv("aes-256-gcm", sealingKey(masterKey), nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(context, "utf8"))
  const body = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()])
  return `${sealVersion}.${nonce.toString("base64url")}.${body.toString("base64url")}`
}

/** Opens what seal() made with the same key and context. Throws SealError in every other case. */
export function open(masterKey: MasterKey, sealed: string, context: string): string {
  const { nonce, ciphertext, tag } = splitSealed(sealed)
  try {
    const decipher = createDecipheriv("aes-256-gcm", sealingKey(masterKey), nonce, { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(context, "utf8"))
    decipher.setAuthTag(tag)
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8")
  } catch {
    throw new SealError("a sealed value does not open with this master key and context")
  }
}

/**
 * A public value that tells whether two nodes have the same master key, without telling anything about the key. It
 * is stored at the first start, and a node whose own value differs must stop: it could open none of the secrets.
 */
export const keyCheckValue = (masterKey: MasterKey): string =>
  deriveBytes(masterKey, "weir master key check v1").subarray(0, 16).toString("base64url")

function splitSealed(sealed: string): { nonce: Buffer; ciphertext: Buffer; tag: Buffer } {
  const parts = sealed.length <= sealedCharsMax ? sealed.split(".") : []
  const [version, nonceText, bodyText] = parts
  if (parts.length !== 3 || version !== sealVersion || nonceText === undefined || bodyText === undefined) {
    throw new SealError("a sealed value does not have the form v1.<nonce>.<ciphertext>")
  }
  const nonce = Buffer.from(nonceText, "base64url")
  const body = Buffer.from(bodyText, "base64url")
  if (nonce.byteLength !== nonceBytes || body.byteLength < tagBytes) {
    throw new SealError("a sealed value is cut short")
  }
  return {
    nonce,
    ciphertext: body.subarray(0, body.byteLength - tagBytes),
    tag: body.subarray(body.byteLength - tagBytes),
  }
}

// The master key itself encrypts nothing. Each use has a key of its own, so that the public check value and the
// ciphertexts say nothing about each other. One block of HKDF-Expand (RFC 5869 §2.3): the master key is uniform.
const deriveBytes = (masterKey: MasterKey, label: string): Buffer =>
  createHmac("sha256", masterKey).update(label).update(Buffer.of(1)).digest()

const sealingKey = (masterKey: MasterKey): Buffer => deriveBytes(masterKey, "weir seal v1")

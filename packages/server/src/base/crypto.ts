// Sealing: how secrets lie in the database. AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce for every value,
// under a key that is derived from a master key. The associated data names the row that a value belongs to, so that
// whoever can write to the database cannot move one app's secret into another app's row.
//
// A deployment has a ring of master keys: the first one seals, and all of them open, so that one can take the place of
// another while nodes serve. Every sealed value names its key.
//
// Random nonces are safe for 2^32 values under one key (SP 800-38D §8.3); a deployment seals a few values per API key.

import { createCipheriv, createDecipheriv, createHmac, createSecretKey, type KeyObject, randomBytes } from "node:crypto"

/**
 * The deployment's master keys. The keys themselves are out of reach: printing the object, or turning it into JSON,
 * shows the ids, which are public. Made by importMasterKey, parseMasterKey and createReloadingMasterKey.
 */
export interface MasterKey {
  /** Id of the key that seals. */
  readonly currentId: string
  /** Ids of the keys that open, the one that seals first. */
  readonly ids: readonly string[]
}

export const masterKeyBytes = 32
/** Keys in one ring: two during a rotation, and room for rotations that were not finished. */
export const masterKeysMax = 8
/** Longest text that can be sealed: API secrets and webhook secrets are far below. */
export const sealedTextBytesMax = 64 * 1024
/** What sealed a value of the first form, which names no key. */
export const unnamedKeyId = ""

/** How often a ring is read again at most, whoever asks. */
const reloadEveryMsMin = 1_000
/** A key that left the ring still opens for so long: a row may have been read just before it was sealed anew. */
const leavingMs = 60_000
const nonceBytes = 12
const tagBytes = 16
const keyIdChars = 22
/** What every sealed value under a named key begins with: `v2.<key id>.`. */
const prefixChars = keyIdChars + 4
/** Prefix, nonce and the base64url of the longest text with its tag. */
const sealedCharsMax = prefixChars + 32 + Math.ceil(((sealedTextBytesMax + tagBytes) * 4) / 3)

/**
 * A sealed value did not open: it was changed, belongs to another row, or another master key sealed it. The message
 * holds nothing of the value but the id of its key.
 */
export class SealError extends Error {
  override readonly name = "SealError"
}

interface RingKey {
  readonly id: string
  readonly key: KeyObject
}

interface Ring {
  /** The one that seals first. */
  keys: readonly RingKey[]
  leaving: readonly (RingKey & { readonly untilMs: number })[]
  readonly source: {
    readonly read: () => MasterKey | null
    readonly monotonic: () => number
    readAtMs: number
  } | null
}

const rings = new WeakMap<MasterKey, Ring>()

/** Wraps 32 raw bytes as a ring of one key. Throws RangeError on any other length. */
export const importMasterKey = (bytes: Uint8Array): MasterKey => newRing([importKey(bytes)], null)

/**
 * Reads a ring from text: keys, the one that seals first, separated by commas with or without spaces. A key is 32 bytes
 * as 64 hexadecimal digits or as 43 characters of base64url (one trailing `=` is accepted); the two forms differ in
 * length, so no text can be both. Null when a key is neither, comes twice, or there are more than masterKeysMax.
 */
export function parseMasterKey(text: string): MasterKey | null {
  const keys = splitMasterKeys(text).map(parseKey)
  if (keys.length > masterKeysMax) return null
  const known = keys.filter((key) => key !== null)
  const isWhole = known.length === keys.length && new Set(known.map(({ id }) => id)).size === keys.length
  return isWhole ? newRing(known, null) : null
}

/** The single keys in the text of a ring, as they are spelt. */
export const splitMasterKeys = (text: string): string[] => text.split(/ *, */)

/** A new random master key as 64 hexadecimal digits, the form that parseMasterKey reads. */
export const generateMasterKeyText = (): string => randomBytes(masterKeyBytes).toString("hex")

/**
 * A ring that follows its source: when a value names a key that is not there, and whenever reloadMasterKey is called,
 * `read` is asked again, at most once a second. `read` answers null, and does not throw, while the source is
 * unreadable; the ring then stays as it is. `monotonic`: milliseconds that never go back.
 */
export function createReloadingMasterKey(
  first: MasterKey,
  read: () => MasterKey | null,
  monotonic: () => number = () => performance.now(),
): MasterKey {
  return newRing(ringOf(first).keys, { read, monotonic, readAtMs: Number.NEGATIVE_INFINITY })
}

/** What a reload found. `fixed`: the ring has no source; `early`: it was asked less than a second ago. */
export type Reload = "changed" | "same" | "unreadable" | "early" | "fixed"

/** Reads the ring's source again. */
export function reloadMasterKey(masterKey: MasterKey): Reload {
  const ring = ringOf(masterKey)
  const { source } = ring
  if (source === null) return "fixed"
  const nowMs = source.monotonic()
  if (nowMs - source.readAtMs < reloadEveryMsMin) return "early"
  source.readAtMs = nowMs
  const found = source.read()
  if (found === null) return "unreadable"
  const { keys } = ringOf(found)
  if (keys.length === ring.keys.length && keys.every(({ id }, index) => id === ring.keys[index]?.id)) return "same"
  const gone = ring.keys
    .filter(({ id }) => !found.ids.includes(id))
    .map((key) => ({ ...key, untilMs: nowMs + leavingMs }))
  ring.leaving = [...gone, ...ring.leaving.filter(({ untilMs }) => untilMs > nowMs)].slice(0, masterKeysMax)
  ring.keys = keys
  return "changed"
}

/**
 * The associated data of a sealed value: what kind of value it is and which row it belongs to, such as
 * `sealContext("api-secret", appId, apiKey)`. JSON keeps the parts apart: ("a", "bc") and ("ab", "c") differ.
 */
export const sealContext = (kind: string, ...row: readonly (string | number)[]): string =>
  JSON.stringify([kind, ...row])

/**
 * Seals a text as `v2.<key id>.<nonce>.<ciphertext and tag>`, the last two parts base64url. Two calls never give the
 * same value. Throws RangeError when the text is longer than sealedTextBytesMax.
 */
export function seal(masterKey: MasterKey, plaintext: string, context: string): string {
  const text = Buffer.from(plaintext, "utf8")
  if (text.byteLength > sealedTextBytesMax)
    throw new RangeError(`a sealed text has at most ${sealedTextBytesMax} bytes`)
  const [current] = ringOf(masterKey).keys as [RingKey]
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv("aes-256-gcm", sealingKey(current.key), nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(context, "utf8"))
  const body = Buffer.concat([cipher.update(text), cipher.final(), cipher.getAuthTag()])
  return `${sealedPrefix(current.id)}${nonce.toString("base64url")}.${body.toString("base64url")}`
}

/**
 * Opens what seal() made with a key of the ring and the same context, in this form or in the first one, which named no
 * key (`v1.<nonce>.<ciphertext and tag>`). Throws SealError in every other case.
 */
export function open(masterKey: MasterKey, sealed: string, context: string): string {
  const parts = splitSealed(sealed)
  const keys = keysFor(masterKey, parts.keyId)
  if (keys.length === 0) {
    throw new SealError(`a sealed value needs the master key ${parts.keyId}, which this node does not have`)
  }
  for (const { key } of keys) {
    const text = openWith(key, parts, context)
    if (text !== null) return text
  }
  throw new SealError("a sealed value does not open with this master key and context")
}

/** Id of the key that sealed a value; unnamedKeyId for the first form. Throws SealError when it is no sealed value. */
export const sealedKeyId = (sealed: string): string => splitSealed(sealed).keyId

/** What every value begins with that this key sealed, and no other value does. */
export const sealedPrefix = (keyId: string): string => `v2.${keyId}.`

/**
 * Id of the key that seals. Public: it tells whether two nodes have the same key, and nothing about the key. It is
 * stored at the first start, and a node whose ring does not hold that key must stop: it could open none of the secrets.
 */
export const keyCheckValue = (masterKey: MasterKey): string => masterKey.currentId

function newRing(keys: readonly RingKey[], source: Ring["source"]): MasterKey {
  const ring: Ring = { keys, leaving: [], source }
  const masterKey: MasterKey = Object.freeze({
    get currentId() {
      return (ring.keys[0] as RingKey).id
    },
    get ids() {
      return ring.keys.map(({ id }) => id)
    },
  })
  rings.set(masterKey, ring)
  return masterKey
}

function ringOf(masterKey: MasterKey): Ring {
  const ring = rings.get(masterKey)
  if (ring === undefined) throw new TypeError("not a master key")
  return ring
}

function importKey(bytes: Uint8Array): RingKey {
  if (bytes.byteLength !== masterKeyBytes) {
    throw new RangeError(`a master key has ${masterKeyBytes} bytes, this one has ${bytes.byteLength}`)
  }
  const key = createSecretKey(Buffer.from(bytes))
  return { id: deriveBytes(key, "weir master key check v1").subarray(0, 16).toString("base64url"), key }
}

function parseKey(text: string): RingKey | null {
  if (/^[0-9a-fA-F]{64}$/.test(text)) return importKey(Buffer.from(text, "hex"))
  const unpadded = text.endsWith("=") ? text.slice(0, -1) : text
  if (!/^[\w-]{43}$/.test(unpadded)) return null
  const bytes = Buffer.from(unpadded, "base64url")
  // Two unused bits end the text; other values of them would give one key several spellings, or hide a typing error.
  return bytes.toString("base64url") === unpadded ? importKey(bytes) : null
}

/** Keys that may have sealed a value. One that is not known may have come into the ring a moment ago. */
function keysFor(masterKey: MasterKey, keyId: string): readonly RingKey[] {
  const ring = ringOf(masterKey)
  const find = (): readonly RingKey[] => {
    const nowMs = ring.source?.monotonic() ?? 0
    const all = [...ring.keys, ...ring.leaving.filter(({ untilMs }) => untilMs > nowMs)]
    return keyId === unnamedKeyId ? all : all.filter(({ id }) => id === keyId)
  }
  const found = find()
  return found.length > 0 || reloadMasterKey(masterKey) !== "changed" ? found : find()
}

interface SealedParts {
  readonly keyId: string
  readonly nonce: Buffer
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

function openWith(key: KeyObject, { nonce, ciphertext, tag }: SealedParts, context: string): string | null {
  try {
    const decipher = createDecipheriv("aes-256-gcm", sealingKey(key), nonce, { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(context, "utf8"))
    decipher.setAuthTag(tag)
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8")
  } catch {
    return null
  }
}

const sealedForm = new RegExp(`^(?:v1|v2\\.([\\w-]{${keyIdChars}}))\\.([\\w-]+)\\.([\\w-]+)$`)

function splitSealed(sealed: string): SealedParts {
  const parts = sealed.length <= sealedCharsMax ? sealedForm.exec(sealed) : null
  if (parts === null) {
    throw new SealError("a sealed value does not have the form v2.<key id>.<nonce>.<ciphertext>")
  }
  const [, keyId = unnamedKeyId, nonceText = "", bodyText = ""] = parts
  const nonce = Buffer.from(nonceText, "base64url")
  const body = Buffer.from(bodyText, "base64url")
  if (nonce.byteLength !== nonceBytes || body.byteLength < tagBytes) {
    throw new SealError("a sealed value is cut short")
  }
  return {
    keyId,
    nonce,
    ciphertext: body.subarray(0, body.byteLength - tagBytes),
    tag: body.subarray(body.byteLength - tagBytes),
  }
}

// The master key itself encrypts nothing. Each use has a key of its own, so that the public check value and the
// ciphertexts say nothing about each other. One block of HKDF-Expand (RFC 5869 §2.3): the master key is uniform.
const deriveBytes = (key: KeyObject, label: string): Buffer =>
  createHmac("sha256", key).update(label).update(Buffer.of(1)).digest()

const sealingKey = (key: KeyObject): Buffer => deriveBytes(key, "weir seal v1")

import { createPublicKey, generateKeyPairSync, type KeyObject, timingSafeEqual } from "node:crypto"
import { inputError } from "@weir/protocol"
import { importPublicKey } from "../../authenticate/public-key.ts"
import { importSecret, type TokenAlgorithm, type VerificationKey } from "../../authenticate/token.ts"
import { type MasterKey, open, SealError, seal, sealContext } from "../../base/crypto.ts"
import { randomId } from "../../base/ids.ts"
import { generatePrefixedSecret, isPrefixedSecret, secretPrefix } from "../../base/secret-format.ts"
import type { SecretUsage } from "../sessions/index.ts"
import { limits } from "./limits.ts"
import type { ApiKeyRow, SecretRow, SecretState } from "./store.ts"

/** A key with its first secret; `secret` is the only place where the plain text ever stands. */
export interface NewKey {
  readonly key: ApiKeyRow
  readonly secretRow: SecretRow
  readonly secret: string
}

/** Makes a key; a given secret is kept, so that credentials from the environment or from elsewhere work. */
export function newKey(
  masterKey: MasterKey,
  appId: number,
  label: string,
  now: number,
  createdBy: string,
  given?: { apiKey: string; apiSecret: string } | null,
): NewKey {
  const apiKey = given?.apiKey ?? randomId(limits.apiKeyChars)
  const input: SecretInput = given ? { state: "active", value: given.apiSecret } : { state: "active" }
  const { row, value } = newSecret(masterKey, { appId, apiKey }, input, now, createdBy)
  return {
    key: { api_key: apiKey, app_id: appId, label, disabled: 0, created_at: now },
    secretRow: row,
    secret: value ?? given?.apiSecret ?? "",
  }
}

export interface SecretInput {
  readonly label?: string
  readonly alg?: TokenAlgorithm
  readonly state?: "standby" | "active"
  readonly value?: string
  readonly kid?: string
  readonly prefixed?: boolean
  readonly public_key?: string | Readonly<Record<string, unknown>>
}

/**
 * Makes a secret as described. `value` is what is shown this once; null when it came from outside. Throws inputError
 * for what does not go together, is too weak, or is no public key.
 */
export function newSecret(
  masterKey: MasterKey,
  { appId, apiKey }: { readonly appId: number; readonly apiKey: string },
  input: SecretInput,
  now: number,
  createdBy: string,
): { readonly row: SecretRow; readonly value: string | null } {
  const alg = input.alg ?? "HS256"
  const kid = input.kid ?? randomId(limits.kidChars)
  const { kept, shown } = alg === "HS256" ? sharedSecret(input) : keyPair(alg, input)
  return {
    row: {
      api_key: apiKey,
      kid,
      app_id: appId,
      sealed: seal(masterKey, kept, secretContext(appId, apiKey, kid)),
      alg,
      state: input.state ?? "standby",
      label: input.label ?? "",
      created_by: createdBy,
      imported: input.value === undefined ? 0 : 1,
      created_at: now,
      state_since: now,
    },
    value: shown,
  }
}

function sharedSecret({ value, prefixed, public_key }: SecretInput): { kept: string; shown: string | null } {
  if (public_key !== undefined) {
    throw inputError("public_key goes with ES256 and EdDSA; an HS256 secret is shared", { public_key: "not for HS256" })
  }
  if (value === undefined) {
    const made = prefixed === true ? generatePrefixedSecret() : randomId(limits.secretChars)
    return { kept: made, shown: made }
  }
  if (prefixed !== undefined)
    throw inputError("prefixed is for secrets that are made here", { prefixed: "not with value" })
  if (value.startsWith(secretPrefix) && !isPrefixedSecret(value)) {
    throw inputError("value has the prefix of a secret of this server and a wrong checksum", { value: "is mistyped" })
  }
  try {
    importSecret(value)
  } catch (error) {
    throw inputError((error as RangeError).message, { value: (error as RangeError).message })
  }
  return { kept: value, shown: null }
}

function keyPair(
  alg: Exclude<TokenAlgorithm, "HS256">,
  { value, prefixed, public_key }: SecretInput,
): { kept: string; shown: string | null } {
  if (value !== undefined)
    throw inputError(`value goes with HS256; ${alg} takes public_key`, { value: `not for ${alg}` })
  if (prefixed !== undefined) throw inputError("prefixed goes with HS256", { prefixed: `not for ${alg}` })
  if (public_key !== undefined) return { kept: spkiOf(importPublicKey(alg, public_key)), shown: null }
  const pair = alg === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519")
  return { kept: spkiOf(pair.publicKey), shown: pair.privateKey.export({ format: "pem", type: "pkcs8" }).toString() }
}

const spkiOf = (key: KeyObject): string => key.export({ format: "pem", type: "spki" }).toString()

/** The place that a sealed secret belongs to: moved into another row it does not open. */
export const secretContext = (appId: number, apiKey: string, kid: string): string =>
  sealContext("api-secret", appId, apiKey, kid)

/** A secret opened, as the gate verifies with it. Throws SealError for a damaged or moved row. */
export function verificationKey(masterKey: MasterKey, row: SecretRow): VerificationKey {
  const kept = keptText(masterKey, row)
  return {
    kid: row.kid,
    alg: row.alg,
    key: row.alg === "HS256" ? importSecret(kept) : createPublicKey(kept),
    state: row.state === "retiring" ? "retiring" : "active",
  }
}

const keptText = (masterKey: MasterKey, row: SecretRow): string =>
  open(masterKey, row.sealed, secretContext(row.app_id, row.api_key, row.kid))

/**
 * Those of `others` that are the same secret, or the same public key, as `row`. Told by opening them: nothing stands in
 * the database by which somebody who reads it could tell that two are the same. A row that does not open is like none.
 */
export function sameSecrets(masterKey: MasterKey, row: SecretRow, others: readonly SecretRow[]): SecretRow[] {
  const text = Buffer.from(keptText(masterKey, row))
  return others.filter((other) => {
    if (other.alg !== row.alg) return false
    try {
      const otherText = Buffer.from(keptText(masterKey, other))
      return otherText.byteLength === text.byteLength && timingSafeEqual(otherText, text)
    } catch (error) {
      if (error instanceof SealError) return false
      throw error
    }
  })
}

/** Whether tokens of a secret in this state are taken. */
export const verifies = (state: SecretState): boolean => state === "active" || state === "retiring"

/** What a new secret begins as unless told: at once of use where the key has none that is. */
export const firstState = (ofKey: readonly SecretRow[]): "standby" | "active" =>
  ofKey.some(({ state }) => verifies(state)) ? "standby" : "active"

const steps: Readonly<Record<SecretState, readonly SecretState[]>> = {
  standby: ["active", "revoked"],
  active: ["standby", "retiring", "revoked"],
  retiring: ["active", "revoked"],
  revoked: [],
}

/**
 * Whether a secret may take this step among the others of its key. standby, active and retiring go either way, one step
 * at a time; revoked is for good. Throws inputError: an active secret is not revoked without `force`, and neither that
 * nor anything else takes away the last one that verifies.
 */
export function requireStep(secret: SecretRow, to: SecretState, ofKey: readonly SecretRow[], force: boolean): void {
  const from = secret.state
  const wrong = (text: string) => inputError(text, { state: text })
  if (from === "revoked") throw wrong("a revoked secret stays revoked; add another one")
  if (from !== to && !steps[from].includes(to)) throw wrong(`a secret goes from ${from} to ${steps[from].join(" or ")}`)
  const others = ofKey.filter(({ kid, state }) => kid !== secret.kid && verifies(state))
  if (verifies(to) && !verifies(from) && others.length >= limits.verifyingSecretsPerKeyMax) {
    throw wrong(`at most ${limits.verifyingSecretsPerKeyMax} secrets of a key are active or retiring`)
  }
  if (force) return
  if (from === "active" && to === "revoked") {
    throw wrong("the secret is in use: make it retiring first, or send force=true")
  }
  if (verifies(from) && !verifies(to) && others.length === 0) {
    throw wrong("this is the last secret of the key that verifies: every token would end; send force=true to do it")
  }
}

/** Whether the end of a secret would be noticed by anybody, as far as the records go back. */
export interface CutOff {
  readonly tokens: number
  readonly users: number
  readonly safe: boolean
  readonly because: string
}

export function cutOffOf(
  usage: SecretUsage,
  unexpired: { readonly tokens: number; readonly users: number },
  longestLifeSeconds: number | null,
  now: number,
): CutOff {
  const { lastUsedAt } = usage
  if (lastUsedAt === null) return { ...unexpired, safe: true, because: "no use was seen" }
  const idleSeconds = Math.floor((now - lastUsedAt) / 1000)
  if (longestLifeSeconds !== null && idleSeconds > longestLifeSeconds) {
    return {
      ...unexpired,
      safe: true,
      because: `the last use was ${idleSeconds} s ago, and no token lives longer than ${longestLifeSeconds} s`,
    }
  }
  const bound =
    longestLifeSeconds === null
      ? "and the app's token policy bounds no token's life"
      : `and tokens live up to ${longestLifeSeconds} s`
  return { ...unexpired, safe: false, because: `the last use was ${idleSeconds} s ago, ${bound}` }
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

/** A secret as the management API lists it: nothing of its text, whole or in part. */
export const secretResponse = (row: SecretRow, usage: SecretUsage) => ({
  kid: row.kid,
  state: row.state,
  alg: row.alg,
  label: row.label,
  imported: row.imported === 1,
  created_by: row.created_by,
  created_at: new Date(row.created_at).toISOString(),
  state_since: new Date(row.state_since).toISOString(),
  last_used_at: iso(usage.lastUsedAt),
  last_client: usage.lastClient,
  last_address: usage.lastAddress,
  usage: {
    tokens: usage.tokens,
    users: usage.users,
    clients: [...usage.clients],
    by_client: usage.byClient.map(({ client, tokens, users, lastSeenAt }) => ({
      client,
      tokens,
      users,
      last_seen_at: new Date(lastSeenAt).toISOString(),
    })),
  },
})

/** A key as the management API lists it. */
export const keyResponse = (key: ApiKeyRow, secrets: readonly SecretRow[], usageOf: (kid: string) => SecretUsage) => ({
  api_key: key.api_key,
  label: key.label,
  disabled: key.disabled === 1,
  created_at: new Date(key.created_at).toISOString(),
  secrets: secrets.map((secret) => secretResponse(secret, usageOf(secret.kid))),
})

/** Public keys as a JWK Set (RFC 7517 §5): what others need to verify the tokens of a backend that signs with a pair. */
export function jwksOf(keys: readonly Pick<VerificationKey, "kid" | "alg" | "key">[]): { keys: object[] } {
  return {
    keys: keys.flatMap(({ kid, alg, key }) => {
      if (alg === "HS256") return []
      // Named one by one, so that no member that should stay here can slip out.
      const { kty, crv, x, y } = key.export({ format: "jwk" })
      return [{ kty, crv, x, ...(y === undefined ? {} : { y }), kid, alg, use: "sig" }]
    }),
  }
}

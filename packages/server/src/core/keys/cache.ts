// Keys as the gate needs them: with their app's switches, their secrets opened, and the tokens they have proved.

import type { KeyObject } from "node:crypto"
import type { KeyState, VerifiedToken } from "../../authenticate/authenticate.ts"
import type { VerificationKey } from "../../authenticate/token.ts"
import { type MasterKey, SealError } from "../../base/crypto.ts"
import { createLru } from "../../base/lru.ts"
import type { Cache, Caches } from "../../events/caches.ts"
import type { Read } from "../../store/database.ts"
import { appSettings, selectApp } from "../apps/index.ts"
import { limits } from "./limits.ts"
import { jwksOf, verificationKey } from "./rules.ts"
import { selectKey, selectSecrets, selectVerifying } from "./store.ts"

/** Key states by API key. An API key names one app in the whole deployment, so it may begin a cache key. */
export type KeyStates = Cache<KeyState>

export const createKeyStates = (caches: Caches, read: Read, masterKey: MasterKey): KeyStates =>
  caches.create<KeyState>({
    name: "keys",
    entriesMax: limits.keysCachedMax,
    async load(apiKey) {
      const key = await selectKey(read, apiKey)
      if (key === undefined) return null
      const app = await selectApp(read, key.app_id)
      if (app === undefined) return null
      const secrets = await selectVerifying(read, apiKey, limits.verifyingSecretsPerKeyMax)
      return {
        appId: app.id,
        apiKey,
        ...appSettings(app),
        disabled: key.disabled === 1,
        // A secret that does not open is a damaged or moved row, and stops the request.
        verificationKeys: secrets.map((secret) => verificationKey(masterKey, secret)),
        verified: createLru<VerifiedToken>(limits.verifiedTokensPerKeyMax),
      }
    },
  })

/** The secret that the server itself signs with for this key; null when the key has none that can be shared. */
export const signingKeyOf = (state: KeyState): VerificationKey | null =>
  state.verificationKeys.find(({ alg, state: of }) => alg === "HS256" && of === "active") ?? null

/** What is shared of an app's key with its backend. */
export interface SharedSecrets {
  /** HMAC secrets that are not revoked, newest first. */
  readonly keys: readonly KeyObject[]
  /** False: there are or were others, which are revoked, or which this node has not the master key for. */
  readonly isComplete: boolean
}

/** The HMAC secrets of an app's key, in whatever state but revoked; null when the app has no such key. */
export async function readSharedSecrets(
  read: Read,
  masterKey: MasterKey,
  appId: number,
  apiKey: string,
): Promise<SharedSecrets | null> {
  const key = await selectKey(read, apiKey)
  if (key === undefined || key.app_id !== appId) return null
  const rows = (await selectSecrets(read, [apiKey], limits.secretsPerKeyMax)).filter(({ alg }) => alg === "HS256")
  const keys = rows.flatMap((row) => {
    if (row.state === "revoked") return []
    try {
      return [verificationKey(masterKey, row).key]
    } catch (error) {
      if (error instanceof SealError) return []
      throw error
    }
  })
  return { keys, isComplete: keys.length === rows.length }
}

/** The JWK Set of a key as JSON text; null when there is no such key. Standby keys are in it: others cache it. */
export async function readJwks(read: Read, masterKey: MasterKey, apiKey: string): Promise<string | null> {
  const key = await selectKey(read, apiKey)
  if (key === undefined || key.disabled === 1) return null
  const secrets = await selectSecrets(read, [apiKey], limits.secretsPerKeyMax)
  const shown = secrets.filter(({ alg, state }) => alg !== "HS256" && state !== "revoked")
  return JSON.stringify(jwksOf(shown.map((secret) => verificationKey(masterKey, secret))))
}

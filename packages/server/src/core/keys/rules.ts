import { type MasterKey, seal, sealContext } from "../../base/crypto.ts"
import { randomId } from "../../base/ids.ts"
import { limits } from "./limits.ts"
import type { ApiKeyRow, SecretRow } from "./store.ts"

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
  given?: { apiKey: string; apiSecret: string } | null,
): NewKey {
  const apiKey = given?.apiKey ?? randomId(limits.apiKeyChars)
  const secret = given?.apiSecret ?? randomId(limits.secretChars)
  const kid = randomId(limits.apiKeyChars)
  return {
    key: { api_key: apiKey, app_id: appId, label, created_at: now },
    secretRow: {
      api_key: apiKey,
      kid,
      app_id: appId,
      sealed: seal(masterKey, secret, secretContext(appId, apiKey, kid)),
      alg: "HS256",
      state: "active",
      created_at: now,
    },
    secret,
  }
}

/** The place that a sealed secret belongs to: moved into another row it does not open. */
export const secretContext = (appId: number, apiKey: string, kid: string): string =>
  sealContext("api-secret", appId, apiKey, kid)

/** A key as the management API lists it: no secret, whole or in part. */
export const keyResponse = (key: ApiKeyRow, secrets: readonly SecretRow[]) => ({
  api_key: key.api_key,
  label: key.label,
  created_at: new Date(key.created_at).toISOString(),
  secrets: secrets.map((secret) => ({
    kid: secret.kid,
    state: secret.state,
    alg: secret.alg,
    created_at: new Date(secret.created_at).toISOString(),
  })),
})

// Keys as the gate needs them: with their app's switches, their secrets opened, and the tokens they have proved.

import type { KeyState } from "../../authenticate/authenticate.ts"
import type { TokenClaims } from "../../authenticate/claims.ts"
import { importSecret } from "../../authenticate/token.ts"
import { type MasterKey, open } from "../../base/crypto.ts"
import { createLru } from "../../base/lru.ts"
import type { Cache, Caches } from "../../events/caches.ts"
import type { Read } from "../../store/database.ts"
import { type AppRow, selectApp } from "../apps/index.ts"
import { limits } from "./limits.ts"
import { secretContext } from "./rules.ts"
import { type ApiKeyRow, type SecretRow, selectKey, selectSecrets } from "./store.ts"

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
      return keyState(app, key, await selectSecrets(read, [apiKey], limits.secretsPerKeyMax), masterKey)
    },
  })

/** Opens the secrets of a key. A secret that does not open is a damaged or moved row, and stops the request. */
function keyState(app: AppRow, key: ApiKeyRow, secrets: readonly SecretRow[], masterKey: MasterKey): KeyState {
  return {
    appId: app.id,
    apiKey: key.api_key,
    suspended: app.suspended === 1,
    revokeTokensIssuedBefore: app.revoke_tokens_issued_before,
    verificationKeys: secrets.map((secret) => ({
      kid: secret.kid,
      alg: secret.alg,
      key: importSecret(open(masterKey, secret.sealed, secretContext(app.id, key.api_key, secret.kid))),
    })),
    verified: createLru<TokenClaims>(limits.verifiedTokensPerKeyMax),
  }
}

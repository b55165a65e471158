import { inputError, notFoundError, keys as operations } from "@weir/protocol"
import type { MasterKey } from "../../base/crypto.ts"
import { type AdminRoute, adminRoute } from "../../request/route.ts"
import type { Read } from "../../store/database.ts"
import { type AppRow, selectApp } from "../apps/index.ts"
import { limits } from "./limits.ts"
import { keyResponse, newKey } from "./rules.ts"
import { insertKey, insertSecret, selectKeysOfApp, selectSecrets } from "./store.ts"

/** Keys in the management API. A new key needs no invalidation: an unknown key is not cached as known. */
export const keyRoutes = (parts: { masterKey: MasterKey; keyMade: (apiKey: string) => void }): AdminRoute[] => [
  adminRoute(operations.listKeys, async ({ input, read }) => {
    const app = await requireApp(read, input.path.app)
    const keys = await selectKeysOfApp(read, app.id, limits.keysPerAppMax)
    const apiKeys = keys.map((key) => key.api_key)
    const secrets =
      apiKeys.length === 0 ? [] : await selectSecrets(read, apiKeys, limits.keysPerAppMax * limits.secretsPerKeyMax)
    return {
      keys: keys.map((key) =>
        keyResponse(
          key,
          secrets.filter((secret) => secret.api_key === key.api_key),
        ),
      ),
    }
  }),
  adminRoute(operations.createKey, async ({ input, tx, now }) => {
    const app = await requireApp(tx, input.path.app)
    const keys = await selectKeysOfApp(tx, app.id, limits.keysPerAppMax)
    if (keys.length >= limits.keysPerAppMax) throw inputError(`an app has at most ${limits.keysPerAppMax} keys`)
    const made = newKey(parts.masterKey, app.id, input.body.label ?? "", now)
    await insertKey(tx, made.key)
    await insertSecret(tx, made.secretRow)
    tx.afterCommit(() => parts.keyMade(made.key.api_key))
    return { key: keyResponse(made.key, [made.secretRow]), secret: made.secret }
  }),
]

async function requireApp(read: Read, id: string): Promise<AppRow> {
  const app = await selectApp(read, Number(id))
  if (app === undefined) throw notFoundError("app", id)
  return app
}

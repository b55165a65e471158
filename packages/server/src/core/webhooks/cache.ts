// The hooks of an app, as every event asks for them.

import { webhookEvents } from "@weir/protocol"
import { type Awaitable, chain } from "../../base/chain.ts"
import type { MasterKey } from "../../base/crypto.ts"
import type { Cache, Caches } from "../../events/caches.ts"
import type { Hook, HookSecret, HookSigner } from "../../events/webhooks/hook.ts"
import type { Read } from "../../store/database.ts"
import { selectKeysOfApp } from "../keys/index.ts"
import { limits } from "./limits.ts"
import { type HookSettings, hookOf, settingsOf } from "./rules.ts"
import { openSecret } from "./secrets.ts"
import { type HookRow, selectHookSecrets, selectHookSettings, selectHooks } from "./store.ts"

export interface HooksOfApp {
  readonly byId: ReadonlyMap<string, Hook>
  /** Hooks with a value that does not open, and why. */
  readonly unreadable: ReadonlyMap<string, unknown>
  /** Enabled hooks that want events of this type. */
  wanting(type: string): readonly Hook[]
  /** By hook, newest first. */
  readonly secrets: ReadonlyMap<string, readonly (HookSecret & { readonly expiresAt: number | null })[]>
  readonly settings: HookSettings
}

export interface HooksCache {
  of(appId: number): Awaitable<HooksOfApp>
  /** The app's hooks, their secrets, its settings or its keys changed. To be called after the commit. */
  changed(appId: number): void
  /** Throws SealError when a value of the hook does not open. */
  hook(appId: number, hookId: string): Awaitable<Hook | null>
  /** What a hook's deliveries are signed with at a time in milliseconds. */
  signer(hook: Pick<Hook, "id" | "appId">, now: number): Promise<HookSigner>
}

export interface HooksCacheParts {
  readonly caches: Caches
  readonly read: Read
  readonly masterKey: MasterKey
  /** The newest active HMAC secret of a key; null when it has none, or is switched off. */
  readonly signingSecretOf: (apiKey: string) => Awaitable<string | null>
}

export function createHooksCache({ caches, read, masterKey, signingSecretOf }: HooksCacheParts): HooksCache {
  const cache: Cache<HooksOfApp> = caches.create<HooksOfApp>({
    name: "hooks",
    entriesMax: limits.appsCachedMax,
    load: (appId) => load(read, masterKey, Number(appId)),
  })
  // A key seldom comes, and goes on signing what it signed when another one is newer.
  const apiKeys: Cache<readonly string[]> = caches.create<readonly string[]>({
    name: "hook-keys",
    entriesMax: limits.appsCachedMax,
    ttlMs: limits.apiKeysBelievedMs,
    async load(appId) {
      const keys = await selectKeysOfApp(read, Number(appId), limits.apiKeysReadMax)
      const open = keys.filter(({ disabled }) => disabled === 0)
      return open.map(({ api_key }) => api_key).reverse()
    },
  })
  const of = (appId: number): Awaitable<HooksOfApp> => cache.get(String(appId)) as Awaitable<HooksOfApp>
  return {
    of,
    changed: (appId) => cache.drop(String(appId)),
    hook(appId, hookId) {
      return chain(of(appId), ({ byId, unreadable }) => {
        const fault = unreadable.get(hookId)
        if (fault !== undefined) throw fault
        return byId.get(hookId) ?? null
      })
    },
    async signer(hook, now) {
      const { secrets } = await of(hook.appId)
      let api: HookSigner["api"] = null
      for (const apiKey of (await apiKeys.get(String(hook.appId))) ?? []) {
        const secret = await signingSecretOf(apiKey)
        if (secret === null) continue
        api = { apiKey, secret }
        break
      }
      const own = secrets.get(hook.id) ?? []
      return { api, own: own.filter(({ expiresAt }) => expiresAt === null || expiresAt > now) }
    },
  }
}

async function load(read: Read, masterKey: MasterKey, appId: number): Promise<HooksOfApp> {
  const rows = await selectHooks(read, appId)
  const secretRows = rows.length === 0 ? [] : await selectHookSecrets(read, appId)
  const settings = settingsOf(await selectHookSettings(read, appId))
  // A value that does not open must not undo the change that somebody wants to hear of: its hook's deliveries wait.
  const unreadable = new Map<string, unknown>()
  const opened = <T>(hookId: string, read: () => T): T | null => {
    try {
      return read()
    } catch (error) {
      unreadable.set(hookId, error)
      return null
    }
  }
  const hooks = rows.map(
    (row) => opened(row.id, () => hookOf(row, settings, masterKey)) ?? hookOf(withoutTarget(row), settings, masterKey),
  )
  const secrets = secretRows.flatMap((row) => {
    const secret = opened(row.hook_id, () => openSecret(masterKey, row))
    return secret === null
      ? []
      : [{ hookId: row.hook_id, secret: { id: row.id, alg: row.alg, secret, expiresAt: row.expires_at } }]
  })
  const wanted = new Map<string, readonly Hook[]>()
  return {
    byId: new Map(hooks.map((hook) => [hook.id, hook])),
    unreadable,
    wanting(type) {
      const known = wanted.get(type)
      if (known !== undefined) return known
      const found = hooks.filter((hook) => hook.enabled && webhookEvents.wants(hook, type))
      // Types of an app's own making are without number.
      if (wanted.size < limits.typesRememberedMax) wanted.set(type, found)
      return found
    },
    secrets: new Map(
      [...Map.groupBy(secrets, ({ hookId }) => hookId)].map(([hookId, of]) => [hookId, of.map(({ secret }) => secret)]),
    ),
    settings,
  }
}

const withoutTarget = (row: HookRow): HookRow => ({
  ...row,
  kind: "webhook",
  target: JSON.stringify({ kind: "webhook", url: "" }),
  sealed_target: null,
})

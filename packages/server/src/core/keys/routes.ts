import { inputError, notFoundError, keys as operations } from "@weir/protocol"
import type { MasterKey } from "../../base/crypto.ts"
import { type AdminRoute, type AuditEntry, adminRead, adminRoute } from "../../request/route.ts"
import type { Read, Tx } from "../../store/database.ts"
import { type AppRow, policyOf, requireApp, requireLockedApp, updateApp } from "../apps/index.ts"
import { type SecretUsage, unexpiredOfSecret, unused, usageOfSecrets } from "../sessions/index.ts"
import { keyChangedEvent } from "./events.ts"
import { limits } from "./limits.ts"
import {
  cutOffOf,
  firstState,
  keyResponse,
  newKey,
  newSecret,
  requireStep,
  sameSecrets,
  secretResponse,
  verifies,
} from "./rules.ts"
import {
  type ApiKeyRow,
  insertKey,
  insertSecret,
  lockKey,
  type SecretRow,
  selectKey,
  selectKeysOfApp,
  selectKid,
  selectSecrets,
  updateKey,
  updateSecret,
} from "./store.ts"

export interface KeyRouteParts {
  readonly masterKey: MasterKey
  /** The key or a secret of it changed: what nodes hold of it is stale. After the commit. */
  readonly keyChanged: (apiKey: string) => void
  /** Writes what was seen of tokens, before it is counted. */
  readonly flushSightings: () => Promise<void>
  /**
   * Ends every token and socket of a secret for good, on every node, in this transaction. Answers what waits for the
   * nodes after the commit and gives the receipt.
   */
  readonly revokeSecret: (
    tx: Tx,
    secret: { readonly appId: number; readonly apiKey: string; readonly kid: string },
    actor: string,
    now: number,
  ) => Promise<() => Promise<object>>
}

/** Keys and secrets in the management API. */
export const keyRoutes = (parts: KeyRouteParts): AdminRoute[] => [
  adminRead(operations.listKeys, async ({ input, read, now }) => {
    const app = await requireApp(read, input.path.app)
    await parts.flushSightings()
    const keys = await selectKeysOfApp(read, app.id, limits.keysPerAppMax)
    const apiKeys = keys.map((key) => key.api_key)
    const secrets =
      apiKeys.length === 0 ? [] : await selectSecrets(read, apiKeys, limits.keysPerAppMax * limits.secretsPerKeyMax)
    const usage = await usageOf(read, app.id, secrets, now)
    return {
      keys: keys.map((key) =>
        keyResponse(
          key,
          secrets.filter((secret) => secret.api_key === key.api_key),
          usage,
        ),
      ),
    }
  }),

  adminRead(operations.getKey, async ({ input, read, now }) => {
    const { app, key } = await readKey(read, input.path)
    await parts.flushSightings()
    const secrets = await selectSecrets(read, [key.api_key], limits.secretsPerKeyMax)
    return { key: keyResponse(key, secrets, await usageOf(read, app.id, secrets, now)) }
  }),

  adminRoute(operations.createKey, async ({ input, tx, now, principal, audit }) => {
    const app = await requireLockedApp(tx, input.path.app)
    const keys = await selectKeysOfApp(tx, app.id, limits.keysPerAppMax)
    if (keys.length >= limits.keysPerAppMax) throw inputError(`an app has at most ${limits.keysPerAppMax} keys`)
    const made = newKey(parts.masterKey, app.id, input.body.label ?? "", now, principal.name)
    await insertKey(tx, made.key)
    await insertSecret(tx, made.secretRow)
    tx.afterCommit(() => parts.keyChanged(made.key.api_key))
    audit({
      action: "key.created",
      appId: app.id,
      target: { app: app.id, api_key: made.key.api_key, kid: made.secretRow.kid },
      after: { label: made.key.label },
    })
    return { key: keyResponse(made.key, [made.secretRow], () => unused), secret: made.secret }
  }),

  adminRoute(operations.updateKey, async ({ input, tx, now, audit }) => {
    const { app, key } = await requireKey(tx, input.path)
    const { label = key.label, disabled = key.disabled === 1 } = input.body
    const changed: ApiKeyRow = { ...key, label, disabled: disabled ? 1 : 0 }
    await updateKey(tx, key.api_key, { label, disabled: changed.disabled })
    if (changed.disabled !== key.disabled) {
      tx.afterCommit(() => parts.keyChanged(key.api_key))
      tx.emit(keyChangedEvent(app.id))
    }
    audit({
      action: "key.updated",
      appId: app.id,
      target: { app: app.id, api_key: key.api_key },
      before: { label: key.label, disabled: key.disabled === 1 },
      after: { label, disabled },
    })
    const secrets = await selectSecrets(tx, [key.api_key], limits.secretsPerKeyMax)
    return { key: keyResponse(changed, secrets, await usageOf(tx, app.id, secrets, now)) }
  }),

  adminRoute(operations.createSecret, async ({ input, tx, now, principal, audit }) => {
    const { app, key } = await requireKey(tx, input.path)
    const { body } = input
    const secrets = await selectSecrets(tx, [key.api_key], limits.secretsPerKeyMax)
    if (secrets.length >= limits.secretsPerKeyMax) {
      throw inputError(`a key has at most ${limits.secretsPerKeyMax} secrets`)
    }
    if (body.kid !== undefined && (await selectKid(tx, app.id, body.kid)) !== undefined) {
      throw inputError(`the app has a secret named ${body.kid} already`, { kid: "is taken" })
    }
    const given = { ...body, state: body.state ?? firstState(secrets) }
    const place = { appId: app.id, apiKey: key.api_key }
    const { row, value } = newSecret(parts.masterKey, place, given, now, principal.name)
    if (row.state === "active") requireStep({ ...row, state: "standby" }, "active", secrets, false)
    // Only what came from outside can be there already.
    const shared_with = value === null ? await keysWithSame(tx, parts.masterKey, row, secrets) : []
    await insertSecret(tx, row)
    // Tokens that are in the field already were made by rules of their own.
    if (body.value !== undefined) await relaxPolicy(tx, app, now, audit)
    tx.afterCommit(() => parts.keyChanged(key.api_key))
    audit({
      action: body.value === undefined ? "secret.created" : "secret.imported",
      appId: app.id,
      target: { app: app.id, api_key: key.api_key, kid: row.kid },
      after: { state: row.state, alg: row.alg, label: row.label, shared_with },
    })
    return { secret: secretResponse(row, unused), value, shared_with }
  }),

  adminRoute(
    operations.updateSecret,
    async ({ input, tx, now, principal, audit, afterwards }) => {
      const { dry_run = false, force = false } = input.query
      // Pages ask again and again what a change would do, and nobody who changes something waits for that.
      const { app, key } = await (dry_run ? readKey : requireKey)(tx, input.path)
      const secrets = await selectSecrets(tx, [key.api_key], limits.secretsPerKeyMax)
      const secret = secrets.find(({ kid }) => kid === input.path.kid)
      if (secret === undefined) throw notFoundError("secret", input.path.kid)
      const to = input.body.state ?? secret.state
      if (to !== secret.state) requireStep(secret, to, secrets, force || dry_run)
      const usage = await usageOf(tx, app.id, [secret], now)
      const unexpired = await unexpiredOfSecret(tx, app.id, secret.kid, now)
      const cut_off = cutOffOf(usage(secret.kid), unexpired, policyOf(app).maxLifetimeSeconds, now)
      if (dry_run) return { secret: secretResponse(secret, usage(secret.kid)), cut_off, receipt: null }

      const label = input.body.label ?? secret.label
      const state_since = to === secret.state ? secret.state_since : now
      const changed: SecretRow = { ...secret, state: to, label, state_since }
      await updateSecret(tx, secret, { state: to, label, state_since })
      tx.afterCommit(() => parts.keyChanged(key.api_key))
      const isRevoked = to === "revoked" && secret.state !== "revoked"
      if (isRevoked) {
        const wait = await parts.revokeSecret(
          tx,
          { appId: app.id, apiKey: key.api_key, kid: secret.kid },
          principal.name,
          now,
        )
        afterwards(async (output) => ({ ...output, receipt: await wait() }))
      } else if (verifies(secret.state) && !verifies(to)) {
        // Nothing is revoked, since its tokens may count again; but what they opened must not outlast them.
        tx.emit(keyChangedEvent(app.id))
      }
      audit({
        action: isRevoked ? "secret.revoked" : "secret.updated",
        appId: app.id,
        target: { app: app.id, api_key: key.api_key, kid: secret.kid },
        before: { state: secret.state, label: secret.label },
        after: { state: to, label },
      })
      return { secret: secretResponse(changed, usage(secret.kid)), cut_off, receipt: null }
    },
    parts.flushSightings,
  ),
]

async function usageOf(
  read: Read,
  appId: number,
  secrets: readonly SecretRow[],
  now: number,
): Promise<(kid: string) => SecretUsage> {
  const usage = await usageOfSecrets(
    read,
    appId,
    secrets.map(({ kid }) => kid),
    now,
  )
  return (kid) => usage.get(kid) ?? unused
}

/**
 * Other keys of the app that have this very secret. Throws inputError when its own key has it, revoked or not: a secret
 * that was revoked would come back under another name, and the tokens that it was revoked for with it.
 */
async function keysWithSame(
  tx: Tx,
  masterKey: MasterKey,
  row: SecretRow,
  ofKey: readonly SecretRow[],
): Promise<string[]> {
  const [same] = sameSecrets(masterKey, row, ofKey)
  if (same !== undefined) {
    const text =
      same.state === "revoked" ? `was revoked as ${same.kid} and stays so` : `is there already as ${same.kid}`
    throw inputError(`this secret of the key ${text}`, { [row.alg === "HS256" ? "value" : "public_key"]: text })
  }
  const keys = await selectKeysOfApp(tx, row.app_id, limits.keysPerAppMax)
  const others = keys.map(({ api_key }) => api_key).filter((apiKey) => apiKey !== row.api_key)
  if (others.length === 0) return []
  const secrets = await selectSecrets(tx, others, limits.keysPerAppMax * limits.secretsPerKeyMax)
  const shared = sameSecrets(
    masterKey,
    row,
    secrets.filter(({ state }) => state !== "revoked"),
  )
  return [...new Set(shared.map(({ api_key }) => api_key))]
}

async function relaxPolicy(tx: Tx, app: AppRow, now: number, audit: (entry: AuditEntry) => void): Promise<void> {
  if (app.token_policy !== null || policyOf(app).preset === "compatible") return
  const token_policy = JSON.stringify({ preset: "compatible" })
  await updateApp(tx, { ...app, token_policy, updated_at: now })
  audit({
    action: "token_policy.updated",
    appId: app.id,
    target: { app: app.id },
    before: { preset: "strict" },
    after: { preset: "compatible", because: "a secret was imported" },
  })
}

interface KeyPath {
  readonly app: string
  readonly api_key: string
}

async function readKey(read: Read, path: KeyPath): Promise<{ app: AppRow; key: ApiKeyRow }> {
  const app = await requireApp(read, path.app)
  return { app, key: ofApp(app, await selectKey(read, path.api_key), path.api_key) }
}

// The app is locked as well, always first, so that two changes of one app wait and do not lock in a circle.
async function requireKey(tx: Tx, path: KeyPath): Promise<{ app: AppRow; key: ApiKeyRow }> {
  const app = await requireLockedApp(tx, path.app)
  return { app, key: ofApp(app, await lockKey(tx, path.api_key), path.api_key) }
}

// Another app's key is as absent as one that never was.
function ofApp(app: AppRow, key: ApiKeyRow | undefined, apiKey: string): ApiKeyRow {
  if (key === undefined || key.app_id !== app.id) throw notFoundError("key", apiKey)
  return key
}

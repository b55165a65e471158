import { inputError, notFoundError, webhooks as operations } from "@weir/protocol"
import { can } from "../../authorize/decide.ts"
import { randomId, uuid } from "../../base/ids.ts"
import type { Hook, HookSender, HookSigner } from "../../events/webhooks/hook.ts"
import { type AdminRoute, adminRead, adminRoute, type Route, route } from "../../request/route.ts"
import type { Read, Tx } from "../../store/database.ts"
import { appResource, requireApp, requireLockedApp } from "../apps/index.ts"
import { requireSealable } from "../keys/index.ts"
import { actions } from "./actions.ts"
import { limits } from "./limits.ts"
import { faultOf, type HookStatus, managedHook, readHook, readTarget, settingsOf, specOf, targetOf } from "./rules.ts"
import { newSecret, newSecretView, overlapMs, sealSecret, secretFacts, secretView, signsAt } from "./secrets.ts"
import { addHook, changeHook, type HookSettingsParts, olderSettings, removeHooks, requireRoom } from "./settings.ts"
import {
  deleteHookSecret,
  endSecretsBy,
  type HookRow,
  insertHookSecrets,
  selectHook,
  selectHookSettings,
  selectHooks,
  selectSecretsOfHook,
} from "./store.ts"
import type { HookInput } from "./targets.ts"

export interface HookAdminParts extends HookSettingsParts {
  /** How a hook fares. */
  readonly statusOf: (read: Read, hookId: string) => Promise<HookStatus>
}

/** Hooks and their secrets in the management API. */
export const hookAdminRoutes = (parts: HookAdminParts): AdminRoute[] => [
  adminRead(operations.listHooks, async ({ input, read }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    const settings = settingsOf(await selectHookSettings(read, appId))
    const hooks = []
    for (const row of await selectHooks(read, appId)) {
      hooks.push(managedHook(row, settings, await parts.statusOf(read, row.id)))
    }
    return { hooks }
  }),

  adminRead(operations.readHook, async ({ input, read }) => {
    const { hook } = await requireHook(read, input.path)
    return { hook: await viewOf(parts, read, hook) }
  }),

  adminRoute(operations.createHook, async ({ input, tx, now, audit }) => {
    const { id: appId } = await requireLockedApp(tx, input.path.app)
    if (input.body.id) throw faultOf()("id", "is given by the server")
    const rows = await selectHooks(tx, appId)
    requireRoom(rows, 1, 0)
    const spec = readHook(input.body, { objection: parts.objection })
    // Listeners stand behind all others.
    const position = 1 + Math.max(-1, ...rows.filter(({ origin }) => origin !== "listen").map((row) => row.position))
    const { row, secrets, entry } = await addHook(tx, parts.masterKey, spec, { appId, origin: "admin", position }, now)
    tx.afterCommit(() => parts.hooksChanged(appId))
    audit(entry)
    return { hook: await viewOf(parts, tx, row), secrets: secrets.map(newSecretView) }
  }),

  adminRoute(operations.updateHook, async ({ input, tx, now, audit }) => {
    const { appId, hook } = await requireLockedHook(tx, input.path)
    if (input.body.id && input.body.id !== hook.id) throw faultOf()("id", "stays what it is")
    const before = specOf(hook, parts.masterKey)
    const after = readHook(input.body, { objection: parts.objection, before })
    const edit = { row: hook, before, after, position: hook.position }
    const { row, entry } = await changeHook(tx, parts.masterKey, edit, now)
    if (entry !== null) {
      tx.afterCommit(() => parts.hooksChanged(appId))
      audit(entry)
    }
    return { hook: await viewOf(parts, tx, row) }
  }),

  adminRoute(operations.deleteHook, async ({ input, tx, audit }) => {
    const { appId, hook } = await requireLockedHook(tx, input.path)
    for (const entry of await removeHooks(tx, [hook])) audit(entry)
    tx.afterCommit(() => parts.hooksChanged(appId))
    return {}
  }),

  adminRead(operations.listHookSecrets, async ({ input, read }) => {
    const { hook } = await requireHook(read, input.path)
    return { secrets: (await selectSecretsOfHook(read, hook.id)).map(secretView) }
  }),

  adminRoute(operations.createHookSecret, async ({ input, tx, now, audit }) => {
    const { appId, hook } = await requireLockedHook(tx, input.path)
    const { alg, overlap_seconds } = input.body
    await makeRoomForSecret(tx, hook, now)
    // The older ones first: a new secret of the same moment must not end with them.
    const olderUntil = now + overlapMs(overlap_seconds)
    await endSecretsBy(tx, hook.id, alg, olderUntil)
    const made = sealSecret(parts.masterKey, hook, newSecret(alg), now)
    await requireSealable(tx, made.row.sealed, now)
    await insertHookSecrets(tx, [made.row])
    tx.afterCommit(() => parts.hooksChanged(appId))
    audit({
      action: "hook.secret_created",
      appId,
      target: { app: appId, hook: hook.id, secret_id: made.row.id },
      after: { alg, public_key: made.row.public_key, older_until: new Date(olderUntil).toISOString() },
    })
    return { secret: newSecretView(made), secrets: (await selectSecretsOfHook(tx, hook.id)).map(secretView) }
  }),

  adminRoute(operations.retireHookSecret, async ({ input, tx, now, audit }) => {
    const { appId, hook } = await requireLockedHook(tx, input.path)
    const secrets = await selectSecretsOfHook(tx, hook.id)
    const secret = secrets.find(({ id }) => id === input.path.secret)
    if (secret === undefined) throw notFoundError("secret", input.path.secret)
    const others = secrets.filter(({ id }) => id !== secret.id)
    if (signsAt(secret, now) && !others.some((other) => signsAt(other, now))) {
      throw inputError("this is the last secret that signs for the hook; make another one first")
    }
    await deleteHookSecret(tx, hook.id, secret.id)
    tx.afterCommit(() => parts.hooksChanged(appId))
    audit({
      action: "hook.secret_retired",
      appId,
      target: { app: appId, hook: hook.id, secret_id: secret.id },
      before: secretFacts(secret),
    })
    return { secrets: others.map(secretView) }
  }),
]

export interface HookRouteParts extends Pick<HookSettingsParts, "masterKey" | "objection"> {
  /** Each as it sends for the engine. */
  readonly senders: { readonly sqs: HookSender; readonly sns: HookSender }
  /** What a hook's deliveries are signed with at a time in milliseconds. */
  readonly signerOf: (hook: Hook, now: number) => Promise<HookSigner>
}

/** The wire's tests of queues. The hooks that a backend sets stand in UpdateApp (settings.ts). */
export const hookRoutes = (parts: HookRouteParts): Route[] => [
  route(operations.checkSqs, {
    authorize: ({ principal, appId }) => can(principal, actions.checkQueues, appResource(appId)),
    handle: ({ appId, input, read, now }) => checkQueue(parts, read, appId, "sqs", input.body, now),
  }),
  route(operations.checkSns, {
    authorize: ({ principal, appId }) => can(principal, actions.checkQueues, appResource(appId)),
    handle: ({ appId, input, read, now }) => checkQueue(parts, read, appId, "sns", input.body, now),
  }),
]

/** Sends one message to the queue that is given, or for what is not given to the one that UpdateApp has set. */
async function checkQueue(
  parts: HookRouteParts,
  read: Read,
  appId: number,
  kind: "sqs" | "sns",
  body: Readonly<Record<string, string | undefined>>,
  now: number,
) {
  const older = olderSettings.find((setting) => setting.kind === kind) as (typeof olderSettings)[1 | 2]
  const row = (await selectHooks(read, appId)).find(({ origin }) => origin === older.origin)
  const input: HookInput = Object.fromEntries(Object.entries(older.members).map(([to, name]) => [to, body[name]]))
  const names: Readonly<Record<string, string>> = older.members
  const target = readTarget(kind, input, row === undefined ? null : targetOf(row, parts.masterKey), {
    fault: faultOf((member) => names[member] ?? member),
    objection: parts.objection,
  })
  const hook: Hook = {
    id: row?.id ?? uuid(),
    appId,
    enabled: true,
    product: "all",
    eventTypes: [],
    sendsCustomEvents: false,
    target,
    timeoutMs: limits.checkTimeoutMs,
    compression: settingsOf(await selectHookSettings(read, appId)).compression,
    ordered: false,
  }
  const type = "health.check"
  const outcome = await parts.senders[kind].send(
    {
      appId,
      hook,
      signer: await parts.signerOf(hook, now),
      webhookId: `msg_${randomId(limits.checkIdChars)}`,
      attempt: 1,
      type,
      stream: `app:${appId}`,
      body: JSON.stringify({ type, created_at: new Date(now).toISOString(), custom: {} }),
    },
    now,
  )
  const { status, fault, detail } = outcome
  if (outcome.result === "delivered") return { status: "ok" as const, data: { http_status: status } }
  const error = detail ?? fault ?? "the message was not taken"
  return { status: "error" as const, error, data: { http_status: status, fault } }
}

/** Ended secrets stay for whoever checks old deliveries, until their place is needed. Throws inputError when all sign. */
async function makeRoomForSecret(tx: Tx, hook: HookRow, now: number): Promise<void> {
  const secrets = await selectSecretsOfHook(tx, hook.id)
  if (secrets.length < limits.secretsPerHookMax) return
  const ended = secrets.filter((secret) => !signsAt(secret, now)).at(-1)
  if (ended === undefined) {
    throw inputError(`a hook has at most ${limits.secretsPerHookMax} secrets; retire one first`)
  }
  await deleteHookSecret(tx, hook.id, ended.id)
}

async function viewOf({ statusOf }: HookAdminParts, read: Read, row: HookRow) {
  const settings = settingsOf(await selectHookSettings(read, row.app_id))
  return managedHook(row, settings, await statusOf(read, row.id))
}

interface HookPath {
  readonly app: string
  readonly hook: string
}

/** A hook and the id of its app, as the path names them. Throws notFoundError for either. */
export async function requireHook(read: Read, path: HookPath): Promise<{ appId: number; hook: HookRow }> {
  const { id: appId } = await requireApp(read, path.app)
  return { appId, hook: await hookOfApp(read, appId, path.hook) }
}

async function requireLockedHook(tx: Tx, path: HookPath): Promise<{ appId: number; hook: HookRow }> {
  const { id: appId } = await requireLockedApp(tx, path.app)
  const hook = await hookOfApp(tx, appId, path.hook)
  if (hook.origin === "listen") throw inputError("this hook belongs to somebody who listens, and ends with them")
  return { appId, hook }
}

// Another app's hook is as absent as one that never was.
async function hookOfApp(read: Read, appId: number, id: string): Promise<HookRow> {
  const hook = await selectHook(read, appId, id)
  if (hook === undefined) throw notFoundError("hook", id)
  return hook
}

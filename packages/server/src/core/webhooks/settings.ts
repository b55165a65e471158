// The hooks that a backend sets through UpdateApp, and how any hook is written with what the audit log hears of it. The
// older settings (`webhook_url`, `sqs_url`, `sns_topic_arn`) are each one hook of their own.

import { inputError, type webhooks } from "@weir/protocol"
import type { Static } from "typebox"
import type { MasterKey } from "../../base/crypto.ts"
import { uuid } from "../../base/ids.ts"
import type { AuditEntry } from "../../request/route.ts"
import type { Tx } from "../../store/database.ts"
import type { AppHooks } from "../apps/index.ts"
import { requireSealable } from "../keys/index.ts"
import { limits } from "./limits.ts"
import {
  faultOf,
  type HookEdit,
  type HookInput,
  type HookSettings,
  type HookSpec,
  hookChange,
  hookFacts,
  hookView,
  newHookRow,
  readHook,
  settingsFacts,
  settingsOf,
  specOf,
  wordOf,
} from "./rules.ts"
import { newSecrets, sealSecret } from "./secrets.ts"
import {
  deleteHooks,
  type HookOrigin,
  type HookRow,
  insertHook,
  insertHookSecrets,
  selectHookSettings,
  selectHooks,
  updateHook,
  upsertHookSettings,
} from "./store.ts"
import { addressOf, requireUnobjected, type WrittenKind, writtenAddress } from "./targets.ts"

type AppHookInput = Static<typeof webhooks.AppHookSettings>

export interface HookSettingsParts {
  readonly masterKey: MasterKey
  /** Why a URL would be refused (Outgoing.objection), or null. */
  readonly objection: (url: string) => string | null
  /** What nodes hold of the app's hooks is stale. After the commit. */
  readonly hooksChanged: (appId: number) => void
}

/** The hooks among an app's settings, as UpdateApp changes and GetApp shows them. */
export const createAppHookSettings = (parts: HookSettingsParts): AppHooks => ({
  names: settingNames,

  async update(tx, appId, body, now) {
    if (!Object.keys(body).some((name) => settingNames.has(name))) return []
    const rows = await selectHooks(tx, appId)
    const plan = [
      ...(body.event_hooks === undefined ? [] : planList(parts, rows, body.event_hooks)),
      ...olderSettings.flatMap((older) => planOlder(parts, rows, older, body)),
    ]
    requireRoom(rows, plan.filter(({ row }) => row === null).length, plan.filter(({ spec }) => spec === null).length)
    const settings = settingsOf(await selectHookSettings(tx, appId))
    const entries = [
      ...(await changeSettings(tx, appId, settings, readSettings(settings, body, parts), now)),
      ...(await applyPlan(tx, parts, appId, plan, now)),
    ]
    if (entries.length > 0) tx.afterCommit(() => parts.hooksChanged(appId))
    return entries
  },

  async show(read, appId) {
    const rows = await selectHooks(read, appId)
    const { compression, beforeMessageSend } = settingsOf(await selectHookSettings(read, appId))
    const viewOf = (origin: HookOrigin) => {
      const row = rows.find((candidate) => candidate.origin === origin)
      return row === undefined ? null : hookView(row)
    }
    const [webhook, sqs, sns] = [viewOf("webhook_url"), viewOf("sqs_url"), viewOf("sns_topic_arn")]
    return {
      event_hooks: rows.filter(({ origin }) => origin === "event_hooks").map(hookView),
      webhook_url: webhook?.webhook_url ?? "",
      webhook_events: webhook?.event_types ?? [],
      sqs_url: sqs?.sqs_queue_url ?? "",
      sqs_key: sqs?.sqs_key ?? "",
      sns_topic_arn: sns?.sns_topic_arn ?? "",
      sns_key: sns?.sns_key ?? "",
      enable_hook_payload_compression: compression === "gzip",
      webhook_compression_algorithm: compression === "gzip" ? "gzip" : "",
      before_message_send_hook_url: beforeMessageSend.url,
      before_message_send_hook_attempt_timeout_ms: beforeMessageSend.attemptTimeoutMs,
      before_message_send_hook_on_failure: beforeMessageSend.onFailure,
    }
  },
})

interface OlderSetting {
  /** The member that says where; an empty text removes the hook. */
  readonly origin: HookOrigin & keyof AppHookInput
  readonly kind: WrittenKind
  /** Member of a hook → member of UpdateApp. */
  readonly members: Readonly<Partial<Record<keyof HookInput & string, keyof AppHookInput & string>>>
}

export const olderSettings = [
  {
    origin: "webhook_url",
    kind: "webhook",
    members: { webhook_url: "webhook_url", event_types: "webhook_events" },
  },
  {
    origin: "sqs_url",
    kind: "sqs",
    members: { sqs_queue_url: "sqs_url", sqs_key: "sqs_key", sqs_secret: "sqs_secret" },
  },
  {
    origin: "sns_topic_arn",
    kind: "sns",
    members: { sns_topic_arn: "sns_topic_arn", sns_key: "sns_key", sns_secret: "sns_secret" },
  },
] as const satisfies readonly OlderSetting[]

type Older = (typeof olderSettings)[number]

const settingNames: ReadonlySet<string> = new Set<keyof AppHookInput>([
  "event_hooks",
  "webhook_url",
  "webhook_events",
  "sqs_url",
  "sqs_key",
  "sqs_secret",
  "sns_topic_arn",
  "sns_key",
  "sns_secret",
  "enable_hook_payload_compression",
  "webhook_compression_algorithm",
  "before_message_send_hook_url",
  "before_message_send_hook_attempt_timeout_ms",
  "before_message_send_hook_on_failure",
])

/** One hook before and after. Without a row it is new, without a spec it goes. */
interface Planned {
  readonly row: HookRow | null
  readonly before: HookSpec | null
  readonly spec: HookSpec | null
  readonly origin: HookOrigin
  readonly position: number
}

/**
 * The list of `event_hooks` against the rows that the last one made. An entry with an id changes what it names of that
 * hook. One without an id says all of itself; if a hook has its address, it is that one set anew, so that a backend that
 * declares its hooks at every start keeps their secrets and what waits for them.
 */
function planList(
  { masterKey, objection }: HookSettingsParts,
  rows: readonly HookRow[],
  inputs: readonly HookInput[],
): Planned[] {
  const known = rows
    .filter(({ origin }) => origin === "event_hooks")
    .map((row) => ({ row, before: specOf(row, masterKey) }))
  const taken = new Set<string>()
  const byId = inputs.map(({ id }, index) => {
    if (!id) return null
    const field = `event_hooks.${index}.id`
    const found = known.find(({ row }) => row.id === id)
    if (found === undefined) throw inputError(`${field} is no hook of event_hooks`, { [field]: "is not known" })
    if (taken.has(id)) throw inputError(`${field} stands twice in event_hooks`, { [field]: "stands twice" })
    taken.add(id)
    return found
  })
  const planned = inputs.map((input, position): Planned => {
    const named = byId[position] ?? null
    const found = named ?? sameAddress(known, taken, input)
    if (found !== null) taken.add(found.row.id)
    const spec = readHook(input, {
      objection,
      fieldOf: (member) => `event_hooks.${position}.${member}`,
      before: found?.before ?? null,
      startsAnew: named === null,
    })
    return { row: found?.row ?? null, before: found?.before ?? null, spec, origin: "event_hooks", position }
  })
  const gone = known.filter(({ row }) => !taken.has(row.id))
  return [
    ...gone.map(
      ({ row, before }): Planned => ({ row, before, spec: null, origin: row.origin, position: row.position }),
    ),
    ...planned,
  ]
}

interface Known {
  readonly row: HookRow
  readonly before: HookSpec
}

function sameAddress(known: readonly Known[], taken: ReadonlySet<string>, input: HookInput): Known | null {
  const address = writtenAddress(input)
  return known.find(({ row, before }) => !taken.has(row.id) && addressOf(before.target) === address) ?? null
}

function planOlder(
  { masterKey, objection }: HookSettingsParts,
  rows: readonly HookRow[],
  older: Older,
  body: AppHookInput,
): Planned[] {
  const members = Object.entries(older.members) as [keyof HookInput & string, keyof AppHookInput & string][]
  const given = members.filter(([, name]) => body[name] !== undefined)
  if (given.length === 0) return []
  const { origin } = older
  const row = rows.find((candidate) => candidate.origin === origin) ?? null
  const position = limits.hooksPerAppMax + olderSettings.indexOf(older)
  const before = row === null ? null : specOf(row, masterKey)
  if (body[origin] === "") return row === null ? [] : [{ row, before, spec: null, origin, position }]
  if (row === null && body[origin] === undefined) {
    const named = given.find(([, name]) => body[name]?.toString() !== "")
    if (named === undefined) return []
    const text = `goes with ${origin}, which is not set`
    throw inputError(`${named[1]} ${text}`, { [named[1]]: text })
  }
  const input: HookInput = { hook_type: older.kind, ...Object.fromEntries(given.map(([to, name]) => [to, body[name]])) }
  const fieldOf = (member: string): string => (older.members as Readonly<Record<string, string>>)[member] ?? member
  const spec = readHook(input, { objection, fieldOf, before })
  // Whoever says where events go wants them to go there; a receiver that was gone may be back.
  const isMoved = before !== null && addressOf(before.target) !== addressOf(spec.target)
  const isBack = row?.disabled_reason === "gone" && body[origin] !== undefined
  return [{ row, before, spec: isMoved || isBack ? { ...spec, enabled: true } : spec, origin, position }]
}

/** Throws inputError when an app would have more hooks than it may. Hooks of listeners do not count. */
export function requireRoom(rows: readonly HookRow[], added: number, removed: number): void {
  const total = rows.filter(({ origin }) => origin !== "listen").length + added - removed
  if (added > 0 && total > limits.hooksPerAppMax) throw inputError(`an app has at most ${limits.hooksPerAppMax} hooks`)
}

async function applyPlan(
  tx: Tx,
  parts: HookSettingsParts,
  appId: number,
  plan: readonly Planned[],
  now: number,
): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = []
  const gone = plan.flatMap(({ row, spec }) => (row !== null && spec === null ? [row] : []))
  entries.push(...(await removeHooks(tx, gone)))
  for (const { row, before, spec, origin, position } of plan) {
    if (spec === null) continue
    if (row === null || before === null) {
      const { entry } = await addHook(tx, parts.masterKey, spec, { appId, origin, position }, now)
      entries.push(entry)
    } else {
      const { entry } = await changeHook(tx, parts.masterKey, { row, before, after: spec, position }, now)
      if (entry !== null) entries.push(entry)
    }
  }
  return entries
}

/** Writes a new hook with a secret of each kind. */
export async function addHook(
  tx: Tx,
  masterKey: MasterKey,
  spec: HookSpec,
  place: { readonly appId: number; readonly origin: HookOrigin; readonly position: number },
  now: number,
) {
  const row = newHookRow(masterKey, spec, { ...place, id: uuid() }, now)
  const secrets = newSecrets().map((secret) => sealSecret(masterKey, row, secret, now))
  for (const { row: secret } of secrets) await requireSealable(tx, secret.sealed, now)
  await insertHook(tx, row)
  await insertHookSecrets(
    tx,
    secrets.map(({ row: secret }) => secret),
  )
  const entry: AuditEntry = {
    action: "hook.created",
    appId: place.appId,
    target: { app: place.appId, hook: row.id },
    after: { ...hookFacts(row), origin: row.origin },
  }
  return { row, secrets, entry }
}

/** Writes what changes of a hook. `entry` is null when nothing does, or only its place in the list. */
export async function changeHook(
  tx: Tx,
  masterKey: MasterKey,
  edit: HookEdit,
  now: number,
): Promise<{ readonly row: HookRow; readonly entry: AuditEntry | null }> {
  const { row } = edit
  const change = hookChange(masterKey, edit, now)
  if (change === null) return { row, entry: null }
  if (change.sealed_target) await requireSealable(tx, change.sealed_target, now)
  await updateHook(tx, row.id, change)
  const changed: HookRow = { ...row, ...change }
  if (change.updated_at === undefined) return { row: changed, entry: null }
  const entry: AuditEntry = {
    action: "hook.updated",
    appId: row.app_id,
    target: { app: row.app_id, hook: row.id },
    before: hookFacts(row),
    after: { ...hookFacts(changed), has_new_credentials: change.sealed_target !== undefined },
  }
  return { row: changed, entry }
}

/** Removes hooks with their secrets. */
export async function removeHooks(tx: Tx, rows: readonly HookRow[]): Promise<AuditEntry[]> {
  await deleteHooks(
    tx,
    rows.map(({ id }) => id),
  )
  return rows.map((row) => ({
    action: "hook.deleted",
    appId: row.app_id,
    target: { app: row.app_id, hook: row.id },
    before: { ...hookFacts(row), origin: row.origin },
  }))
}

function readSettings(before: HookSettings, body: AppHookInput, { objection }: HookSettingsParts): HookSettings {
  const fault = faultOf()
  const url = body.before_message_send_hook_url ?? before.beforeMessageSend.url
  if (url !== before.beforeMessageSend.url && url !== "") {
    requireUnobjected("before_message_send_hook_url", url, { fault, objection })
  }
  const onFailure = body.before_message_send_hook_on_failure
  return {
    compression: readCompression(before.compression, body),
    beforeMessageSend: {
      url,
      attemptTimeoutMs: body.before_message_send_hook_attempt_timeout_ms ?? before.beforeMessageSend.attemptTimeoutMs,
      onFailure: onFailure
        ? wordOf("before_message_send_hook_on_failure", onFailure, ["allow", "refuse"] as const, fault)
        : before.beforeMessageSend.onFailure,
    },
  }
}

/** Two names of one switch. Throws inputError when they say different things. */
function readCompression(before: HookSettings["compression"], body: AppHookInput): HookSettings["compression"] {
  const { enable_hook_payload_compression: isOn, webhook_compression_algorithm: algorithm } = body
  const fault = faultOf()
  if (algorithm !== undefined && algorithm !== "" && algorithm !== "gzip") {
    throw fault("webhook_compression_algorithm", "must be gzip, or an empty text for none")
  }
  if (isOn !== undefined && algorithm !== undefined && isOn !== (algorithm === "gzip")) {
    throw fault("webhook_compression_algorithm", `contradicts enable_hook_payload_compression, which is ${isOn}`)
  }
  if (isOn === undefined && algorithm === undefined) return before
  return isOn === true || algorithm === "gzip" ? "gzip" : "none"
}

async function changeSettings(
  tx: Tx,
  appId: number,
  before: HookSettings,
  after: HookSettings,
  now: number,
): Promise<AuditEntry[]> {
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  await upsertHookSettings(tx, { app_id: appId, settings: JSON.stringify(after), updated_at: now })
  return [
    {
      action: "hook_settings.updated",
      appId,
      target: { app: appId },
      before: settingsFacts(before),
      after: settingsFacts(after),
    },
  ]
}

// Hooks: what they are, how they change, and how they are shown. Pure. The kinds of targets stand in targets.ts, the
// secrets in secrets.ts.

import { type ApiError, inputError, webhookEvents } from "@weir/protocol"
import { type MasterKey, open, seal, sealContext } from "../../base/crypto.ts"
import { nearest } from "../../base/nearest.ts"
import type { Hook, HookKind, HookProduct, HookTarget } from "../../events/webhooks/hook.ts"
import { limits as attemptLimits } from "../../events/webhooks/limits.ts"
import { limits } from "./limits.ts"
import type { HookOrigin, HookRow, HookSettingsRow } from "./store.ts"
import {
  type HookInput,
  joinTarget,
  namedAddress,
  type OpenTarget,
  type ReadTarget,
  splitTarget,
  type TargetSecrets,
  targetKinds,
  targetView,
  type WrittenKind,
  writtenKinds,
} from "./targets.ts"

export type { HookInput } from "./targets.ts"

/** What an app has set for its hooks in general. */
export interface HookSettings {
  /** Of hooks that say nothing of it themselves. */
  readonly compression: Hook["compression"]
  readonly beforeMessageSend: {
    /** Empty: nobody is asked. */
    readonly url: string
    /** 0: limits.beforeMessageSendTimeoutMsDefault. */
    readonly attemptTimeoutMs: number
    /** What becomes of a message when there is no answer. */
    readonly onFailure: "allow" | "refuse"
  }
}

const settingsDefault: HookSettings = {
  compression: "none",
  beforeMessageSend: { url: "", attemptTimeoutMs: 0, onFailure: "allow" },
}

/** The settings of an app; those of an app without a row are the defaults. */
export const settingsOf = (row: HookSettingsRow | undefined): HookSettings =>
  row === undefined ? settingsDefault : { ...settingsDefault, ...(JSON.parse(row.settings) as Partial<HookSettings>) }

/** Whom to ask before a message is sent, and how; null: nobody. Times in milliseconds. */
export function beforeMessageSendOf({ beforeMessageSend }: HookSettings): HookSettings["beforeMessageSend"] | null {
  const { url, attemptTimeoutMs } = beforeMessageSend
  if (url === "") return null
  return { ...beforeMessageSend, attemptTimeoutMs: attemptTimeoutMs || limits.beforeMessageSendTimeoutMsDefault }
}

/** The column `settings` of a hook. */
interface RowSettings {
  readonly timeout_ms: number
  /** Null: as the app has set it. */
  readonly compression: Hook["compression"] | null
  readonly ordered: boolean
  readonly should_send_custom_events: boolean
}

const rowSettings = (row: HookRow): RowSettings => JSON.parse(row.settings) as RowSettings
const openTargetOf = (row: HookRow): OpenTarget => ({ ...JSON.parse(row.target), kind: row.kind }) as OpenTarget

/** A hook as the engine needs it. Throws SealError for a damaged or moved row. */
export function hookOf(row: HookRow, settings: HookSettings, masterKey: MasterKey): Hook {
  const own = rowSettings(row)
  return {
    id: row.id,
    appId: row.app_id,
    enabled: row.enabled === 1,
    product: row.product as HookProduct,
    eventTypes: JSON.parse(row.event_types) as string[],
    sendsCustomEvents: own.should_send_custom_events,
    target: targetOf(row, masterKey),
    timeoutMs: own.timeout_ms,
    compression: own.compression ?? settings.compression,
    ordered: own.ordered,
  }
}

/** Where a hook's deliveries go, secrets and all. Throws SealError for a damaged or moved row. */
export function targetOf(row: HookRow, masterKey: MasterKey): HookTarget {
  const sealed = row.sealed_target
  const secrets = sealed === null ? null : (JSON.parse(open(masterKey, sealed, targetContext(row))) as TargetSecrets)
  return joinTarget(openTargetOf(row), secrets)
}

export const targetContext = ({ app_id, id }: Pick<HookRow, "app_id" | "id">): string =>
  sealContext("webhook-target", app_id, id)

/** What a hook is set to, before it has a place and an id. */
export interface HookSpec {
  readonly enabled: boolean
  readonly product: HookProduct
  readonly eventTypes: readonly string[]
  readonly settings: RowSettings
  readonly target: HookTarget
}

/** A hook that is there, opened, as a change starts from it. Throws SealError for a damaged or moved row. */
export const specOf = (row: HookRow, masterKey: MasterKey): HookSpec => ({
  enabled: row.enabled === 1,
  product: row.product as HookProduct,
  eventTypes: JSON.parse(row.event_types) as string[],
  settings: rowSettings(row),
  target: targetOf(row, masterKey),
})

const specDefault: Omit<HookSpec, "target"> = {
  enabled: true,
  product: "all",
  eventTypes: [],
  settings: {
    timeout_ms: attemptLimits.timeoutMsDefault,
    compression: null,
    ordered: false,
    should_send_custom_events: false,
  },
}

export interface ReadHookParts {
  /** Why a URL would be refused (Outgoing.objection), or null. */
  readonly objection: (url: string) => string | null
  /** What errors call a member, such as `event_hooks.0.webhook_url`. */
  readonly fieldOf?: (member: string) => string
  /** Whose target's secrets stay where they are not given again; what a change starts from unless told otherwise. */
  readonly before?: HookSpec | null
  /** Members that are not given take their defaults, and not what `before` has. */
  readonly startsAnew?: boolean
}

/**
 * The hook that an input describes, or that it makes of the one before. Throws inputError, by member, for what is
 * unknown, does not go together, has no event, or may not be sent to.
 */
export function readHook(
  input: HookInput,
  { objection, fieldOf, before = null, startsAnew = false }: ReadHookParts,
): HookSpec {
  const fault = faultOf(fieldOf)
  const kind = kindOf(input, before, fault)
  requireMembers(input, kind, fault)
  const base = before === null || startsAnew ? { ...specDefault, enabled: before?.enabled ?? true } : before
  const sendsCustom = input.should_send_custom_events ?? base.settings.should_send_custom_events
  return {
    enabled: input.enabled ?? base.enabled,
    product: input.product ? wordOf("product", input.product, products, fault) : base.product,
    eventTypes: requireEventTypes(input.event_types ?? base.eventTypes, sendsCustom, "event_types", fault),
    settings: {
      timeout_ms: timeoutOf(input.timeout_ms, base.settings.timeout_ms, fault),
      compression: compressionOf(input.compression, base.settings.compression, fault),
      ordered: input.ordered ?? base.settings.ordered,
      should_send_custom_events: sendsCustom,
    },
    target: readTarget(kind, input, before?.target ?? null, { fault, objection }),
  }
}

/** The error of a member: its field and what is wrong with it. */
export type Fault = (member: string, text: string) => ApiError

/** Makes errors that call members as the caller does. */
export const faultOf =
  (fieldOf: (member: string) => string = (member) => member): Fault =>
  (member, text) =>
    inputError(`${fieldOf(member)} ${text}`, { [fieldOf(member)]: text })

/** The target alone; see TargetKind.read. Throws inputError. */
export function readTarget(
  kind: WrittenKind,
  input: HookInput,
  before: HookTarget | null,
  parts: ReadTarget,
): HookTarget {
  const read = targetKinds[kind].read as (input: HookInput, before: HookTarget | null, parts: ReadTarget) => HookTarget
  return read(input, before, parts)
}

const products: readonly HookProduct[] = ["all", "chat", "feeds", "video", "moderation"]
const compressions: readonly Hook["compression"][] = ["none", "gzip"]

function kindOf(input: HookInput, before: HookSpec | null, fault: Fault): WrittenKind {
  const known = before?.target.kind as WrittenKind | undefined
  const given = input.hook_type || known
  if (given === undefined) throw fault("hook_type", "is required")
  const kind = wordOf("hook_type", given, writtenKinds, fault)
  if (known !== undefined && kind !== known) {
    throw fault("hook_type", `stays ${known}; make another hook for ${kind}`)
  }
  return kind
}

/** One of some words. The error names the nearest one. */
export function wordOf<Word extends string>(member: string, given: string, words: readonly Word[], fault: Fault): Word {
  const found = words.find((word) => word === given)
  if (found !== undefined) return found
  const shown = given.slice(0, limits.namedCharsMax)
  throw fault(member, `must be one of ${words.join(", ")}, not ${shown}${suggestion(shown, words)}`)
}

/** The nearest word, as the end of an error; empty when none is near. */
function suggestion(given: string, words: readonly string[]): string {
  const near = nearest(given, words, limits.suggestionEditsMax)
  return near === null ? "" : `; did you mean ${near}?`
}

const commonMembers: readonly string[] = [
  "id",
  "hook_type",
  "enabled",
  "product",
  "event_types",
  "should_send_custom_events",
  "timeout_ms",
  "compression",
  "ordered",
]
/** A hook that was shown may come back whole. */
const shownMembers: readonly string[] = ["created_at", "updated_at", "disabled_reason", "origin", "status"]
const kindMembers: readonly string[] = writtenKinds.flatMap((kind) => targetKinds[kind].members)
const allMembers: readonly string[] = [...commonMembers, ...kindMembers]

// A member that nothing here reads would be a setting that silently does not hold.
function requireMembers(input: HookInput, kind: WrittenKind, fault: Fault): void {
  for (const [name, value] of Object.entries(input)) {
    if (commonMembers.includes(name) || shownMembers.includes(name)) continue
    if ((targetKinds[kind].members as readonly string[]).includes(name)) continue
    // Typed clients send what they do not set.
    if (value === null || value === "" || value === false) continue
    const shown = name.slice(0, limits.namedCharsMax)
    const owner = writtenKinds.find((other) => (targetKinds[other].members as readonly string[]).includes(name))
    if (owner !== undefined) throw fault(shown, `goes with hook_type ${owner}, not ${kind}`)
    throw fault(shown, `is not a setting of hooks here${suggestion(shown, allMembers)}`)
  }
}

function timeoutOf(given: number | undefined, before: number, fault: Fault): number {
  if (given === undefined) return before
  const { timeoutMsMin, timeoutMsMax, timeoutMsDefault } = attemptLimits
  if (given === 0) return timeoutMsDefault
  if (given < timeoutMsMin || given > timeoutMsMax) {
    throw fault("timeout_ms", `must be ${timeoutMsMin} to ${timeoutMsMax}, or 0 for ${timeoutMsDefault}`)
  }
  return given
}

function compressionOf(given: string | undefined, before: RowSettings["compression"], fault: Fault) {
  if (given === undefined) return before
  return given === "" ? null : wordOf("compression", given, compressions, fault)
}

const customTypeForm = /^[\w.:-]+$/
const beginningForm = /^(?:[\w:-]+\.)*\*$/

/**
 * Types that a hook may want: those that are sent here, the beginning of some, or `*`; with `sendsCustom` also names of
 * the app's own. Throws inputError for any other, because a mistyped type is one whose events never come.
 */
export function requireEventTypes(
  eventTypes: readonly string[],
  sendsCustom: boolean,
  member: string,
  fault: Fault,
): readonly string[] {
  const known = webhookEvents.types
  for (const type of eventTypes) {
    const shown = type.slice(0, limits.namedCharsMax)
    if (type.includes("*")) {
      if (!beginningForm.test(type)) throw fault(member, `holds ${shown}: a * stands alone or at the end, behind a dot`)
      const beginning = type.slice(0, -1)
      if (sendsCustom || known.some((name) => name.startsWith(beginning))) continue
      throw fault(member, `holds ${shown}, and no event begins with that`)
    }
    if (known.includes(type) || (sendsCustom && customTypeForm.test(type))) continue
    throw fault(member, `holds ${shown}, which is no event of this server${suggestion(shown, known)}`)
  }
  return [...new Set(eventTypes)]
}

/** A new hook as it is stored. `now` in milliseconds. */
export function newHookRow(
  masterKey: MasterKey,
  spec: HookSpec,
  place: { readonly id: string; readonly appId: number; readonly origin: HookOrigin; readonly position: number },
  now: number,
): HookRow {
  const { open: openTarget, secrets } = splitTarget(spec.target)
  const at = { app_id: place.appId, id: place.id }
  return {
    ...at,
    kind: spec.target.kind satisfies HookKind,
    origin: place.origin,
    position: place.position,
    ...stateOf(spec, null),
    product: spec.product,
    event_types: JSON.stringify(spec.eventTypes),
    target: targetText(openTarget),
    sealed_target: secrets === null ? null : seal(masterKey, JSON.stringify(secrets), targetContext(at)),
    settings: JSON.stringify(spec.settings),
    created_at: now,
    updated_at: now,
  }
}

export type HookChange = Partial<Omit<HookRow, "id" | "app_id" | "kind" | "origin" | "created_at">>

/** A hook before and after a change, and its place in the list after it. */
export interface HookEdit {
  readonly row: HookRow
  readonly before: HookSpec
  readonly after: HookSpec
  readonly position: number
}

/**
 * The columns that a change writes; null when nothing changes. Another place in the list alone is no change of the hook,
 * which stays as of when it was. A sealed target is among them only where its secrets are others: written back as it
 * was, it could undo a change of the master key in between.
 */
export function hookChange(
  masterKey: MasterKey,
  { row, before, after, position }: HookEdit,
  now: number,
): HookChange | null {
  const { open: openTarget, secrets } = splitTarget(after.target)
  const secretsText = JSON.stringify(secrets)
  const all: HookChange = {
    ...stateOf(after, row),
    product: after.product,
    event_types: JSON.stringify(after.eventTypes),
    target: targetText(openTarget),
    settings: JSON.stringify(after.settings),
  }
  const changed = Object.entries(all).filter(([name, value]) => value !== row[name as keyof HookRow])
  const isResealed = secretsText !== JSON.stringify(splitTarget(before.target).secrets)
  const place: HookChange = position === row.position ? {} : { position }
  if (changed.length === 0 && !isResealed) return "position" in place ? place : null
  const sealed_target = secrets === null ? null : seal(masterKey, secretsText, targetContext(row))
  return { ...place, ...Object.fromEntries(changed), ...(isResealed ? { sealed_target } : {}), updated_at: now }
}

const targetText = ({ kind: _, ...members }: OpenTarget): string => JSON.stringify(members)

/** A hook that was off stays off for the reason that it had. */
function stateOf({ enabled }: HookSpec, row: HookRow | null): Pick<HookRow, "enabled" | "disabled_reason"> {
  if (enabled) return { enabled: 1, disabled_reason: null }
  return { enabled: 0, disabled_reason: row?.enabled === 0 ? row.disabled_reason : "operator" }
}

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

/** A hook as the wire shows it: its settings, and no secret. */
export function hookView(row: HookRow) {
  const { compression, ...settings } = rowSettings(row)
  return {
    id: row.id,
    hook_type: row.kind,
    enabled: row.enabled === 1,
    disabled_reason: row.disabled_reason,
    product: row.product,
    event_types: JSON.parse(row.event_types) as string[],
    ...targetView(openTargetOf(row)),
    ...settings,
    // Absent: as the app has set it, also after the list has come back whole.
    ...(compression === null ? {} : { compression }),
    created_at: new Date(row.created_at).toISOString(),
    updated_at: new Date(row.updated_at).toISOString(),
  }
}

/** How a hook fares. Times in milliseconds, counted over a bounded number of its deliveries. */
export interface HookStatus {
  readonly pending: number
  readonly oldestPendingAt: number | null
  /** The oldest delivery that failed and waits, made after the last one arrived. */
  readonly failingSince: number | null
  readonly lastDeliveredAt: number | null
}

/** A hook as the management API shows it. */
export const managedHook = (row: HookRow, settings: HookSettings, status: HookStatus) => ({
  ...hookView(row),
  compression: rowSettings(row).compression ?? settings.compression,
  origin: row.origin,
  status: {
    pending: status.pending,
    oldest_pending_at: iso(status.oldestPendingAt),
    failing_since: iso(status.failingSince),
    last_delivered_at: iso(status.lastDeliveredAt),
  },
})

/** A hook as the audit log keeps it: no secret, and of a URL not its query, which may hold one of the receiver's. */
export function hookFacts(row: HookRow): Readonly<Record<string, unknown>> {
  const eventTypes = JSON.parse(row.event_types) as string[]
  return {
    hook_type: row.kind,
    address: namedAddress(openTargetOf(row)),
    enabled: row.enabled === 1,
    product: row.product,
    event_types: eventTypes.slice(0, limits.auditedTypesMax),
    event_types_count: eventTypes.length,
    ...rowSettings(row),
  }
}

/** Settings as the audit log keeps them. */
export const settingsFacts = ({ compression, beforeMessageSend }: HookSettings): Readonly<Record<string, unknown>> => ({
  hook_payload_compression: compression,
  before_message_send_hook: {
    address: beforeMessageSend.url === "" ? "" : namedAddress({ kind: "webhook", url: beforeMessageSend.url }),
    attempt_timeout_ms: beforeMessageSend.attemptTimeoutMs,
    on_failure: beforeMessageSend.onFailure,
  },
})

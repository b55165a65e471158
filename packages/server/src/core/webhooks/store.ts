import type { Read, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"

/** Which setting made a hook; that setting alone changes or removes it. `listen` hooks end with their listener. */
export type HookOrigin = "event_hooks" | "webhook_url" | "sqs_url" | "sns_topic_arn" | "admin" | "listen"

export interface HookRow {
  /** UUID. */
  id: string
  app_id: number
  /** HookKind (events/webhooks/hook.ts). */
  kind: string
  origin: HookOrigin
  /** Place in the app's list. */
  position: number
  /** 0 or 1. */
  enabled: number
  /** Why it is not enabled: `operator`, or `gone` after an answer of 410. */
  disabled_reason: string | null
  product: string
  /** JSON list. */
  event_types: string
  /** JSON: the target without its secrets. */
  target: string
  /** JSON of the target's secrets, sealed for (app, id); null when it has none. */
  sealed_target: string | null
  /** JSON: timeout_ms, compression, ordered, should_send_custom_events. */
  settings: string
  created_at: number
  updated_at: number
}

export interface HookSecretRow {
  hook_id: string
  id: string
  app_id: number
  alg: "hmac" | "ed25519"
  /** Sealed for (app, hook, id). */
  sealed: string
  /** `whpk_…` of an Ed25519 pair. */
  public_key: string | null
  /** Milliseconds; null: until somebody ends it. */
  expires_at: number | null
  created_at: number
}

export interface HookSettingsRow {
  app_id: number
  /** JSON. */
  settings: string
  updated_at: number
}

declare module "../../store/database.ts" {
  interface Tables {
    webhook_hooks: HookRow
    webhook_secrets: HookSecretRow
    webhook_settings: HookSettingsRow
  }
}

/** Hooks of an app in the order of its list. */
export const selectHooks = (read: Read, appId: number): Promise<HookRow[]> =>
  read
    .selectFrom("webhook_hooks")
    .selectAll()
    .where("app_id", "=", appId)
    .orderBy("position")
    .orderBy("id")
    .limit(limits.hooksPerAppReadMax)
    .execute()

/** Secrets of all hooks of an app, newest first. */
export const selectHookSecrets = (read: Read, appId: number): Promise<HookSecretRow[]> =>
  read
    .selectFrom("webhook_secrets")
    .selectAll()
    .where("app_id", "=", appId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limits.hooksPerAppReadMax * limits.secretsPerHookMax)
    .execute()

export const selectHookSettings = (read: Read, appId: number): Promise<HookSettingsRow | undefined> =>
  read.selectFrom("webhook_settings").selectAll().where("app_id", "=", appId).executeTakeFirst()

/** One hook of an app. */
export const selectHook = (read: Read, appId: number, id: string): Promise<HookRow | undefined> =>
  read.selectFrom("webhook_hooks").selectAll().where("app_id", "=", appId).where("id", "=", id).executeTakeFirst()

// Changes are made by whoever holds the app's row (lockApp), so that two at once come one after the other.

export const insertHook = (tx: Tx, row: HookRow): Promise<unknown> =>
  tx.insertInto("webhook_hooks").values(row).execute()

export const updateHook = (tx: Tx, id: string, change: Partial<HookRow>): Promise<unknown> =>
  tx.updateTable("webhook_hooks").set(change).where("id", "=", id).execute()

/** Removes hooks with their secrets. Deliveries of a hook that is gone are never due, and are pruned in time. */
export async function deleteHooks(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx.deleteFrom("webhook_secrets").where("hook_id", "in", ids).execute()
  await tx.deleteFrom("webhook_hooks").where("id", "in", ids).execute()
}

export const insertHookSecrets = (tx: Tx, rows: readonly HookSecretRow[]): Promise<unknown> =>
  tx.insertInto("webhook_secrets").values(rows).execute()

/** Secrets of one hook, newest first, those that have ended too. */
export const selectSecretsOfHook = (read: Read, hookId: string): Promise<HookSecretRow[]> =>
  read
    .selectFrom("webhook_secrets")
    .selectAll()
    .where("hook_id", "=", hookId)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limits.secretsPerHookMax)
    .execute()

/** Lets the secrets of a kind that would sign for longer sign until then. */
export const endSecretsBy = (tx: Tx, hookId: string, alg: HookSecretRow["alg"], expiresAt: number): Promise<unknown> =>
  tx
    .updateTable("webhook_secrets")
    .set({ expires_at: expiresAt })
    .where("hook_id", "=", hookId)
    .where("alg", "=", alg)
    .where(({ eb, or }) => or([eb("expires_at", "is", null), eb("expires_at", ">", expiresAt)]))
    .execute()

export const deleteHookSecret = (tx: Tx, hookId: string, id: string): Promise<unknown> =>
  tx.deleteFrom("webhook_secrets").where("hook_id", "=", hookId).where("id", "=", id).execute()

export const upsertHookSettings = (tx: Tx, row: HookSettingsRow): Promise<unknown> =>
  tx
    .insertInto("webhook_settings")
    .values(row)
    .onConflict((conflict) =>
      conflict.column("app_id").doUpdateSet((update) => ({
        settings: update.ref("excluded.settings"),
        updated_at: update.ref("excluded.updated_at"),
      })),
    )
    .execute()

/** Switches a hook off; false when it was off or is gone. */
export async function disableHook(tx: Tx, hookId: string, reason: string, now: number): Promise<boolean> {
  const result = await tx
    .updateTable("webhook_hooks")
    .set({ enabled: 0, disabled_reason: reason, updated_at: now })
    .where("id", "=", hookId)
    .where("enabled", "=", 1)
    .executeTakeFirst()
  return Number(result.numUpdatedRows) > 0
}

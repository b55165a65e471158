import type { TokenAlgorithm } from "../../authenticate/token.ts"
import type { Read, Tx } from "../../store/database.ts"

export interface ApiKeyRow {
  api_key: string
  app_id: number
  label: string
  /** 0 or 1. */
  disabled: number
  created_at: number
}

export type SecretState = "standby" | "active" | "retiring" | "revoked"

/**
 * A secret of a key. `sealed` opens only with the master key and the row's own place (base/crypto.ts); of a pair it
 * holds the public half (SPKI in PEM), sealed too, so that nobody who can write here can put in a key of their own.
 */
export interface SecretRow {
  api_key: string
  kid: string
  app_id: number
  sealed: string
  alg: TokenAlgorithm
  state: SecretState
  label: string
  created_by: string
  /** 0 or 1. */
  imported: number
  created_at: number
  state_since: number
}

/** One row that every node compares its master key with. */
export interface MasterKeyCheckRow {
  id: number
  check_value: string
}

declare module "../../store/database.ts" {
  interface Tables {
    api_keys: ApiKeyRow
    secrets: SecretRow
    master_key_check: MasterKeyCheckRow
  }
}

export const insertKey = (tx: Tx, row: ApiKeyRow): Promise<unknown> => tx.insertInto("api_keys").values(row).execute()

export const insertSecret = (tx: Tx, row: SecretRow): Promise<unknown> => tx.insertInto("secrets").values(row).execute()

export const selectKey = (read: Read, apiKey: string): Promise<ApiKeyRow | undefined> =>
  read.selectFrom("api_keys").selectAll().where("api_key", "=", apiKey).executeTakeFirst()

/** The key as it stands, ours to change with all its secrets until the commit. */
export const lockKey = (tx: Tx, apiKey: string): Promise<ApiKeyRow | undefined> =>
  tx
    .selectFrom("api_keys")
    .selectAll()
    .where("api_key", "=", apiKey)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .executeTakeFirst()

export const selectKeysOfApp = (read: Read, appId: number, limit: number): Promise<ApiKeyRow[]> =>
  read.selectFrom("api_keys").selectAll().where("app_id", "=", appId).orderBy("created_at").limit(limit).execute()

export const updateKey = (tx: Tx, apiKey: string, change: Partial<Pick<ApiKeyRow, "label" | "disabled">>) =>
  tx.updateTable("api_keys").set(change).where("api_key", "=", apiKey).execute()

/** Secrets of some keys, newest first. */
export const selectSecrets = (read: Read, apiKeys: readonly string[], limit: number): Promise<SecretRow[]> =>
  read
    .selectFrom("secrets")
    .selectAll()
    .where("api_key", "in", apiKeys)
    .orderBy("created_at", "desc")
    .orderBy("kid")
    .limit(limit)
    .execute()

/** What verifies for a key: active ones first, the newest of each state first. */
export const selectVerifying = (read: Read, apiKey: string, limit: number): Promise<SecretRow[]> =>
  read
    .selectFrom("secrets")
    .selectAll()
    .where("api_key", "=", apiKey)
    .where("state", "in", ["active", "retiring"])
    .orderBy("state")
    .orderBy("state_since", "desc")
    .orderBy("kid")
    .limit(limit)
    .execute()

/** Whether the app has a secret of this name under any of its keys. */
export const selectKid = (read: Read, appId: number, kid: string): Promise<{ kid: string } | undefined> =>
  read.selectFrom("secrets").select("kid").where("app_id", "=", appId).where("kid", "=", kid).executeTakeFirst()

export const updateSecret = (
  tx: Tx,
  { api_key, kid }: Pick<SecretRow, "api_key" | "kid">,
  change: Partial<Pick<SecretRow, "state" | "state_since" | "label">>,
): Promise<unknown> =>
  tx.updateTable("secrets").set(change).where("api_key", "=", api_key).where("kid", "=", kid).execute()

export const selectMasterKeyCheck = (read: Read): Promise<MasterKeyCheckRow | undefined> =>
  read.selectFrom("master_key_check").selectAll().where("id", "=", 1).executeTakeFirst()

export const insertMasterKeyCheck = (tx: Tx, checkValue: string): Promise<unknown> =>
  tx
    .insertInto("master_key_check")
    .values({ id: 1, check_value: checkValue })
    .onConflict((conflict) => conflict.doNothing())
    .execute()

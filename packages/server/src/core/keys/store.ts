import type { Read, Tx } from "../../store/database.ts"

export interface ApiKeyRow {
  api_key: string
  app_id: number
  label: string
  created_at: number
}

/** A secret of a key. `sealed` opens only with the master key and the row's own place (base/crypto.ts). */
export interface SecretRow {
  api_key: string
  kid: string
  app_id: number
  sealed: string
  alg: "HS256"
  state: "active"
  created_at: number
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

export const selectKeysOfApp = (read: Read, appId: number, limit: number): Promise<ApiKeyRow[]> =>
  read.selectFrom("api_keys").selectAll().where("app_id", "=", appId).orderBy("created_at").limit(limit).execute()

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

export const selectMasterKeyCheck = (read: Read): Promise<MasterKeyCheckRow | undefined> =>
  read.selectFrom("master_key_check").selectAll().where("id", "=", 1).executeTakeFirst()

export const insertMasterKeyCheck = (tx: Tx, checkValue: string): Promise<unknown> =>
  tx
    .insertInto("master_key_check")
    .values({ id: 1, check_value: checkValue })
    .onConflict((conflict) => conflict.doNothing())
    .execute()

import { ApiError } from "@weir/protocol"
import { type RawBuilder, sql } from "kysely"
import type { TokenAlgorithm } from "../../authenticate/token.ts"
import { sealedKeyId, sealedPrefix } from "../../base/crypto.ts"
import { count } from "../../store/columns.ts"
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

/** One row: the current master key, with which everything is sealed in the end. A node whose ring lacks it does not start. */
export interface MasterKeyCheckRow {
  id: number
  /** The key's id. */
  check_value: string
}

/** Whether values may be sealed with a master key. `accepted`: yes; `retired`: none any more, for good. */
export type MasterKeyState = "accepted" | "retired"

export interface MasterKeyRow {
  key_id: string
  state: MasterKeyState
  since: number
}

/** What a node said of its ring. It says so again once a minute, and takes the row away when it ends in order. */
export interface MasterKeyNodeRow {
  node_id: string
  current_id: string
  /** JSON list of ids. */
  key_ids: string
  reported_at: number
}

/** One row: the deployment's own name, which outlives its master keys. */
export interface DeploymentRow {
  id: number
  deployment_id: string
}

declare module "../../store/database.ts" {
  interface Tables {
    api_keys: ApiKeyRow
    secrets: SecretRow
    master_key_check: MasterKeyCheckRow
    master_keys: MasterKeyRow
    master_key_nodes: MasterKeyNodeRow
    deployment: DeploymentRow
  }
}

export const insertKey = (tx: Tx, row: ApiKeyRow): Promise<unknown> => tx.insertInto("api_keys").values(row).execute()

/** Throws ApiError unavailable when the master key that sealed it was retired meanwhile. */
export async function insertSecret(tx: Tx, row: SecretRow): Promise<void> {
  await requireSealable(tx, row.sealed, row.created_at)
  await tx.insertInto("secrets").values(row).execute()
}

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

/**
 * To be called in every transaction that writes a new sealed value. Until the commit, the key that sealed it cannot be
 * retired; so whoever retires a key sees every value that it has sealed, and may drop the key once all are sealed anew.
 * Throws ApiError unavailable when the key is retired already: this node learns of its ring's change in a moment.
 */
export async function requireSealable(tx: Tx, sealed: string, now: number): Promise<void> {
  const key_id = sealedKeyId(sealed)
  const select = () =>
    tx
      .selectFrom("master_keys")
      .select("state")
      .where("key_id", "=", key_id)
      .$if(tx.capabilities.supportsManyNodes, (query) => query.forShare())
      .executeTakeFirst()
  let found = await select()
  if (found === undefined) {
    await acceptMasterKey(tx, key_id, now)
    found = await select()
  }
  if (found?.state !== "retired") return
  throw new ApiError("unavailable", "this node is changing over to another key, try again", {
    retryAfterSeconds: 1,
    internal: `new secrets would be sealed with the retired master key ${key_id}; put the current one first`,
  })
}

/** Lets values be sealed with a key that the database does not know yet; one that it knows stays as it is. */
export const acceptMasterKey = (tx: Tx, keyId: string, now: number): Promise<unknown> =>
  tx
    .insertInto("master_keys")
    .values({ key_id: keyId, state: "accepted", since: now })
    .onConflict((conflict) => conflict.doNothing())
    .execute()

/** Keys that nothing may be sealed with, though the database did not know them; those that it knows stay as they are. */
export async function retireUnknownKeys(tx: Tx, keyIds: readonly string[], now: number): Promise<void> {
  if (keyIds.length === 0) return
  await tx
    .insertInto("master_keys")
    .values(keyIds.map((key_id) => ({ key_id, state: "retired", since: now })))
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** Every key that sealed something since the deployment knows of several. */
export const selectMasterKeys = (read: Read): Promise<MasterKeyRow[]> =>
  read.selectFrom("master_keys").selectAll().orderBy("since").orderBy("key_id").execute()

/** The row of the current key, which stays the current one until the commit. */
export const lockMasterKeyCheck = (tx: Tx, strength: "share" | "update"): Promise<MasterKeyCheckRow | undefined> =>
  tx
    .selectFrom("master_key_check")
    .selectAll()
    .where("id", "=", 1)
    .$if(tx.capabilities.supportsManyNodes, (query) => (strength === "share" ? query.forShare() : query.forUpdate()))
    .executeTakeFirst()

/**
 * Makes a key the current one, and retires all others: waits for those who are writing with one of them. Nothing may
 * have retired the key itself.
 */
export async function makeMasterKeyCurrent(tx: Tx, keyId: string, now: number): Promise<void> {
  await acceptMasterKey(tx, keyId, now)
  await tx
    .updateTable("master_keys")
    .set({ state: "retired", since: now })
    .where("key_id", "<>", keyId)
    .where("state", "<>", "retired")
    .execute()
  await tx.updateTable("master_key_check").set({ check_value: keyId }).where("id", "=", 1).execute()
}

export const insertDeployment = (tx: Tx, deploymentId: string): Promise<unknown> =>
  tx
    .insertInto("deployment")
    .values({ id: 1, deployment_id: deploymentId })
    .onConflict((conflict) => conflict.doNothing())
    .execute()

export const selectDeployment = (read: Read): Promise<DeploymentRow | undefined> =>
  read.selectFrom("deployment").selectAll().where("id", "=", 1).executeTakeFirst()

export const saveNodeReport = (tx: Tx, row: MasterKeyNodeRow): Promise<unknown> =>
  tx
    .insertInto("master_key_nodes")
    .values(row)
    .onConflict((conflict) => conflict.column("node_id").doUpdateSet(row))
    .execute()

export const deleteNodeReport = (tx: Tx, nodeId: string): Promise<unknown> =>
  tx.deleteFrom("master_key_nodes").where("node_id", "=", nodeId).execute()

export const pruneNodeReports = (tx: Tx, reportedBefore: number): Promise<unknown> =>
  tx.deleteFrom("master_key_nodes").where("reported_at", "<", reportedBefore).execute()

export const selectNodeReports = (read: Read, limit: number): Promise<MasterKeyNodeRow[]> =>
  read.selectFrom("master_key_nodes").selectAll().orderBy("reported_at", "desc").limit(limit).execute()

/** Where sealed values lie: a column of a table, and what the value's context is made of. */
export interface SealedPlace {
  readonly table: string
  /** Columns that name a row. */
  readonly key: readonly string[]
  readonly sealed: string
  /** Further columns that the context is made of. */
  readonly also: readonly string[]
  /** The context that a row's value was sealed with. */
  readonly context: (row: SealedRow) => string
}

/** The columns of a row that its place names. */
export type SealedRow = Readonly<Record<string, string | number>>

/** How many values of a place each key has sealed, by the key's id; unnamedKeyId for the form without one. */
export async function countSealed(read: Read, place: SealedPlace): Promise<Map<string, number>> {
  const column = sql.ref(place.sealed)
  const keyId = sql<string>`case when substr(${column}, 1, 3) = 'v2.' then substr(${column}, 4, 22) else '' end`
  const rows = await read
    .selectFrom(tableOf(place).as("place"))
    .select([keyId.as("key_id"), count().as("total")])
    .where(sql<boolean>`${column} is not null`)
    .groupBy("key_id")
    .execute()
  return new Map(rows.map(({ key_id, total }) => [key_id, total]))
}

/** Rows whose values another key has sealed than the named one, in the order of their keys. */
export function selectSealedByOthers(
  read: Read,
  place: SealedPlace,
  keyId: string,
  after: SealedRow | null,
  limit: number,
): Promise<SealedRow[]> {
  const prefix = sealedPrefix(keyId)
  const columns = [...new Set([...place.key, place.sealed, ...place.also])]
  let query = read
    .selectFrom(tableOf(place).as("place"))
    .select(columns.map((name) => sql<string | number>`${sql.ref(name)}`.as(name)))
    .where(sql<boolean>`substr(${sql.ref(place.sealed)}, 1, ${sql.lit(prefix.length)}) <> ${prefix}`)
    .limit(limit)
  for (const name of place.key) query = query.orderBy(sql`${sql.ref(name)}`)
  if (after !== null) {
    const [names, values] = [place.key.map((name) => sql.ref(name)), place.key.map((name) => after[name])]
    query = query.where(sql<boolean>`(${sql.join(names)}) > (${sql.join(values)})`)
  }
  return query.execute() as Promise<SealedRow[]>
}

/** Compare-and-set: puts the value anew where it is still the one that was read. False when it is not. */
export async function replaceSealed(tx: Tx, place: SealedPlace, row: SealedRow, sealed: string): Promise<boolean> {
  // The table is a parameter, so it stands for one whose columns the compiler knows.
  let query = tx
    .updateTable(place.table as "secrets")
    .set({ [place.sealed]: sealed })
    .where(sql<boolean>`${sql.ref(place.sealed)} = ${row[place.sealed]}`)
  for (const name of place.key) query = query.where(sql<boolean>`${sql.ref(name)} = ${row[name]}`)
  const [result] = await query.execute()
  return Number(result?.numUpdatedRows ?? 0) > 0
}

const tableOf = ({ table }: SealedPlace): RawBuilder<object> => sql`${sql.table(table)}`

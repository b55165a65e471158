import { type RawBuilder, sql } from "kysely"
import type { Capabilities, Read, Tx } from "../../store/database.ts"

export type Level = "app" | "user" | "key" | "kid" | "jti" | "token" | "device"

export interface RevocationRow {
  id: string
  /** Place in the order of all changes of revocations; a new one when it is undone. */
  seq: number
  app_id: number
  level: Level
  target: string
  /** Milliseconds; null: whenever the token was issued. */
  before_ms: number | null
  mode: "enforce" | "shadow"
  /** 0 or 1. */
  terminal: number
  reason: string
  created_by: string
  created_at: number
  undone_at: number | null
  shadow_hits: number
  shadow_users: number
  /** JSON. */
  receipt: string | null
}

/** Which node may be answering requests, by the database's clock. */
export interface GateNodeRow {
  node_id: string
  lease_until: number
  /** It has applied every revocation up to here. */
  applied_seq: number
}

export interface DeploymentKeyRow {
  key_id: string
  purpose: string
  /** SPKI in PEM. */
  public_key: string
  /** PKCS #8 in PEM, sealed. */
  sealed: string
  created_at: number
}

/** A nonce of a signed request that came: it does not count again until the request would be too old anyway. */
export interface RequestNonceRow {
  api_key: string
  nonce: string
  expires_at: number
}

declare module "../../store/database.ts" {
  interface Tables {
    revocations: RevocationRow
    revocation_clock: { id: number; seq: number }
    gate_nodes: GateNodeRow
    deployment_keys: DeploymentKeyRow
    request_nonces: RequestNonceRow
  }
}

/** Milliseconds since 1970 by the database's own clock: the one clock that all nodes share. */
const databaseNow = ({ dialect }: Capabilities): RawBuilder<number> =>
  dialect === "postgres"
    ? sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as double precision)`
    : sql<number>`cast((julianday('now') - 2440587.5) * 86400000 as integer)`

/**
 * The next place in the order. Whoever takes one holds the clock until the commit, so that places become visible in
 * their order and a reader who asks for what is newer than its last misses nothing.
 */
export async function nextSeq(tx: Tx): Promise<number> {
  await tx
    .updateTable("revocation_clock")
    .set((column) => ({ seq: column("seq", "+", 1) }))
    .where("id", "=", 1)
    .execute()
  const { seq } = await tx.selectFrom("revocation_clock").select("seq").where("id", "=", 1).executeTakeFirstOrThrow()
  return seq
}

export const insertRevocation = (tx: Tx, row: RevocationRow): Promise<unknown> =>
  tx.insertInto("revocations").values(row).execute()

/** Changes from there on, in order. */
export const selectSince = (read: Read, seq: number, limit: number): Promise<RevocationRow[]> =>
  read.selectFrom("revocations").selectAll().where("seq", ">", seq).orderBy("seq").limit(limit).execute()

export const selectClock = (read: Read): Promise<{ seq: number }> =>
  read.selectFrom("revocation_clock").select("seq").where("id", "=", 1).executeTakeFirstOrThrow()

/** Those in force, in order, for a node that starts. */
export const selectInForce = (read: Read, seq: number, limit: number): Promise<RevocationRow[]> =>
  read
    .selectFrom("revocations")
    .selectAll()
    .where("undone_at", "is", null)
    .where("seq", ">", seq)
    .orderBy("seq")
    .limit(limit)
    .execute()

export const selectRevocation = (read: Read, appId: number, id: string): Promise<RevocationRow | undefined> =>
  read.selectFrom("revocations").selectAll().where("app_id", "=", appId).where("id", "=", id).executeTakeFirst()

export const selectRevocations = (
  read: Read,
  appId: number,
  beforeSeq: number | null,
  limit: number,
): Promise<RevocationRow[]> =>
  read
    .selectFrom("revocations")
    .selectAll()
    .where("app_id", "=", appId)
    .$if(beforeSeq !== null, (query) => query.where("seq", "<", beforeSeq ?? 0))
    .orderBy("seq", "desc")
    .limit(limit)
    .execute()

export const markUndone = (tx: Tx, id: string, seq: number, now: number): Promise<unknown> =>
  tx.updateTable("revocations").set({ undone_at: now, seq }).where("id", "=", id).execute()

export const saveReceipt = (tx: Tx, id: string, receipt: string): Promise<unknown> =>
  tx.updateTable("revocations").set({ receipt }).where("id", "=", id).execute()

export const addShadowHits = (tx: Tx, id: string, hits: number, users: number): Promise<unknown> =>
  tx
    .updateTable("revocations")
    .set((column) => ({
      shadow_hits: column("shadow_hits", "+", hits),
      shadow_users: column("shadow_users", "+", users),
    }))
    .where("id", "=", id)
    .execute()

/** Says that this node answers requests for so long. */
export const renewLease = (tx: Tx, nodeId: string, leaseMs: number, appliedSeq: number): Promise<unknown> => {
  const lease_until = sql<number>`${databaseNow(tx.capabilities)} + ${sql.lit(leaseMs)}`
  return tx
    .insertInto("gate_nodes")
    .values({ node_id: nodeId, lease_until, applied_seq: appliedSeq })
    .onConflict((conflict) =>
      conflict.column("node_id").doUpdateSet((update) => ({
        lease_until: update.ref("excluded.lease_until"),
        applied_seq: update.ref("excluded.applied_seq"),
      })),
    )
    .execute()
}

export const endLease = (tx: Tx, nodeId: string): Promise<unknown> =>
  tx.deleteFrom("gate_nodes").where("node_id", "=", nodeId).execute()

/** Nodes that may be answering requests, with how long they still may. */
export const selectLiveNodes = (read: Read): Promise<{ node_id: string; applied_seq: number; left_ms: number }[]> => {
  const now = databaseNow(read.capabilities)
  return read
    .selectFrom("gate_nodes")
    .select(["node_id", "applied_seq", sql<number>`lease_until - ${now}`.as("left_ms")])
    .where(sql<boolean>`lease_until > ${now}`)
    .execute()
}

export const pruneNodes = (tx: Tx, olderThanMs: number): Promise<unknown> =>
  tx
    .deleteFrom("gate_nodes")
    .where(sql<boolean>`lease_until < ${databaseNow(tx.capabilities)} - ${sql.lit(olderThanMs)}`)
    .execute()

/** The first time that a nonce comes, and until it expires, this is true once. */
export async function takeNonce(tx: Tx, row: RequestNonceRow): Promise<boolean> {
  const [result] = await tx
    .insertInto("request_nonces")
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  return Number(result?.numInsertedOrUpdatedRows ?? 0) > 0
}

export const pruneNonces = (tx: Tx, nowMs: number): Promise<unknown> =>
  tx.deleteFrom("request_nonces").where("expires_at", "<", nowMs).execute()

/** Revocations of an app that were made before, when no token can be that old; at most `limit`. */
export const pruneRevocations = (tx: Tx, appId: number, madeBeforeMs: number, limit: number): Promise<unknown> =>
  tx
    .deleteFrom("revocations")
    .where("id", "in", (where) =>
      where
        .selectFrom("revocations")
        .select("id")
        .where("app_id", "=", appId)
        .where("created_at", "<", madeBeforeMs)
        .where((or) => or.or([or("before_ms", "is", null), or("before_ms", "<", madeBeforeMs)]))
        .limit(limit),
    )
    .execute()

export const selectAppsWithRevocations = (read: Read): Promise<{ app_id: number }[]> =>
  read.selectFrom("revocations").select("app_id").distinct().execute()

export const selectDeploymentKeys = (read: Read, purpose: string): Promise<DeploymentKeyRow[]> =>
  read
    .selectFrom("deployment_keys")
    .selectAll()
    .where("purpose", "=", purpose)
    .orderBy("created_at")
    .orderBy("key_id")
    .execute()

export const insertDeploymentKey = (tx: Tx, row: DeploymentKeyRow): Promise<unknown> =>
  tx.insertInto("deployment_keys").values(row).execute()

import { sql } from "kysely"
import { databaseNow } from "../../store/columns.ts"
import type { Read, Tx } from "../../store/database.ts"

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
  /** Milliseconds: by then what it ends has run out of itself. Null: not known. */
  expires_at: number | null
}

/** Which node may be answering requests, by the database's clock. */
export interface GateNodeRow {
  node_id: string
  lease_until: number
  /** It has applied every revocation up to here. */
  applied_seq: number
  /** JSON, NodeCounts: what it closed for the latest of them; others closed nothing. */
  closed: string | null
}

/** By id of the revocation: when the node applied it, by its own clock in milliseconds, and sockets that ended. */
export type NodeCounts = Readonly<Record<string, readonly [appliedAt: number, socketsClosed: number]>>

/** Whom a shadow would have refused, so that nobody is counted twice. */
export interface ShadowUserRow {
  revocation_id: string
  user_id: string
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
    revocation_shadow_users: ShadowUserRow
    revocation_clock: { id: number; seq: number }
    gate_nodes: GateNodeRow
    deployment_keys: DeploymentKeyRow
    request_nonces: RequestNonceRow
  }
}

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

/**
 * Adds hits of a shadow, and users who were not counted yet, `usersMax` of them in all. Ids at most as many as one
 * statement has room for.
 */
export async function addShadowHits(
  tx: Tx,
  id: string,
  hits: number,
  userIds: readonly string[],
  usersMax: number,
): Promise<void> {
  const row = await tx.selectFrom("revocations").select("shadow_users").where("id", "=", id).executeTakeFirst()
  // It is gone: nobody asks any more whom it would have refused.
  if (row === undefined) return
  const wanted = userIds.slice(0, Math.max(0, usersMax - row.shadow_users))
  let users = 0
  if (wanted.length > 0) {
    const [added] = await tx
      .insertInto("revocation_shadow_users")
      .values([...wanted].sort().map((user_id) => ({ revocation_id: id, user_id })))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    users = Number(added?.numInsertedOrUpdatedRows ?? 0)
  }
  await tx
    .updateTable("revocations")
    .set((column) => ({
      shadow_hits: column("shadow_hits", "+", hits),
      shadow_users: column("shadow_users", "+", users),
    }))
    .where("id", "=", id)
    .execute()
}

/** Says that this node answers requests for so long, how far it has come and what it closed on the way. */
export const renewLease = (
  tx: Tx,
  nodeId: string,
  leaseMs: number,
  appliedSeq: number,
  closed: NodeCounts,
): Promise<unknown> => {
  const lease_until = sql<number>`${databaseNow(tx.capabilities)} + ${sql.lit(leaseMs)}`
  return tx
    .insertInto("gate_nodes")
    .values({ node_id: nodeId, lease_until, applied_seq: appliedSeq, closed: JSON.stringify(closed) })
    .onConflict((conflict) =>
      conflict.column("node_id").doUpdateSet((update) => ({
        lease_until: update.ref("excluded.lease_until"),
        applied_seq: update.ref("excluded.applied_seq"),
        closed: update.ref("excluded.closed"),
      })),
    )
    .execute()
}

export const endLease = (tx: Tx, nodeId: string): Promise<unknown> =>
  tx.deleteFrom("gate_nodes").where("node_id", "=", nodeId).execute()

export interface LiveNode {
  readonly node_id: string
  readonly applied_seq: number
  /** JSON, NodeCounts. */
  readonly closed: string | null
  readonly left_ms: number
}

/** Nodes that may be answering requests, with how long they still may. */
export const selectLiveNodes = (read: Read): Promise<LiveNode[]> => {
  const now = databaseNow(read.capabilities)
  return read
    .selectFrom("gate_nodes")
    .select(["node_id", "applied_seq", "closed", sql<number>`lease_until - ${now}`.as("left_ms")])
    .where(sql<boolean>`lease_until > ${now}`)
    .execute()
}

export interface SeenNode {
  readonly node_id: string
  /** Milliseconds since its lease ended; negative: it holds. */
  readonly over_ms: number
}

/** Every node that is remembered, those that fell silent too. */
export const selectNodes = (read: Read, limit: number): Promise<SeenNode[]> =>
  read
    .selectFrom("gate_nodes")
    .select(["node_id", sql<number>`${databaseNow(read.capabilities)} - lease_until`.as("over_ms")])
    .orderBy("lease_until", "desc")
    .limit(limit)
    .execute()

/** What the database's clock shows, in milliseconds since 1970. */
export async function selectDatabaseNow(read: Read): Promise<number> {
  const row = await read.selectNoFrom(databaseNow(read.capabilities).as("now")).executeTakeFirstOrThrow()
  return row.now
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

export async function pruneNonces(tx: Tx, nowMs: number, limit: number): Promise<number> {
  const [result] = await tx
    .deleteFrom("request_nonces")
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple("api_key", "nonce"),
        "in",
        selectFrom("request_nonces")
          .select(["api_key", "nonce"])
          .where("expires_at", "<", nowMs)
          .limit(limit)
          .$asTuple("api_key", "nonce"),
      ),
    )
    .execute()
  return Number(result?.numDeletedRows ?? 0)
}

/** Cut-offs of an app and its users that no living token can be older than; at most `limit`. Answers how many. */
export async function pruneCutoffs(tx: Tx, appId: number, olderThanMs: number, limit: number): Promise<number> {
  const [result] = await tx
    .deleteFrom("revocations")
    .where("id", "in", (where) =>
      where
        .selectFrom("revocations")
        .select("id")
        .where("app_id", "=", appId)
        .where("level", "in", boundedLevels)
        .where("created_at", "<", olderThanMs)
        .where("before_ms", "<", olderThanMs)
        .limit(limit),
    )
    .execute()
  return Number(result?.numDeletedRows ?? 0)
}

/** Levels that only tokens for users are asked for: an app's policy bounds how long those live, and no others. */
export const boundedLevels = ["app", "user"] as const satisfies readonly Level[]

/** Revocations that had run out, or were undone, before then; at most `limit`. Answers how many. */
export async function pruneOver(
  tx: Tx,
  column: "expires_at" | "undone_at",
  beforeMs: number,
  limit: number,
): Promise<number> {
  const [result] = await tx
    .deleteFrom("revocations")
    .where("id", "in", (where) =>
      where.selectFrom("revocations").select("id").where(column, "<", beforeMs).limit(limit),
    )
    .execute()
  return Number(result?.numDeletedRows ?? 0)
}

export const pruneShadowUsers = (tx: Tx): Promise<unknown> =>
  tx
    .deleteFrom("revocation_shadow_users")
    .where("revocation_id", "not in", (where) =>
      where.selectFrom("revocations").select("id").where("mode", "=", "shadow"),
    )
    .execute()

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

import type { Read, Tx } from "../../store/database.ts"

/** The columns bear the names of the entry's members (rules.ts, AuditResponse). */
export interface AuditRow {
  /** From 1, without gaps. */
  seq: number
  /** Milliseconds since 1970. */
  at: number
  app_id: number | null
  action: string
  actor: string
  address: string | null
  /** Canonical JSON of objects. */
  target: string | null
  before: string | null
  after: string | null
  /** Of the row before; empty for the first. */
  prev_hash: string
  hash: string
}

/**
 * Where the chain ends and where it begins, in one row. The rows that are there follow `base` and end in `seq`; a chain
 * whose end or beginning was cut off does not.
 */
export interface AuditHeadRow {
  /** Always 1. */
  id: number
  seq: number
  hash: string
  /** Place and hash of the newest row that was pruned; 0 and empty while none was. */
  base_seq: number
  base_hash: string
}

declare module "../../store/database.ts" {
  interface Tables {
    audit_log: AuditRow
    audit_head: AuditHeadRow
  }
}

/** The end of the chain, ours to go on from until the commit: writers of all nodes take turns here. */
export const lockHead = (tx: Tx): Promise<AuditHeadRow> =>
  tx
    .selectFrom("audit_head")
    .selectAll()
    .where("id", "=", 1)
    .$if(tx.capabilities.supportsManyNodes, (query) => query.forUpdate())
    .executeTakeFirstOrThrow()

export async function appendRow(tx: Tx, row: AuditRow): Promise<void> {
  await tx.insertInto("audit_log").values(row).execute()
  await tx.updateTable("audit_head").set({ seq: row.seq, hash: row.hash }).where("id", "=", 1).execute()
}

export const selectHead = (read: Read): Promise<AuditHeadRow | undefined> =>
  read.selectFrom("audit_head").selectAll().where("id", "=", 1).executeTakeFirst()

/** Newest first; of one app, or of the whole deployment when it is null. */
export const selectNewest = (
  read: Read,
  appId: number | null,
  beforeSeq: number | null,
  limit: number,
): Promise<AuditRow[]> =>
  read
    .selectFrom("audit_log")
    .selectAll()
    .$if(appId !== null, (query) => query.where("app_id", "=", appId))
    .$if(beforeSeq !== null, (query) => query.where("seq", "<", beforeSeq ?? 0))
    .orderBy("seq", "desc")
    .limit(limit)
    .execute()

export interface WalkPage {
  /** Null: from the lowest place that there is. */
  readonly afterSeq: number | null
  readonly appId?: number | null
  readonly limit: number
}

/** In the order of the chain. */
export const selectInOrder = (read: Read, { afterSeq, appId = null, limit }: WalkPage): Promise<AuditRow[]> =>
  read
    .selectFrom("audit_log")
    .selectAll()
    .$if(afterSeq !== null, (query) => query.where("seq", ">", afterSeq ?? 0))
    .$if(appId !== null, (query) => query.where("app_id", "=", appId))
    .orderBy("seq")
    .limit(limit)
    .execute()

/** The first place whose row is not older than this; undefined when all are. */
export const selectFirstSince = (read: Read, atMs: number): Promise<{ seq: number } | undefined> =>
  read.selectFrom("audit_log").select("seq").where("at", ">=", atMs).orderBy("seq").limit(1).executeTakeFirst()

/** Takes away the rows up to this one, which is there, and moves the beginning of the chain behind it. */
export async function deleteThrough(tx: Tx, through: { readonly seq: number; readonly hash: string }): Promise<void> {
  await tx.deleteFrom("audit_log").where("seq", "<=", through.seq).execute()
  await tx
    .updateTable("audit_head")
    .set({ base_seq: through.seq, base_hash: through.hash })
    .where("id", "=", 1)
    .execute()
}

export const selectHash = (read: Read, seq: number): Promise<{ hash: string } | undefined> =>
  read.selectFrom("audit_log").select("hash").where("seq", "=", seq).executeTakeFirst()

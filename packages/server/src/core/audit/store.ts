import type { Read, Tx } from "../../store/database.ts"

export interface AuditRow {
  /** From 1, without gaps. */
  seq: number
  at: number
  app_id: number | null
  action: string
  actor: string
  address: string | null
  /** JSON objects. */
  target: string | null
  before: string | null
  after: string | null
  /** Of the row before; empty for the first. */
  prev_hash: string
  hash: string
}

/** The newest row's place and hash: one row. A chain whose end was cut off does not end in it. */
export interface AuditHeadRow {
  id: number
  seq: number
  hash: string
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

/** In the order of the chain. */
export const selectAfter = (read: Read, seq: number, limit: number): Promise<AuditRow[]> =>
  read.selectFrom("audit_log").selectAll().where("seq", ">", seq).orderBy("seq").limit(limit).execute()

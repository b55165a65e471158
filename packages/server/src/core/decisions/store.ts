import type { Read, Tx } from "../../store/database.ts"

export interface DecisionRow {
  id: string
  /** 0 when the caller named no app that there is. */
  app_id: number
  at: number
  operation: string
  code: number
  user_id: string | null
  /** JSON of the decision as the management API shows it. */
  body: string
}

declare module "../../store/database.ts" {
  interface Tables {
    decisions: DecisionRow
  }
}

export const insertDecisions = (tx: Tx, rows: readonly DecisionRow[]): Promise<unknown> =>
  tx
    .insertInto("decisions")
    .values(rows)
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute()

export const selectDecision = (read: Read, id: string): Promise<DecisionRow | undefined> =>
  read.selectFrom("decisions").selectAll().where("id", "=", id).executeTakeFirst()

export interface DecisionsPage {
  readonly appId: number
  readonly userId: string | null
  readonly code: number | null
  readonly operation: string | null
  readonly sinceMs: number
  readonly after: { readonly at: number; readonly id: string } | null
  readonly limit: number
}

/** Newest first. */
export function selectDecisions(read: Read, page: DecisionsPage): Promise<DecisionRow[]> {
  const { after } = page
  return read
    .selectFrom("decisions")
    .selectAll()
    .where("app_id", "=", page.appId)
    .where("at", ">=", page.sinceMs)
    .$if(page.userId !== null, (query) => query.where("user_id", "=", page.userId))
    .$if(page.code !== null, (query) => query.where("code", "=", page.code ?? 0))
    .$if(page.operation !== null, (query) => query.where("operation", "=", page.operation ?? ""))
    .$if(after !== null, (query) =>
      query.where((where) =>
        where.or([
          where("at", "<", after?.at ?? 0),
          where.and([where("at", "=", after?.at ?? 0), where("id", "<", after?.id ?? "")]),
        ]),
      ),
    )
    .orderBy("at", "desc")
    .orderBy("id", "desc")
    .limit(page.limit)
    .execute()
}

/** Forgets what is older; at most `limit` rows. */
export const pruneOlder = (tx: Tx, beforeMs: number, limit: number): Promise<unknown> =>
  tx
    .deleteFrom("decisions")
    .where("id", "in", (where) => where.selectFrom("decisions").select("id").where("at", "<", beforeMs).limit(limit))
    .execute()

/** When the row was made that `keep` newer ones of its app follow; undefined when there are fewer. */
export const selectCutOff = (read: Read, appId: number, keep: number) =>
  read
    .selectFrom("decisions")
    .select("at")
    .where("app_id", "=", appId)
    .orderBy("at", "desc")
    .offset(keep)
    .limit(1)
    .executeTakeFirst()

/** Forgets an app's rows from then and before; at most `limit`. */
export const pruneApp = (tx: Tx, appId: number, untilMs: number, limit: number): Promise<unknown> =>
  tx
    .deleteFrom("decisions")
    .where("id", "in", (where) =>
      where.selectFrom("decisions").select("id").where("app_id", "=", appId).where("at", "<=", untilMs).limit(limit),
    )
    .execute()

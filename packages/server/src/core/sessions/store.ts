import type { ExpressionBuilder } from "kysely"
import { count } from "../../store/columns.ts"
import type { Read, Tx } from "../../store/database.ts"

export interface TokenSessionRow {
  app_id: number
  /** Of the token's text, in lower-case hex. */
  sha256: string
  kind: string
  user_id: string | null
  api_key: string
  kid: string | null
  jti: string | null
  device_id: string | null
  /** Unix seconds, as in the token. */
  issued_at: number | null
  expires_at: number | null
  /** Milliseconds. */
  first_seen: number
  last_seen: number
  uses: number
  address: string
  client: string | null
}

/** Use of a secret by callers who have no lasting token: backends. */
export interface SecretUsageRow {
  app_id: number
  kid: string
  client: string
  tokens: number
  last_seen: number
  last_address: string
}

export interface PolicyWarningRow {
  app_id: number
  rule: string
  seen: number
  first_seen: number
  last_seen: number
  /** Of the latest token that the rule would have refused. */
  kid: string | null
  client: string | null
}

declare module "../../store/database.ts" {
  interface Tables {
    token_sessions: TokenSessionRow
    secret_usage: SecretUsageRow
    policy_warnings: PolicyWarningRow
  }
}

/** Adds what was seen; `uses` are those since the last time. Rows in the order of their keys, so that two nodes wait and do not lock in a circle. */
export const addSessions = (tx: Tx, rows: readonly TokenSessionRow[]): Promise<unknown> =>
  tx
    .insertInto("token_sessions")
    .values([...rows].sort(byKey((row) => `${row.app_id}|${row.sha256}`)))
    .onConflict((conflict) =>
      conflict.columns(["app_id", "sha256"]).doUpdateSet((update) => ({
        uses: update("token_sessions.uses", "+", update.ref("excluded.uses")),
        last_seen: later(update, "token_sessions.last_seen", "excluded.last_seen"),
        first_seen: earlier(update, "token_sessions.first_seen", "excluded.first_seen"),
        address: update.ref("excluded.address"),
        client: update.ref("excluded.client"),
      })),
    )
    .execute()

export const addUsage = (tx: Tx, rows: readonly SecretUsageRow[]): Promise<unknown> =>
  tx
    .insertInto("secret_usage")
    .values([...rows].sort(byKey((row) => `${row.app_id}|${row.kid}|${row.client}`)))
    .onConflict((conflict) =>
      conflict.columns(["app_id", "kid", "client"]).doUpdateSet((update) => ({
        tokens: update("secret_usage.tokens", "+", update.ref("excluded.tokens")),
        last_seen: later(update, "secret_usage.last_seen", "excluded.last_seen"),
        last_address: update.ref("excluded.last_address"),
      })),
    )
    .execute()

export const addWarnings = (tx: Tx, rows: readonly PolicyWarningRow[]): Promise<unknown> =>
  tx
    .insertInto("policy_warnings")
    .values([...rows].sort(byKey((row) => `${row.app_id}|${row.rule}`)))
    .onConflict((conflict) =>
      conflict.columns(["app_id", "rule"]).doUpdateSet((update) => ({
        seen: update("policy_warnings.seen", "+", update.ref("excluded.seen")),
        last_seen: later(update, "policy_warnings.last_seen", "excluded.last_seen"),
        kid: update.ref("excluded.kid"),
        client: update.ref("excluded.client"),
      })),
    )
    .execute()

// `greatest` and two-argument `max` have different names on the two databases; `case` has one.
// biome-ignore lint/suspicious/noExplicitAny: the builder inside an upsert knows `excluded`, which has no name of its own
type Upsert = ExpressionBuilder<any, any>
const later = (update: Upsert, a: string, b: string) =>
  update.case().when(update.ref(b), ">", update.ref(a)).then(update.ref(b)).else(update.ref(a)).end()
const earlier = (update: Upsert, a: string, b: string) =>
  update.case().when(update.ref(b), "<", update.ref(a)).then(update.ref(b)).else(update.ref(a)).end()

const byKey =
  <Row>(keyOf: (row: Row) => string) =>
  (a: Row, b: Row): number =>
    keyOf(a) < keyOf(b) ? -1 : 1

export interface SessionsPage {
  readonly appId: number
  readonly userId: string | null
  readonly sinceMs: number
  /** The last row of the page before: nothing as new as it comes again. */
  readonly after: { readonly lastSeen: number; readonly sha256: string } | null
  readonly limit: number
}

/** Newest use first. */
export function selectSessions(read: Read, page: SessionsPage): Promise<TokenSessionRow[]> {
  const { after, userId } = page
  return read
    .selectFrom("token_sessions")
    .selectAll()
    .where("app_id", "=", page.appId)
    .where("last_seen", ">=", page.sinceMs)
    .$if(userId !== null, (query) => query.where("user_id", "=", userId))
    .$if(after !== null, (query) =>
      query.where((where) =>
        where.or([
          where("last_seen", "<", after?.lastSeen ?? 0),
          where.and([where("last_seen", "=", after?.lastSeen ?? 0), where("sha256", "<", after?.sha256 ?? "")]),
        ]),
      ),
    )
    .orderBy("last_seen", "desc")
    .orderBy("sha256", "desc")
    .limit(page.limit)
    .execute()
}

export const selectSession = (read: Read, appId: number, sha256: string): Promise<TokenSessionRow | undefined> =>
  read
    .selectFrom("token_sessions")
    .selectAll()
    .where("app_id", "=", appId)
    .where("sha256", "=", sha256)
    .executeTakeFirst()

/** Per kid: how many tokens and users were seen since then, and when the last was. */
export const countSessions = (read: Read, appId: number, kids: readonly string[], sinceMs: number) =>
  read
    .selectFrom("token_sessions")
    .select((select) => [
      "kid",
      count().as("tokens"),
      select.fn.count<number>("user_id").distinct().as("users"),
      select.fn.max("last_seen").as("last_seen"),
    ])
    .where("app_id", "=", appId)
    .where("kid", "in", kids)
    .where("last_seen", ">=", sinceMs)
    .groupBy("kid")
    .execute()

/** Per kid and client: tokens, users and the last use. Of each kid the clients with most tokens and the latest. */
export const selectClients = (read: Read, appId: number, kids: readonly string[], sinceMs: number, perKidMax: number) =>
  read
    .selectFrom((from) =>
      from
        .selectFrom((inner) =>
          inner
            .selectFrom("token_sessions")
            .select((select) => [
              "kid",
              "client",
              count().as("tokens"),
              select.fn.count<number>("user_id").distinct().as("users"),
              select.fn.max("last_seen").as("last_seen"),
              select.fn.max("address").as("address"),
            ])
            .where("app_id", "=", appId)
            .where("kid", "in", kids)
            .where("last_seen", ">=", sinceMs)
            .groupBy(["kid", "client"])
            .as("seen"),
        )
        .selectAll()
        .select(({ fn }) => [
          fn
            .agg<number>("row_number")
            .over((over) => over.partitionBy("kid").orderBy("tokens", "desc").orderBy("last_seen", "desc"))
            .as("by_tokens"),
          fn
            .agg<number>("row_number")
            .over((over) => over.partitionBy("kid").orderBy("last_seen", "desc"))
            .as("by_time"),
        ])
        .as("ranked"),
    )
    .select(["kid", "client", "tokens", "users", "last_seen", "address"])
    .where((where) => where.or([where("by_tokens", "<=", perKidMax), where("by_time", "<=", perKidMax)]))
    .execute()

export const selectUsage = (
  read: Read,
  appId: number,
  kids: readonly string[],
  sinceMs: number,
): Promise<SecretUsageRow[]> =>
  read
    .selectFrom("secret_usage")
    .selectAll()
    .where("app_id", "=", appId)
    .where("kid", "in", kids)
    .where("last_seen", ">=", sinceMs)
    .execute()

export const selectWarnings = (read: Read, appId: number): Promise<PolicyWarningRow[]> =>
  read.selectFrom("policy_warnings").selectAll().where("app_id", "=", appId).orderBy("rule").execute()

/** How many tokens and users of a kid could be let in now or later: what revoking it would end. */
export const countUnexpired = (read: Read, appId: number, kid: string, nowSeconds: number, sinceMs: number) =>
  read
    .selectFrom("token_sessions")
    .select((select) => [count().as("tokens"), select.fn.count<number>("user_id").distinct().as("users")])
    .where("app_id", "=", appId)
    .where("kid", "=", kid)
    .where("last_seen", ">=", sinceMs)
    .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", nowSeconds)]))
    .executeTakeFirstOrThrow()

/** Forgets tokens that were not seen since; at most `limit` of them. */
export const pruneSessions = (tx: Tx, beforeMs: number, limit: number): Promise<unknown> =>
  tx
    .deleteFrom("token_sessions")
    .where((where) =>
      where.and([
        where("last_seen", "<", beforeMs),
        where(
          "sha256",
          "in",
          where.selectFrom("token_sessions").select("sha256").where("last_seen", "<", beforeMs).limit(limit),
        ),
      ]),
    )
    .execute()

/** What a revocation names: one column of the sessions, or all users' sessions of the app. */
export interface Matching {
  readonly app_id: number
  readonly level: "app" | "user" | "key" | "kid" | "jti" | "token" | "device"
  readonly target: string
  /** Milliseconds; null: whenever the token was issued. */
  readonly before_ms: number | null
}

const columnOf = {
  user: "user_id",
  key: "api_key",
  kid: "kid",
  jti: "jti",
  token: "sha256",
  device: "device_id",
} as const

/** Tokens and users, seen since and not expired, that a revocation would end. */
export const selectMatching = (
  read: Read,
  { app_id, level, target, before_ms }: Matching,
  now: number,
  sinceMs: number,
) =>
  read
    .selectFrom("token_sessions")
    .select((select) => [count().as("tokens"), select.fn.count<number>("user_id").distinct().as("users")])
    .where("app_id", "=", app_id)
    .where("last_seen", ">=", sinceMs)
    .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", now / 1000)]))
    .$if(level !== "app", (query) => query.where(columnOf[level as keyof typeof columnOf], "=", target))
    .$if(before_ms !== null, (query) =>
      query.where((where) =>
        where.or([where("issued_at", "is", null), where("issued_at", "<", Math.floor((before_ms ?? 0) / 1000))]),
      ),
    )
    .executeTakeFirstOrThrow()

// What the tests of deliveries share: a database with hooks and many deliveries, the management API over it, and a look
// at how a query is run.

import { expect } from "bun:test"
import type { ApiError } from "@weir/protocol"
import { type Kysely, type RootOperationNode, sql } from "kysely"
import { createAuthenticateOperator } from "../src/authenticate/operator.ts"
import { type Clock, systemClock } from "../src/base/clock.ts"
import { createLogger } from "../src/base/log.ts"
import { insertApp, newApp } from "../src/core/apps/index.ts"
import { migrations as appMigrations } from "../src/core/apps/migrations.ts"
import { appendAudit, auditMigrations } from "../src/core/audit/index.ts"
import { migrations as keyMigrations } from "../src/core/keys/migrations.ts"
import { hookMigrations } from "../src/core/webhooks/index.ts"
import { insertHook } from "../src/core/webhooks/store.ts"
import { createHttp } from "../src/request/http.ts"
import { createRateLimiter } from "../src/request/rate-limit.ts"
import type { AdminRoute } from "../src/request/route.ts"
import type { Database, Read } from "../src/store/database.ts"
import { type AnyTables, engineOf } from "../src/store/engine.ts"
import { migrate } from "../src/store/migrate.ts"
import { openDatabase } from "../src/store/open.ts"
import { type Answer, createPostgresDatabase, testAdminToken } from "../src/testing.ts"
import type { DatabaseKind } from "./fixtures.ts"
import { temporaryFolder } from "./node-process.ts"

export const appId = 1_000_001
export const otherAppId = 1_000_002
export const hookIdOf = (n: number): string => `0198a0d5-0000-7000-8000-${String(n).padStart(12, "0")}`

export interface DeliveryTables {
  readonly db: Database
  close(): Promise<void>
}

/** A database of the kind with two apps, and the tables of their keys, hooks and deliveries. */
export async function openDeliveryTables(kind: DatabaseKind): Promise<DeliveryTables> {
  const folder = temporaryFolder()
  const postgres = kind === "postgres" ? await createPostgresDatabase() : null
  const db = await openDatabase(
    postgres === null ? { kind: "sqlite", path: `${folder.path}/weir.db` } : { kind: "postgres", url: postgres.url },
  )
  await migrate(db, [
    { module: "apps", migrations: appMigrations },
    { module: "keys", migrations: keyMigrations },
    { module: "audit", migrations: auditMigrations },
    { module: "webhooks", migrations: hookMigrations },
  ])
  await db.transact(async (tx) => {
    for (const id of [appId, otherAppId]) await insertApp(tx, newApp(id, `app ${id}`, "development", 0))
  })
  return {
    db,
    async close() {
      await db.close()
      await postgres?.drop()
      folder.remove()
    },
  }
}

export const addHook = (db: Database, id: string, more: { appId?: number; enabled?: number; reason?: string } = {}) =>
  db.transact(async (tx) => {
    await insertHook(tx, {
      id,
      app_id: more.appId ?? appId,
      kind: "webhook",
      origin: "admin",
      position: 0,
      enabled: more.enabled ?? 1,
      disabled_reason: more.reason ?? null,
      product: "all",
      event_types: "[]",
      target: "{}",
      sealed_target: null,
      settings: "{}",
      created_at: 0,
      updated_at: 0,
    })
  })

export interface ManyDeliveries {
  readonly hookId: string
  readonly total: number
  readonly appId?: number
  readonly state?: "pending" | "delivered" | "dead"
  readonly type?: string
  readonly stream?: string
  /** Of the first event, in milliseconds; each that follows is `stepMs` later. */
  readonly fromMs?: number
  readonly stepMs?: number
  readonly dueAt?: number
  readonly leasedBy?: string | null
  readonly attempts?: number
}

/** Writes events with a delivery each, whatever their number, in two statements. */
export async function addMany(db: Database, many: ManyDeliveries): Promise<void> {
  const { hookId, total, state = "delivered", type = "message.new", stream = "channel:messaging:general" } = many
  const { fromMs = 1_700_000_000_000, stepMs = 1_000, dueAt = 0, leasedBy = null, attempts = 0 } = many
  const app = many.appId ?? appId
  const finishedAt = state === "pending" ? sql`null` : sql`e.created_at + 5`
  await engineOf(db).transact(async ({ kysely }) => {
    const { first } = (
      await sql<{ first: number }>`select cast(coalesce(max(id), 0) as integer) as first from webhook_events`.execute(
        kysely,
      )
    ).rows[0] as { first: number }
    // Ids are the database's own to give, and it numbers the rows of one statement in their order.
    await sql`insert into webhook_events (app_id, type, stream, body, created_at)
      with recursive n(i) as (select 0 union all select i + 1 from n where i < ${sql.lit(total - 1)})
      select ${sql.lit(app)}, ${sql.lit(type)}, ${sql.lit(stream)}, '{"type":"x"}',
        cast(${sql.lit(String(fromMs))} as ${sql.raw(db.capabilities.dialect === "postgres" ? "double precision" : "integer")})
          + i * ${sql.lit(stepMs)} from n order by i`.execute(kysely)
    await sql`insert into webhook_deliveries (event_id, hook_id, app_id, type, stream, state, source, attempts, due_at,
        leased_by, status, fault, log, created_at, finished_at)
      select e.id, ${sql.lit(hookId)}, e.app_id, e.type, e.stream, ${sql.lit(state)}, 'event', ${sql.lit(attempts)},
        ${sql.raw(String(dueAt))}, ${leasedBy === null ? sql`null` : sql.lit(leasedBy)}, null, null, '[]', e.created_at,
        ${finishedAt} from webhook_events e where e.id > ${sql.lit(first)}`.execute(kysely)
  }, 60_000)
}

/** Brings the planner's numbers up to date, as autovacuum would in a minute. */
export const analyze = (db: Database): Promise<unknown> =>
  engineOf(db).transact(({ kysely }) => sql`analyze`.execute(kysely), 60_000)

const silent = createLogger({ level: "error", format: "json", write: () => undefined })

export type AdminCall = (method: string, path: string, body?: unknown, token?: string) => Promise<Answer>

const forOperators = (): never => {
  throw new Error("these routes are for operators")
}

/** The management API of these routes over a database: the real pipeline without a port. */
export function adminApi(db: Database, routes: readonly AdminRoute[], clock: Clock = systemClock): AdminCall {
  const byToken = createAuthenticateOperator(testAdminToken)
  const http = createHttp({
    routes: [],
    adminRoutes: routes,
    authenticate: forOperators,
    recheck: forOperators,
    authenticateOperator: ({ headers }) => byToken(headers.get("authorization")),
    audit: appendAudit,
    ensureActor: () => undefined,
    db,
    limiter: createRateLimiter({ enforced: false, overridesOf: () => null, shared: null, log: silent }),
    recordRefusal: ({ error }: { error: ApiError }) =>
      `00000000-0000-4000-8000-${String(error.status).padStart(12, "0")}`,
    observe: () => undefined,
    clock,
    log: silent,
  })
  return async (method, path, body, token = testAdminToken) => {
    const request = new Request(`http://127.0.0.1/api/admin/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const response = await http.serve(request, { address: "127.0.0.1", isSecure: true })
    const text = await response.text()
    const isJson = response.headers.get("content-type")?.startsWith("application/json")
    return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
  }
}

/** How the database runs each query that `work` makes with the handle it gets, in the words of its EXPLAIN. */
export async function plansOf(db: Database, work: (read: Read) => Promise<unknown>): Promise<string[]> {
  const kysely = db.read as unknown as Kysely<AnyTables>
  const nodes: RootOperationNode[] = []
  const watched = kysely.withPlugin({
    transformQuery({ node }) {
      nodes.push(node)
      return node
    },
    transformResult: async ({ result }) => result,
  })
  await work(Object.assign(watched, { capabilities: db.capabilities }) as unknown as Read)
  expect(nodes.length).toBeGreaterThan(0)
  const plans: string[] = []
  for (const node of nodes) {
    const executor = kysely.getExecutor()
    const compiled = executor.compileQuery(node, { queryId: "explained" })
    const explain = db.capabilities.dialect === "postgres" ? "explain " : "explain query plan "
    const { rows } = await kysely.executeQuery<Record<string, unknown>>({ ...compiled, sql: explain + compiled.sql })
    plans.push(rows.map((row) => String(row.detail ?? row["QUERY PLAN"])).join("\n"))
  }
  return plans
}

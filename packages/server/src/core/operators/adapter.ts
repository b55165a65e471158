// The login's library keeps its records in our tables, through the module's own store: every change is one transaction, and
// secrets are sealed on their way in.

import { ApiError } from "@weir/protocol"
import { type CleanedWhere, createAdapterFactory } from "better-auth/adapters"
import type { Clock } from "../../base/clock.ts"
import { type MasterKey, open, seal } from "../../base/crypto.ts"
import { randomId } from "../../base/ids.ts"
import type { Database, Tx } from "../../store/database.ts"
import { requireSealable } from "../keys/index.ts"
import type { OperatorSessions } from "./cache.ts"
import { totpContext } from "./login.ts"
import {
  type Condition,
  countRecords,
  deleteRecords,
  type Fields,
  insertRecord,
  type RecordTable,
  selectRecords,
  selectSessionTokens,
  updateRecords,
  type Value,
} from "./store.ts"

export interface AdapterParts {
  readonly db: Database
  readonly clock: Clock
  readonly masterKey: MasterKey
  readonly sessions: OperatorSessions
}

type Kind = "text" | "number" | "date" | "flag" | "sealed"
type Columns = Readonly<Record<string, readonly [column: string, kind: Kind]>>

/** Fields of the library's models that are kept, by table. Others are dropped: pictures, and the provider's tokens. */
const tables: Readonly<Record<RecordTable, Columns>> = {
  operators: {
    id: ["id", "text"],
    name: ["name", "text"],
    email: ["email", "text"],
    emailVerified: ["email_verified", "flag"],
    role: ["role", "text"],
    disabled: ["disabled", "flag"],
    twoFactorEnabled: ["two_factor_enabled", "flag"],
    createdAt: ["created_at", "date"],
    updatedAt: ["updated_at", "date"],
  },
  operator_sessions: {
    id: ["id", "text"],
    token: ["token", "text"],
    userId: ["operator_id", "text"],
    ipAddress: ["address", "text"],
    userAgent: ["user_agent", "text"],
    verifiedAt: ["verified_at", "date"],
    expiresAt: ["expires_at", "date"],
    createdAt: ["created_at", "date"],
    updatedAt: ["updated_at", "date"],
  },
  operator_accounts: {
    id: ["id", "text"],
    userId: ["operator_id", "text"],
    accountId: ["account_id", "text"],
    providerId: ["provider_id", "text"],
    password: ["password", "text"],
    createdAt: ["created_at", "date"],
    updatedAt: ["updated_at", "date"],
  },
  operator_verifications: {
    id: ["id", "text"],
    identifier: ["identifier", "text"],
    value: ["value", "text"],
    expiresAt: ["expires_at", "date"],
    createdAt: ["created_at", "date"],
    updatedAt: ["updated_at", "date"],
  },
  operator_two_factors: {
    id: ["id", "text"],
    userId: ["operator_id", "text"],
    secret: ["sealed", "sealed"],
    backupCodes: ["backup_codes", "text"],
    verified: ["verified", "flag"],
    failedVerificationCount: ["failed_verification_count", "number"],
    lockedUntil: ["locked_until", "date"],
  },
  operator_passkeys: {
    id: ["id", "text"],
    userId: ["operator_id", "text"],
    name: ["name", "text"],
    publicKey: ["public_key", "text"],
    credentialID: ["credential_id", "text"],
    counter: ["counter", "number"],
    deviceType: ["device_type", "text"],
    backedUp: ["backed_up", "flag"],
    transports: ["transports", "text"],
    createdAt: ["created_at", "date"],
    aaguid: ["aaguid", "text"],
  },
}

const operators = {
  eq: "=",
  ne: "<>",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
  in: "in",
  not_in: "not in",
} as const

/** The library's records in our tables: every change is one transaction, and sessions that change leave the caches. */
export function createAdapter({ db, clock, masterKey, sessions }: AdapterParts) {
  const tableOf = (model: string): RecordTable => {
    if (!Object.hasOwn(tables, model)) throw new Error(`the login has no table ${model}`)
    return model as RecordTable
  }
  const columnOf = (table: RecordTable, field: string): readonly [string, Kind] => {
    const column = tables[table][field]
    if (column === undefined) throw new Error(`the login keeps no ${field} in ${table}`)
    return column
  }
  const conditionsOf = (table: RecordTable, where: readonly CleanedWhere[] | undefined): Condition[] =>
    (where ?? []).map(({ field, operator, value, connector }): Condition => {
      const known = operators[operator as keyof typeof operators]
      if (known === undefined || (connector !== "AND" && (where?.length ?? 0) > 1)) {
        throw new Error(`the login asks with ${connector} ${operator}`)
      }
      const [column] = columnOf(table, field)
      const plain = Array.isArray(value) ? value.map(plainValue) : plainValue(value)
      return { column, operator: known, value: plain }
    })
  const fieldsOf = (table: RecordTable, data: Readonly<Record<string, unknown>>, id: string | null): Fields => {
    const fields: Fields = {}
    for (const [field, value] of Object.entries(data)) {
      const found = tables[table][field]
      if (found === undefined || value === undefined) continue
      const [column, kind] = found
      if (kind !== "sealed") {
        fields[column] = plainValue(value)
        continue
      }
      if (id === null) throw new Error("a secret is sealed for one row")
      fields[column] = seal(masterKey, String(value), totpContext(id))
      // Codes of another secret have not been used.
      fields.last_step = null
    }
    return fields
  }
  const recordOf = (table: RecordTable, row: Fields): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(tables[table]).map(([field, [column, kind]]) => {
        const value = row[column] ?? null
        if (value === null) return [field, null]
        if (kind === "date") return [field, new Date(Number(value))]
        if (kind === "flag") return [field, value === 1]
        return [field, kind === "sealed" ? open(masterKey, String(value), totpContext(String(row.id))) : value]
      }),
    )
  const idIn = (conditions: readonly Condition[]): string | null => {
    const found = conditions.find(({ column, operator }) => column === "id" && operator === "=")
    return found === undefined ? null : String(found.value)
  }
  /** Whatever nodes hold in memory of these rows is stale after the commit. */
  const forget = async (tx: Tx, table: RecordTable, rows: readonly Fields[]): Promise<void> => {
    const tokens: string[] = []
    if (table === "operator_sessions") tokens.push(...rows.map(({ token }) => String(token)))
    if (table === "operators") {
      for (const { id } of rows) tokens.push(...(await selectSessionTokens(tx, String(id))))
    }
    if (tokens.length > 0) tx.afterCommit(() => tokens.map((token) => sessions.drop(token)))
  }
  const update = (
    table: RecordTable,
    conditions: readonly Condition[],
    data: Readonly<Record<string, unknown>>,
    increments: Readonly<Record<string, number>> = {},
  ): Promise<Fields[]> =>
    db.transact(async (tx) => {
      const fields = fieldsOf(table, data, idIn(conditions))
      if (typeof fields.sealed === "string") await requireSealable(tx, fields.sealed, clock.now())
      const added = Object.entries(increments).map(([field, by]) => [columnOf(table, field)[0], by] as const)
      if (Object.keys(fields).length === 0 && added.length === 0) {
        return selectRecords(tx, table, conditions, { limit: 1 })
      }
      const rows = await updateRecords(tx, table, conditions, fields, Object.fromEntries(added))
      await forget(tx, table, rows)
      return rows
    })
  const remove = (table: RecordTable, conditions: readonly Condition[]): Promise<Fields[]> =>
    db.transact(async (tx) => {
      const rows = await deleteRecords(tx, table, conditions)
      await forget(tx, table, rows)
      return rows
    })

  return createAdapterFactory({
    config: {
      adapterId: "weir",
      adapterName: "Weir",
      // Each record by itself: a hook that asks the database must not wait for its own transaction.
      transaction: false,
      customIdGenerator: () => randomId(24),
    },
    adapter: () => ({
      // biome-ignore lint/suspicious/noExplicitAny: the library's generic records
      async create<T extends Record<string, any>>({ model, data }: { model: string; data: T }): Promise<T> {
        const table = tableOf(model)
        const row = await db.transact((tx) => {
          const fields = fieldsOf(table, data, typeof data.id === "string" ? data.id : null)
          const write = () => insertRecord(tx, table, fields)
          return typeof fields.sealed === "string"
            ? requireSealable(tx, fields.sealed, clock.now()).then(write)
            : write()
        })
        return recordOf(table, row) as T
      },
      async findOne<T>({ model, where }: { model: string; where: CleanedWhere[] }): Promise<T | null> {
        const table = tableOf(model)
        const [row] = await selectRecords(db.read, table, conditionsOf(table, where), { limit: 1 })
        return row === undefined ? null : (recordOf(table, row) as T)
      },
      async findMany<T>({
        model,
        where,
        limit,
        offset,
        sortBy,
      }: {
        model: string
        where?: CleanedWhere[] | undefined
        limit: number
        offset?: number | undefined
        sortBy?: { field: string; direction: "asc" | "desc" } | undefined
      }): Promise<T[]> {
        const table = tableOf(model)
        const order =
          sortBy === undefined ? undefined : { column: columnOf(table, sortBy.field)[0], direction: sortBy.direction }
        const rows = await selectRecords(db.read, table, conditionsOf(table, where), {
          limit,
          ...(offset === undefined ? {} : { offset }),
          order,
        })
        return rows.map((row) => recordOf(table, row) as T)
      },
      async count({ model, where }) {
        const table = tableOf(model)
        return countRecords(db.read, table, conditionsOf(table, where))
      },
      async update<T>({
        model,
        where,
        update: data,
      }: {
        model: string
        where: CleanedWhere[]
        update: T
      }): Promise<T | null> {
        const table = tableOf(model)
        const [row] = await update(table, conditionsOf(table, where), data as Record<string, unknown>)
        return row === undefined ? null : (recordOf(table, row) as T)
      },
      async updateMany({ model, where, update: data }) {
        const table = tableOf(model)
        return (await update(table, conditionsOf(table, where), data)).length
      },
      async delete({ model, where }) {
        const table = tableOf(model)
        await remove(table, conditionsOf(table, where))
      },
      async deleteMany({ model, where }) {
        const table = tableOf(model)
        return (await remove(table, conditionsOf(table, where))).length
      },
      async consumeOne<T>({ model, where }: { model: string; where: CleanedWhere[] }): Promise<T | null> {
        const table = tableOf(model)
        const [row] = await remove(table, conditionsOf(table, where))
        return row === undefined ? null : (recordOf(table, row) as T)
      },
      async incrementOne<T>({
        model,
        where,
        increment,
        set,
      }: {
        model: string
        where: CleanedWhere[]
        increment: Record<string, number>
        set?: Record<string, unknown> | undefined
      }): Promise<T | null> {
        const table = tableOf(model)
        const [row] = await update(table, conditionsOf(table, where), set ?? {}, increment)
        return row === undefined ? null : (recordOf(table, row) as T)
      },
    }),
  })
}

function plainValue(value: unknown): Value {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.getTime()
  if (typeof value === "boolean") return value ? 1 : 0
  if (typeof value === "number" || typeof value === "string") return value
  throw new ApiError("internal", "something went wrong", { internal: `the login keeps no ${typeof value}` })
}

// Column types and expressions that mean the same on both databases.
//
// Numbers come back as JavaScript numbers on both only when Postgres does not use its 64-bit integers, which Bun
// hands over as text; `double precision` is exact to 2^53. Texts are compared by their UTF-8 bytes on both: SQLite
// does so by itself, Postgres under COLLATE "C".

import { type Expression, type RawBuilder, sql } from "kysely"
import type { Capabilities } from "./database.ts"

export interface ColumnTypes {
  /** An id, a name or anything else that is compared, sorted or unique. */
  readonly key: RawBuilder<string>
  /** Prose. Compared as keys are. */
  readonly text: RawBuilder<string>
  /** Any finite number; whole ones are exact to 2^53 - 1. Times are milliseconds since 1970. */
  readonly number: RawBuilder<number>
  /** 0 or 1. */
  readonly flag: RawBuilder<number>
  /** JSON text, which the caller encodes and decodes. */
  readonly json: RawBuilder<string>
  /** Bytes, as Uint8Array. */
  readonly bytes: RawBuilder<Uint8Array>
}

/** The column types of a dialect, for Kysely's schema builder: `addColumn("id", columns.key, …)`. */
export function columnTypes({ dialect }: Capabilities): ColumnTypes {
  return dialect === "postgres"
    ? {
        key: sql`text collate "C"`,
        text: sql`text collate "C"`,
        number: sql`double precision`,
        flag: sql`smallint`,
        json: sql`text collate "C"`,
        bytes: sql`bytea`,
      }
    : {
        key: sql`text`,
        text: sql`text`,
        // Affinity keeps whole numbers whole and leaves fractions as they are.
        number: sql`integer`,
        flag: sql`integer`,
        json: sql`text`,
        bytes: sql`blob`,
      }
}

/** The number of rows, as a number on both databases: `select(count().as("total"))`. */
export const count = (): RawBuilder<number> => sql<number>`cast(count(*) as double precision)`

/** The sum of a number column; null over no rows. */
export const sum = (column: Expression<unknown>): RawBuilder<number | null> =>
  sql<number | null>`cast(sum(${column}) as double precision)`

/**
 * The value at a path inside a JSON column, as text: strings without quotes, numbers and booleans as JSON spells
 * them (`true`), objects and arrays as JSON text; null where nothing or JSON null is. Array elements have no path.
 */
export function jsonText(
  capabilities: Capabilities,
  column: Expression<unknown>,
  path: readonly string[],
): RawBuilder<string | null> {
  if (capabilities.dialect === "postgres") {
    return sql<string | null>`((${jsonAt(column, path)} #>> '{}') collate "C")`
  }
  const at = sqliteJsonPath(path)
  // json_extract gives 1 and 0 for booleans.
  return sql<string | null>`(case json_type(${column}, ${at}) when 'true' then 'true' when 'false' then 'false'
    else cast(json_extract(${column}, ${at}) as text) end)`
}

/** Kind of the value at a path inside a JSON column: string, number, boolean, array, object or null; NULL if absent. */
export function jsonKind(
  capabilities: Capabilities,
  column: Expression<unknown>,
  path: readonly string[],
): RawBuilder<string | null> {
  if (capabilities.dialect === "postgres") {
    return sql<string | null>`jsonb_typeof(${jsonAt(column, path)})`
  }
  return sql<string | null>`(case json_type(${column}, ${sqliteJsonPath(path)}) when 'text' then 'string'
    when 'integer' then 'number' when 'real' then 'number' when 'true' then 'boolean' when 'false' then 'boolean'
    else json_type(${column}, ${sqliteJsonPath(path)}) end)`
}

/** A number at a path inside a JSON column; null when something else is there. */
export function jsonNumber(
  capabilities: Capabilities,
  column: Expression<unknown>,
  path: readonly string[],
): RawBuilder<number | null> {
  if (capabilities.dialect === "postgres") {
    const at = jsonAt(column, path)
    return sql<number | null>`(case when jsonb_typeof(${at}) = 'number' then (${at} #>> '{}')::double precision end)`
  }
  const at = sqliteJsonPath(path)
  return sql<number | null>`(case when json_type(${column}, ${at}) in ('integer', 'real')
    then json_extract(${column}, ${at}) end)`
}

/** Milliseconds since 1970 by the database's own clock: the one clock that all nodes share. */
export const databaseNow = ({ dialect }: Capabilities): RawBuilder<number> =>
  dialect === "postgres"
    ? sql<number>`cast(extract(epoch from clock_timestamp()) * 1000 as double precision)`
    : sql<number>`cast((julianday('now') - 2440587.5) * 86400000 as integer)`

/** The numbers of a JSON array that is sent as one text: for `in`, when their count differs each time. */
export const jsonNumbers = ({ dialect }: Capabilities, array: string): RawBuilder<number> =>
  dialect === "postgres"
    ? // A parameter that is JSON itself would be encoded a second time.
      sql<number>`(select cast(e as double precision) from json_array_elements_text(cast(${array} as text)::json) as e)`
    : sql<number>`(select value from json_each(${array}))`

/** Whether a JSON array at a path holds a string or a number. An empty path means that the column is the array. */
export function jsonArrayHas(
  capabilities: Capabilities,
  column: Expression<unknown>,
  path: readonly string[],
  value: string | number,
): RawBuilder<boolean> {
  if (capabilities.dialect === "postgres") {
    const at = jsonAt(column, path)
    // A JSON text as parameter, because a bare one has no type for to_jsonb to go by.
    return sql<boolean>`coalesce(jsonb_typeof(${at}) = 'array'
      and ${at} @> jsonb_build_array(cast(${JSON.stringify(value)} as text)::jsonb), false)`
  }
  const at = sqliteJsonPath(path)
  const kinds = typeof value === "string" ? sql`('text')` : sql`('integer', 'real')`
  return sql<boolean>`(json_type(${column}, ${at}) = 'array' and exists (select 1 from json_each(${column}, ${at}) as e
    where e.type in ${kinds} and e.value = ${value}))`
}

/** Number of elements of a JSON array at a path; null when something else is there. */
export function jsonArrayLength(
  capabilities: Capabilities,
  column: Expression<unknown>,
  path: readonly string[],
): RawBuilder<number | null> {
  if (capabilities.dialect === "postgres") {
    const at = jsonAt(column, path)
    return sql<number | null>`(case when jsonb_typeof(${at}) = 'array' then jsonb_array_length(${at}) end)`
  }
  const at = sqliteJsonPath(path)
  return sql<
    number | null
  >`(case when json_type(${column}, ${at}) = 'array' then json_array_length(${column}, ${at}) end)`
}

// Postgres cannot read a JSON text with U+0000 or half of a surrogate pair in it, and one such row would fail the
// whole query; JSON.stringify writes both as escapes. Rows that hold one have no value at any path. An escape counts
// when an even number of backslashes stands before it.
function jsonAt(column: Expression<unknown>, path: readonly string[]): RawBuilder<unknown> {
  const whole = sql`(case when position('\\u' in ${column}) > 0
    and ${column} ~ '(^|[^\\\\])(\\\\\\\\)*\\\\u(0000|[dD][89abAB])' then null else ${column} end)::jsonb`
  return path.length === 0 ? whole : sql`(${whole} #> cast(${postgresPath(path)} as text[]))`
}

// Both databases read a path from one text; quotes and backslashes inside a name must not end it early.
const postgresPath = (path: readonly string[]): string =>
  `{${path.map((name) => `"${name.replace(/["\\]/g, "\\$&")}"`).join(",")}}`

const sqliteJsonPath = (path: readonly string[]): string => `$${path.map((name) => `."${name}"`).join("")}`

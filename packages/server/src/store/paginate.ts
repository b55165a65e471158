// Sorting and paging. A page begins after the last row of the one before, found by its sort keys, so that rows which
// come or go in between neither repeat nor hide others; limit and offset are there for the older operations.
//
// Order of texts is that of their UTF-8 bytes. Rows without a value come last, whichever way the others run.

import { inputError, limits as wire } from "@weir/protocol"
import { type Expression, type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from "kysely"
import { jsonNumber, jsonText } from "./columns.ts"
import type { Capabilities } from "./database.ts"
import { limits } from "./limits.ts"

export interface SortField {
  readonly type: "string" | "number"
  /** Column or expression; the field's own name when absent. */
  readonly column?: string | RawBuilder<unknown>
  /** Whether rows can be without a value. */
  readonly isNullable?: boolean
}

/** What a module lets its callers sort by. */
export interface SortTable {
  readonly fields: Readonly<Record<string, SortField>>
  /** JSON column of the app's own data; its members are `custom.<name>`. `type` in the request says how they compare. */
  readonly custom?: { readonly column: string }
  /** Order when the request names none. */
  readonly standard: readonly { readonly field: string; readonly direction: 1 | -1 }[]
  /** A field whose values are unique among the rows; it is added at the end when it is not there. */
  readonly unique: string
}

export interface SortKey {
  readonly field: string
  readonly direction: 1 | -1
  readonly type: "string" | "number"
  readonly isNullable: boolean
  readonly column: (capabilities: Capabilities) => Expression<unknown>
}

export type Sort = readonly SortKey[]

/**
 * Reads `[{"field": "created_at", "direction": -1}, …]` (contract/README.md, «Filters, sorting, paging»); the
 * direction is 1 when it is absent. Throws inputError naming the field.
 */
export function parseSort(input: unknown, table: SortTable): Sort {
  const requested = input === undefined || input === null ? [] : input
  if (!Array.isArray(requested)) throw sortError("must be a list")
  if (requested.length > wire.sortFieldsMax) throw sortError(`has more than ${wire.sortFieldsMax} fields`)
  const keys = requested.map((item) => parseSortKey(item, table))
  if (keys.length === 0) keys.push(...table.standard.map(({ field, direction }) => fieldKey(field, direction, table)))
  const names = new Set(keys.map(({ field }) => field))
  if (names.size < keys.length) throw sortError("names a field twice")
  // Without a key that tells all rows apart, rows with equal keys could be lost between two pages.
  if (!names.has(table.unique)) keys.push(fieldKey(table.unique, keys.at(-1)?.direction ?? 1, table))
  return keys
}

function parseSortKey(item: unknown, table: SortTable): SortKey {
  const {
    field,
    direction = 1,
    type,
  } = (typeof item === "object" && item !== null ? item : {}) as Record<string, unknown>
  if (typeof field !== "string") throw sortError("must be a list of objects with a field")
  if (direction !== 1 && direction !== -1) throw sortError("needs 1 or -1 as the direction", field)
  if (Object.hasOwn(table.fields, field)) return fieldKey(field, direction, table)
  const name = field.startsWith("custom.") ? field.slice("custom.".length) : ""
  // The name becomes part of a path in the databases' notations, where quotes and the like have a meaning.
  if (table.custom === undefined || !/^[\w-]{1,255}$/.test(name)) {
    throw sortError(`is not a field to sort by; these are: ${Object.keys(table.fields).join(", ")}`, field)
  }
  const column = sql.ref(table.custom.column)
  const isNumber = type === "number"
  return {
    field,
    direction,
    type: isNumber ? "number" : "string",
    isNullable: true,
    column: (capabilities) => (isNumber ? jsonNumber : jsonText)(capabilities, column, [name]),
  }
}

function fieldKey(field: string, direction: 1 | -1, table: SortTable): SortKey {
  const { type, column = field, isNullable = false } = table.fields[field] as SortField
  const expression = typeof column === "string" ? sql.ref(column) : column
  return { field, direction, type, isNullable, column: () => expression }
}

/** The keys of one row, in the order of the sort. */
type KeyValues = readonly (string | number | null)[]

export interface Page {
  /** 1 to the bound. */
  readonly limit: number
  /** Rows to skip, for operations that page by number. 0 with a cursor. */
  readonly offset: number
  readonly cursor: { readonly isBackward: boolean; readonly values: KeyValues } | null
}

export interface PageInput {
  readonly limit?: unknown
  readonly offset?: unknown
  readonly next?: unknown
  readonly prev?: unknown
}

export interface PageBounds {
  readonly limitDefault?: number
  readonly limitMax?: number
}

/**
 * Reads `limit`, `offset`, `next` and `prev` of a request. Throws inputError naming the parameter: out of bounds, a
 * cursor that was not made for this sort, or two of offset, next and prev at once.
 */
export function parsePage(input: PageInput, sort: Sort, bounds: PageBounds = {}): Page {
  const { limitDefault = wire.pageSizeDefault, limitMax = wire.pageSizeMax } = bounds
  const limit = integerIn("limit", input.limit ?? limitDefault, 1, limitMax)
  const offset = integerIn("offset", input.offset ?? 0, 0, wire.pageOffsetMax)
  // Clients send empty cursors for the first page.
  const next = input.next === "" ? undefined : (input.next ?? undefined)
  const prev = input.prev === "" ? undefined : (input.prev ?? undefined)
  if (next !== undefined && prev !== undefined) throw pageError("prev", "cannot be used together with next")
  if (next === undefined && prev === undefined) return { limit, offset, cursor: null }
  if (offset > 0) throw pageError("offset", "cannot be used together with next or prev")
  const name = next === undefined ? "prev" : "next"
  const values = decodeCursor(name, next ?? prev, sort)
  return { limit, offset, cursor: { isBackward: name === "prev", values } }
}

/** Name of a sort key among the selected columns. finishPage takes them away again. */
const keyAlias = (index: number): string => `sort_key_${index}`

/**
 * Adds order, position and limit to a query. One row more than the page is read, to know whether there is another
 * page; give the rows to finishPage.
 */
export function applyPage<DB, TB extends keyof DB, O>(
  query: SelectQueryBuilder<DB, TB, O>,
  page: Page,
  sort: Sort,
  capabilities: Capabilities,
): SelectQueryBuilder<DB, TB, O> {
  const isBackward = page.cursor?.isBackward === true
  let paged = query
  for (const [index, key] of sort.entries()) {
    const column = key.column(capabilities)
    // The keys are not part of O, because finishPage removes them.
    paged = paged.select(sql`${column}`.as(keyAlias(index))) as typeof paged
    if (key.isNullable) paged = paged.orderBy(missing(column), isBackward ? "desc" : "asc")
    paged = paged.orderBy(column as Expression<string>, (key.direction === 1) === isBackward ? "desc" : "asc")
  }
  if (page.cursor !== null) paged = paged.where(position(page.cursor.values, sort, isBackward, capabilities))
  if (page.offset > 0) paged = paged.offset(page.offset)
  return paged.limit(page.limit + 1)
}

export interface PageOf<Row> {
  readonly rows: Row[]
  /** Absent when there is nothing further in that direction. */
  readonly next?: string
  readonly prev?: string
}

/** Cuts the extra row off, puts a page that was read backwards in order, and makes the cursors. */
export function finishPage<Row extends object>(found: readonly Row[], page: Page, sort: Sort): PageOf<Row> {
  const hasMore = found.length > page.limit
  const inReach = found.slice(0, page.limit)
  const isBackward = page.cursor?.isBackward === true
  if (isBackward) inReach.reverse()
  const keyed = inReach.map((row) => splitKeys(row, sort))
  const [first, last] = [keyed[0], keyed.at(-1)]
  const rows = keyed.map(({ row }) => row)
  if (first === undefined || last === undefined) return { rows }
  // Whoever came with a cursor came from a page on its other side.
  const hasNext = isBackward || hasMore
  const hasPrev = isBackward ? hasMore : page.cursor !== null || page.offset > 0
  return {
    rows,
    ...(hasNext && { next: encodeCursor(last.values, sort) }),
    ...(hasPrev && { prev: encodeCursor(first.values, sort) }),
  }
}

function splitKeys<Row extends object>(row: Row, sort: Sort): { row: Row; values: KeyValues } {
  const rest = { ...row } as Record<string, unknown>
  const values = sort.map((_, index) => {
    const value = rest[keyAlias(index)]
    delete rest[keyAlias(index)]
    return value as string | number | null
  })
  return { row: rest as Row, values }
}

/** Rows beyond the position: equal in the first keys and beyond in the next one, for each number of first keys. */
function position(values: KeyValues, sort: Sort, isBackward: boolean, capabilities: Capabilities): RawBuilder<SqlBool> {
  const steps = sort.flatMap((key, index) => {
    const column = key.column(capabilities)
    const value = values[index] ?? null
    const isAscending = (key.direction === 1) !== isBackward
    const step = { column, value, isAscending }
    if (!key.isNullable) return [step]
    const presence = { column: missing(column), value: value === null ? 1 : 0, isAscending: !isBackward }
    // Rows without a value are all alike.
    return value === null ? [presence] : [presence, step]
  })
  const alternatives = steps.map(({ column, value, isAscending }, index) => {
    const equal = steps.slice(0, index).map((step) => sql`${step.column} = ${step.value}`)
    return sql`(${sql.join([...equal, sql`${column} ${sql.raw(isAscending ? ">" : "<")} ${value}`], sql` and `)})`
  })
  const [first] = steps
  // Says nothing new, but lets the databases begin in the middle of an index.
  const start = first && sql`${first.column} ${sql.raw(first.isAscending ? ">=" : "<=")} ${first.value}`
  return sql<SqlBool>`(${start} and (${sql.join(alternatives, sql` or `)}))`
}

const missing = (column: Expression<unknown>): RawBuilder<number> =>
  sql<number>`(case when ${column} is null then 1 else 0 end)`

// A cursor holds nothing that its bearer has not just seen, and is checked like any other input; so it is not signed.
function encodeCursor(values: KeyValues, sort: Sort): string {
  return Buffer.from(JSON.stringify([sortText(sort), ...values])).toString("base64url")
}

function decodeCursor(name: "next" | "prev", text: unknown, sort: Sort): KeyValues {
  const invalid = () => pageError(name, "is not a cursor of this query with this sort")
  if (typeof text !== "string" || text.length > limits.cursorCharsMax || !/^[\w-]+$/.test(text)) throw invalid()
  let parts: unknown
  try {
    parts = JSON.parse(Buffer.from(text, "base64url").toString("utf8"))
  } catch {
    throw invalid()
  }
  if (!Array.isArray(parts) || parts.length !== sort.length + 1 || parts[0] !== sortText(sort)) throw invalid()
  return sort.map((key, index) => {
    const value: unknown = parts[index + 1]
    const fits =
      value === null
        ? key.isNullable
        : key.type === "number"
          ? Number.isFinite(value)
          : typeof value === "string" && !value.includes("\0")
    if (!fits) throw invalid()
    return value as string | number | null
  })
}

const sortText = (sort: Sort): string =>
  sort.map(({ field, direction, type }) => `${direction === 1 ? "" : "-"}${field}:${type}`).join(",")

function integerIn(name: string, value: unknown, min: number, max: number): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw pageError(name, `must be a whole number from ${min} to ${max}`)
  }
  return value as number
}

const pageError = (name: string, what: string) => inputError(`${name} ${what}`, { [name]: what })

const sortError = (what: string, field?: string) => {
  const name = field?.slice(0, 100)
  return name === undefined
    ? inputError(`the sort ${what}`, { sort: what })
    : inputError(`the sort by ${JSON.stringify(name)} ${what}`, { [name]: what })
}

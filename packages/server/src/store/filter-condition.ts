// A parsed filter as SQL, for both databases. A comparison with nothing is null in SQL; that counts as false, and
// where a `$nor` turns false into true it is made false first.

import { type Expression, type RawBuilder, type SqlBool, sql } from "kysely"
import { jsonArrayHas, jsonArrayLength, jsonKind, jsonNumber, jsonText } from "./columns.ts"
import type { Capabilities } from "./database.ts"
import {
  type CustomComparison,
  type FieldComparison,
  type FilterField,
  type FilterNode,
  type FilterScalar,
  type FilterTable,
  foldText,
  wordsOf,
} from "./filter.ts"

/** The condition for `where`: `query.where(filterCondition(filter, table, read.capabilities))`. */
export function filterCondition(node: FilterNode, table: FilterTable, capabilities: Capabilities): RawBuilder<SqlBool> {
  if (node.kind === "field") return fieldCondition(node, table.fields[node.field] as FilterField, capabilities)
  if (node.kind === "custom") return customCondition(node, table.custom?.column ?? "custom", capabilities)
  const children = node.children.map((child) => filterCondition(child, table, capabilities))
  if (node.kind === "and") return allOf(children)
  if (node.kind === "or") return anyOf(children)
  return sql<SqlBool>`(not coalesce(${anyOf(children)}, ${never}))`
}

function fieldCondition(
  comparison: FieldComparison,
  field: FilterField,
  capabilities: Capabilities,
): RawBuilder<SqlBool> {
  if (field.build !== undefined) return sql<SqlBool>`(${field.build(comparison, capabilities)})`
  const { operator, value } = comparison
  const column = sql.ref(field.column ?? comparison.field)
  if (operator === "$exists") return presence(column, value as boolean)
  if (operator === "$autocomplete" || operator === "$q") {
    return field.foldedColumn === undefined
      ? search(operator, asciiLower(column), foldAscii(value as string))
      : search(operator, sql.ref(field.foldedColumn), foldText(value as string))
  }
  if (field.type === "string[]") {
    const has = (item: FilterScalar) => jsonArrayHas(capabilities, column, [], item as string)
    if (operator === "$in") return anyOf((value as readonly string[]).map(has))
    if (!Array.isArray(value)) return has(value as string)
    const items = value as readonly string[]
    return allOf([equals(jsonArrayLength(capabilities, column, []), items.length), ...items.map(has)])
  }
  if (operator === "$in") {
    return inList(column, (value as readonly FilterScalar[]).map(columnValue))
  }
  return compare(column, operator, columnValue(value as FilterScalar))
}

function customCondition(
  { path, operator, value }: CustomComparison,
  columnName: string,
  capabilities: Capabilities,
): RawBuilder<SqlBool> {
  const column = sql.ref(columnName)
  const kind = jsonKind(capabilities, column, path)
  const text = sql<string | null>`(case when ${kind} = 'string' then ${jsonText(capabilities, column, path)} end)`
  const valueLike = (sample: FilterScalar): Expression<unknown> => {
    if (typeof sample === "number") return jsonNumber(capabilities, column, path)
    if (typeof sample === "string") return text
    return sql`(case when ${kind} = 'boolean' then ${jsonText(capabilities, column, path)} end)`
  }
  const bound = (sample: FilterScalar) => (typeof sample === "boolean" ? String(sample) : sample)
  switch (operator) {
    case "$exists":
      // JSON null counts as absent, as it does in the wire's models.
      return value === true
        ? sql<SqlBool>`(coalesce(${kind}, 'null') <> 'null')`
        : sql<SqlBool>`(coalesce(${kind}, 'null') = 'null')`
    case "$autocomplete":
    case "$q":
      return search(operator, asciiLower(text), foldAscii(value as string))
    case "$contains":
      return jsonArrayHas(capabilities, column, path, value as string | number)
    case "$in": {
      const items = value as readonly FilterScalar[]
      const kinds = ["string", "number", "boolean"] as const
      return anyOf(
        kinds.flatMap((wanted) => {
          const [first, ...rest] = items.filter((item) => typeof item === wanted)
          return first === undefined ? [] : inList(valueLike(first), [first, ...rest].map(bound))
        }),
      )
    }
    default:
      return compare(valueLike(value as FilterScalar), operator, bound(value as FilterScalar))
  }
}

/** Flags are 0 and 1 in columns. */
const columnValue = (value: FilterScalar): string | number => (typeof value === "boolean" ? Number(value) : value)

type Ordering = Exclude<FieldComparison["operator"], "$in" | "$contains" | "$exists" | "$autocomplete" | "$q">

const signs: Readonly<Record<Ordering, RawBuilder<unknown>>> = {
  $eq: sql`=`,
  $gt: sql`>`,
  $gte: sql`>=`,
  $lt: sql`<`,
  $lte: sql`<=`,
}

function compare(
  left: Expression<unknown>,
  operator: FieldComparison["operator"],
  right: string | number,
): RawBuilder<SqlBool> {
  return sql<SqlBool>`(${left} ${signs[operator as Ordering]} ${right})`
}

const equals = (left: Expression<unknown>, right: number): RawBuilder<SqlBool> => sql<SqlBool>`(${left} = ${right})`

const inList = (left: Expression<unknown>, values: readonly (string | number)[]): RawBuilder<SqlBool> =>
  values.length === 0 ? never : sql<SqlBool>`(${left} in (${sql.join(values)}))`

const presence = (column: Expression<unknown>, isPresent: boolean): RawBuilder<SqlBool> =>
  isPresent ? sql<SqlBool>`(${column} is not null)` : sql<SqlBool>`(${column} is null)`

// Without a bound parameter, so that the databases see what it is while they plan.
const always = sql<SqlBool>`(1 = 1)`
const never = sql<SqlBool>`(1 = 0)`

const allOf = (conditions: readonly Expression<SqlBool>[]): RawBuilder<SqlBool> =>
  conditions.length === 0 ? always : sql<SqlBool>`(${sql.join(conditions, sql` and `)})`

const anyOf = (conditions: readonly Expression<SqlBool>[]): RawBuilder<SqlBool> =>
  conditions.length === 0 ? never : sql<SqlBool>`(${sql.join(conditions, sql` or `)})`

/**
 * `$autocomplete`: the text, or one of its words, begins with the value. `$q`: every word of the value stands
 * somewhere in the text. Both sides are folded already.
 */
function search(operator: "$autocomplete" | "$q", folded: Expression<unknown>, value: string): RawBuilder<SqlBool> {
  const like = (pattern: string) => sql<SqlBool>`(${folded} like ${pattern} escape '!')`
  if (operator === "$q") return allOf(wordsOf(value).map((word) => like(`%${escapeLike(word)}%`)))
  const start = escapeLike(wordsOf(value).join(" "))
  return anyOf([like(`${start}%`), like(`% ${start}%`)])
}

const escapeLike = (text: string): string => text.replace(/[!%_]/g, "!$&")

// Both databases fold A-Z alone, under the byte-wise comparison that the columns have.
const asciiLower = (column: Expression<unknown>): RawBuilder<string> => sql<string>`lower(${column})`
const foldAscii = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

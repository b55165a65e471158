// Filters as the wire knows them (contract/chat.md §3.6, «Filter operators»): JSON objects in the manner of MongoDB.
// parseFilter checks one against the fields that a module offers and turns it into a small tree whose size is bounded;
// filter-condition.ts turns the tree into SQL. Several keys in one object mean «and».

import { inputError, limits as wire } from "@weir/protocol"
import type { Expression, SqlBool } from "kysely"
import { isObject } from "../base/json.ts"
import type { Capabilities } from "./database.ts"
import { limits } from "./limits.ts"

/** Operators that compare a field. A bare value means `$eq`. */
export type FilterOperator = (typeof filterOperators)[number]

export const filterOperators = [
  "$eq",
  "$gt",
  "$gte",
  "$lt",
  "$lte",
  "$in",
  "$contains",
  "$exists",
  "$autocomplete",
  "$q",
] as const

/** `timestamp` is RFC 3339 on the wire and milliseconds in the database; `string[]` is a JSON array there. */
export type FieldType = "string" | "number" | "bool" | "timestamp" | "string[]"

export interface FilterField {
  readonly type: FieldType
  readonly operators: readonly FilterOperator[]
  /** Column to compare, such as `users.name`; the field's own name when absent. */
  readonly column?: string
  /** Column that holds foldText() of the same text, for `$autocomplete` and `$q`. Without it only A-Z are folded. */
  readonly foldedColumn?: string
  /** Writes the condition itself, for what no column of the table says. Must be true, false or null. */
  readonly build?: (comparison: FieldComparison, capabilities: Capabilities) => Expression<SqlBool>
}

/** What a module lets its callers filter by. */
export interface FilterTable {
  readonly fields: Readonly<Record<string, FilterField>>
  /** JSON column of the app's own data. Its members are `custom.<path>`, or any unknown name when `bare` is set. */
  readonly custom?: { readonly column: string; readonly bare?: boolean }
}

export type FilterScalar = string | number | boolean

/** Timestamps are milliseconds here. `$eq` of null has become `$exists` of false. */
export interface FieldComparison {
  readonly kind: "field"
  readonly field: string
  readonly operator: FilterOperator
  /** A list for `$in`, and for `$eq` of a `string[]` field, where it means the same values in any order. */
  readonly value: FilterScalar | readonly FilterScalar[]
}

/** The type of the value decides how a custom member is compared: JSON's own types, never converted. */
export interface CustomComparison {
  readonly kind: "custom"
  readonly path: readonly string[]
  readonly operator: FilterOperator
  readonly value: FilterScalar | readonly FilterScalar[]
}

export interface FilterGroup {
  readonly kind: "and" | "or" | "nor"
  /** Empty only in the filter that matches everything. */
  readonly children: readonly FilterNode[]
}

export type FilterNode = FieldComparison | CustomComparison | FilterGroup

/**
 * Checks a filter from outside. Absent and `{}` match everything. Throws inputError naming the field that is
 * unknown, whose operator or value does not fit, or where the filter exceeds a limit of the protocol.
 */
export function parseFilter(input: unknown, table: FilterTable): FilterNode {
  if (input === undefined || input === null) return { kind: "and", children: [] }
  return parseObject(input, { table, nodes: 0, scans: 0 }, 1)
}

/** Every comparison in a filter, for rules that depend on what is asked for. */
export function comparisonsOf(node: FilterNode): (FieldComparison | CustomComparison)[] {
  return node.kind === "field" || node.kind === "custom" ? [node] : node.children.flatMap(comparisonsOf)
}

interface Parsing {
  readonly table: FilterTable
  /** Comparisons and groups so far. */
  nodes: number
  /** What each row has to be opened for, because no index answers it: custom members, and words of searches. */
  scans: number
}

function parseObject(input: unknown, parsing: Parsing, depth: number): FilterNode {
  if (depth > wire.filterDepthMax) throw filterError(`is nested deeper than ${wire.filterDepthMax} levels`)
  if (!isObject(input)) throw filterError("must be an object")
  const children = Object.entries(input).flatMap(([key, value]) => {
    const group = groupKinds.get(key)
    if (group !== undefined) return [parseGroup(key, group, value, parsing, depth)]
    if (key.startsWith("$")) throw filterError(`the operator ${quote(key)} is unknown here`, key)
    return parseField(key, value, parsing)
  })
  const [only] = children
  return children.length === 1 && only !== undefined ? only : { kind: "and", children }
}

// A map, because names come from outside: an object would also answer to those that it inherits, such as `constructor`.
const groupKinds: ReadonlyMap<string, FilterGroup["kind"]> = new Map([
  ["$and", "and"],
  ["$or", "or"],
  ["$nor", "nor"],
])

function parseGroup(
  key: string,
  kind: FilterGroup["kind"],
  input: unknown,
  parsing: Parsing,
  depth: number,
): FilterGroup {
  countNode(parsing)
  if (!Array.isArray(input) || input.length === 0) throw filterError("must be a list of filters, not empty", key)
  // Each object counts even when it is empty, so that a list of many costs as much as it takes.
  const children = input.map((child) => {
    countNode(parsing)
    return parseObject(child, parsing, depth + 1)
  })
  return { kind, children }
}

function parseField(name: string, input: unknown, parsing: Parsing): FilterNode[] {
  const entries = isObject(input) ? Object.entries(input) : [["$eq", input] as const]
  if (entries.length === 0) throw filterError("has no operator", name)
  return entries.map(([operator, value]) => {
    countNode(parsing)
    if (!isOperator(operator)) throw filterError(`the operator ${quote(operator)} is unknown here`, name)
    countScans(name, operator, value, parsing)
    return parseComparison(name, operator, value, parsing.table)
  })
}

function parseComparison(name: string, operator: FilterOperator, value: unknown, table: FilterTable): FilterNode {
  const field = Object.hasOwn(table.fields, name) ? table.fields[name] : undefined
  const isAbsence = operator === "$eq" && value === null
  if (field !== undefined) {
    if (
      !field.operators.includes(isAbsence ? "$exists" : operator) &&
      !(isAbsence && field.operators.includes("$eq"))
    ) {
      throw filterError(`does not support ${operator}; it supports ${field.operators.join(", ")}`, name)
    }
    if (isAbsence) return { kind: "field", field: name, operator: "$exists", value: false }
    return { kind: "field", field: name, operator, value: fieldValue(name, field, operator, value) }
  }
  const path = customPath(name, table)
  if (isAbsence) return { kind: "custom", path, operator: "$exists", value: false }
  return { kind: "custom", path, operator, value: customValue(name, operator, value) }
}

function fieldValue(
  name: string,
  { type }: FilterField,
  operator: FilterOperator,
  value: unknown,
): FieldComparison["value"] {
  switch (operator) {
    case "$exists":
      return booleanValue(name, value)
    case "$autocomplete":
    case "$q":
      if (type !== "string") throw filterError(`does not support ${operator}`, name)
      return searchValue(name, value)
    case "$in":
      return listValue(name, value).map((item) => scalarValue(name, type, item))
    case "$contains":
      if (type !== "string[]") throw filterError("does not support $contains: it is not a list", name)
      return scalarValue(name, type, value)
    case "$eq":
      if (type === "string[]" && Array.isArray(value)) {
        return [...new Set(listValue(name, value).map((item) => stringValue(name, item)))]
      }
      return scalarValue(name, type, value)
    default:
      if (type === "bool" || type === "string[]") throw filterError(`does not support ${operator}`, name)
      return scalarValue(name, type, value)
  }
}

function scalarValue(name: string, type: FieldType, value: unknown): FilterScalar {
  switch (type) {
    case "number":
      return numberValue(name, value)
    case "bool":
      return booleanValue(name, value)
    case "timestamp": {
      const ms = typeof value === "string" ? parseTimestamp(value) : null
      if (ms === null) throw filterError("must be an RFC 3339 time", name)
      return ms
    }
    default:
      return stringValue(name, value)
  }
}

function customValue(name: string, operator: FilterOperator, value: unknown): CustomComparison["value"] {
  switch (operator) {
    case "$exists":
      return booleanValue(name, value)
    case "$autocomplete":
    case "$q":
      return searchValue(name, value)
    case "$in":
      return listValue(name, value).map((item) => customScalar(name, item))
    case "$eq":
      return customScalar(name, value)
    default:
      return typeof value === "number" ? numberValue(name, value) : stringValue(name, value)
  }
}

const customScalar = (name: string, value: unknown): FilterScalar =>
  typeof value === "number"
    ? numberValue(name, value)
    : typeof value === "boolean"
      ? value
      : stringValue(name, value, "must be a string, a number or a boolean")

// A name becomes part of a path in the databases' own notations, where quotes and backslashes have a meaning.
function customPath(name: string, { custom, fields }: FilterTable): string[] {
  const isPrefixed = name.startsWith("custom.")
  if (custom === undefined || !(isPrefixed || custom.bare === true)) {
    throw filterError(`is not a field to filter by; these are: ${Object.keys(fields).join(", ")}`, name)
  }
  const path = (isPrefixed ? name.slice("custom.".length) : name).split(".")
  if (path.length > limits.customPathNamesMax) {
    throw filterError(`is a path of more than ${limits.customPathNamesMax} names`, name)
  }
  for (const part of path) {
    const isPlain = part.length > 0 && part.length <= limits.customNameCharsMax && !/\p{Surrogate}/u.test(part)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    if (!isPlain || /["\\\u0000-\u001f]/.test(part)) throw filterError("is not the path of a custom field", name)
  }
  return path
}

function countNode(parsing: Parsing): void {
  parsing.nodes++
  if (parsing.nodes > wire.filterNodesMax) throw filterError(`has more than ${wire.filterNodesMax} conditions`)
}

function countScans(name: string, operator: FilterOperator, value: unknown, parsing: Parsing): void {
  const isSearch = operator === "$autocomplete" || operator === "$q"
  if (isSearch) parsing.scans += typeof value === "string" ? Math.max(1, wordsOf(value).length) : 1
  else if (!Object.hasOwn(parsing.table.fields, name)) parsing.scans++
  if (parsing.scans > wire.filterScansMax) {
    throw filterError(`has more than ${wire.filterScansMax} conditions on custom data and words to search for`, name)
  }
}

function listValue(name: string, value: unknown): unknown[] {
  if (!Array.isArray(value)) throw filterError("must be a list", name)
  if (value.length > wire.filterValuesMax) throw filterError(`lists more than ${wire.filterValuesMax} values`, name)
  return value
}

function stringValue(name: string, value: unknown, expected = "must be a string"): string {
  if (typeof value !== "string") throw filterError(expected, name)
  if (value.length > wire.stringCharsMax) throw filterError(`is longer than ${wire.stringCharsMax} characters`, name)
  // Postgres stores no U+0000, so nothing that is stored could match.
  if (value.includes("\0")) throw filterError("must not contain U+0000", name)
  return value
}

function searchValue(name: string, value: unknown): string {
  const text = stringValue(name, value)
  if (wordsOf(text).length === 0) throw filterError("must not be empty", name)
  return text
}

function numberValue(name: string, value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw filterError("must be a number", name)
  return value
}

function booleanValue(name: string, value: unknown): boolean {
  if (typeof value !== "boolean") throw filterError("must be true or false", name)
  return value
}

/** Words of a search text; any white space separates them. */
export const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "")

/**
 * A text as searches compare it: without case, accents and compatibility forms. Store it beside the text and name
 * the column in FilterField.foldedColumn.
 */
export const foldText = (text: string): string =>
  text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(/\s+/).join(" ").trim()

/**
 * RFC 3339 (any offset, 0 to 9 fraction digits) to milliseconds since 1970, or null. What is finer than a
 * millisecond is cut off.
 */
export function parseTimestamp(text: string): number | null {
  const parts = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)$/.exec(text)
  if (parts === null) return null
  const [, date, time, fraction = "", offset = "Z"] = parts
  const ms = Date.parse(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, "0")}${offset.toUpperCase()}`)
  // 31 February would become a day in March.
  const isRealDay = new Date(`${date}T00:00:00Z`).toJSON()?.startsWith(date as string) === true
  return Number.isNaN(ms) || !isRealDay ? null : ms
}

const isOperator = (key: string): key is FilterOperator => (filterOperators as readonly string[]).includes(key)

/** Names come from outside and may be long. */
const quote = (name: string): string => JSON.stringify(name.slice(0, 100))

const filterError = (what: string, field?: string) =>
  field === undefined
    ? inputError(`the filter ${what}`, { filter_conditions: what })
    : inputError(`the filter on ${quote(field)} is not valid: ${what}`, { [field.slice(0, 100)]: what })

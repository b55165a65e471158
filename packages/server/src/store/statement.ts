// Statements that are built once and then only sent with new values. To build a query and to write it as SQL costs
// several times what it takes SQLite to run it, so those that run with every request are made this way. Whatever a
// query looks like, if its text is the same each time, it can be one; others are built where they are used.

import type { Compilable, CompiledQuery } from "kysely"
import type { Capabilities, Read } from "./database.ts"
import { connectionOf } from "./engine.ts"
import { limits } from "./limits.ts"

/** What can be sent with a statement: a value, a list for `in`, or rows for `values`, all with the same columns. */
export type StatementValues<Values> = {
  readonly [Name in keyof Values]: Value | readonly Value[] | readonly object[]
}

/** A value that both databases take alike. */
export type Value = string | number | null | Uint8Array

/** Stands for the values while a statement is built; typed as they are, so that Kysely checks them. */
export type Places<Values> = <Name extends keyof Values & string>(name: Name) => Values[Name]

/** Each way to send it rejects as a query of Kysely does. `Handle` is a Tx for a statement that changes something. */
export interface Statement<Handle extends Pick<Read, "capabilities">, Values, Row> {
  /** All rows of the answer. */
  rows(handle: Handle, values: Values): Promise<Row[]>
  /** The first row of the answer; undefined when there is none. */
  first(handle: Handle, values: Values): Promise<Row | undefined>
  /** How many rows it has changed. */
  run(handle: Handle, values: Values): Promise<number>
}

/**
 * Makes a statement. `build` is called with the first handle of each kind of database, and asks `value` by name for
 * whatever is not the same each time:
 *
 *     const userById = statement((read: Read, value: Places<{ id: string }>) =>
 *       read.selectFrom("users").selectAll().where("id", "=", value("id")))
 *     const user = await userById.first(read, { id: "ann" })
 *
 * It must ask for the same names in every call. With lists there is one text for each length up to
 * limits.statementListMax; longer ones are built each time. A list must not be empty, and each row of a list must have
 * the columns of the first one that was ever sent; else it throws TypeError.
 */
export function statement<Handle extends Pick<Read, "capabilities">, Values extends StatementValues<Values>, Row>(
  build: (handle: Handle, value: Places<Values>) => Compilable<Row>,
): Statement<Handle, Values, Row> {
  const known = new Map<string, Filled<Values>>()
  let lists: readonly (keyof Values & string)[] | undefined

  const queryOf = (handle: Handle, values: Values): CompiledQuery<Row> => {
    lists ??= (Object.keys(values) as (keyof Values & string)[]).filter((name) => Array.isArray(values[name]))
    const key = textKey(handle.capabilities, values, lists)
    if (key === null) return build(handle, (name) => values[name]).compile()
    let filled = known.get(key)
    if (filled === undefined) {
      filled = fillable(build(handle, placesFor(values)).compile())
      known.set(key, filled)
    }
    return filled(values) as CompiledQuery<Row>
  }

  return {
    async rows(handle, values) {
      return (await connectionOf(handle).executeQuery<Row>(queryOf(handle, values))).rows
    },
    async first(handle, values) {
      return (await connectionOf(handle).executeQuery<Row>(queryOf(handle, values))).rows[0]
    },
    async run(handle, values) {
      return Number((await connectionOf(handle).executeQuery<Row>(queryOf(handle, values))).numAffectedRows ?? 0)
    },
  }
}

/** What the text depends on besides the builder; null when a list is too long to keep a text for it. */
function textKey<Values>({ dialect }: Capabilities, values: Values, lists: readonly (keyof Values)[]): string | null {
  let key: string = dialect
  for (const name of lists) {
    const { length } = values[name] as readonly unknown[]
    if (length > limits.statementListMax) return null
    key += ` ${length}`
  }
  return key
}

const marked = Symbol("place")

/** Where a value belongs: a member of the values, an element of a list, or a column of a row in a list. */
interface Place {
  readonly [marked]: true
  readonly name: string
  readonly index: number | null
  readonly column: string | null
  /** How many columns the row has. */
  readonly columns: number
}

const isPlace = (parameter: unknown): parameter is Place =>
  typeof parameter === "object" && parameter !== null && marked in parameter

/** Places in the shape of the values that they stand for. */
function placesFor<Values>(values: Values): Places<Values> {
  const place = (name: string, index: number | null, column: string | null, columns: number): Place => ({
    [marked]: true,
    name,
    index,
    column,
    columns,
  })
  return (name) => {
    const value: unknown = values[name]
    if (!Array.isArray(value)) return place(name, null, null, 0) as never
    return value.map((element: unknown, index) => {
      if (!isRow(element)) return place(name, index, null, 0)
      const columns = Object.keys(element)
      return Object.fromEntries(columns.map((column) => [column, place(name, index, column, columns.length)]))
    }) as never
  }
}

const isRow = (element: unknown): element is object =>
  typeof element === "object" && element !== null && !(element instanceof Uint8Array)

type Filled<Values> = (values: Values) => CompiledQuery

/** A query whose places are filled with other values in each call. */
function fillable<Values>({ query, queryId, sql, parameters: places }: CompiledQuery): Filled<Values> {
  return (values) => {
    const parameters = new Array<unknown>(places.length)
    let row: unknown
    for (let index = 0; index < places.length; index++) {
      const place = places[index]
      parameters[index] = place
      if (!isPlace(place)) continue
      const value: unknown = values[place.name as keyof Values]
      if (place.index === null) {
        parameters[index] = value
        continue
      }
      const element = (value as readonly unknown[])[place.index]
      if (place.column === null) {
        parameters[index] = element
        continue
      }
      if (element !== row && Object.keys(element as object).length !== place.columns) {
        throw new TypeError(
          `a row of ${place.name} has other columns than the statement was built for: ${sql.slice(0, 200)}`,
        )
      }
      row = element
      parameters[index] = (element as Record<string, unknown>)[place.column]
    }
    return { query, queryId, sql, parameters }
  }
}

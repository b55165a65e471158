// What a narrowed token reaches, as SQL for both databases: names that patterns with a wildcard speak of. The two ends
// are compared character by character, because the databases differ in what `like` takes for equal.

import { type Expression, type RawBuilder, type SqlBool, sql } from "kysely"

/** A text, or anything that begins and ends with two texts which do not overlap. */
export interface EndsPattern {
  /** Null: `prefix` and `suffix` decide. */
  readonly exact: string | null
  readonly prefix: string
  readonly suffix: string
}

export interface NamePattern {
  readonly type: EndsPattern
  readonly id: EndsPattern
}

export interface NameColumns {
  /** Column of the type, or the one type that all rows have. */
  readonly type: string | { readonly is: string }
  /** Column of the id. */
  readonly id: string
}

/** Rows whose name matches a pattern of every list; no list matches all rows, an empty list none. */
export const nameCondition = (lists: readonly (readonly NamePattern[])[], columns: NameColumns): RawBuilder<SqlBool> =>
  lists.length === 0
    ? sql<SqlBool>`(1 = 1)`
    : sql<SqlBool>`(${sql.join(
        lists.map((patterns) => anyOf(patterns, columns)),
        sql` and `,
      )})`

function anyOf(patterns: readonly NamePattern[], { type, id }: NameColumns): Expression<unknown> {
  const ways = patterns.flatMap((pattern): Expression<unknown>[] => {
    const ofId = ends(sql.ref(id), pattern.id)
    if (typeof type === "string") return [sql`(${ends(sql.ref(type), pattern.type)} and ${ofId})`]
    return isLike(pattern.type, type.is) ? [ofId] : []
  })
  return ways.length === 0 ? sql`(1 = 0)` : sql`(${sql.join(ways, sql` or `)})`
}

const isLike = ({ exact, prefix, suffix }: EndsPattern, text: string): boolean =>
  exact === null
    ? text.length >= prefix.length + suffix.length && text.startsWith(prefix) && text.endsWith(suffix)
    : exact === text

function ends(column: Expression<unknown>, { exact, prefix, suffix }: EndsPattern): Expression<unknown> {
  if (exact !== null) return sql`${column} = ${exact}`
  const tests: Expression<unknown>[] = [sql`length(${column}) >= ${sql.lit(prefix.length + suffix.length)}`]
  if (prefix !== "") tests.push(sql`substr(${column}, 1, ${sql.lit(prefix.length)}) = ${prefix}`)
  if (suffix !== "") tests.push(sql`substr(${column}, length(${column}) - ${sql.lit(suffix.length - 1)}) = ${suffix}`)
  return sql`(${sql.join(tests, sql` and `)})`
}

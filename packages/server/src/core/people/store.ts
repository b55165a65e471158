import { type RawBuilder, type SqlBool, sql } from "kysely"
import type { Read } from "../../store/database.ts"
import type { RevocationRow } from "../revocations/index.ts"
import { type User, userOf } from "../users/index.ts"

/** Where a page begins: after this row. The kind says in which of the orders below. */
export type Cursor =
  | { readonly by: "created"; readonly createdAt: number; readonly id: string }
  | { readonly by: "id"; readonly id: string }
  | { readonly by: "name"; readonly folded: string; readonly id: string }

export interface PeopleQuery {
  readonly appId: number
  readonly role: string | null
  /** True: from the app or a channel. Null: both. */
  readonly banned: boolean | null
  readonly limit: number
}

/** Newest first. */
export async function selectNewest(
  read: Read,
  query: PeopleQuery,
  after: { readonly createdAt: number; readonly id: string } | null,
): Promise<User[]> {
  let select = peopleOf(read, query).orderBy("created_at", "desc").orderBy("id", "desc")
  if (after !== null) {
    // A row's value beside the comparison of both lets the databases begin in the middle of the index.
    select = select
      .where("created_at", "<=", after.createdAt)
      .where((where) => where.or([where("created_at", "<", after.createdAt), where("id", "<", after.id)]))
  }
  return (await select.limit(query.limit).execute()).map(userOf)
}

/** Those whose id begins with the text, in the order of their ids. */
export async function selectByIdStart(
  read: Read,
  query: PeopleQuery,
  start: string,
  after: string | null,
): Promise<User[]> {
  let select = peopleOf(read, query).where("id", ">=", start).where("id", "<", endOf(start)).orderBy("id")
  if (after !== null) select = select.where("id", ">", after)
  return (await select.limit(query.limit).execute()).map(userOf)
}

const foldedName = sql<string>`lower(name)`

/**
 * Those whose name begins with the text and whose id does not, in the order of their names. The text is folded as
 * foldName does.
 */
export async function selectByNameStart(
  read: Read,
  query: PeopleQuery,
  { folded, notId }: { readonly folded: string; readonly notId: string },
  after: { readonly folded: string; readonly id: string } | null,
): Promise<User[]> {
  let select = peopleOf(read, query)
    .where(foldedName, ">=", folded)
    .where(foldedName, "<", endOf(folded))
    .where((where) => where.or([where("id", "<", notId), where("id", ">=", endOf(notId))]))
    .orderBy(foldedName)
    .orderBy("id")
  if (after !== null) {
    select = select
      .where(foldedName, ">=", after.folded)
      .where((where) => where.or([where(foldedName, ">", after.folded), where("id", ">", after.id)]))
  }
  return (await select.limit(query.limit).execute()).map(userOf)
}

/** As `lower` of both databases folds a text in the order of bytes: A to Z. */
export const foldName = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())

/** The first text, by bytes, that comes after all that begin with this one. */
const endOf = (start: string): string => `${start}\u{10ffff}`

const peopleOf = (read: Read, { appId, role, banned }: PeopleQuery) =>
  read
    .selectFrom("users")
    .selectAll()
    .where("app_id", "=", appId)
    .$if(role !== null, (query) => query.where("role", "=", role ?? ""))
    .$if(banned === true, (query) => query.where("bans", "is not", null))
    .$if(banned === false, (query) => query.where("bans", "is", null))

/** Bans of a user that have not run out, newest first. */
export const selectStandingBans = (read: Read, appId: number, userId: string, now: number, limit: number) =>
  read
    .selectFrom("bans")
    .selectAll()
    .where("app_id", "=", appId)
    .where("user_id", "=", userId)
    .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", now)]))
    .orderBy("created_at", "desc")
    .orderBy("cid")
    .limit(limit)
    .execute()

/** Revocations of a user, newest first, undone ones among them. */
export const selectRevocationsOf = (
  read: Read,
  appId: number,
  userId: string,
  limit: number,
): Promise<RevocationRow[]> =>
  read
    .selectFrom("revocations")
    .selectAll()
    .where("app_id", "=", appId)
    .where("level", "=", "user")
    .where("target", "=", userId)
    .orderBy("seq", "desc")
    .limit(limit)
    .execute()

/** Where something of a user is stored: rows of a table that name the user in a column. */
export interface UserPlace {
  /** What a row is called in an export. */
  readonly kind: string
  readonly table: string
  /** Column that names the user. */
  readonly user: string
  /** Columns, texts, that tell the rows of an app apart, without the app and that of the user where it is one of them. */
  readonly key: readonly string[]
  /** Columns of JSON text. */
  readonly json?: readonly string[]
  /** Columns that hold a time in milliseconds. */
  readonly times?: readonly string[]
  /** Columns that hold a time in seconds. */
  readonly seconds?: readonly string[]
  /** Columns that hold 0 or 1. */
  readonly flags?: readonly string[]
  /** Columns that are the server's own book-keeping. */
  readonly without?: readonly string[]
  /** Only rows that have this value there. */
  readonly where?: readonly [column: string, value: string]
}

export type PlaceRow = Readonly<Record<string, unknown>>
export type PlaceKey = Readonly<Record<string, string>>

/** Keys of the rows that are the user's, in their order, after one of them. */
export async function selectKeysOf(
  read: Read,
  place: UserPlace,
  appId: number,
  userId: string,
  after: PlaceKey | null,
  limit: number,
): Promise<PlaceKey[]> {
  let query = ofUser(read, place, appId, userId)
    .select(place.key.map((name) => sql<string>`${sql.ref(name)}`.as(name)))
    .limit(limit)
  for (const name of place.key) query = query.orderBy(sql`${sql.ref(name)}`)
  if (after !== null) query = query.where(sql<SqlBool>`(${names(place)}) > (${values(place, after)})`)
  return (await query.execute()) as PlaceKey[]
}

/** The rows of these keys that are still the user's. */
export async function selectRowsOf(
  read: Read,
  place: UserPlace,
  appId: number,
  userId: string,
  keys: readonly PlaceKey[],
): Promise<PlaceRow[]> {
  const rows = sql.join(keys.map((key) => sql`(${values(place, key)})`))
  const query = ofUser(read, place, appId, userId)
    .select(sql`place.*` as never)
    .where(sql<SqlBool>`(${names(place)}) in (values ${rows})`)
  return (await query.execute()) as PlaceRow[]
}

function ofUser(read: Read, place: UserPlace, appId: number, userId: string) {
  const table: RawBuilder<object> = sql`${sql.table(place.table)}`
  const query = read
    .selectFrom(table.as("place"))
    .where(sql<SqlBool>`${sql.ref("app_id")} = ${appId}`)
    .where(sql<SqlBool>`${sql.ref(place.user)} = ${userId}`)
  return place.where === undefined ? query : query.where(sql<SqlBool>`${sql.ref(place.where[0])} = ${place.where[1]}`)
}

const names = ({ key }: UserPlace) => sql.join(key.map((name) => sql.ref(name)))
const values = ({ key }: UserPlace, of: PlaceKey) => sql.join(key.map((name) => of[name]))

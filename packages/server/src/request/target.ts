// The target of a request: path and query. Read by hand because it is on the path of every request, and because the
// query has its own rules: one name may come in three spellings of an array (contract/README.md, «Query values»).

import { inputError, limits } from "@weir/protocol"
import { createLru } from "../base/lru.ts"

export interface Target {
  readonly path: string
  readonly query: Query
}

/** Decoded values by name, in the order they came. `ids[0]=a` and `ids[]=a` count as `ids`. */
export type Query = ReadonlyMap<string, readonly string[]>

const noQuery: Query = new Map()

/**
 * Splits the absolute URL of a request. Throws inputError when it is too long, has a broken escape, or has no origin
 * because the client sent a Host that names none (RFC 9112 §3.2).
 */
export function parseTarget(url: string): Target {
  if (url.length > limits.urlCharsMax) throw inputError(`the URL is longer than ${limits.urlCharsMax} characters`)
  const pathStart = pathStartOf(url)
  if (pathStart <= 0) throw inputError("the Host header is not valid")
  const queryStart = url.indexOf("?", pathStart)
  if (queryStart === -1) return { path: url.slice(pathStart), query: noQuery }
  return { path: url.slice(pathStart, queryStart), query: knownQuery(url.slice(queryStart + 1)) }
}

/** The path alone, without looking at the query; empty when there is none. */
export function pathOf(url: string): string {
  const pathStart = pathStartOf(url)
  if (pathStart === -1) return ""
  const queryStart = url.indexOf("?", pathStart)
  return queryStart === -1 ? url.slice(pathStart) : url.slice(pathStart, queryStart)
}

// Most requests of a client have the very query of the one before: its key, and perhaps a connection.
const knownQueries = createLru<Query>(2_000)
const knownQueryCharsMax = 200

function knownQuery(text: string): Query {
  if (text.length > knownQueryCharsMax) return parseQuery(text)
  let query = knownQueries.get(text)
  if (query === undefined) {
    query = parseQuery(text)
    knownQueries.set(text, query)
  }
  return query
}

/** Where the path of a request's URL begins: 0 when there is no origin in front of it, -1 when there is no path. */
export const pathStartOf = (url: string): number => (url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3))

export function parseQuery(text: string): Query {
  const query = new Map<string, string[]>()
  for (const pair of text.split("&")) {
    if (pair === "") continue
    const equals = pair.indexOf("=")
    const rawName = equals === -1 ? pair : pair.slice(0, equals)
    const name = withoutIndex(decoded(rawName))
    const value = equals === -1 ? "" : decoded(pair.slice(equals + 1))
    const values = query.get(name)
    if (values === undefined) query.set(name, [value])
    else values.push(value)
  }
  return query
}

const withoutIndex = (name: string): string => (name.endsWith("]") ? name.replace(/\[\d*\]$/, "") : name)

export const firstOf = (query: Query, name: string): string | null => query.get(name)?.[0] ?? null

function decoded(text: string): string {
  if (!text.includes("%") && !text.includes("+")) return text
  if (text.includes("%00")) throw inputError("the query must not contain U+0000")
  try {
    return decodeURIComponent(text.replaceAll("+", " "))
  } catch {
    throw inputError("the query has a broken percent escape")
  }
}

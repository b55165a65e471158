// Narrowed tokens: whether a scope covers an action on a resource. A scope only takes away, so this is asked besides
// the grants and never instead of them. The grammar is the protocol's (scopes.ts there); here it is compiled, once for
// each token, into something that a check walks through without making anything.

import type { ScopeLevel, Scopes } from "@weir/protocol"

/** What an action is, for a scope. */
export interface ScopedAction {
  /** In kebab-case, such as `create-message`. */
  readonly id: string
  readonly level: ScopeLevel
}

/** One segment of a pattern: a text, or what begins and ends with two. */
export interface SegmentPattern {
  /** Null: anything that has the two ends, `prefix` and `suffix`, which do not overlap. */
  readonly exact: string | null
  readonly prefix: string
  readonly suffix: string
}

/** The resources of one product that a pattern names, for a query. */
export interface NamePattern {
  readonly type: SegmentPattern
  readonly id: SegmentPattern
}

/** A segment made ready for comparing: most texts fail at their length, or at one of two characters. */
interface Segment extends SegmentPattern {
  readonly charsMin: number
  /** Codes of the first and the last character; -1 where a wildcard stands. */
  readonly first: number
  readonly last: number
}

/** Patterns of one product and type, which are so compared once. */
interface Group {
  /** Null: every product. */
  readonly product: string | null
  readonly type: Segment
  readonly ids: readonly Segment[]
}

/** The patterns that hold one action or level. */
interface Coverage {
  readonly patterns: readonly string[]
  /** Those without a wildcard are names, found by one look-up. */
  readonly names: ReadonlySet<string>
  /** The others. */
  readonly groups: readonly Group[]
}

interface CompiledScopes {
  /** By level and by id of action. */
  readonly byAction: ReadonlyMap<string, Coverage>
  /** Of whatever action. */
  readonly any: Coverage
}

/** Short forms of what belongs together: whoever joins a call has to see it. */
const shortForms: ReadonlyMap<string, readonly string[]> = new Map([["join", ["join-call", "read-call"]]])

// A token's scopes are one object for as long as the token is cached, so compiling happens once for each.
const compiled = new WeakMap<Scopes, CompiledScopes>()

/**
 * Whether the scopes cover an action on the resource of this name, `product:type:id`. A name that has not exactly
 * three segments is covered by nothing.
 */
export function isCovered(scopes: Scopes, action: ScopedAction, name: string): boolean {
  const { byAction } = compiledOf(scopes)
  const level = byAction.get(action.level)
  if (level !== undefined && isNamed(level, name)) return true
  const own = byAction.get(action.id)
  return own !== undefined && isNamed(own, name)
}

/** Whether the scopes cover any action at all on the resource of this name. */
export const isMentioned = (scopes: Scopes, name: string): boolean => isNamed(compiledOf(scopes).any, name)

/**
 * The resources of one product on which the scopes cover an action: for lists, where one query answers for many. Says
 * the same as isCovered.
 */
export function coveredNames(scopes: Scopes, action: ScopedAction, product: string): readonly NamePattern[] {
  const { byAction } = compiledOf(scopes)
  const patterns = [action.level, action.id].flatMap((key) => byAction.get(key)?.patterns ?? [])
  return [...new Set(patterns)].flatMap((pattern) => {
    const [first, type, id] = pattern.split(":") as [string, string, string]
    return first === "*" || first === product ? [{ type: segmentOf(type), id: segmentOf(id) }] : []
  })
}

/** Whether the text is what the segment says. */
export const matchesSegment = ({ exact, prefix, suffix }: SegmentPattern, text: string): boolean =>
  exact === null
    ? text.length >= prefix.length + suffix.length && text.startsWith(prefix) && text.endsWith(suffix)
    : exact === text

function compiledOf(scopes: Scopes): CompiledScopes {
  let found = compiled.get(scopes)
  if (found === undefined) {
    found = compile(scopes)
    compiled.set(scopes, found)
  }
  return found
}

function compile(scopes: Scopes): CompiledScopes {
  const byAction = new Map<string, string[]>()
  const any: string[] = []
  for (const [pattern, actions] of Object.entries(scopes)) {
    if (actions.length > 0) any.push(pattern)
    for (const action of new Set(actions.flatMap((action) => shortForms.get(action) ?? [action]))) {
      const patterns = byAction.get(action)
      if (patterns === undefined) byAction.set(action, [pattern])
      else patterns.push(pattern)
    }
  }
  return {
    byAction: new Map(Array.from(byAction, ([action, texts]) => [action, coverageOf(texts)])),
    any: coverageOf(any),
  }
}

function coverageOf(patterns: readonly string[]): Coverage {
  const ids = new Map<string, Segment[]>()
  for (const pattern of patterns) {
    if (!pattern.includes("*")) continue
    const place = pattern.slice(0, pattern.lastIndexOf(":"))
    const id = segmentOf(pattern.slice(place.length + 1))
    const group = ids.get(place)
    if (group === undefined) ids.set(place, [id])
    else group.push(id)
  }
  const groups = Array.from(ids, ([place, ids]): Group => {
    const [product, type] = place.split(":") as [string, string]
    return { product: product === "*" ? null : product, type: segmentOf(type), ids }
  })
  return { patterns, names: new Set(patterns.filter((pattern) => !pattern.includes("*"))), groups }
}

function segmentOf(text: string): Segment {
  const star = text.indexOf("*")
  const [prefix, suffix] = star === -1 ? [text, text] : [text.slice(0, star), text.slice(star + 1)]
  return {
    exact: star === -1 ? text : null,
    prefix,
    suffix,
    charsMin: star === -1 ? text.length : text.length - 1,
    first: prefix === "" ? -1 : prefix.charCodeAt(0),
    last: suffix === "" ? -1 : suffix.charCodeAt(suffix.length - 1),
  }
}

function isNamed({ names, groups }: Coverage, name: string): boolean {
  if (names.has(name)) return true
  if (groups.length === 0) return false
  const first = name.indexOf(":")
  const second = first === -1 ? -1 : name.indexOf(":", first + 1)
  if (second === -1 || name.indexOf(":", second + 1) !== -1) return false
  for (let at = 0; at < groups.length; at++) {
    const { product, type, ids } = groups[at] as Group
    if (!matches(type, name, first + 1, second)) continue
    if (product !== null && (product.length !== first || !name.startsWith(product))) continue
    for (let index = 0; index < ids.length; index++) {
      if (matches(ids[index] as Segment, name, second + 1, name.length)) return true
    }
  }
  return false
}

/** Whether the text from `start` to `end` is what the segment says; compares in place. */
function matches(segment: Segment, text: string, start: number, end: number): boolean {
  const { charsMin, first, last } = segment
  const length = end - start
  if (length < charsMin || (last !== -1 && text.charCodeAt(end - 1) !== last)) return false
  if (first !== -1 && text.charCodeAt(start) !== first) return false
  if (segment.exact !== null) return length === charsMin && text.startsWith(segment.exact, start)
  return text.startsWith(segment.prefix, start) && text.endsWith(segment.suffix, end)
}

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
  /** Null: anything that has the two ends, which do not overlap. */
  readonly exact: string | null
  readonly prefix: string
  readonly suffix: string
}

/** The resources of one product that a pattern names, for a query. */
export interface NamePattern {
  readonly type: SegmentPattern
  readonly id: SegmentPattern
}

interface ScopePattern extends NamePattern {
  /** Null: every product. */
  readonly product: string | null
  /** How the whole name begins, as far as that is sure: at least one character beyond it is still to be compared. */
  readonly head: string
  /** Whether nothing but the head and the end of the id decides: product and type are exact. */
  readonly isHeadEnough: boolean
  readonly charsMin: number
}

/** The patterns that hold one action or level: those that are names are found by one look-up. */
interface Coverage {
  readonly names: ReadonlySet<string>
  readonly patterns: readonly ScopePattern[]
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
  const patterns = new Set<ScopePattern>()
  const { byAction } = compiledOf(scopes)
  for (const key of [action.level, action.id]) {
    const coverage = byAction.get(key)
    if (coverage === undefined) continue
    for (const name of coverage.names) patterns.add(patternOf(name))
    for (const pattern of coverage.patterns) patterns.add(pattern)
  }
  return [...patterns].filter((pattern) => pattern.product === null || pattern.product === product)
}

/** Whether the text is what the segment says. */
export const matchesSegment = (segment: SegmentPattern, text: string): boolean => matches(segment, text, 0, text.length)

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

const coverageOf = (texts: readonly string[]): Coverage => ({
  names: new Set(texts.filter((text) => !text.includes("*"))),
  patterns: texts.filter((text) => text.includes("*")).map(patternOf),
})

function patternOf(text: string): ScopePattern {
  const [product = "", type = "", id = ""] = text.split(":")
  const segments = { type: segmentOf(type), id: segmentOf(id) }
  const isHeadEnough = product !== "*" && segments.type.exact !== null
  return {
    product: product === "*" ? null : product,
    ...segments,
    head: text.includes("*") ? text.slice(0, text.indexOf("*")) : text,
    isHeadEnough,
    charsMin: text.replaceAll("*", "").length,
  }
}

function segmentOf(text: string): SegmentPattern {
  const star = text.indexOf("*")
  return star === -1
    ? { exact: text, prefix: "", suffix: "" }
    : { exact: null, prefix: text.slice(0, star), suffix: text.slice(star + 1) }
}

function isNamed({ names, patterns }: Coverage, name: string): boolean {
  if (names.has(name)) return true
  if (patterns.length === 0) return false
  const first = name.indexOf(":")
  const second = first === -1 ? -1 : name.indexOf(":", first + 1)
  if (second === -1 || name.indexOf(":", second + 1) !== -1) return false
  for (const pattern of patterns) {
    // Cheap and seldom true, so it comes first.
    if (name.length < pattern.charsMin || !name.startsWith(pattern.head)) continue
    if (pattern.isHeadEnough) {
      if (matches(pattern.id, name, second + 1, name.length)) return true
    } else if (
      matches(pattern.type, name, first + 1, second) &&
      matches(pattern.id, name, second + 1, name.length) &&
      (pattern.product === null || pattern.product.length === first)
    ) {
      return true
    }
  }
  return false
}

/** Whether the text from `start` to `end` is what the segment says; compares in place. */
function matches({ exact, prefix, suffix }: SegmentPattern, text: string, start: number, end: number): boolean {
  const length = end - start
  if (exact !== null) return exact.length === length && text.startsWith(exact, start)
  return length >= prefix.length + suffix.length && text.startsWith(prefix, start) && text.endsWith(suffix, end)
}

// The grammar of the claim `scopes`, which narrows a token: a JSON object from resource pattern to actions, such as
// `{"chat:messaging:*": ["read", "write"], "video:default:standup": ["join-call"]}`. Who signs a token and who
// verifies it read it with the same function. What a pattern matches is decided in the server (authorize/scopes.ts).
//
//   pattern   product ":" type ":" id
//   product   "chat" | "feeds" | "video" | "app", or "*" for each of them
//   type, id  the characters that ids have, with at most one "*" for any run of them, also an empty one
//   action    "read" | "write" | "manage", or the id of one action, such as "create-message"

import type { Scopes } from "./principal.ts"

/** Bounds of one claim; a token is at most limits.tokenBytesMax long anyway. */
export const scopeLimits = {
  patternsMax: 100,
  actionsPerPatternMax: 50,
  patternCharsMax: 512,
  actionCharsMax: 64,
} as const

/** First segments of resource names. */
export const scopeProducts = ["chat", "feeds", "video", "app"] as const
export type ScopeProduct = (typeof scopeProducts)[number]

/** Classes of actions that a scope can name. Each means exactly its class: `manage` does not include `write`. */
export const scopeLevels = ["read", "write", "manage"] as const
export type ScopeLevel = (typeof scopeLevels)[number]

const products: ReadonlySet<string> = new Set([...scopeProducts, "*"])
// Every id of the wire is made of these characters (ids.ts), so a pattern with others could only be a mistake.
const segmentPattern = /^[@!\w*-]+$/
const actionPattern = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/

/**
 * Checks the form of a `scopes` claim and copies it into an object without a prototype, so that no pattern is ever
 * mistaken for an inherited member. An empty object is a scope too: one that covers nothing. Throws RangeError with
 * one sentence that says what is wrong where.
 */
export function parseScopes(value: unknown): Scopes {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RangeError("scopes must be an object from resource pattern to a list of actions")
  }
  const entries = Object.entries(value)
  if (entries.length > scopeLimits.patternsMax) {
    throw new RangeError(`scopes has more than ${scopeLimits.patternsMax} patterns`)
  }
  const scopes: Record<string, readonly string[]> = Object.create(null)
  for (const [pattern, actions] of entries) {
    checkPattern(pattern)
    scopes[pattern] = parseActions(pattern, actions)
  }
  return Object.freeze(scopes)
}

function checkPattern(pattern: string): void {
  if (pattern.length > scopeLimits.patternCharsMax) {
    throw new RangeError(`a pattern of scopes is longer than ${scopeLimits.patternCharsMax} characters`)
  }
  const [product, type, id, ...rest] = pattern.split(":")
  if (product === undefined || type === undefined || id === undefined || rest.length > 0) {
    throw new RangeError(`scope ${shown(pattern)} must have three segments, product:type:id`)
  }
  if (!products.has(product)) {
    throw new RangeError(`scope ${shown(pattern)} must begin with ${scopeProducts.join(", ")} or *`)
  }
  for (const [name, segment] of [
    ["type", type],
    ["id", id],
  ] as const) {
    if (segment === "") throw new RangeError(`scope ${shown(pattern)} has an empty ${name}`)
    if (!segmentPattern.test(segment) || segment.indexOf("*") !== segment.lastIndexOf("*")) {
      throw new RangeError(`the ${name} of scope ${shown(pattern)} must be made of letters, digits, @ ! _ - and one *`)
    }
  }
}

function parseActions(pattern: string, actions: unknown): readonly string[] {
  if (!Array.isArray(actions)) throw new RangeError(`the actions of scope ${shown(pattern)} must be a list`)
  if (actions.length > scopeLimits.actionsPerPatternMax) {
    throw new RangeError(`scope ${shown(pattern)} has more than ${scopeLimits.actionsPerPatternMax} actions`)
  }
  for (const action of actions) {
    if (typeof action !== "string" || action.length > scopeLimits.actionCharsMax || !actionPattern.test(action)) {
      throw new RangeError(
        `the actions of scope ${shown(pattern)} must be read, write, manage or ids such as create-message`,
      )
    }
  }
  return Object.freeze([...(actions as readonly string[])])
}

const shownCharsMax = 80

// What a client sent goes into logs and answers, so it is bounded, and quoting takes the power from its characters.
const shown = (pattern: string): string =>
  JSON.stringify(pattern.length > shownCharsMax ? `${pattern.slice(0, shownCharsMax)}…` : pattern)

import { describe, expect, test } from "bun:test"
import { parseScopes, scopeLimits } from "./scopes.ts"

const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`chat:a:${at}`, ["read"]]))

/** What a claim may be: each is read back as it was sent. */
const valid: [string, unknown][] = [
  ["nothing at all", {}],
  ["no action", { "chat:messaging:general": [] }],
  ["exact names", { "chat:team:general": ["manage"], "feeds:user:jessica": ["read"] }],
  ["an action's id", { "video:default:standup": ["join-call"] }],
  ["wildcards at the start, in the middle, at the end and alone", { "chat:*-x:a*b": ["read"], "*:*:a*": ["write"] }],
  [
    "characters of user ids and derived channel ids",
    { "app:user:a@b_c-D1": ["read"], "chat:messaging:!members-x": [] },
  ],
  ["the most patterns", many(scopeLimits.patternsMax)],
  ["the most actions", { "chat:a:b": Array(scopeLimits.actionsPerPatternMax).fill("read") }],
  ["the longest pattern", { [`chat:a:${"x".repeat(scopeLimits.patternCharsMax - 7)}`]: ["read"] }],
]

/** What it may not be, and how the refusal begins. */
const invalid: [string, unknown, string][] = [
  ["absent", undefined, "scopes must be an object"],
  ["null", null, "scopes must be an object"],
  ["a text", "chat:*:*", "scopes must be an object"],
  ["a list", ["chat:*:*"], "scopes must be an object"],
  ["two segments", { "chat:messaging": ["read"] }, 'scope "chat:messaging" must have three'],
  ["four segments", { "chat:messaging:a:b": ["read"] }, 'scope "chat:messaging:a:b" must have three'],
  ["everything in one", { "*": ["read"] }, 'scope "*" must have three'],
  ["an empty pattern", { "": ["read"] }, 'scope "" must have three'],
  ["an unknown product", { "chats:a:b": ["read"] }, 'scope "chats:a:b" must begin with'],
  ["a product in part", { "ch*:a:b": ["read"] }, 'scope "ch*:a:b" must begin with'],
  ["a product in capitals", { "Chat:a:b": ["read"] }, 'scope "Chat:a:b" must begin with'],
  ["an empty type", { "chat::b": ["read"] }, 'scope "chat::b" has an empty type'],
  ["an empty id", { "chat:a:": ["read"] }, 'scope "chat:a:" has an empty id'],
  ["two wildcards in a segment", { "chat:a:x*y*": ["read"] }, 'the id of scope "chat:a:x*y*" must'],
  ["a class of characters", { "chat:a:[meta]*": ["read"] }, 'the id of scope "chat:a:[meta]*" must'],
  ["a dot", { "chat:.*:b": ["read"] }, 'the type of scope "chat:.*:b" must'],
  ["a space", { "chat:a:b ": ["read"] }, 'the id of scope "chat:a:b " must'],
  ["a look-alike letter", { "chat:a:ɡeneral": ["read"] }, "the id of scope"],
  ["the name of a prototype", JSON.parse('{"__proto__": ["read"]}'), 'scope "__proto__" must have three'],
  ["actions that are no list", { "chat:a:b": "read" }, 'the actions of scope "chat:a:b" must be a list'],
  ["actions in an object", { "chat:a:b": { 0: "read", length: 1 } }, "the actions of scope"],
  ["an action that is no text", { "chat:a:b": [1] }, 'the actions of scope "chat:a:b" must be read'],
  ["a wildcard action", { "chat:a:b": ["*"] }, 'the actions of scope "chat:a:b" must be read'],
  ["an action in capitals", { "chat:a:b": ["Read"] }, 'the actions of scope "chat:a:b" must be read'],
  ["an action that ends in a hyphen", { "chat:a:b": ["create-"] }, "the actions of scope"],
  ["an empty action", { "chat:a:b": [""] }, "the actions of scope"],
  ["an action that is too long", { "chat:a:b": ["a".repeat(scopeLimits.actionCharsMax + 1)] }, "the actions of scope"],
  ["a pattern too many", many(scopeLimits.patternsMax + 1), "scopes has more than 100 patterns"],
  [
    "an action too many",
    { "chat:a:b": Array(scopeLimits.actionsPerPatternMax + 1).fill("read") },
    'scope "chat:a:b" has more than 50 actions',
  ],
  [
    "a pattern that is too long",
    { [`chat:a:${"x".repeat(scopeLimits.patternCharsMax - 6)}`]: ["read"] },
    "a pattern of scopes is longer than 512",
  ],
]

describe("a scopes claim", () => {
  for (const [name, claim] of valid) {
    test(`may hold ${name}`, () => {
      expect(Object.entries(parseScopes(claim))).toEqual(Object.entries(claim as object))
    })
  }

  for (const [name, claim, reason] of invalid) {
    test(`may not be or hold ${name}`, () => {
      const read = () => parseScopes(claim)
      expect(read).toThrow(RangeError)
      expect(read).toThrow(reason)
    })
  }

  // Whoever looks a pattern up must not find what every object inherits.
  test("case 12: what was read has no prototype and cannot be changed", () => {
    const scopes = parseScopes({ "chat:a:b": ["read"] })
    expect(Object.getPrototypeOf(scopes)).toBe(null)
    expect(Object.isFrozen(scopes)).toBe(true)
    expect(Object.isFrozen(scopes["chat:a:b"])).toBe(true)
  })

  test("a refusal shows little of what was sent, and nothing that breaks a line", () => {
    try {
      parseScopes({ [`chat:a:\n${"x".repeat(300)}`]: ["read"] })
      throw new Error("should be refused")
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(250)
      expect((error as Error).message).not.toContain("\n")
    }
  })
})

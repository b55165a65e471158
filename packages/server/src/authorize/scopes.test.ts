import { describe, expect, test } from "bun:test"
import { parseScopes, type Scopes, scopeLevels, scopeProducts } from "@weir/protocol"
import fc from "fast-check"
import { coveredNames, isCovered, isMentioned, matchesSegment, type ScopedAction } from "./scopes.ts"

const read: ScopedAction = { id: "read-channel", level: "read" }
const write: ScopedAction = { id: "create-message", level: "write" }
const manage: ScopedAction = { id: "update-channel", level: "manage" }

const withRead = (pattern: string): Scopes => parseScopes({ [pattern]: ["read"] })

/** Pattern, name, and whether the first covers the second. */
const matching: [string, string, boolean][] = [
  ["chat:messaging:general", "chat:messaging:general", true],
  ["chat:messaging:general", "chat:messaging:general2", false],
  ["chat:messaging:general", "chat:messaging:genera", false],
  ["chat:messaging:general", "chat:messaging:General", false],
  ["chat:messaging:general", "chat:team:general", false],
  ["chat:messaging:general", "video:messaging:general", false],
  ["chat:messaging:*", "chat:messaging:general", true],
  ["chat:messaging:*", "chat:messaging2:general", false],
  ["chat:messaging:*", "chat:messaging:!members-x_Y", true],
  ["chat:*:general", "chat:team:general", true],
  ["chat:*:general", "chat:team:generals", false],
  ["chat:*:*", "chat:team:general", true],
  ["chat:*:*", "feeds:user:jessica", false],
  ["*:*:*", "app:user:jessica", true],
  ["*:user:jessica", "feeds:user:jessica", true],
  ["*:user:jessica", "app:user:jessica", true],
  ["*:user:jessica", "app:user:john", false],
  ["*:user:jes*", "chat:user:jessica", true],
  ["chat:messaging:gen*", "chat:messaging:general", true],
  ["chat:messaging:gen*", "chat:messaging:gen", true],
  ["chat:messaging:gen*", "chat:messaging:ge", false],
  ["chat:messaging:*ral", "chat:messaging:general", true],
  ["chat:messaging:*ral", "chat:messaging:ral", true],
  ["chat:messaging:*ral", "chat:messaging:al", false],
  ["chat:messaging:g*l", "chat:messaging:general", true],
  ["chat:messaging:g*l", "chat:messaging:gl", true],
  // The ends of a pattern never overlap: `a*a` is not `a`.
  ["chat:messaging:a*a", "chat:messaging:a", false],
  ["chat:messaging:a*a", "chat:messaging:aa", true],
  ["chat:messaging:ab*ba", "chat:messaging:aba", false],
  ["chat:t*m:gen*l", "chat:team:general", true],
  ["chat:t*m:gen*l", "chat:tm:genl", true],
  ["chat:t*m:gen*l", "chat:teams:general", false],
  // A wildcard stands for no segment and crosses none.
  ["chat:messaging:*", "chat:messaging", false],
  ["chat:messaging:*", "chat:messaging:a:b", false],
  ["chat:*:b", "chat:a:x:b", false],
  ["chat:*:*", "chat:a", false],
  ["chat:*:*", "", false],
  ["*:*:*", "a:b:c:d", false],
  // What a name holds is text: a `*` in it is no wildcard, nor is anything else that some language knows.
  ["chat:messaging:general", "chat:messaging:*", false],
  ["chat:messaging:a", "chat:messaging:a*", false],
  ["chat:messaging:gen*", "chat:messaging:gen*", true],
  ["chat:messaging:a", "chat:messaging:[a]", false],
  ["chat:messaging:meta*", "chat:messaging:[meta]x", false],
]

describe("matching", () => {
  for (const [pattern, name, expected] of matching) {
    test(`case 28: ${pattern} ${expected ? "covers" : "does not cover"} ${JSON.stringify(name)}`, () => {
      expect(isCovered(withRead(pattern), read, name)).toBe(expected)
      expect(isMentioned(withRead(pattern), name)).toBe(expected)
    })
  }
})

describe("actions", () => {
  const name = "chat:messaging:general"
  const covered = (actions: string[]): ScopedAction[] =>
    [read, write, manage].filter((action) => isCovered(parseScopes({ [name]: actions }), action, name))

  test("case 28: each level means exactly its class", () => {
    expect(covered(["read"])).toEqual([read])
    expect(covered(["write"])).toEqual([write])
    expect(covered(["manage"])).toEqual([manage])
    expect(covered(["read", "manage"])).toEqual([read, manage])
    expect(covered([])).toEqual([])
  })

  test("an id means that one action", () => {
    expect(covered(["create-message"])).toEqual([write])
    expect(covered(["create-messages", "create", "read-channel-members", "constructor"])).toEqual([])
  })

  test("the short form join covers to join a call and to see it", () => {
    const scopes = parseScopes({ "video:default:standup": ["join"] })
    const on = (id: string, level: ScopedAction["level"]) => isCovered(scopes, { id, level }, "video:default:standup")
    expect(on("join-call", "write")).toBe(true)
    expect(on("read-call", "read")).toBe(true)
    expect(on("ring-call", "write")).toBe(false)
    expect(on("read-call-stats", "read")).toBe(false)
  })

  test("a pattern without actions speaks of nothing", () => {
    expect(isMentioned(parseScopes({ [name]: [] }), name)).toBe(false)
    expect(isMentioned(parseScopes({}), name)).toBe(false)
    expect(isMentioned(parseScopes({ [name]: ["no-such-action"] }), name)).toBe(true)
  })

  test("actions of one pattern are not lent to another", () => {
    const scopes = parseScopes({ "chat:messaging:a": ["read"], "chat:messaging:*": ["write"] })
    expect(isCovered(scopes, read, "chat:messaging:b")).toBe(false)
    expect(isCovered(scopes, write, "chat:messaging:a")).toBe(true)
    expect(isCovered(scopes, read, "chat:messaging:a")).toBe(true)
  })
})

// Few letters, so that patterns and names meet often; `*` in names as an attacker would have it.
const letters = fc.constantFrom("a", "b", "-")
const text = (min: number) => fc.array(letters, { minLength: min, maxLength: 4 }).map((list) => list.join(""))
const segment = fc.oneof(
  text(1),
  fc.tuple(text(0), text(0)).map(([head, tail]) => `${head}*${tail}`),
)
const pattern = fc.tuple(fc.constantFrom(...scopeProducts, "*"), segment, segment).map((segments) => segments.join(":"))
const action = fc.constantFrom(...scopeLevels, "create-message", "read-channel")
const scopesOf = fc
  .dictionary(pattern, fc.array(action, { maxLength: 3 }), { maxKeys: 5, noNullPrototype: true })
  .map(parseScopes)
const name = fc
  .tuple(fc.constantFrom(...scopeProducts), text(1), fc.oneof(text(1), fc.constantFrom("*", "a*", "[a]*")))
  .map((segments) => segments.join(":"))
const asked = fc.constantFrom(read, write, manage)

/** The grammar said once more, as slowly and plainly as possible: every way to cut the text is tried. */
function naiveSegment(pattern: string, text: string): boolean {
  if (pattern === "") return text === ""
  if (pattern[0] === "*") {
    return Array.from({ length: text.length + 1 }, (_, at) => text.slice(at)).some((rest) =>
      naiveSegment(pattern.slice(1), rest),
    )
  }
  return text[0] === pattern[0] && naiveSegment(pattern.slice(1), text.slice(1))
}
const naiveCovers = (scopes: Scopes, { id, level }: ScopedAction, name: string): boolean =>
  Object.entries(scopes).some(([pattern, actions]) => {
    const [wanted, given] = [pattern.split(":"), name.split(":")]
    const hasAction = actions.includes(level) || actions.includes(id)
    return hasAction && given.length === 3 && wanted.every((part, at) => naiveSegment(part, given[at] as string))
  })

describe("properties", () => {
  test("case 28: matching says what a naive reading of the grammar says", () => {
    fc.assert(
      fc.property(scopesOf, asked, name, (scopes, action, name) => {
        expect(isCovered(scopes, action, name)).toBe(naiveCovers(scopes, action, name))
      }),
      { numRuns: 3000 },
    )
  })

  test("case 28: the patterns for a query say what a check of each name says", () => {
    fc.assert(
      fc.property(scopesOf, asked, name, (scopes, action, name) => {
        const [product, type, id] = name.split(":") as [string, string, string]
        const found = coveredNames(scopes, action, product).some(
          (pattern) => matchesSegment(pattern.type, type) && matchesSegment(pattern.id, id),
        )
        expect(found).toBe(isCovered(scopes, action, name))
      }),
      { numRuns: 3000 },
    )
  })

  test("a pattern more never takes away", () => {
    fc.assert(
      fc.property(scopesOf, scopesOf, asked, name, (few, more, action, name) => {
        const both = parseScopes({ ...more, ...few })
        if (isCovered(few, action, name)) expect(isCovered(both, action, name)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  // Long runs of what almost matches are what makes a backtracking matcher stand still.
  test("the longest patterns and names take no time", () => {
    const scopes = parseScopes(
      Object.fromEntries(
        Array.from({ length: 100 }, (_, at) => [`chat:${"a".repeat(100)}*b:${"a".repeat(200)}*${at}`, ["read"]]),
      ),
    )
    const name = `chat:${"a".repeat(250)}b:${"a".repeat(250)}`
    const startedAt = performance.now()
    for (let run = 0; run < 100; run++) expect(isCovered(scopes, read, name)).toBe(false)
    expect(performance.now() - startedAt).toBeLessThan(500)
  })
})

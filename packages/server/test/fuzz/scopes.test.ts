// The compiled scopes against the slowest matcher that could be right.

import { expect, test } from "bun:test"
import { parseScopes, type ScopeLevel } from "@weir/protocol"
import fc from "fast-check"
import { coveredNames, isCovered, isMentioned, matchesSegment } from "../../src/authorize/scopes.ts"
import { fuzz, fuzzTimeoutMs } from "./fuzz.ts"

const short = fc.string({ unit: fc.constantFrom("a", "b", "-", "_", "!"), minLength: 1, maxLength: 4 })
const pieces = fc.string({ unit: fc.constantFrom("a", "b", "-", "_", "!"), maxLength: 3 })
const starred = fc.tuple(pieces, pieces).map(([before, after]) => `${before}*${after}`)
const segments = fc.oneof(short, starred)
const products = fc.constantFrom("chat", "feeds", "video", "app")
const patterns = fc
  .tuple(fc.oneof(products, fc.constant("*")), segments, segments)
  .map((segments) => segments.join(":"))
const actions = fc.constantFrom("read", "write", "manage", "create-message", "read-call", "join-call", "join")
const scopesOf = fc.dictionary(patterns, fc.uniqueArray(actions, { maxLength: 4 }), { maxKeys: 6 })
const asked = fc.record({
  id: fc.constantFrom("create-message", "read-call", "join-call", "delete-channel"),
  level: fc.constantFrom<ScopeLevel>("read", "write", "manage"),
})
const nameOf = fc.oneof(
  fc.tuple(products, pieces, pieces).map((segments) => segments.join(":")),
  fc.array(pieces, { maxLength: 5 }).map((segments) => segments.join(":")),
)

function matchesNaively(pattern: string, name: string): boolean {
  const [wanted, given] = [pattern.split(":"), name.split(":")]
  if (given.length !== 3) return false
  return wanted.every((segment, at) => {
    const text = given[at] as string
    if (!segment.includes("*")) return segment === text
    for (let end = 0; end <= text.length; end++) {
      for (let start = end; start <= text.length; start++) {
        if (`${text.slice(0, end)}*${text.slice(start)}` === segment) return true
      }
    }
    return false
  })
}

test(
  "case 66: a scope covers what it says and nothing else, for names of any form",
  () => {
    let covered = 0
    fuzz("scopes", fc.tuple(scopesOf, asked, nameOf), ([claim, action, name]) => {
      const scopes = parseScopes(claim)
      const isFor = (given: string): boolean =>
        given === action.level ||
        given === action.id ||
        (given === "join" && (action.id === "join-call" || action.id === "read-call"))
      const expected = Object.entries(claim).some(
        ([pattern, given]) => given.some(isFor) && matchesNaively(pattern, name),
      )
      expect(isCovered(scopes, action, name)).toBe(expected)
      if (expected) covered += 1
      const isAny = Object.entries(claim).some(([pattern, given]) => given.length > 0 && matchesNaively(pattern, name))
      expect(isMentioned(scopes, name)).toBe(isAny)
      const [product = "", type = "", id = "", ...rest] = name.split(":")
      if (rest.length > 0 || !["chat", "feeds", "video", "app"].includes(product)) return
      if (name.split(":").length !== 3) return
      // A list says the same as the single question.
      const listed = coveredNames(scopes, action, product).some(
        (of) => matchesSegment(of.type, type) && matchesSegment(of.id, id),
      )
      expect(listed).toBe(expected)
    })
    expect(covered).toBeGreaterThan(0)
  },
  fuzzTimeoutMs,
)

test(
  "case 66: a claim of any form is scopes or a RangeError, and what is accepted has the grammar's form",
  () => {
    const claims = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.dictionary(
        fc.oneof(patterns, fc.string({ unit: "binary", maxLength: 12 }), fc.constantFrom("__proto__", "a:b:c:d", "::")),
        fc.oneof(fc.array(fc.oneof(actions, fc.string({ maxLength: 5 })), { maxLength: 4 }), fc.jsonValue()),
        { maxKeys: 4 },
      ),
    )
    fuzz("scopes claims", claims, (claim) => {
      try {
        const scopes = parseScopes(claim)
        for (const pattern of Object.keys(scopes)) expect(pattern).toMatch(/^(chat|feeds|video|app|\*):[^:]+:[^:]+$/)
        expect(isCovered(scopes, { id: "toString", level: "read" }, "__proto__:a:b")).toBe(false)
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
    })
  },
  fuzzTimeoutMs,
)

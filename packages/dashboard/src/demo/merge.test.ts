// Nothing is shown twice, and no late answer takes away what an event has brought.

import { expect, test } from "bun:test"
import { later, merge } from "./merge.ts"

const at = (id: string, second: number) => ({ id, created_at: `2026-01-01T00:00:0${second}.000Z` })
const ids = (all: readonly { id: string }[]) => all.map(({ id }) => id).join("")

test("an answer that arrives after newer events keeps them, once each and in order", () => {
  expect(ids(merge([at("c", 3), at("d", 4)], [at("a", 1), at("b", 2), at("c", 3)], 10))).toBe("abcd")
  expect(ids(merge([at("a", 1), at("c", 3)], [at("b", 2)], 10))).toBe("abc")
  expect(ids(merge([], [at("a", 1)], 10))).toBe("a")
})

test("what has the same time keeps its order, and what comes again is replaced", () => {
  expect(ids(merge([at("b", 1), at("a", 1)], [at("c", 1)], 10))).toBe("bac")
  const merged = merge([{ ...at("a", 1), text: "old" }], [{ ...at("a", 1), text: "new" }], 10)
  expect(merged.map(({ text }) => text)).toEqual(["new"])
})

test("the newest stay", () => {
  expect(ids(merge([at("b", 2), at("c", 3)], [at("a", 1), at("d", 4)], 2))).toBe("cd")
})

test("a time never goes back", () => {
  expect(later("", at("a", 1).created_at)).toBe(at("a", 1).created_at)
  expect(later(at("b", 2).created_at, at("a", 1).created_at)).toBe(at("b", 2).created_at)
})

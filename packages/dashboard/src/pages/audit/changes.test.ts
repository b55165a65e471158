import { describe, expect, test } from "bun:test"
import { changesOf } from "./changes.ts"

describe("changesOf", () => {
  test("names what came, went, changed and stayed, fields of objects one by one", () => {
    const before = { name: "a", policy: { mode: "strict", leeway: 5 }, gone: true }
    const after = { name: "a", policy: { mode: "compatible", leeway: 5 }, new: [1, 2] }
    expect(changesOf(before, after)).toEqual([
      { field: "name", before: "a", after: "a", kind: "same" },
      { field: "policy.mode", before: "strict", after: "compatible", kind: "changed" },
      { field: "policy.leeway", before: "5", after: "5", kind: "same" },
      { field: "gone", before: "true", after: null, kind: "removed" },
      { field: "new", before: null, after: "[1,2]", kind: "added" },
    ])
  })

  test("an entry without either side has no changes, and a value of null is not an absent one", () => {
    expect(changesOf(null, null)).toEqual([])
    expect(changesOf({ expires: null }, {})).toEqual([
      { field: "expires", before: "none", after: null, kind: "removed" },
    ])
  })
})

import { expect, test } from "bun:test"
import { claimRows } from "./claims.ts"

test("claims keep their order; times are read, others are shown as they stand", () => {
  expect(claimRows({ user_id: "u1", exp: 1_800_000_000, scopes: { "chat:*:*": ["read"] }, own: "x" })).toEqual([
    { name: "user_id", value: "u1", at: null, meaning: "whom it is for" },
    { name: "exp", value: "1800000000", at: 1_800_000_000_000, meaning: "expires" },
    { name: "scopes", value: '{"chat:*:*":["read"]}', at: null, meaning: "what it is narrowed to" },
    { name: "own", value: "x", at: null, meaning: null },
  ])
})

test("times that are no times stay plain values", () => {
  expect(claimRows({ exp: 1e30, iat: "soon", nbf: null }).map(({ value, at }) => [value, at])).toEqual([
    ["1e+30", null],
    ["soon", null],
    ["null", null],
  ])
})

import { expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { type FilterTable, parseFilter } from "./filter.ts"

const table: FilterTable = {
  fields: { id: { type: "string", operators: ["$eq"] } },
  custom: { column: "custom", bare: true },
}

// Names come from outside, and every object answers to a few that nobody has given it.
test.each(["constructor", "toString", "valueOf", "hasOwnProperty", "__proto__"])(
  "a member called %s is custom data like any other, and no group",
  (name) => {
    expect(parseFilter(JSON.parse(`{"${name}":"x"}`), table)).toEqual({
      kind: "custom",
      path: [name],
      operator: "$eq",
      value: "x",
    })
    expect(() => parseFilter(JSON.parse(`{"${name}":[{"id":"a"}]}`), table)).toThrow(ApiError)
    expect(() => parseFilter(JSON.parse(`{"${name}":"x"}`), { fields: table.fields })).toThrow(
      /is not a field to filter by/,
    )
  },
)

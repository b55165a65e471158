// The filter as the server reads it.

import { expect, test } from "bun:test"
import { channelFilters } from "../../../../server/src/products/chat/channels/store.ts"
import { parseFilter } from "../../../../server/src/store/filter.ts"
import { channelFilter } from "./filter.ts"

test("the server takes every combination", () => {
  for (const sought of ["", "gen", "two words", "messaging:general", 'quo"te']) {
    for (const type of ["", "messaging"]) {
      for (const member of ["", "jessica"]) {
        expect(() => parseFilter(channelFilter(sought, type, member), channelFilters)).not.toThrow()
      }
    }
  }
})

test("a text in the form of a cid finds that channel, any other looks at names", () => {
  expect(channelFilter("messaging:general", "", "")).toEqual({ cid: "messaging:general" })
  expect(channelFilter("gen", "team", "tom")).toEqual({
    "custom.name": { $autocomplete: "gen" },
    type: "team",
    members: { $in: ["tom"] },
  })
})

// The table of addresses and the protocol say the same: browsers get the table alone.

import { describe, expect, test } from "bun:test"
import { chat, feeds, type Operation, users, video } from "@weir/protocol"
import { addressFrom } from "./client.ts"
import { publicAddresses } from "./public.ts"

const operationsIn = (value: object): Operation[] =>
  Object.values(value).flatMap((member: unknown) => {
    if (typeof member !== "object" || member === null) return []
    return "method" in member && "path" in member && "name" in member ? [member as Operation] : []
  })

describe("the public API's addresses", () => {
  const published = new Map([chat, feeds, users, video].flatMap(operationsIn).map((one) => [one.name, one]))

  test("each is the operation's own method and path", () => {
    for (const [name, [method, path]] of Object.entries(publicAddresses)) {
      const operation = published.get(name)
      expect([name, operation?.method, operation?.path]).toEqual([name, method, path])
    }
  })

  test("a server may call each", () => {
    for (const name of Object.keys(publicAddresses)) expect(published.get(name)?.access).toContain("server")
  })
})

describe("addressFrom", () => {
  test("escapes what stands in the path", () => {
    expect(addressFrom("/a/{one}/b/{two}", { path: { one: "x/y", two: "a b" } })).toBe("/a/x%2Fy/b/a%20b")
  })

  test("repeats lists, writes objects as JSON and leaves out what is not given", () => {
    const query = { list: ["a", "b"], payload: { id: "é" }, none: undefined, empty: "", zero: 0, no: false }
    const [path, text] = addressFrom("/a", { query }).split("?") as [string, string]
    expect(path).toBe("/a")
    expect([...new URLSearchParams(text)]).toEqual([
      ["list", "a"],
      ["list", "b"],
      ["payload", '{"id":"é"}'],
      ["zero", "0"],
      ["no", "false"],
    ])
  })
})

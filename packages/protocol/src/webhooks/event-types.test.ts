import { expect, test } from "bun:test"
import { events, isCustom, matches, productOf, types, wants } from "./event-types.ts"

test("every type stands once, of one product, with one sentence", () => {
  expect(new Set(types).size).toBe(types.length)
  for (const { type, doc } of events) {
    expect(type).toMatch(/^[a-z_]+(?:\.[a-z_]+)+$/)
    expect(doc).toMatch(/^[A-Z][^\n]*\.$/)
  }
})

test("the product of a type", () => {
  expect(["message.new", "call.ring", "feeds.feed.created", "user.banned"].map(productOf)).toEqual([
    "chat",
    "video",
    "feeds",
    "common",
  ])
  expect([productOf("friendship_request"), productOf("constructor")]).toEqual(["common", "common"])
  expect(["message.new", "friendship_request", "message.newer"].map(isCustom)).toEqual([false, true, true])
})

test("a list wants exact types, beginnings with a star behind, and all when it is empty", () => {
  expect(matches([], "message.new")).toBe(true)
  expect(matches(["*"], "anything")).toBe(true)
  expect(matches(["message.new"], "message.new")).toBe(true)
  expect(matches(["message.new"], "message.newer")).toBe(false)
  expect(matches(["message.*", "user.banned"], "message.read")).toBe(true)
  expect(matches(["message.*", "user.banned"], "user.banned")).toBe(true)
  expect(matches(["message.*"], "messages.read")).toBe(false)
  expect(matches(["message.*"], "message")).toBe(false)
  expect(matches(["*.new"], "message.new")).toBe(false)
  expect(matches([""], "message.new")).toBe(false)
})

test("a hook wants what is of its product or of none, of its types, and of the app's own making where it says so", () => {
  const all = { product: "all", eventTypes: [], sendsCustomEvents: false }
  const types = ["message.new", "call.ring", "user.banned", "friendship_request"]
  const wanted = (wish: Partial<typeof all>, eventTypes: string[] = []) =>
    types.filter((type) => wants({ ...all, ...wish, eventTypes }, type))
  expect(wanted({})).toEqual(["message.new", "call.ring", "user.banned"])
  expect(wanted({ sendsCustomEvents: true })).toEqual(types)
  expect(wanted({ product: "video" })).toEqual(["call.ring", "user.banned"])
  expect(wanted({ product: "video", sendsCustomEvents: true })).toEqual([
    "call.ring",
    "user.banned",
    "friendship_request",
  ])
  expect(wanted({ product: "video" }, ["message.*", "user.banned"])).toEqual(["user.banned"])
})

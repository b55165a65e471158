import { describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { newUser, userResponse } from "../../../core/users/index.ts"
import { type Channel, channelType } from "../types/index.ts"
import {
  backendVerdict,
  composeMessage,
  countsAsUnread,
  hasLink,
  messageContent,
  messagePage,
  messageResponse,
  refusedMessage,
  rewrittenMessage,
} from "./rules.ts"

const { config } = channelType("messaging")
const channel = { appId: 1, cid: "messaging:x", type: channelType("messaging"), id: "x" } as Channel
const people = new Map(["alice", "bob"].map((id) => [id, userResponse(newUser(1, id, 0), false)]))

function compose(input: object, more: object = {}) {
  const content = messageContent({ text: "hello", ...input }, config, [])
  return composeMessage({
    id: "m1",
    input: { text: "hello", ...input },
    content,
    authorId: "alice",
    parent: null,
    channel,
    type: "regular",
    ...more,
  })
}

const errorOf = (work: () => unknown): ApiError => {
  try {
    work()
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error("nothing was thrown")
}

describe("content", () => {
  test("text up to the type's bound, not one more", () => {
    expect(messageContent({ text: "x".repeat(5000) }, config, []).text).toHaveLength(5000)
    expect(errorOf(() => messageContent({ text: "x".repeat(5001) }, config, [])).code).toBe(20)
  })
  test("custom data and attachments are bounded in bytes, not in characters", () => {
    const euros = "€".repeat(1700)
    expect(Buffer.byteLength(euros)).toBeLessThan(5 * 1024)
    expect(() => messageContent({ custom: { a: euros } }, config, [])).not.toThrow()
    expect(errorOf(() => messageContent({ custom: { a: `${euros}€€€€€€€` } }, config, [])).code).toBe(4)
    expect(errorOf(() => messageContent({ attachments: [{ text: `${euros}€€€€` }] }, config, [])).code).toBe(4)
  })
  test("something must be said", () => {
    expect(errorOf(() => messageContent({}, config, [])).code).toBe(4)
    expect(errorOf(() => messageContent({ text: "" }, config, [])).code).toBe(4)
    for (const input of [{ attachments: [{ type: "image" }] }, { custom: { a: 1 } }, { quoted_message_id: "q" }]) {
      expect(() => messageContent(input, config, [])).not.toThrow()
    }
  })
  test("U+0000 has no place in the database and is refused", () => {
    expect(errorOf(() => messageContent({ text: "a\0b" }, config, [])).code).toBe(4)
  })
  test("members of an attachment that the wire does not name become custom data", () => {
    const { attachments } = messageContent(
      { attachments: [{ type: "file", file_size: 7, custom: { a: 1 } } as { type: string }] },
      config,
      [],
    )
    expect(JSON.parse(attachments)).toEqual([{ type: "file", custom: { a: 1, file_size: 7 } }])
  })
})

describe("composing", () => {
  test("a reply shows only in its thread unless it asks for more", () => {
    const parent = compose({})
    const reply = compose({}, { parent })
    expect([reply.type, reply.parent_id, reply.in_channel]).toEqual(["reply", "m1", 0])
    const shown = compose({ show_in_channel: true }, { parent })
    expect([shown.in_channel, shown.show_in_channel]).toEqual([1, 1])
    // Without a parent the wish means nothing.
    expect(compose({ show_in_channel: true }).show_in_channel).toBe(0)
  })
  test("threads have one level", () => {
    const reply = compose({}, { parent: compose({}) })
    expect(errorOf(() => compose({}, { parent: reply })).code).toBe(21)
  })
  test("only what people say to the whole channel counts as unread", () => {
    expect(countsAsUnread(compose({}))).toBe(true)
    expect(countsAsUnread(compose({ silent: true }))).toBe(false)
    expect(countsAsUnread(compose({}, { type: "system" }))).toBe(false)
    expect(countsAsUnread(compose({ show_in_channel: true }, { parent: compose({}) }))).toBe(false)
  })
})

describe("showing", () => {
  const said = { ...compose({ custom: { a: 1 }, attachments: [{ type: "image" }] }), mentioned_user_ids: '["bob"]' }

  test("every member that the wire requires is there", () => {
    const shown = messageResponse(said, people)
    expect(shown.user.id).toBe("alice")
    expect(shown.mentioned_users.map(({ id }) => id)).toEqual(["bob"])
    expect(shown.html).toBe("")
    expect(shown.custom).toEqual({ a: 1 })
    for (const list of [shown.latest_reactions, shown.own_reactions, shown.restricted_visibility])
      expect(list).toEqual([])
  })
  test("of a deleted message the shell stays, and nothing of what was said", () => {
    const shown = messageResponse({ ...said, deleted_at: 5 }, people)
    expect(shown).toMatchObject({
      id: "m1",
      type: "deleted",
      text: "",
      attachments: [],
      mentioned_users: [],
      custom: {},
    })
    expect(shown.deleted_at).toBe("1970-01-01T00:00:00.005Z")
    expect(JSON.stringify(shown)).not.toContain("hello")
    expect(messageResponse({ ...said, deleted_at: 5 }, people, true)).toMatchObject({ type: "deleted", text: "hello" })
  })
  test("what is refused comes back as an error message with the reason", () => {
    const refused = refusedMessage(said, people, "not here", 1000)
    expect(refused).toMatchObject({ type: "error", text: "not here", created_at: "1970-01-01T00:00:01.000Z" })
  })
})

describe("what a backend says before a message is sent", () => {
  const path = { type: "messaging", id: "x" }
  const verdict = (answer: unknown) => backendVerdict(path, answer)

  test("nothing: the message stays", () => {
    for (const answer of [null, {}, { message: null }, { message: {} }, { message: { id: "other", type: "regular" } }])
      expect(verdict(answer)).toEqual({ kind: "unchanged" })
  })
  test("a message, wrapped or bare, whole or in part, in the form of events or of requests", () => {
    const changes = { text: "b", mentioned_users: ["bob"] }
    const shown = { ...messageResponse(compose({}), people), text: "b", mentioned_users: [people.get("bob")] }
    expect(verdict({ message: changes })).toEqual({ kind: "rewritten", changes })
    expect(verdict(changes)).toEqual({ kind: "rewritten", changes })
    expect(verdict({ message: shown, user: {}, channel: {} })).toMatchObject({ kind: "rewritten", changes })
    expect(verdict({ text: null, attachments: null })).toEqual({
      kind: "rewritten",
      changes: { text: "", attachments: [] },
    })
  })
  test("only what a backend may change is taken from it", () => {
    const { changes } = verdict({
      ...messageResponse(compose({}, { id: "m2", authorId: "bob" }), people),
      parent_id: "m0",
      show_in_channel: true,
      quoted_message_id: "m0",
      user_id: "bob",
    }) as { changes: object }
    expect(Object.keys(changes).sort()).toEqual([
      "attachments",
      "custom",
      "mentioned_channel",
      "mentioned_here",
      "mentioned_users",
      "silent",
      "text",
    ])
    const odd = verdict(JSON.parse('{"text":"a","__proto__":{"silent":true}}'))
    expect(odd).toEqual({ kind: "rewritten", changes: { text: "a" } })
  })
  test("error: it is not sent, with a reason or without, whatever else is wrong with it", () => {
    expect(verdict({ type: "error", text: "no" })).toEqual({ kind: "rejected", text: "no" })
    expect(verdict({ message: { type: "error" } })).toEqual({ kind: "rejected", text: null })
    expect(verdict({ message: { type: "error", text: 7, attachments: 7 } })).toEqual({ kind: "rejected", text: null })
    const long = verdict({ type: "error", text: "\u{1f44b}".repeat(100_000) }) as { text: string }
    expect(long.text.length).toBeLessThan(100_000)
    expect(long.text.isWellFormed()).toBeTrue()
  })
  test("nonsense is no answer", () => {
    const bad = [7, "no", [], { message: 7 }, { message: [] }, { text: 7 }, { custom: [] }, { mentioned_users: [7] }]
    for (const answer of bad) expect(errorOf(() => verdict(answer)).code).toBe(4)
  })
  test("rewriting is held to the bounds of a message, and to nothing but what was given", () => {
    const draft = compose({ custom: { a: 1 } })
    const request = { text: "hello", custom: { a: 1 } }
    expect(rewrittenMessage(draft, request, config, [])).toBe(draft)
    expect(rewrittenMessage(draft, { ...request, text: "b" }, config, ["bob"])).toEqual({
      ...draft,
      text: "b",
      mentioned_user_ids: '["bob"]',
    })
    expect(rewrittenMessage(draft, { ...request, silent: true }, config, []).silent).toBe(1)
    expect(errorOf(() => rewrittenMessage(draft, { text: "" }, config, [])).code).toBe(4)
    expect(errorOf(() => rewrittenMessage(draft, { text: "x".repeat(5001) }, config, [])).code).toBe(20)
  })
})

test("links are known by their beginning", () => {
  for (const text of ["see https://a.example", "HTTP://A.EXAMPLE", "www.a.example", "(http://a)"])
    expect(hasLink(text)).toBe(true)
  for (const text of ["a.example", "http:// alone", "awww.so", undefined]) expect(hasLink(text)).toBe(false)
})

describe("pages", () => {
  test("begin at one place", () => {
    expect(messagePage(undefined)).toEqual({ limit: 25, direction: "older", anchor: null })
    expect(messagePage({ limit: 5, id_gte: "m" })).toEqual({
      limit: 5,
      direction: "newer",
      anchor: { by: "id", id: "m", inclusive: true },
    })
    expect(messagePage({ created_at_before: "1970-01-01T00:00:01Z" }).anchor).toEqual({
      by: "time",
      atMs: 1000,
      inclusive: false,
    })
    expect(errorOf(() => messagePage({ id_lt: "a", id_gt: "b" })).code).toBe(4)
    expect(errorOf(() => messagePage({ created_at_after: "yesterday" })).code).toBe(4)
  })
})

import { describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import reference from "../webhooks/samples.json"
import { limits } from "./limits.ts"
import { parseWebhookId, testEventOf, webhookIdOf } from "./rules.ts"

const nowMs = Date.UTC(2026, 5, 1)
const at = new Date(nowMs).toISOString()

test("an id of a delivery reads back, and no other spelling of it does", () => {
  const hookId = "0198a0d5-0000-7000-8000-000000000001"
  for (const eventId of [0, 35, 36, Number.MAX_SAFE_INTEGER]) {
    expect(parseWebhookId(webhookIdOf(eventId, hookId))).toEqual({ eventId, hookId })
  }
  for (const id of ["", hookId, `msg_-${hookId}`, `msg_01-${hookId}`, `msg_A-${hookId}`, `msg_zzzzzzzzzzz-${hookId}`]) {
    expect(parseWebhookId(id)).toBeNull()
  }
})

describe("a test event", () => {
  const samples = {
    "message.new": { type: "message.new", created_at: "2020-01-01T00:00:00.000Z", message: { text: "hello" } },
    "user.updated": { type: "user.updated" },
  }
  test("is the sample of its type, dated now", () => {
    expect(JSON.parse(testEventOf({}, samples, nowMs).body)).toEqual({ ...samples["message.new"], created_at: at })
    expect(testEventOf({ type: "user.updated" }, samples, nowMs).body).toBe('{"type":"user.updated"}')
  })
  test("each of the reference's samples can be sent, as what it is", () => {
    for (const type of Object.keys(reference)) {
      const event = testEventOf({ type }, reference, nowMs)
      expect(event.type).toBe(type)
      expect(JSON.parse(event.body)).toMatchObject({ type, created_at: at })
      expect(Buffer.byteLength(event.body)).toBeLessThan(limits.testBodyBytesMax)
    }
    expect(testEventOf({}, reference, nowMs).type).toBe("message.new")
  })
  test("is the body that is given, as it is, with a type", () => {
    expect(testEventOf({ body: { a: 1 } }, samples, nowMs)).toEqual({
      type: "message.new",
      body: '{"type":"message.new","a":1}',
    })
    expect(testEventOf({ body: { type: "order.paid", a: 1 } }, samples, nowMs).type).toBe("order.paid")
    expect(testEventOf({ type: "order.paid", body: { a: 1 } }, samples, nowMs).body).toContain('"order.paid"')
  })
  test("is refused by name when it cannot be", () => {
    const refused = (...given: Parameters<typeof testEventOf>) => {
      try {
        testEventOf(...given)
      } catch (error) {
        if (error instanceof ApiError) return error.reason
        throw error
      }
      return null
    }
    expect(refused({ type: "message.nwe" }, samples, nowMs)).toContain("did you mean message.new?")
    expect(refused({ type: "constructor" }, samples, nowMs)).toContain("message.new, user.updated")
    expect(refused({}, {}, nowMs)).toContain("no sample of message.new. Send")
    expect(refused({ type: "a", body: { type: "b" } }, samples, nowMs)).toContain("of type b")
    expect(refused({ body: { type: 1 } }, samples, nowMs)).toContain("not a type")
    expect(refused({ body: { type: "a b" } }, samples, nowMs)).toContain("not a type")
    expect(refused({ body: { a: "x".repeat(limits.testBodyBytesMax) } }, samples, nowMs)).toContain("bytes")
  })
})

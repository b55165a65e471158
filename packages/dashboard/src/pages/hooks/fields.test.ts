// The form's bodies against the very rules of the server.

import { describe, expect, test } from "bun:test"
import { readHook } from "../../../../server/src/core/webhooks/rules.ts"
import { createBody, type Draft, draftOf, isComplete, kindFields, newSettings, updateBody } from "./fields.ts"
import { type Hook, type HookKind, hookKinds } from "./words.tsx"

const filled: Readonly<Record<HookKind, Readonly<Record<string, string>>>> = {
  webhook: { webhook_url: "https://backend.example/hook" },
  sqs: { sqs_queue_url: "https://sqs.eu-west-1.amazonaws.com/123456789012/q", sqs_key: "AKIA1", sqs_secret: "s" },
  sns: { sns_topic_arn: "arn:aws:sns:eu-west-1:123456789012:t", sns_key: "AKIA1", sns_secret: "s" },
  redis: { redis_url: "redis://user:pass@redis.example:6379/0", redis_stream: "events", redis_length_max: "1000" },
  nats: { nats_url: "nats://nats.example:4222", nats_subject: "weir.events", nats_user: "u", nats_password: "p" },
}
const draft = (kind: HookKind): Draft => ({ kind, fields: filled[kind], settings: newSettings })
const parts = { objection: () => null, fieldOf: (member: string) => member }

describe("createBody", () => {
  for (const kind of hookKinds) {
    test(`a ${kind} hook is what the server takes`, () => {
      const spec = readHook(createBody(draft(kind)), parts)
      expect(spec.target.kind).toBe(kind)
      expect(isComplete(draft(kind), true)).toBe(true)
    })

    test(`a ${kind} hook without what is required is neither`, () => {
      for (const { name, required } of kindFields[kind]) {
        if (required !== true) continue
        const { [name]: _, ...rest } = filled[kind]
        const partial = { ...draft(kind), fields: rest }
        expect([name, isComplete(partial, true)]).toEqual([name, false])
        expect(() => readHook(createBody(partial), parts)).toThrow(name)
      }
    })
  }

  test("fields of other kinds stay out", () => {
    const body = createBody({ ...draft("webhook"), fields: { ...filled.webhook, ...filled.redis } })
    expect(Object.keys(body)).not.toContain("redis_url")
  })
})

describe("updateBody", () => {
  const hook = {
    ...newSettings,
    hook_type: "redis",
    redis_url: "redis://user@redis.example:6379/0",
    redis_stream: "events",
    redis_length_max: 1000,
  } as unknown as Hook
  const before = draftOf(hook)

  test("nothing changed is nothing sent, so that a password stays", () => {
    expect(updateBody(before, draftOf(hook))).toEqual({})
  })

  test("what changed alone is sent", () => {
    const fields = { ...before.fields, redis_stream: " other ", redis_length_max: "" }
    const settings = { ...before.settings, event_types: ["message.*"], ordered: true }
    expect(updateBody(before, { ...before, fields, settings })).toEqual({
      redis_stream: "other",
      redis_length_max: null,
      event_types: ["message.*"],
      ordered: true,
    })
  })

  test("a secret that is left empty stays what it is", () => {
    const queue = draftOf({ ...newSettings, hook_type: "sqs", sqs_queue_url: "u", sqs_key: "k" } as unknown as Hook)
    expect(isComplete(queue, false)).toBe(true)
    expect(updateBody(queue, { ...queue, fields: { ...queue.fields, sqs_secret: "new" } })).toEqual({
      sqs_secret: "new",
    })
  })
})

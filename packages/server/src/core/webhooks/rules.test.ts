// What a hook may be set to, and what is refused by name; and that the two halves of a target are one again.

import { describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { generateMasterKeyText, parseMasterKey } from "../../base/crypto.ts"
import type { HookTarget } from "../../events/webhooks/hook.ts"
import {
  beforeMessageSendOf,
  type HookInput,
  hookChange,
  hookFacts,
  hookOf,
  hookView,
  newHookRow,
  type ReadHookParts,
  readHook,
  settingsOf,
  specOf,
} from "./rules.ts"
import { addressOf, joinTarget, regionOfQueue, splitTarget, writtenAddress } from "./targets.ts"

const masterKey = parseMasterKey(generateMasterKeyText()) as NonNullable<ReturnType<typeof parseMasterKey>>
const objection = (url: string): string | null =>
  !URL.canParse(url) ? "it is no URL" : new URL(url).hostname === "10.0.0.1" ? "its address is not public" : null

const read = (input: object, parts: Partial<ReadHookParts> = {}) =>
  readHook(input as HookInput, { objection, ...parts })

/** The fields that an input is refused for, and why. */
function refusal(input: object, parts: Partial<ReadHookParts> = {}): Record<string, string> {
  try {
    read(input, parts)
  } catch (error) {
    if (error instanceof ApiError && error.kind === "input") return error.fields ?? {}
    throw error
  }
  throw new Error("it was not refused")
}

const webhook = { hook_type: "webhook", webhook_url: "https://hooks.example.com/weir" }
const sqs = {
  hook_type: "sqs",
  sqs_queue_url: "https://sqs.eu-west-1.amazonaws.com/123456789012/events.fifo",
  sqs_key: "AKIDEXAMPLE",
  sqs_secret: "sqs+secret/1",
}
const sns = {
  hook_type: "sns",
  sns_topic_arn: "arn:aws:sns:eu-central-1:123456789012:events",
  sns_key: "AKIDEXAMPLE",
  sns_secret: "sns+secret/1",
}
const redis = { hook_type: "redis", redis_url: "rediss://weir:p%40ss@redis.example.com:6380/2", redis_stream: "events" }
const nats = {
  hook_type: "nats",
  nats_url: "nats://nats.example.com:4222",
  nats_subject: "weir.events",
  nats_user: "weir",
  nats_password: "n-password",
}
const ofEachKind = { webhook, sqs, sns, redis, nats }

describe("reading a hook", () => {
  test("what is not said has its default", () => {
    expect(read(webhook)).toEqual({
      enabled: true,
      product: "all",
      eventTypes: [],
      settings: { timeout_ms: 6_000, compression: null, ordered: false, should_send_custom_events: false },
      target: { kind: "webhook", url: "https://hooks.example.com/weir" },
    })
    expect(read({ ...webhook, timeout_ms: 0 }).settings.timeout_ms).toBe(6_000)
  })

  test("each kind of target", () => {
    expect(read(sqs).target).toEqual({
      kind: "sqs",
      queueUrl: sqs.sqs_queue_url,
      region: "eu-west-1",
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: "sqs+secret/1",
    })
    expect(read({ ...sns, sns_event_based_message_group_id_enabled: true }).target).toEqual({
      kind: "sns",
      topicArn: sns.sns_topic_arn,
      region: "eu-central-1",
      groupByType: true,
      endpoint: null,
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: "sns+secret/1",
    })
    expect(read({ ...redis, redis_length_max: 1_000 }).target).toEqual({
      kind: "redis",
      url: redis.redis_url,
      stream: "events",
      lengthMax: 1_000,
    })
    expect(read(nats).target).toMatchObject({ kind: "nats", user: "weir", password: "n-password", token: null })
    const byToken = { ...nats, nats_user: undefined, nats_password: undefined, nats_token: "t" }
    expect(read(byToken).target).toMatchObject({ user: null, password: null, token: "t" })
  })

  test("what is unknown, missing or does not go together is refused by its name", () => {
    const cases: [object, string, RegExp][] = [
      [{}, "hook_type", /required/],
      [{ hook_type: "webhok" }, "hook_type", /did you mean webhook/],
      [{ ...webhook, hook_type: "pending_message" }, "hook_type", /must be one of webhook, sqs, sns, redis, nats/],
      [{ hook_type: "listen" }, "hook_type", /must be one of/],
      [{ hook_type: "webhook" }, "webhook_url", /required/],
      [{ ...webhook, webhook_url: "https://10.0.0.1/" }, "webhook_url", /not public/],
      [{ ...webhook, product: "chats" }, "product", /did you mean chat/],
      [{ ...webhook, timeout_ms: 99 }, "timeout_ms", /100 to 30000/],
      [{ ...webhook, timeout_ms: 30_001 }, "timeout_ms", /100 to 30000/],
      [{ ...webhook, timeout_ms: -1 }, "timeout_ms", /100 to 30000/],
      [{ ...webhook, compression: "br" }, "compression", /none, gzip/],
      [{ ...webhook, orderd: true }, "orderd", /did you mean ordered/],
      [{ ...webhook, callback: { mode: "CALLBACK_MODE_REST" } }, "callback", /not a setting of hooks/],
      [{ ...webhook, failover_config: { bucket: "b" } }, "failover_config", /not a setting of hooks/],
      [{ ...webhook, sqs_key: "AKID" }, "sqs_key", /goes with hook_type sqs/],
      [{ ...sqs, sqs_queue_url: "https://sqs.eu-west-1.amazonaws.com" }, "sqs_queue_url", /names no queue/],
      [{ ...sqs, sqs_region: "eu-west-2" }, "sqs_region", /must be eu-west-1/],
      [{ ...sqs, sqs_auth_type: "resource" }, "sqs_auth_type", /must be keys/],
      [{ ...sqs, sqs_role_arn: "arn:aws:iam::1:role/x" }, "sqs_role_arn", /not supported/],
      [{ ...sqs, sqs_key: undefined }, "sqs_key", /required/],
      [{ ...sqs, sqs_key: "a b" }, "sqs_key", /access key/],
      [{ ...sqs, sqs_secret: "" }, "sqs_secret", /required/],
      [{ ...sqs, sqs_secret: "a\nb" }, "sqs_secret", /ASCII/],
      [{ ...sns, sns_topic_arn: "arn:aws:sqs:eu-west-1:123456789012:q" }, "sns_topic_arn", /ARN/],
      [{ ...sns, sns_region: "eu-west-2" }, "sns_region", /must be eu-central-1/],
      [{ ...sns, sns_endpoint: "https://10.0.0.1/" }, "sns_endpoint", /not public/],
      [{ ...redis, redis_url: "https://redis.example.com" }, "redis_url", /redis:\/\/ or rediss:\/\//],
      [{ ...redis, redis_url: "redis://10.0.0.1:6379" }, "redis_url", /not public/],
      [{ ...redis, redis_url: "redis://r.example.com/?x=1" }, "redis_url", /query/],
      [{ ...redis, redis_url: "redis://r.example.com/abc" }, "redis_url", /number of a database/],
      [{ ...redis, redis_url: "redis:" }, "redis_url", /names no server/],
      [{ ...redis, redis_url: "nonsense" }, "redis_url", /must be a URL/],
      [{ ...redis, redis_stream: "a b" }, "redis_stream", /ASCII/],
      [{ ...redis, redis_length_max: 2e9 }, "redis_length_max", /at most/],
      [{ ...nats, nats_url: "nats://a:b@nats.example.com" }, "nats_url", /without credentials/],
      [{ ...nats, nats_url: "ws://nats.example.com" }, "nats_url", /nats:\/\/ or tls:\/\//],
      [{ ...nats, nats_subject: "weir.*" }, "nats_subject", /without \*/],
      [{ ...nats, nats_subject: "weir..x" }, "nats_subject", /words/],
      [{ ...nats, nats_token: "t" }, "nats_token", /without nats_user/],
      [{ ...nats, nats_user: undefined }, "nats_user", /required/],
      [{ ...nats, nats_password: undefined }, "nats_password", /required/],
    ]
    for (const [input, member, text] of cases) {
      const fields = refusal(input)
      expect({ input, fields: Object.keys(fields) }).toEqual({ input, fields: [member] })
      expect(fields[member]).toMatch(text)
    }
    expect(refusal({ ...webhook, timeout_ms: 1 }, { fieldOf: (member) => `event_hooks.3.${member}` })).toHaveProperty([
      "event_hooks.3.timeout_ms",
    ])
  })

  test("event types: known ones, beginnings of known ones, and an app's own only where they are sent", () => {
    const of = (event_types: string[], custom = false) =>
      read({ ...webhook, event_types, should_send_custom_events: custom })
    expect(of(["message.new", "message.*", "*", "feeds.activity.*", "message.new"]).eventTypes).toEqual([
      "message.new",
      "message.*",
      "*",
      "feeds.activity.*",
    ])
    expect(of(["order.paid", "order.*"], true).eventTypes).toEqual(["order.paid", "order.*"])
    const refused = (event_types: string[], custom = false) =>
      refusal({ ...webhook, event_types, should_send_custom_events: custom }).event_types
    expect(refused(["mesage.new"])).toMatch(/did you mean message.new/)
    expect(refused(["order.paid"])).toMatch(/no event of this server/)
    expect(refused(["order.*"])).toMatch(/no event begins with that/)
    for (const type of ["mess*", "*.new", "message.*.x", "**"]) expect(refused([type], true)).toMatch(/stands alone/)
    expect(refused(["a b"], true)).toMatch(/no event/)
  })

  test("a shown hook comes back as it was, and changes by what is given", () => {
    for (const [kind, input] of Object.entries(ofEachKind)) {
      const row = newHookRow(masterKey, read({ ...input, ordered: true, compression: "gzip" }), place, 1_000)
      const before = specOf(row, masterKey)
      const shown = { ...hookView(row), status: { pending: 0 }, origin: "admin" }
      expect({ kind, spec: read(shown, { before }) }).toEqual({ kind, spec: before })
      const changed = read({ event_types: ["message.new"] }, { before })
      expect(changed).toEqual({ ...before, eventTypes: ["message.new"] })
      expect(refusal({ hook_type: kind === "sqs" ? "sns" : "sqs" }, { before }).hook_type).toMatch(/stays/)
    }
  })

  test("a secret stays with what it belongs to, and goes nowhere else", () => {
    const before = (input: object) => ({ before: read(input) })
    expect(read({ sqs_region: "eu-west-1", sqs_secret: "" }, before(sqs)).target).toMatchObject({
      secretAccessKey: "sqs+secret/1",
    })
    expect(refusal({ sqs_key: "AKIDOTHER" }, before(sqs))).toHaveProperty("sqs_secret")
    const withoutPassword = "rediss://weir@redis.example.com:6380/2"
    expect(read({ redis_url: withoutPassword }, before(redis)).target).toMatchObject({ url: redis.redis_url })
    for (const url of ["rediss://weir@evil.example.com:6380/2", "redis://weir@redis.example.com:6380/2"]) {
      expect(read({ redis_url: url }, before(redis)).target).toMatchObject({ url })
    }
    expect(read({ nats_url: "nats://evil.example.com" }, before(nats)).target).toMatchObject({
      password: null,
      user: null,
    })
    expect(read({ nats_user: "" }, before(nats)).target).toMatchObject({ user: null, password: null, token: null })
    expect(read({ nats_token: "t" }, before(nats)).target).toMatchObject({ user: null, password: null, token: "t" })
  })

  test("anew: what is not said falls back to its default, secrets and the switch stay", () => {
    const before = read({ ...sqs, enabled: false, ordered: true, event_types: ["message.new"], timeout_ms: 100 })
    const { sqs_secret: _, ...said } = sqs
    expect(read(said, { before, startsAnew: true })).toEqual({ ...read(sqs), enabled: false })
  })
})

const place = { id: "0190c3a5-0000-7000-8000-000000000001", appId: 7, origin: "admin", position: 0 } as const

describe("a hook as it is stored", () => {
  test("no secret lies open, is shown, or stands in the audit log, and the whole opens again", () => {
    const secrets = ["sqs+secret/1", "sns+secret/1", "p%40ss", "n-password"]
    for (const input of Object.values(ofEachKind)) {
      const spec = read(input)
      const row = newHookRow(masterKey, spec, place, 1_000)
      const hook = hookOf(row, settingsOf(undefined), masterKey)
      expect(hook).toMatchObject({ id: place.id, appId: 7, enabled: true, timeoutMs: 6_000, compression: "none" })
      expect(hook.target).toEqual(spec.target)
      for (const secret of secrets) {
        expect(JSON.stringify([row, hookView(row), hookFacts(row)])).not.toContain(secret)
      }
      expect(() => specOf({ ...row, app_id: 8, sealed_target: row.sealed_target ?? "v1.a.b" }, masterKey)).toThrow()
    }
  })

  test("the two halves of each target are one again, and its address is told by what is written", () => {
    const bare: HookTarget[] = [
      { kind: "redis", url: "redis://redis.example.com:6379", stream: "s", lengthMax: null },
      { kind: "nats", url: "nats://n.example.com", subject: "s", user: null, password: null, token: null },
      { kind: "listen", nodeId: "n1" },
    ]
    for (const target of [...Object.values(ofEachKind).map((input) => read(input).target), ...bare]) {
      const { open, secrets } = splitTarget(target)
      expect(joinTarget(open, secrets)).toEqual(target)
      expect(addressOf(open)).toBe(addressOf(target))
    }
    for (const input of Object.values(ofEachKind)) {
      expect(writtenAddress(input as HookInput)).toBe(addressOf(read(input).target))
    }
    expect(writtenAddress({ hook_type: "redis", redis_url: "nonsense" })).toBeNull()
    expect(writtenAddress({})).toBeNull()
  })

  test("a change writes what changed: the sealed half only when its secrets are others", () => {
    const before = read(sqs)
    const row = newHookRow(masterKey, before, place, 1_000)
    const change = (input: object) =>
      hookChange(masterKey, { row, before, after: read(input, { before }), position: 0 }, 2_000)
    expect(change({})).toBeNull()
    expect(change({ sqs_secret: "sqs+secret/1" })).toBeNull()
    expect(hookChange(masterKey, { row, before, after: before, position: 1 }, 2_000)).toEqual({ position: 1 })
    expect(change({ ordered: true })).toEqual({
      settings: expect.stringContaining('"ordered":true'),
      updated_at: 2_000,
    })
    expect(change({ enabled: false })).toEqual({ enabled: 0, disabled_reason: "operator", updated_at: 2_000 })
    const rotated = change({ sqs_secret: "another" })
    expect(Object.keys(rotated ?? {}).sort()).toEqual(["sealed_target", "updated_at"])
    expect(specOf({ ...row, ...rotated }, masterKey).target).toMatchObject({ secretAccessKey: "another" })
    const gone = { ...row, enabled: 0, disabled_reason: "gone" }
    const off = specOf(gone, masterKey)
    expect(
      hookChange(masterKey, { row: gone, before: off, after: { ...off, product: "chat" }, position: 0 }, 2_000),
    ).not.toHaveProperty("disabled_reason")
  })

  test("compression is the hook's own, or else the app's; the audit log has no query", () => {
    const row = newHookRow(masterKey, read({ ...webhook, webhook_url: "https://h.example.com/a?token=t0" }), place, 1)
    const gzip = { ...settingsOf(undefined), compression: "gzip" as const }
    expect(hookOf(row, gzip, masterKey).compression).toBe("gzip")
    const own = newHookRow(masterKey, read({ ...webhook, compression: "none" }), place, 1)
    expect(hookOf(own, gzip, masterKey).compression).toBe("none")
    expect(hookFacts(row).address).toBe("webhook https://h.example.com/a")
  })

  test("who is asked before a message is sent", () => {
    const of = (beforeMessageSend: object) =>
      beforeMessageSendOf(settingsOf({ app_id: 1, settings: JSON.stringify({ beforeMessageSend }), updated_at: 1 }))
    expect(beforeMessageSendOf(settingsOf(undefined))).toBeNull()
    expect(of({ url: "https://h.example.com", attemptTimeoutMs: 0, onFailure: "refuse" })).toEqual({
      url: "https://h.example.com",
      attemptTimeoutMs: 1_500,
      onFailure: "refuse",
    })
    expect(of({ url: "https://h.example.com", attemptTimeoutMs: 10, onFailure: "allow" })?.attemptTimeoutMs).toBe(10)
  })
})

test("the region of a queue is in its host", () => {
  const hosts: [string, string | undefined][] = [
    ["sqs.eu-west-1.amazonaws.com", "eu-west-1"],
    ["sqs-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"],
    ["sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"],
    ["sqs.us-east-2.api.aws", "us-east-2"],
    ["eu-west-1.queue.amazonaws.com", "eu-west-1"],
    ["queue.amazonaws.com", "us-east-1"],
    ["vpce-0a1b-2c3d.sqs.eu-west-3.vpce.amazonaws.com", "eu-west-3"],
    ["sqs.eu-west-1.amazonaws.com.evil.example.com", undefined],
    ["localhost", undefined],
  ]
  for (const [host, region] of hosts) expect([host, regionOfQueue(`https://${host}/1/q`)]).toEqual([host, region])
})

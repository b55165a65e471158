// Against a local HTTP server that checks each request as the service does: the signature is computed anew from the
// documentation's recipe, and the message is read as a receiver reads it.

import { beforeEach, describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { gunzipSync } from "node:zlib"
import { Webhook } from "standardwebhooks"
import {
  awsKeys,
  deliveryTo,
  fakeServiceForTests,
  hexHmac,
  hookSecret,
  signatureFault,
  webhookId,
} from "../../../test/queues.ts"
import { createOutgoing } from "../../base/outgoing.ts"
import type { HookTarget } from "./hook.ts"
import { limits } from "./limits.ts"
import { createSqsSender } from "./sqs-sender.ts"

const { fake, outgoing } = fakeServiceForTests()
const sender = createSqsSender({ outgoing })
const { secretAccessKey } = awsKeys
const target = (name = "events"): HookTarget => ({
  kind: "sqs",
  queueUrl: `${fake.url}/123456789012/${name}`,
  region: "eu-central-1",
  ...awsKeys,
})
const nowMs = Date.now()
const md5 = (text: string): string => createHash("md5").update(text).digest("hex")
/** What SQS says when it has taken a message. */
const taken = ({ body }: { readonly body: string }): Response =>
  Response.json({ MessageId: "5fea7756-0ea4", MD5OfMessageBody: md5(JSON.parse(body).MessageBody) })
const errorAnswer = (status: number, code: string, message = "as said"): (() => Response) => {
  return () => Response.json({ __type: code, message }, { status })
}
const lastMessage = () => JSON.parse(fake.requests.at(-1)?.body ?? "null")

beforeEach(() => {
  fake.answer = taken
})

test("the check of signatures agrees with a published example", () => {
  // AWS's own test suite of Signature Version 4, the case post-vanilla.
  const request = {
    method: "POST",
    url: "http://example.amazonaws.com/",
    headers: new Headers({
      host: "example.amazonaws.com",
      "x-amz-date": "20150830T123600Z",
      authorization:
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, " +
        "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    }),
    body: "",
  }
  expect(signatureFault(request, secretAccessKey, "service", "us-east-1")).toBeNull()
  expect(signatureFault({ ...request, body: "x" }, secretAccessKey, "service", "us-east-1")).toBe("another signature")
  expect(signatureFault(request, `${secretAccessKey}x`, "service", "us-east-1")).toBe("another signature")
})

describe("a message that SQS takes", () => {
  test("is signed by Signature Version 4, and carries the JSON and the headers of the delivery", async () => {
    const delivery = deliveryTo(target(), { attempt: 3 })
    const outcome = await sender.send(delivery, nowMs)

    const [request] = fake.requests
    if (request === undefined) throw new Error("nothing came")
    expect(signatureFault(request, secretAccessKey, "sqs", "eu-central-1")).toBeNull()
    expect(new URL(request.url).pathname).toBe("/")
    expect(request.headers.get("content-type")).toBe("application/x-amz-json-1.0")
    expect(request.headers.get("x-amz-target")).toBe("AmazonSQS.SendMessage")
    const signedAt = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "")
    expect(request.headers.get("x-amz-date")).toBe(signedAt)

    const { QueueUrl, MessageBody, MessageAttributes, ...others } = JSON.parse(request.body)
    expect(others).toEqual({})
    expect(QueueUrl).toBe(`${fake.url}/123456789012/events`)
    expect(MessageBody).toBe(delivery.body)
    const text = (value: string) => ({ DataType: "String", StringValue: value })
    expect(MessageAttributes).toEqual({
      "X-Webhook-Id": text(webhookId),
      "X-Webhook-Attempt": text("3"),
      "X-Api-Key": text("a1b2c3d4e5f6"),
      "X-Signature": text(hexHmac(delivery.body)),
      event_type: text("message.new"),
      "webhook-id": text(webhookId),
      "webhook-timestamp": text(String(Math.floor(nowMs / 1000))),
      "webhook-signature": text(MessageAttributes["webhook-signature"].StringValue),
    })
    const headers: Record<string, string> = {}
    for (const name of Object.keys(MessageAttributes)) headers[name] = MessageAttributes[name].StringValue
    expect(new Webhook(hookSecret).verify(MessageBody, headers)).toEqual(JSON.parse(delivery.body))

    expect(outcome).toMatchObject({
      result: "delivered",
      status: 200,
      fault: null,
      detail: null,
      retryAfterMs: null,
      request: { target: `${fake.url}/123456789012/events`, headers: { "X-Webhook-Id": webhookId } },
    })
    expect(JSON.parse(outcome.response?.body ?? "")).toMatchObject({ MessageId: "5fea7756-0ea4" })
    expect(outcome.durationMs).toBeGreaterThanOrEqual(0)
    expect(JSON.stringify(outcome)).not.toContain(secretAccessKey)
    expect(JSON.stringify(outcome)).not.toMatch(/authorization/i)
  })

  test("is base64 of the gzip with compression, small ones too; the signature covers the JSON", async () => {
    const delivery = deliveryTo(target(), {}, { compression: "gzip" })
    expect((await sender.send(delivery, nowMs)).result).toBe("delivered")
    const { MessageBody, MessageAttributes } = lastMessage()
    expect(MessageBody).toMatch(/^[A-Za-z0-9+/]+=*$/)
    expect(gunzipSync(Buffer.from(MessageBody, "base64")).toString()).toBe(delivery.body)
    expect(MessageAttributes["X-Signature"].StringValue).toBe(hexHmac(delivery.body))
  })

  test("is base64 where SQS would change a character", async () => {
    const delivery = deliveryTo(target(), { body: '{"type":"message.new","text":"\uffff"}' })
    expect((await sender.send(delivery, nowMs)).result).toBe("delivered")
    expect(Buffer.from(lastMessage().MessageBody, "base64").toString()).toBe(delivery.body)
  })

  test("has group and deduplication id in a FIFO queue", async () => {
    expect((await sender.send(deliveryTo(target("events.fifo")), nowMs)).result).toBe("delivered")
    expect(lastMessage()).toMatchObject({
      MessageGroupId: "channel:messaging:general",
      MessageDeduplicationId: webhookId,
    })
    // What SQS does not allow as a group's name gets one that is as much its own.
    const groups = new Set<string>()
    for (const stream of ["user:жан", "user:жон", `feed:${"a".repeat(130)}`, "a b"]) {
      expect((await sender.send(deliveryTo(target("events.fifo"), { stream }), nowMs)).result).toBe("delivered")
      const { MessageGroupId } = lastMessage()
      expect(MessageGroupId).toMatch(/^[!-~]{1,128}$/)
      groups.add(MessageGroupId)
    }
    expect(groups.size).toBe(4)
  })

  test("without secrets of the hook and without an API secret has no empty attribute", async () => {
    const delivery = deliveryTo(target(), { signer: { api: null, own: [] }, type: "заказ" })
    expect((await sender.send(delivery, nowMs)).result).toBe("delivered")
    expect(Object.keys(lastMessage().MessageAttributes).sort()).toEqual([
      "X-Webhook-Attempt",
      "X-Webhook-Id",
      "event_type",
    ])
    expect(lastMessage().MessageAttributes.event_type.StringValue).toBe("?????")
  })

  test("reaches queues of several accounts with their own keys", async () => {
    for (const secret of ["first-secret-of-many", "second-secret-of-many"]) {
      const own = { ...target(), secretAccessKey: secret } as HookTarget
      await sender.send(deliveryTo(own), nowMs)
      const [request] = fake.requests.splice(0)
      expect(request && signatureFault(request, secret, "sqs", "eu-central-1")).toBeNull()
    }
  })
})

describe("sizes", () => {
  test("what SQS could not take is refused without asking it", async () => {
    const outcome = await sender.send(deliveryTo(target(), { body: "x".repeat(limits.sqsMessageBytesMax) }), nowMs)
    expect(outcome).toMatchObject({ result: "refused", fault: "too-big", status: null, response: null })
    expect(outcome.detail).toMatch(/SQS takes at most 1048576/)
    expect(fake.requests).toEqual([])
  })

  test("what just fits with its attributes is sent", async () => {
    await sender.send(deliveryTo(target(), { body: "x" }), nowMs)
    const attributes: Record<string, { StringValue: string }> = lastMessage().MessageAttributes
    let bytes = 0
    for (const [name, { StringValue }] of Object.entries(attributes)) bytes += name.length + 6 + StringValue.length
    const room = limits.sqsMessageBytesMax - bytes
    expect((await sender.send(deliveryTo(target(), { body: "x".repeat(room) }), nowMs)).result).toBe("delivered")
    expect((await sender.send(deliveryTo(target(), { body: "x".repeat(room + 1) }), nowMs)).result).toBe("refused")
  })

  test("a queue with a bound of its own refuses", async () => {
    const reason = "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
    fake.answer = errorAnswer(400, "com.amazonaws.sqs#InvalidParameterValueException", reason)
    expect(await sender.send(deliveryTo(target()), nowMs)).toMatchObject({
      result: "refused",
      fault: "rejected",
      status: 400,
      detail: `InvalidParameterValue: ${reason}`,
    })
  })
})

describe("errors", () => {
  const cases: [number, string, string, string][] = [
    [400, "com.amazonaws.sqs#QueueDoesNotExist", "not-found", "QueueDoesNotExist"],
    [400, "com.amazonaws.sqs#RequestThrottled", "throttled", "RequestThrottled"],
    [400, "com.amazon.coral.availability#ThrottlingException", "throttled", "Throttling"],
    [403, "com.amazon.coral.service#AccessDeniedException", "auth", "AccessDenied"],
    [403, "InvalidSignatureException", "auth", "InvalidSignature"],
    [403, "com.amazon.coral.service#ExpiredTokenException", "auth", "ExpiredToken"],
    [403, "com.amazon.coral.service#UnrecognizedClientException", "auth", "UnrecognizedClient"],
    [500, "com.amazon.coral.service#InternalFailure", "status", "InternalFailure"],
    [503, "com.amazonaws.sqs#ServiceUnavailable", "status", "ServiceUnavailable"],
  ]
  for (const [status, type, fault, code] of cases) {
    test(`${code} is tried again`, async () => {
      fake.answer = errorAnswer(status, type)
      const outcome = await sender.send(deliveryTo(target()), nowMs)
      expect(outcome).toMatchObject({ result: "retry", fault, status, detail: `${code}: as said` })
    })
  }

  test("a secret that an answer repeats is not shown", async () => {
    fake.answer = () =>
      Response.json(
        { __type: `A#${secretAccessKey}`, message: `you said ${secretAccessKey}\u0000\u001b[31m` },
        { status: 403, headers: { "x-echo": secretAccessKey, "set-cookie": "a=b" } },
      )
    const outcome = await sender.send(deliveryTo(target()), nowMs)
    expect(outcome.detail).toBe("an error without a name: you said [masked]\ufffd\ufffd[31m")
    expect(outcome.response?.headers["x-echo"]).toBe("[masked]")
    expect(outcome.response?.headers).not.toHaveProperty("set-cookie")
    expect(JSON.stringify(outcome)).not.toContain(secretAccessKey)
  })

  const answers: [string, () => Response, object][] = [
    ["a redirect", () => Response.redirect("http://127.0.0.1:1/", 307), { fault: "redirect", status: 307 }],
    ["a page of a proxy", () => new Response("<h1>No</h1>", { status: 502 }), { fault: "status", status: 502 }],
    ["429 without words", () => new Response(null, { status: 429 }), { fault: "throttled", status: 429 }],
    ["a success that says nothing", () => new Response("fine"), { fault: "protocol", status: 200 }],
    ["a success of JSON null", () => new Response("null"), { fault: "protocol", status: 200 }],
    ["an error of JSON that is a list", () => Response.json([1], { status: 400 }), { fault: "status", status: 400 }],
  ]
  for (const [name, answer, expected] of answers) {
    test(`${name} is tried again`, async () => {
      fake.answer = answer
      expect(await sender.send(deliveryTo(target()), nowMs)).toMatchObject({ result: "retry", ...expected })
      expect(fake.requests).toHaveLength(1)
    })
  }

  test("a queue that says it took another text refuses", async () => {
    fake.answer = () => Response.json({ MessageId: "1", MD5OfMessageBody: md5("another") })
    expect(await sender.send(deliveryTo(target()), nowMs)).toMatchObject({ result: "refused", fault: "altered" })
  })

  test("a long answer is cut", async () => {
    fake.answer = () => Response.json({ __type: "X", message: "m".repeat(100_000) }, { status: 400 })
    const outcome = await sender.send(deliveryTo(target()), nowMs)
    expect(outcome.result).toBe("retry")
    expect(outcome.detail?.length).toBeLessThanOrEqual(limits.detailShownCharsMax)
    expect(outcome.response?.body.length).toBeLessThanOrEqual(limits.responseShownCharsMax)
  })

  test("a service that does not answer is given up in time", async () => {
    fake.answer = () => Bun.sleep(2_000).then(() => new Response(null))
    const outcome = await sender.send(deliveryTo(target(), {}, { timeoutMs: 150 }), nowMs)
    expect(outcome).toMatchObject({ result: "retry", fault: "timeout", status: null, response: null })
    expect(outcome.durationMs).toBeWithin(100, 1_500)
  })

  test("settings that are none are outcomes too", async () => {
    const broken = { ...target(), queueUrl: "no url" } as HookTarget
    expect(await sender.send(deliveryTo(broken), nowMs)).toMatchObject({ result: "retry", fault: "refused-url" })
    const other: HookTarget = { kind: "webhook", url: "https://backend.example.com" }
    expect(await sender.send(deliveryTo(other), nowMs)).toMatchObject({ result: "refused", fault: "target" })
    const own = [{ id: "x", alg: "hmac" as const, secret: "none" }]
    const unsigned = deliveryTo(target(), { signer: { api: null, own } })
    expect(await sender.send(unsigned, nowMs)).toMatchObject({ result: "retry", fault: "internal" })
  })
})

test("case 62: a queue's URL in a private network is refused", async () => {
  const guarded = createOutgoing({ allowPrivate: false })
  const own = createSqsSender({ outgoing: guarded })
  const outcome = await own.send(deliveryTo(target()), nowMs)
  expect(outcome.result).toBe("retry")
  expect(["refused-address", "refused-url"]).toContain(outcome.fault as string)
  expect(fake.requests).toEqual([])
  await own.close()
  await guarded.close()
})

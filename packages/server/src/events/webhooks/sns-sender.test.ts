// Against a local HTTP server that checks each request as the service does, and makes the envelope that subscribers get.

import { beforeEach, describe, expect, test } from "bun:test"
import { gunzipSync } from "node:zlib"
import {
  awsKeys,
  deliveryTo,
  fakeServiceForTests,
  hexHmac,
  nowMs,
  signatureFault,
  webhookId,
} from "../../../test/queues.ts"
import { type Outgoing, OutgoingError } from "../../base/outgoing.ts"
import type { TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"
import { createSnsSender } from "./sns-sender.ts"

const { fake, outgoing } = fakeServiceForTests()
const sender = createSnsSender({ outgoing })
const { secretAccessKey } = awsKeys
const target = (name = "events", parts: Partial<TargetOf<"sns">> = {}): TargetOf<"sns"> => ({
  kind: "sns",
  topicArn: `arn:aws:sns:eu-central-1:123456789012:${name}`,
  region: "eu-central-1",
  groupByType: false,
  endpoint: fake.url,
  ...awsKeys,
  ...parts,
})
const document = (text: string, status = 200): Response =>
  new Response(`<?xml version="1.0"?>\n${text}`, { status, headers: { "content-type": "text/xml" } })
const taken = (): Response =>
  document(
    `<PublishResponse xmlns="https://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>567910cd</MessageId>` +
      "</PublishResult><ResponseMetadata><RequestId>d74b8436</RequestId></ResponseMetadata></PublishResponse>",
  )
const errorAnswer = (status: number, code: string, message: string) => (): Response =>
  document(
    `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>${code}</Code>` +
      `<Message>${message}</Message></Error><RequestId>9dd01905</RequestId></ErrorResponse>`,
    status,
  )
const lastForm = () => new URLSearchParams(fake.requests.at(-1)?.body)

/** The attributes of a Publish, by name. */
function attributesOf(form: URLSearchParams): Record<string, string> {
  const found: Record<string, string> = {}
  for (let index = 1; form.has(`MessageAttributes.entry.${index}.Name`); index++) {
    const entry = `MessageAttributes.entry.${index}`
    expect(form.get(`${entry}.Value.DataType`)).toBe("String")
    found[form.get(`${entry}.Name`) ?? ""] = form.get(`${entry}.Value.StringValue`) ?? ""
  }
  return found
}

beforeEach(() => {
  fake.answer = taken
})

describe("a message that SNS takes", () => {
  test("is a signed Publish with the JSON and the headers of the delivery", async () => {
    const delivery = deliveryTo(target())
    const outcome = await sender.send(delivery, nowMs)
    const [request] = fake.requests
    if (request === undefined) throw new Error("nothing came")
    expect(signatureFault(request, secretAccessKey, "sns", "eu-central-1")).toBeNull()
    expect(request.headers.get("content-type")).toMatch(/^application\/x-www-form-urlencoded/)
    const form = lastForm()
    expect(form.get("Action")).toBe("Publish")
    expect(form.get("Version")).toBe("2010-03-31")
    expect(form.get("TopicArn")).toBe("arn:aws:sns:eu-central-1:123456789012:events")
    expect(form.get("Message")).toBe(delivery.body)
    expect(form.has("MessageGroupId")).toBe(false)
    const attributes = attributesOf(form)
    expect(Object.keys(attributes).length).toBeLessThanOrEqual(10)
    expect(attributes).toMatchObject({
      "X-Webhook-Id": webhookId,
      "X-Webhook-Attempt": "1",
      "X-Api-Key": "a1b2c3d4e5f6",
      "X-Signature": hexHmac(delivery.body),
      "webhook-id": webhookId,
      "webhook-timestamp": "1800000000",
      event_type: "message.new",
    })
    expect(outcome).toMatchObject({
      result: "delivered",
      status: 200,
      request: { target: "arn:aws:sns:eu-central-1:123456789012:events" },
    })
    expect(outcome.response?.body).toContain("<MessageId>567910cd</MessageId>")
    expect(JSON.stringify(outcome)).not.toContain(secretAccessKey)
  })

  test("is base64 of the gzip with compression", async () => {
    const delivery = deliveryTo(target(), {}, { compression: "gzip" })
    expect((await sender.send(delivery, nowMs)).result).toBe("delivered")
    expect(gunzipSync(Buffer.from(lastForm().get("Message") ?? "", "base64")).toString()).toBe(delivery.body)
  })

  test("has its group in a FIFO topic by stream, or by type when asked", async () => {
    await sender.send(deliveryTo(target("events.fifo")), nowMs)
    expect(lastForm().get("MessageGroupId")).toBe("channel:messaging:general")
    expect(lastForm().get("MessageDeduplicationId")).toBe(webhookId)
    await sender.send(deliveryTo(target("events.fifo", { groupByType: true })), nowMs)
    expect(lastForm().get("MessageGroupId")).toBe("message.new")
  })

  test("goes to the region's own address where no other is set", async () => {
    const urls: string[] = []
    const watched: Outgoing = {
      ...outgoing,
      send: async ({ url }) => {
        urls.push(url)
        throw new OutgoingError("connect", 0)
      },
    }
    const own = createSnsSender({ outgoing: watched })
    for (const region of ["eu-central-1", "cn-north-1"]) {
      const outcome = await own.send(deliveryTo(target("events", { endpoint: null, region })), nowMs)
      expect(outcome).toMatchObject({ result: "retry", fault: "connect" })
    }
    for (const region of ["", "a.example.com/#", "eu@x", "eu\n"]) {
      const outcome = await own.send(deliveryTo(target("events", { endpoint: null, region })), nowMs)
      expect(outcome).toMatchObject({ result: "retry", fault: "refused-url" })
    }
    expect(urls).toEqual(["https://sns.eu-central-1.amazonaws.com/", "https://sns.cn-north-1.amazonaws.com.cn/"])
  })
})

describe("a message that SNS does not take", () => {
  test("is refused without asking when it is too big, but not when compression makes it fit", async () => {
    const body = "x".repeat(limits.snsMessageBytesMax)
    const outcome = await sender.send(deliveryTo(target(), { body }), nowMs)
    expect(outcome).toMatchObject({ result: "refused", fault: "too-big", response: null })
    expect(fake.requests).toEqual([])
    expect((await sender.send(deliveryTo(target(), { body }, { compression: "gzip" }), nowMs)).result).toBe("delivered")
  })

  const cases: [number, string, string][] = [
    [400, "Throttling", "throttled"],
    [400, "InvalidParameter", "status"],
    [403, "AuthorizationError", "auth"],
    [403, "InvalidClientTokenId", "auth"],
    [403, "SignatureDoesNotMatch", "auth"],
    [403, "RequestExpired", "auth"],
    [404, "NotFound", "not-found"],
    [500, "InternalError", "status"],
  ]
  for (const [status, code, fault] of cases) {
    test(`${code} is tried again`, async () => {
      fake.answer = errorAnswer(status, code, `may not &lt;do&gt; &quot;this&quot; ${secretAccessKey} &amp;lt;`)
      expect(await sender.send(deliveryTo(target()), nowMs)).toMatchObject({
        result: "retry",
        status,
        fault,
        detail: `${code}: may not <do> "this" [masked] &lt;`,
      })
    })
  }

  test("garbage, redirects and a dead host are tried again", async () => {
    const fault = async (own = target()) => {
      const outcome = await sender.send(deliveryTo(own), nowMs)
      expect(outcome.result).toBe("retry")
      return outcome.fault
    }
    fake.answer = () => new Response("<html>", { status: 200 })
    expect(await fault()).toBe("protocol")
    fake.answer = () => Response.redirect("http://127.0.0.1:1/", 302)
    expect(await fault()).toBe("redirect")
    fake.answer = () => new Response(new Uint8Array([0xff, 0x00, 0x3c]), { status: 500 })
    expect(await fault()).toBe("status")
    expect(await fault(target("events", { endpoint: "http://127.0.0.1:1" }))).toBe("connect")
    expect(await fault(target("events", { endpoint: "nowhere" }))).toBe("refused-url")
  })
})

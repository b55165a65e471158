// What receivers get of a hook's settings: which secrets sign while they are rotated, and the wire's tests of queues.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { createHmac, createPublicKey, verify } from "node:crypto"
import { asAdmin, createApp, databaseKinds, expectRefusal, type OtherApp, startOn } from "../../../test/fixtures.ts"
import { type FakeService, type SignedRequest, signatureFault, startFakeService } from "../../../test/queues.ts"
import { allowPrivate } from "../../../test/receiver.ts"
import { type Answer, serverToken, type TestServer, userToken } from "../../testing.ts"

interface MadeSecret {
  readonly id: string
  readonly alg: "hmac" | "ed25519"
  readonly value: string
  readonly public_key: string | null
}

for (const kind of databaseKinds) {
  describe(`hooks and their receivers on ${kind}`, () => {
    let server: TestServer
    let service: FakeService
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind, allowPrivate)
      service = startFakeService()
    })
    afterAll(async () => {
      await server.close()
      await service.close()
    })
    beforeEach(async () => {
      app = await createApp(server, "receivers")
      service.requests.length = 0
    })

    const admin = (method: string, path: string, body?: unknown): Promise<Answer> =>
      server.call(method, `/api/admin/v1/apps/${app.id}${path}`, { ...asAdmin, body })
    const wire = (method: string, path: string, body?: unknown): Promise<Answer> =>
      server.call(method, path, { apiKey: app.apiKey, as: serverToken({}, app.secret), body })
    const set = async (body: object): Promise<void> => {
      expect((await wire("PATCH", "/api/v2/app", body)).status).toBe(200)
    }

    test("every secret that has not ended signs, and no other", async () => {
      service.answer = () => new Response()
      const made = await admin("POST", "/hooks", {
        hook_type: "webhook",
        webhook_url: `${service.url}/hook`,
        event_types: ["channel.created"],
      })
      const all: MadeSecret[] = [...made.body.secrets]
      const rotate = async (alg: string, overlap_seconds: number): Promise<string> => {
        const path = `/hooks/${made.body.hook.id}/secrets`
        const { secret } = (await admin("POST", path, { alg, overlap_seconds })).body
        all.push(secret)
        return secret.id
      }
      expect((await wire("POST", "/api/v2/users", { users: { jessica: { id: "jessica" } } })).status).toBe(201)
      let channels = 0
      /** The secrets that the next delivery is signed with. */
      const signers = async (): Promise<string[]> => {
        const before = service.requests.length
        const path = `/api/v2/chat/channels/messaging/c${channels++}/query`
        expect((await wire("POST", path, { data: { created_by_id: "jessica" } })).status).toBe(201)
        for (const endMs = performance.now() + 5_000; service.requests.length === before; await Bun.sleep(5)) {
          if (performance.now() > endMs) throw new Error("no delivery")
        }
        return signersOf(service.requests[before] as SignedRequest, all)
      }
      const [hmac, pair] = all.map(({ id }) => id) as [string, string]
      expect(await signers()).toEqual([hmac, pair].sort())
      const second = await rotate("hmac", 60)
      expect(await signers()).toEqual([hmac, pair, second].sort())
      const third = await rotate("hmac", 0)
      expect(await signers()).toEqual([pair, third].sort())
      const nextPair = await rotate("ed25519", 60)
      expect(await signers()).toEqual([pair, third, nextPair].sort())
      expect((await admin("DELETE", `/hooks/${made.body.hook.id}/secrets/${pair}`)).status).toBe(200)
      expect(await signers()).toEqual([third, nextPair].sort())
    })

    test("CheckSQS: one message with what is given, or for the rest with what is set; what came of it is told", async () => {
      const queue = `${service.url}/123456789012/events`
      const check = (body: object) => wire("POST", "/api/v2/check_sqs", body)
      service.answer = () => Response.json({ MessageId: "m1" })
      const given = await check({ sqs_url: queue, sqs_key: "AKIDGIVEN", sqs_secret: "given-secret" })
      expect(given).toMatchObject({ status: 200, body: { status: "ok", data: { http_status: 200 } } })
      const [request] = service.requests as [SignedRequest]
      expect(signatureFault(request, "given-secret", "sqs", "us-east-1")).toBeNull()
      const sent = JSON.parse(request.body)
      expect(sent.QueueUrl).toBe(queue)
      expect(JSON.parse(sent.MessageBody).type).toBe("health.check")
      // The documented header, so that a receiver's check can be rehearsed.
      expect(sent.MessageAttributes["X-Signature"].StringValue).toBe(
        createHmac("sha256", app.secret).update(sent.MessageBody).digest("hex"),
      )

      await set({ sqs_url: queue, sqs_key: "AKIDSET", sqs_secret: "set-secret" })
      expect((await check({})).body.status).toBe("ok")
      expect(signatureFault(service.requests[1] as SignedRequest, "set-secret", "sqs", "us-east-1")).toBeNull()
      expect((await check({ sqs_secret: "new-secret" })).body.status).toBe("ok")
      expect(signatureFault(service.requests[2] as SignedRequest, "new-secret", "sqs", "us-east-1")).toBeNull()

      service.answer = () =>
        Response.json({ __type: "com.amazonaws.sqs#AccessDenied", message: "not for set-secret" }, { status: 403 })
      const denied = await check({})
      expect(denied).toMatchObject({ status: 200, body: { status: "error", data: { http_status: 403 } } })
      expect(denied.body.error).toContain("AccessDenied")
      expect(JSON.stringify(denied.body)).not.toContain("set-secret")
      // Only a test: nothing of it is kept.
      expect((await admin("GET", "/hooks")).body.hooks).toMatchObject([{ sqs_key: "AKIDSET", status: { pending: 0 } }])
    })

    test("CheckSNS: likewise, at the endpoint that the topic's hook has", async () => {
      const topicArn = "arn:aws:sns:eu-west-1:123456789012:events"
      const check = (body: object) => wire("POST", "/api/v2/check_sns", body)
      await set({ sns_topic_arn: topicArn, sns_key: "AKIDSET", sns_secret: "set-secret" })
      const [hook] = (await admin("GET", "/hooks")).body.hooks
      expect((await admin("PATCH", `/hooks/${hook.id}`, { sns_endpoint: service.url })).status).toBe(200)
      service.answer = () => new Response("<PublishResponse><MessageId>m1</MessageId></PublishResponse>")
      expect((await check({})).body).toMatchObject({ status: "ok", data: { http_status: 200 } })
      expect((await check({ sns_key: "AKIDGIVEN", sns_secret: "given-secret" })).body.status).toBe("ok")
      const [stored, given] = service.requests as [SignedRequest, SignedRequest]
      expect(signatureFault(stored, "set-secret", "sns", "eu-west-1")).toBeNull()
      expect(signatureFault(given, "given-secret", "sns", "eu-west-1")).toBeNull()
      expect(new URLSearchParams(stored.body).get("TopicArn")).toBe(topicArn)

      service.answer = () =>
        new Response("<ErrorResponse><Error><Code>NotFound</Code><Message>no topic</Message></Error></ErrorResponse>", {
          status: 404,
        })
      const missing = (await check({})).body
      expect(missing).toMatchObject({ status: "error", data: { http_status: 404 } })
      expect(missing.error).toContain("NotFound")
    })

    test("queue checks: what is missing or wrong is named, and only backends ask", async () => {
      const queue = `${service.url}/123456789012/events`
      const cases: [path: string, body: object, field: string][] = [
        ["sqs", {}, "sqs_url"],
        ["sqs", { sqs_url: queue }, "sqs_key"],
        ["sqs", { sqs_url: queue, sqs_key: "AKID" }, "sqs_secret"],
        ["sqs", { sqs_url: "nonsense", sqs_key: "AKID", sqs_secret: "s" }, "sqs_url"],
        ["sqs", { sqs_url: 7 }, "sqs_url"],
        ["sns", {}, "sns_topic_arn"],
        ["sns", { sns_topic_arn: "arn:aws:sqs:x", sns_key: "AKID", sns_secret: "s" }, "sns_topic_arn"],
      ]
      for (const [name, body, field] of cases) {
        expectRefusal(await wire("POST", `/api/v2/check_${name}`, body), "input", field)
      }
      for (const name of ["sqs", "sns"]) {
        const asUser = { apiKey: app.apiKey, as: userToken("jessica", {}, app.secret), body: {} }
        expectRefusal(await server.call("POST", `/api/v2/check_${name}`, asUser), "notAllowed")
        const narrowed = serverToken({ scopes: { "chat:messaging:*": ["manage"] } }, app.secret)
        const asNarrowed = { apiKey: app.apiKey, as: narrowed, body: { sqs_url: queue, sqs_key: "A", sqs_secret: "s" } }
        expectRefusal(await server.call("POST", `/api/v2/check_${name}`, asNarrowed), "notAllowed")
      }
      expect(service.requests).toEqual([])
    })
  })
}

/** Which of some secrets the signatures of a request are by, sorted; throws for a signature that is by none of them. */
function signersOf({ headers, body }: SignedRequest, secrets: readonly MadeSecret[]): string[] {
  const signed = `${headers.get("webhook-id")}.${headers.get("webhook-timestamp")}.${body}`
  const signatures = (headers.get("webhook-signature") ?? "").split(" ")
  return signatures
    .map((signature) => {
      const by = secrets.find((secret) => isBy(secret, signature, signed))
      if (by === undefined) throw new Error(`${signature} is by no secret of the hook`)
      return by.id
    })
    .sort()
}

/** Standard Webhooks, «Signature scheme», computed on its own. */
function isBy({ alg, value, public_key }: MadeSecret, signature: string, signed: string): boolean {
  const [version, text = ""] = signature.split(",")
  if (alg === "hmac") {
    const key = Buffer.from(value.slice("whsec_".length), "base64")
    return version === "v1" && text === createHmac("sha256", key).update(signed).digest("base64")
  }
  const x = Buffer.from((public_key ?? "").slice("whpk_".length), "base64").toString("base64url")
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })
  return version === "v1a" && verify(null, Buffer.from(signed), key, Buffer.from(text, "base64"))
}

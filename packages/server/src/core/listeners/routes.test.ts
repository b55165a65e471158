// Listening at the management API: what a listener hears, what its answers do, and that nothing of it stays.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { createWebhookVerifier } from "../../../../sdk-server/src/webhooks-verifier.ts"
import {
  asAdmin,
  createApp,
  createUsers,
  databaseKinds,
  expectRefusal,
  type OtherApp,
  startOn,
} from "../../../test/fixtures.ts"
import { listenTo, type TestListener } from "../../../test/listening.ts"
import { until } from "../../../test/node-process.ts"
import { type Answer, type TestServer, testApiSecret, userToken } from "../../testing.ts"
import { limits } from "./limits.ts"

const absent = "00000000-0000-4000-8000-000000000000"

for (const kind of databaseKinds) {
  describe(`listeners on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    const open: TestListener[] = []
    beforeAll(async () => {
      server = await startOn(kind)
    })
    afterAll(() => server.close())
    beforeEach(async () => {
      app = await createApp(server, "listened")
    })
    afterEach(() => {
      for (const listener of open.splice(0)) listener.leave()
    })

    const listen = async (query = "", id: string | number = app.id): Promise<TestListener> => {
      const listener = await listenTo(server.url, id, query)
      open.push(listener)
      return listener
    }
    const admin = (method: string, path: string, body?: unknown, id: string | number = app.id): Promise<Answer> =>
      server.call(method, `/api/admin/v1/apps/${id}${path}`, { ...asAdmin, body })
    // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
    const hooks = async (id?: number): Promise<any[]> => (await admin("GET", "/hooks", undefined, id)).body.hooks
    const sendTest = async (hookId: string, body: object): Promise<string> => {
      const { status, body: answer } = await admin("POST", `/hooks/${hookId}/test`, { body })
      expect({ status, message: answer.message }).toEqual({ status: 200, message: undefined })
      return answer.delivery.id
    }
    // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
    const settled = async (id: string): Promise<any> => {
      // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
      let delivery: any
      await until("an attempt is written", async () => {
        const { body } = await admin("GET", "/deliveries?limit=100")
        delivery = body.deliveries.find((one: { id: string }) => one.id === id)
        return delivery.attempts > 0
      })
      return delivery
    }
    const answered = ({ id, attempt }: { id: string; attempt: number }, more: object) => ({
      delivery: id,
      attempt,
      ...more,
    })

    test("a listener is a hook with secrets of its own, and is gone when it leaves", async () => {
      const listener = await listen("?event_types=message.*&event_types=user.updated&product=chat")
      const { ready, hookId } = listener
      expect(ready).toEqual({
        type: "ready",
        hook_id: hookId,
        secrets: [
          { id: expect.any(String), alg: "hmac", value: expect.stringMatching(/^whsec_/), public_key: null },
          {
            id: expect.any(String),
            alg: "ed25519",
            value: expect.stringMatching(/^whsk_/),
            public_key: expect.stringMatching(/^whpk_/),
          },
        ],
        resume: expect.any(String),
        timeout_ms: 30_000,
      })
      expect(await hooks()).toMatchObject([
        {
          id: hookId,
          hook_type: "listen",
          origin: "listen",
          enabled: true,
          product: "chat",
          event_types: ["message.*", "user.updated"],
        },
      ])
      const [entry] = (await admin("GET", "/audit?limit=1")).body.entries
      expect(entry).toMatchObject({
        action: "listener.opened",
        app_id: app.id,
        actor: "admin token",
        target: { app: app.id, hook: hookId },
        after: { hook_type: "listen", product: "chat" },
      })
      for (const { value } of ready.secrets) expect(JSON.stringify([entry, await hooks()])).not.toContain(value)
      listener.leave()
      await until("the hook is gone", async () => (await hooks()).length === 0)
      expectRefusal(await listener.answer(answered({ id: "msg_1-x", attempt: 1 }, { status: 200 })), "notFound")
    })

    test("deliveries come signed as any other, and the receiver's answer counts", async () => {
      const listener = await listen()
      const id = await sendTest(listener.hookId, { type: "message.new", text: "grüß\n„dich“" })
      const delivery = await listener.next("delivery")
      expect(delivery).toMatchObject({ id, attempt: 1 })
      expect(delivery.headers).toMatchObject({
        "content-type": "application/json",
        "webhook-id": id,
        "x-webhook-id": id,
        "x-webhook-attempt": "1",
      })
      const [hmac, pair] = listener.ready.secrets
      for (const secrets of [{ secrets: [hmac.value] }, { publicKeys: [pair.public_key] }]) {
        const event = await createWebhookVerifier(secrets).verify(delivery.body, delivery.headers)
        expect(event).toMatchObject({ type: "message.new", text: "grüß\n„dich“" })
      }
      const answer = answered(delivery, {
        status: 204,
        headers: { "X-Receiver": "local", "set-cookie": "secret=1" },
        body: "thanks",
        duration_ms: 3,
      })
      expect((await listener.answer(answer)).body.accepted).toBe(true)
      expect((await listener.answer(answer)).body.accepted).toBe(false)
      expect(await settled(id)).toMatchObject({ state: "delivered", status: 204, attempts: 1, source: "test" })
    })

    test("an event of the app comes to those who want its type, and to no other app", async () => {
      const first = 1_000_001
      const wanting = await listen("?event_types=message.new", first)
      const other = await listen("?event_types=member.added", first)
      const stranger = await listen()
      await createUsers(server, "jessica")
      await server.call("POST", "/api/v2/chat/channels/messaging/listened/query", {
        as: userToken("jessica"),
        body: { data: {} },
      })
      await server.call("POST", "/api/v2/chat/channels/messaging/listened/message", {
        as: userToken("jessica"),
        body: { message: { text: "hello" } },
      })
      const delivery = await wanting.next("delivery")
      expect(JSON.parse(delivery.body)).toMatchObject({ type: "message.new", message: { text: "hello" } })
      const verify = createWebhookVerifier({ apiSecret: testApiSecret, requireTimestamp: false })
      expect(await verify.verify(delivery.body, delivery.headers)).toMatchObject({ type: "message.new" })
      await wanting.answer(answered(delivery, { status: 200 }))
      expect((await admin("GET", `/deliveries?hook_id=${other.hookId}`, undefined, first)).body.deliveries).toEqual([])
      expect((await admin("GET", `/deliveries?hook_id=${stranger.hookId}`)).body.deliveries).toEqual([])
    })

    test("what the receiver does not take is tried again", async () => {
      const listener = await listen()
      const refused = await sendTest(listener.hookId, { type: "message.new" })
      await listener.answer(answered(await listener.next("delivery"), { status: 500, body: "no" }))
      expect(await settled(refused)).toMatchObject({ state: "pending", status: 500, fault: "status" })
      const unreached = await sendTest(listener.hookId, { type: "message.new" })
      const line = await listener.next("delivery")
      expect(line.id).toBe(unreached)
      await listener.answer(answered(line, { status: null, error: "connection refused" }))
      expect(await settled(unreached)).toMatchObject({ state: "pending", status: null, fault: "connect" })
      await admin("POST", "/deliveries/replay", { ids: [unreached] })
      expect(await listener.next("delivery")).toMatchObject({ id: unreached, body: line.body })
    })

    test("a listener that comes back signs with the secrets that it had; those of others do not fit", async () => {
      const before = await listen()
      before.leave()
      const resume = `?resume=${before.ready.resume}`
      const after = await listen(resume)
      expect(after.hookId).not.toBe(before.hookId)
      const values = ({ ready }: TestListener) => ready.secrets.map(({ value }: { value: string }) => value)
      expect(values(after)).toEqual(values(before))
      const other = await createApp(server, "other")
      for (const [id, text] of [
        [other.id, before.ready.resume],
        [app.id, "made.up"],
      ]) {
        const answer = await admin("GET", `/hooks/listen?resume=${text}`, undefined, id)
        expectRefusal(answer, "input", "resume")
      }
    })

    test("bad questions are refused, and no hook is left of them", async () => {
      for (const [query, field] of [
        ["?event_types=message.nwe", "event_types"],
        ["?event_types=*.new", "event_types"],
        ["?product=mail", "product"],
        ["?resume=a!b", "resume"],
        [`?resume=${"a".repeat(3_000)}`, "resume"],
      ] as const) {
        expectRefusal(await admin("GET", `/hooks/listen${query}`), "input", field)
      }
      expectRefusal(await admin("GET", "/hooks/listen", undefined, 999_999_999), "notFound")
      const path = `/api/admin/v1/apps/${app.id}/hooks`
      expectRefusal(
        await server.call("GET", `${path}/listen`, { ...asAdmin, as: "Bearer wrong-token-0123456789" }),
        "authentication",
      )
      const answer = { delivery: "msg_1-x", attempt: 1, status: 200 }
      expectRefusal(await admin("POST", `/hooks/${absent}/answers`, answer), "notFound")
      const listener = await listen()
      for (const [more, field] of [
        [{ status: 99 }, "status"],
        [{ attempt: 0 }, "attempt"],
        [{ body: "x".repeat(70_000) }, "body"],
        [{ headers: { a: 1 } }, "headers.a"],
      ] as const) {
        expectRefusal(await listener.answer({ ...answer, ...more }), "input", field)
      }
      // Another app's listener is as absent as none.
      const other = await createApp(server, "other")
      const hidden = await admin("POST", `/hooks/${listener.hookId}/answers`, answer, other.id)
      expectRefusal(hidden, "notFound")
      expect((await hooks()).map(({ id }) => id)).toEqual([listener.hookId])
    })

    test("an app has a bounded number of listeners", async () => {
      for (let n = 0; n < limits.listenersPerAppMax; n++) await listen()
      const refused = await admin("GET", "/hooks/listen")
      expectRefusal(refused, "rateLimit")
      expect(refused.headers.get("retry-after")).toBe(String(limits.retryAfterSeconds))
      open.pop()?.leave()
      await until("there is room again", async () => (await hooks()).length < limits.listenersPerAppMax)
      await listen()
    })

    test("a listener's hook belongs to its listener alone", async () => {
      const listener = await listen()
      for (const [method, body] of [
        ["PATCH", { enabled: false }],
        ["DELETE", undefined],
      ] as const) {
        expectRefusal(await admin(method, `/hooks/${listener.hookId}`, body), "input")
      }
      const id = await sendTest(listener.hookId, { type: "message.new" })
      expect(await listener.next("delivery")).toMatchObject({ id })
    })
  })
}

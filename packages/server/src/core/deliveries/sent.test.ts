// Deliveries as they are sent: a real server, a real receiver, and what the management API tells of them afterwards.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { Webhook } from "standardwebhooks"
import { asAdmin, createApp, databaseKinds, expectRefusal, type OtherApp, startOn } from "../../../test/fixtures.ts"
import { allowPrivate } from "../../../test/receiver.ts"
import type { TestServer } from "../../testing.ts"

interface Received {
  readonly headers: Headers
  readonly body: string
}

/** Answers with the next of these statuses, the last of them for good. */
function startReceiver(statuses: readonly number[]) {
  const received: Received[] = []
  const waiting = new Set<() => void>()
  const listener = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const status = statuses[Math.min(received.length, statuses.length - 1)]
      received.push({ headers: request.headers, body: await request.text() })
      for (const look of [...waiting]) look()
      return new Response("heard", { status, headers: { "x-receiver": "here" } })
    },
  })
  return {
    url: `http://127.0.0.1:${listener.port}/hook`,
    received,
    count: (total: number) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${received.length} of ${total} came`)), 5_000)
        const look = (): void => {
          if (received.length < total) return
          clearTimeout(timer)
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    close: () => listener.stop(true),
  }
}

for (const kind of databaseKinds) {
  describe(`deliveries that were sent on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind, allowPrivate)
      app = await createApp(server, "hooks")
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown) =>
      server.call(method, `/api/admin/v1/apps/${app.id}${path}`, { ...asAdmin, body })
    // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
    const ok = async (...given: Parameters<typeof admin>): Promise<any> => {
      const { status, body } = await admin(...given)
      expect({ status, message: body.message }).toEqual({
        status: given[0] === "POST" ? status : 200,
        message: undefined,
      })
      expect(status).toBeLessThan(300)
      return body
    }
    /** The outcome is written a moment after the receiver has answered. */
    const readUntil = async (id: string, state: string, attempts: number) => {
      for (let looks = 0; looks < 200; looks++) {
        const { delivery } = await ok("GET", `/deliveries/${id}`)
        if (delivery.state === state && delivery.attempts === attempts && delivery.log.length > 0) return delivery
        await Bun.sleep(25)
      }
      throw new Error(`${id} did not become ${state}`)
    }

    test("one that failed is replayed under its id, and each attempt can be looked at with its signatures", async () => {
      const receiver = startReceiver([503, 200])
      try {
        const { hook, secrets } = await ok("POST", "/hooks", { hook_type: "webhook", webhook_url: receiver.url })
        const hmac: string = secrets.find(({ alg }: { alg: string }) => alg === "hmac").value
        const { id } = (
          await ok("POST", `/hooks/${hook.id}/test`, { type: "order.paid", body: { total: 3, text: "grüße" } })
        ).delivery
        await receiver.count(1)
        const failed = await readUntil(id, "pending", 1)
        expect(failed).toMatchObject({ status: 503, fault: "status", finished_at: null })
        expect(Date.parse(failed.due_at)).toBeGreaterThan(Date.now())

        expect((await ok("POST", "/deliveries/replay", { ids: [id] })).replayed).toBe(1)
        await receiver.count(2)
        const delivery = await readUntil(id, "delivered", 1)
        expect(delivery).toMatchObject({ status: 200, fault: null, due_at: null, body: receiver.received[1]?.body })
        expect(JSON.parse(delivery.body)).toEqual({ type: "order.paid", total: 3, text: "grüße" })
        expect(delivery.log).toMatchObject([
          { fault: "status", response: { status: 503, body: "heard", headers: { "x-receiver": "here" } } },
          { fault: null, detail: null, response: { status: 200 }, request: { target: receiver.url } },
        ])
        for (const [index, { headers, body }] of receiver.received.entries()) {
          expect(headers.get("webhook-id")).toBe(id)
          new Webhook(hmac).verify(body, Object.fromEntries(headers))
          expect(headers.get("x-signature")).toBe(createHmac("sha256", app.secret).update(body).digest("hex"))
          const logged = delivery.log[index]
          expect(logged.request.headers["webhook-signature"]).toBe(headers.get("webhook-signature"))
          expect(logged.signature_check).toEqual({ standard: true, api: true })
          expect(logged.duration_ms).toBeGreaterThanOrEqual(0)
        }
        expect(JSON.stringify(delivery)).not.toContain(hmac)

        // Secrets that have ended still tell; those that are gone do not.
        for (const alg of ["hmac", "ed25519"])
          await ok("POST", `/hooks/${hook.id}/secrets`, { alg, overlap_seconds: 0 })
        const checks = async () =>
          (await ok("GET", `/deliveries/${id}`)).delivery.log.map(
            ({ signature_check }: { signature_check: unknown }) => signature_check,
          )
        expect(await checks()).toEqual([
          { standard: true, api: true },
          { standard: true, api: true },
        ])
        for (const secret of secrets) await ok("DELETE", `/hooks/${hook.id}/secrets/${secret.id}`)
        expect(await checks()).toEqual([
          { standard: null, api: true },
          { standard: null, api: true },
        ])
      } finally {
        receiver.close()
      }
    })

    test("a receiver that says 410 gets no test event any more, and what waited goes out once it is back", async () => {
      const receiver = startReceiver([410, 200])
      try {
        const { hook } = await ok("POST", "/hooks", { hook_type: "webhook", webhook_url: receiver.url })
        const { id } = (await ok("POST", `/hooks/${hook.id}/test`, { type: "order.paid", body: {} })).delivery
        await receiver.count(1)
        for (let looks = 0; (await ok("GET", `/hooks/${hook.id}`)).hook.enabled; looks++) {
          expect(looks).toBeLessThan(200)
          await Bun.sleep(25)
        }
        const { entries } = await ok("GET", "/audit?limit=1")
        expect(entries[0]).toMatchObject({ action: "hook.disabled", actor: "receiver", target: { hook: hook.id } })
        const refused = await admin("POST", `/hooks/${hook.id}/test`, {})
        expectRefusal(refused, "input", "hook")
        expect(refused.body.message).toContain("410")
        await ok("PATCH", `/hooks/${hook.id}`, { enabled: true })
        expect((await ok("POST", "/deliveries/replay", { ids: [id] })).replayed).toBe(1)
        await receiver.count(2)
        expect((await readUntil(id, "delivered", 1)).log.length).toBe(2)
        const { hooks } = await ok("GET", "/webhooks/stats")
        expect(hooks.find(({ hook_id }: { hook_id: string }) => hook_id === hook.id)).toMatchObject({
          pending: 0,
          delivered_last_hour: 1,
          attempts_last_hour: { sampled: 2, faults: { gone: 1 } },
        })
      } finally {
        receiver.close()
      }
    })

    test("metrics count what this node has sent, in a form that every line of fits", async () => {
      const receiver = startReceiver([200])
      const { hook } = await ok("POST", "/hooks", { hook_type: "webhook", webhook_url: receiver.url })
      const { id } = (await ok("POST", `/hooks/${hook.id}/test`, {})).delivery
      const sent = await readUntil(id, "delivered", 1)
      receiver.close()
      expect(JSON.parse(sent.body)).toMatchObject({ type: "message.new", message: expect.any(Object) })
      const { status, headers, body } = await server.call("GET", "/api/admin/v1/metrics", asAdmin)
      expect(status).toBe(200)
      expect(headers.get("content-type")).toBe("text/plain; version=0.0.4")
      const sample = /^[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? \d+(\.\d+)?(e[+-]\d+)?$/
      for (const line of body.trimEnd().split("\n")) {
        if (!line.startsWith("# ")) expect(line).toMatch(sample)
      }
      const attempts = body.match(/^weir_webhook_attempts_total\{kind="webhook",.*\} \d+$/gm) ?? []
      const total = attempts.reduce((sum: number, line: string) => sum + Number(line.split(" ").at(-1)), 0)
      expect(total).toBeGreaterThanOrEqual(1)
      expect(body).toContain(`weir_webhook_attempt_duration_seconds_count ${total}\n`)
      expectRefusal(await server.call("GET", "/api/admin/v1/metrics"), "authentication")
    })
  })
}

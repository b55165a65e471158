// Hooks and their secrets in the management API.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { asAdmin, createApp, databaseKinds, expectRefusal, type OtherApp, startOn } from "../../../test/fixtures.ts"
import type { Answer, TestServer } from "../../testing.ts"

const url = "https://hooks.example.com/weir"
const absent = "00000000-0000-4000-8000-000000000000"
const dayMs = 24 * 60 * 60 * 1000

for (const kind of databaseKinds) {
  describe(`hooks in the management API on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
    })
    afterAll(() => server.close())
    beforeEach(async () => {
      app = await createApp(server, "hooks")
    })

    const admin = (method: string, path: string, body?: unknown): Promise<Answer> =>
      server.call(method, `/api/admin/v1/apps/${app.id}${path}`, { ...asAdmin, body })
    const make = async (body: object = {}) => {
      const made = await admin("POST", "/hooks", { hook_type: "webhook", webhook_url: url, ...body })
      expect({ status: made.status, message: made.body.message }).toEqual({ status: 201, message: undefined })
      return made.body
    }
    // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
    const audited = async (limit: number): Promise<any[]> => (await admin("GET", `/audit?limit=${limit}`)).body.entries

    test("a new hook has a secret of each kind, shown this once", async () => {
      const { hook, secrets } = await make({ event_types: ["message.*"], ordered: true })
      expect(hook).toMatchObject({
        hook_type: "webhook",
        enabled: true,
        disabled_reason: null,
        product: "all",
        event_types: ["message.*"],
        webhook_url: url,
        timeout_ms: 6_000,
        compression: "none",
        ordered: true,
        should_send_custom_events: false,
        origin: "admin",
        status: { pending: 0, oldest_pending_at: null, failing_since: null, last_delivered_at: null },
      })
      const [hmac, pair, ...others] = secrets
      expect(others).toEqual([])
      expect(hmac).toMatchObject({ alg: "hmac", public_key: null })
      expect(hmac.value).toMatch(/^whsec_[\w+/=]{44}$/)
      expect(pair.alg).toBe("ed25519")
      expect(pair.value).toMatch(/^whsk_/)
      expect(pair.public_key).toMatch(/^whpk_/)
      expect((await admin("GET", `/hooks/${hook.id}`)).body.hook).toEqual(hook)
      expect((await admin("GET", "/hooks")).body.hooks).toEqual([hook])
      const listed = (await admin("GET", `/hooks/${hook.id}/secrets`)).body.secrets
      expect(listed.map(({ id }: { id: string }) => id).sort()).toEqual(
        secrets.map(({ id }: { id: string }) => id).sort(),
      )
      const [entry] = await audited(1)
      expect(entry).toMatchObject({
        action: "hook.created",
        actor: "admin token",
        target: { app: app.id, hook: hook.id },
        after: { hook_type: "webhook", address: `webhook ${url}`, origin: "admin", event_types: ["message.*"] },
      })
      for (const { value } of secrets) {
        expect(JSON.stringify([listed, await audited(5), (await admin("GET", "/hooks")).body])).not.toContain(value)
      }
    })

    test("a change lays over what is there; switching off and on says why and until when", async () => {
      const { hook } = await make({
        hook_type: "sqs",
        webhook_url: "",
        sqs_queue_url: "https://sqs.eu-west-1.amazonaws.com/1/q",
        sqs_key: "AKID",
        sqs_secret: "q-secret",
      })
      const change = (body: object) => admin("PATCH", `/hooks/${hook.id}`, body)
      const off = (await change({ enabled: false })).body.hook
      expect(off).toMatchObject({ enabled: false, disabled_reason: "operator", sqs_key: "AKID" })
      expect((await audited(1))[0]).toMatchObject({
        action: "hook.updated",
        before: { enabled: true },
        after: { enabled: false, has_new_credentials: false },
      })
      expect((await change({ enabled: true, timeout_ms: 100, compression: "gzip" })).body.hook).toMatchObject({
        enabled: true,
        disabled_reason: null,
        timeout_ms: 100,
        compression: "gzip",
      })
      expect((await change({ sqs_secret: "r-secret" })).body.hook.sqs_key).toBe("AKID")
      const rows = await audited(10)
      expect(rows[0].after.has_new_credentials).toBe(true)
      expect(JSON.stringify(rows)).not.toMatch(/[qr]-secret/)
      // As it is: nothing to write, nothing to tell.
      const { status: _, origin: __, ...shown } = (await admin("GET", `/hooks/${hook.id}`)).body.hook
      expect((await change(shown)).status).toBe(200)
      expect((await audited(1))[0].seq).toBe(rows[0].seq)
      expectRefusal(await change({ hook_type: "webhook", webhook_url: url }), "input", "hook_type")
      expectRefusal(await change({ id: absent }), "input", "id")
      expectRefusal(await change({ event_types: ["mesage.new"] }), "input", "event_types")
      expectRefusal(await change({ sqs_queue_url: "http://10.0.0.1/1/q" }), "input", "sqs_queue_url")
    })

    test("faults of a new hook are named", async () => {
      const refused = async (body: object, field: string) => {
        expectRefusal(await admin("POST", "/hooks", body), "input", field)
      }
      await refused({}, "hook_type")
      await refused({ hook_type: "listen" }, "hook_type")
      await refused({ hook_type: "webhook" }, "webhook_url")
      await refused({ hook_type: "webhook", webhook_url: url, id: absent }, "id")
      await refused({ hook_type: "webhook", webhook_url: "https://user:pw@hooks.example.com" }, "webhook_url")
      await refused({ hook_type: "webhook", webhook_url: url, retries: 3 }, "retries")
      await refused({ hook_type: "redis", redis_url: "redis://127.0.0.1:6379", redis_stream: "s" }, "redis_url")
      expect((await admin("GET", "/hooks")).body.hooks).toEqual([])
    })

    test("what is not there, or another app's, is not found", async () => {
      const { hook, secrets } = await make()
      const mine = app
      app = await createApp(server, "other")
      for (const id of [hook.id, absent]) {
        expectRefusal(await admin("GET", `/hooks/${id}`), "notFound")
        expectRefusal(await admin("PATCH", `/hooks/${id}`, { enabled: false }), "notFound")
        expectRefusal(await admin("DELETE", `/hooks/${id}`), "notFound")
        expectRefusal(await admin("GET", `/hooks/${id}/secrets`), "notFound")
        expectRefusal(await admin("POST", `/hooks/${id}/secrets`, { alg: "hmac" }), "notFound")
        expectRefusal(await admin("DELETE", `/hooks/${id}/secrets/${secrets[0].id}`), "notFound")
      }
      expect((await admin("GET", "/hooks")).body.hooks).toEqual([])
      app = mine
      expectRefusal(await admin("DELETE", `/hooks/${hook.id}/secrets/absent`), "notFound")
      expectRefusal(await admin("GET", "/hooks/not-a-uuid"), "input", "hook")
      for (const [method, path] of [
        ["GET", "/hooks"],
        ["POST", "/hooks"],
        ["GET", `/hooks/${absent}`],
      ] as const) {
        expectRefusal(
          await server.call(method, `/api/admin/v1/apps/999${path}`, {
            ...asAdmin,
            ...(method === "GET" ? {} : { body: {} }),
          }),
          "notFound",
        )
      }
    })

    test("a hook goes with its secrets", async () => {
      const { hook } = await make()
      const { hook: other } = await make({ webhook_url: `${url}/2` })
      expect((await admin("DELETE", `/hooks/${hook.id}`)).status).toBe(200)
      expectRefusal(await admin("GET", `/hooks/${hook.id}`), "notFound")
      expect((await admin("GET", "/hooks")).body.hooks).toMatchObject([{ id: other.id }])
      expect((await admin("GET", `/hooks/${other.id}/secrets`)).body.secrets).toHaveLength(2)
      expect((await audited(1))[0]).toMatchObject({ action: "hook.deleted", target: { hook: hook.id } })
    })

    test("rotation: the older ones of the same kind end after the overlap, those of the other kind go on", async () => {
      const { hook, secrets } = await make()
      const [hmac, pair] = secrets
      const rotate = (body: object) => admin("POST", `/hooks/${hook.id}/secrets`, body)
      const before = Date.now()
      const first = await rotate({ alg: "hmac" })
      expect(first.status).toBe(201)
      expect(first.body.secret).toMatchObject({ alg: "hmac", value: expect.stringMatching(/^whsec_/) })
      type Listed = { id: string; expires_at: string | null; alg: string }
      const endOf = (listed: Listed[], id: string): number | null => {
        const found = listed.find((secret) => secret.id === id)
        if (found === undefined) throw new Error(`no secret ${id}`)
        return found.expires_at === null ? null : Date.parse(found.expires_at)
      }
      expect(endOf(first.body.secrets, hmac.id)).toBeWithin(before + dayMs, Date.now() + dayMs + 1)
      expect(endOf(first.body.secrets, first.body.secret.id)).toBeNull()
      expect(endOf(first.body.secrets, pair.id)).toBeNull()
      expect((await audited(1))[0]).toMatchObject({
        action: "hook.secret_created",
        target: { app: app.id, hook: hook.id, secret_id: first.body.secret.id },
        after: { alg: "hmac" },
      })
      // A longer overlap gives no more time to one that was to end sooner; none at all ends all but the new one.
      const second = await rotate({ alg: "hmac", overlap_seconds: 7 * 24 * 60 * 60 })
      expect(endOf(second.body.secrets, hmac.id)).toBe(endOf(first.body.secrets, hmac.id))
      expect(endOf(second.body.secrets, first.body.secret.id)).toBeGreaterThan(before + 6 * dayMs)
      const third = await rotate({ alg: "hmac", overlap_seconds: 0 })
      for (const id of [hmac.id, first.body.secret.id, second.body.secret.id]) {
        expect(endOf(third.body.secrets, id)).toBeLessThanOrEqual(Date.now())
      }
      const key = await rotate({ alg: "ed25519" })
      expect(key.body.secret.public_key).toMatch(/^whpk_/)
      expect(endOf(key.body.secrets, pair.id)).not.toBeNull()
      for (const body of [
        {},
        { alg: "rsa" },
        { alg: "hmac", overlap_seconds: 604_801 },
        { alg: "hmac", overlap_seconds: -1 },
      ]) {
        expectRefusal(await rotate(body), "input")
      }
      expect(JSON.stringify(await audited(10))).not.toMatch(/whsec_|whsk_/)
    })

    test("a hook's secrets are bounded: ended ones make room, those that sign do not", async () => {
      const { hook } = await make()
      const rotate = (overlap_seconds: number) =>
        admin("POST", `/hooks/${hook.id}/secrets`, { alg: "hmac", overlap_seconds })
      for (let made = 2; made < 10; made++) expect((await rotate(60)).status).toBe(201)
      expectRefusal(await rotate(60), "input")
      const { secrets } = (await admin("GET", `/hooks/${hook.id}/secrets`)).body
      expect(secrets).toHaveLength(10)
      const oldest = secrets.at(-1)
      expect((await admin("DELETE", `/hooks/${hook.id}/secrets/${oldest.id}`)).status).toBe(200)
      expect((await rotate(0)).status).toBe(201)
      const after = (await rotate(0)).body.secrets
      expect(after).toHaveLength(10)
      expect(
        after.filter(
          ({ alg, expires_at }: { alg: string; expires_at: string | null }) => alg === "hmac" && expires_at === null,
        ),
      ).toHaveLength(1)
    })

    test("a retired secret is gone at once; the last one that signs stays", async () => {
      const { hook, secrets } = await make()
      const retire = (id: string) => admin("DELETE", `/hooks/${hook.id}/secrets/${id}`)
      const left = await retire(secrets[0].id)
      expect(left.body.secrets).toMatchObject([{ id: secrets[1].id, alg: "ed25519" }])
      expect((await audited(1))[0]).toMatchObject({
        action: "hook.secret_retired",
        target: { app: app.id, hook: hook.id, secret_id: secrets[0].id },
        before: { alg: "hmac" },
      })
      expectRefusal(await retire(secrets[0].id), "notFound")
      expectRefusal(await retire(secrets[1].id), "input")
    })
  })
}

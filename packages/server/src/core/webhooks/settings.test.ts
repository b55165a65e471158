// Hooks as a backend sets them: UpdateApp and GetApp, with the bodies that server clients send.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { asAdmin, createApp, databaseKinds, expectRefusal, type OtherApp, startOn } from "../../../test/fixtures.ts"
import { serverToken, type TestServer, userToken } from "../../testing.ts"

const url = "https://hooks.example.com/weir"
const queueUrl = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"
const topicArn = "arn:aws:sns:eu-west-1:123456789012:events"

for (const kind of databaseKinds) {
  describe(`hooks of UpdateApp on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
    })
    afterAll(() => server.close())
    beforeEach(async () => {
      app = await createApp(server, "hooks")
    })

    const asServer = () => ({ apiKey: app.apiKey, as: serverToken({}, app.secret) })
    const patch = (body: unknown) => server.call("PATCH", "/api/v2/app", { ...asServer(), body })
    const set = async (body: unknown): Promise<void> => {
      const answer = await patch(body)
      expect({ status: answer.status, body: answer.body }).toEqual({
        status: 200,
        body: { duration: answer.body.duration },
      })
    }
    const get = async () => (await server.call("GET", "/api/v2/app", asServer())).body.app
    const admin = (method: string, path: string, body?: unknown) =>
      server.call(method, `/api/admin/v1/apps/${app.id}${path}`, { ...asAdmin, body })
    const secretIds = async (hook: string): Promise<string[]> =>
      // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
      (await admin("GET", `/hooks/${hook}/secrets`)).body.secrets.map(({ id }: any) => id)
    // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
    const audited = async (limit = 20): Promise<any[]> => (await admin("GET", `/audit?limit=${limit}`)).body.entries

    test("an app without hooks says so", async () => {
      expect(await get()).toMatchObject({
        event_hooks: [],
        webhook_url: "",
        webhook_events: [],
        sqs_url: "",
        sns_topic_arn: "",
        enable_hook_payload_compression: false,
        webhook_compression_algorithm: "",
        before_message_send_hook_url: "",
        before_message_send_hook_attempt_timeout_ms: 0,
        before_message_send_hook_on_failure: "allow",
      })
    })

    test("event_hooks: the list is replaced; a hook named by its id keeps id and secrets, and what comes back whole changes nothing", async () => {
      // Typed clients send what they do not set as null or empty.
      const bare = {
        id: "",
        enabled: true,
        hook_type: "webhook",
        webhook_url: url,
        event_types: ["message.*"],
        product: "all",
        sqs_key: "",
        callback: null,
      }
      const queue = {
        hook_type: "sqs",
        sqs_queue_url: queueUrl,
        sqs_key: "AKID",
        sqs_secret: "q-secret",
        sqs_auth_type: "keys",
      }
      await set({ event_hooks: [bare, queue] })
      const first = (await get()).event_hooks
      expect(first).toMatchObject([
        {
          hook_type: "webhook",
          enabled: true,
          product: "all",
          event_types: ["message.*"],
          webhook_url: url,
          timeout_ms: 6_000,
        },
        {
          hook_type: "sqs",
          event_types: [],
          sqs_queue_url: queueUrl,
          sqs_region: "eu-west-1",
          sqs_auth_type: "keys",
          sqs_key: "AKID",
        },
      ])
      expect(JSON.stringify(await get())).not.toContain("q-secret")
      const secrets = await secretIds(first[0].id)
      expect(secrets).toHaveLength(2)
      expect((await audited(2)).map(({ action }) => action)).toEqual(["hook.created", "hook.created"])

      const before = (await audited(1))[0].seq
      await set({ event_hooks: first })
      expect((await get()).event_hooks).toEqual(first)
      await set({ event_hooks: [first[1], first[0]] })
      expect((await get()).event_hooks).toEqual([first[1], first[0]])
      expect((await audited(1))[0].seq).toBe(before)

      await set({ event_hooks: [first[1], { ...first[0], webhook_url: `${url}/2`, enabled: false }] })
      const second = (await get()).event_hooks
      expect(second.map(({ id }: { id: string }) => id)).toEqual([first[1].id, first[0].id])
      expect(second[1]).toMatchObject({ webhook_url: `${url}/2`, enabled: false, disabled_reason: "operator" })
      expect(await secretIds(first[0].id)).toEqual(secrets)

      await set({ event_hooks: [{ id: first[0].id }] })
      expect((await get()).event_hooks).toEqual([second[1]])
      expectRefusal(await admin("GET", `/hooks/${first[1].id}/secrets`), "notFound")
      await set({ event_hooks: [] })
      expect((await get()).event_hooks).toEqual([])
      const [gone] = await audited(1)
      expect(gone).toMatchObject({
        action: "hook.deleted",
        actor: expect.stringContaining("server, secret"),
        target: { app: app.id, hook: first[0].id },
        before: { hook_type: "webhook", address: `webhook ${url}/2` },
      })
      expect(JSON.stringify(await audited())).not.toContain("q-secret")
    })

    test("a backend that declares its hooks at every start keeps them, and what it leaves out falls back", async () => {
      const declared = [
        { hook_type: "webhook", webhook_url: url, event_types: ["message.new"], ordered: true },
        { hook_type: "webhook", webhook_url: url, event_types: ["channel.*"] },
      ]
      await set({ event_hooks: declared })
      const first = (await get()).event_hooks
      await set({ event_hooks: declared })
      expect((await get()).event_hooks).toEqual(first)
      await set({ event_hooks: [{ hook_type: "webhook", webhook_url: url }] })
      const [kept, ...others] = (await get()).event_hooks
      expect(others).toEqual([])
      expect(kept).toMatchObject({ id: first[0].id, event_types: [], ordered: false })
    })

    test("what cannot hold is refused by its name, and then nothing changes", async () => {
      await set({ event_hooks: [{ hook_type: "webhook", webhook_url: url }], before_message_send_hook_url: url })
      const before = await get()
      const [{ id }] = before.event_hooks
      const hook = (members: object) => ({
        event_hooks: [{ id }, { hook_type: "webhook", webhook_url: url, ...members }],
      })
      const cases: [object, string][] = [
        [hook({ hook_type: "pending_message" }), "event_hooks.1.hook_type"],
        [hook({ webhook_url: "http://hooks.example.com" }), "event_hooks.1.webhook_url"],
        [hook({ webhook_url: "https://127.0.0.1/" }), "event_hooks.1.webhook_url"],
        [hook({ webhook_url: "nonsense" }), "event_hooks.1.webhook_url"],
        [hook({ event_types: ["message.nwe"] }), "event_hooks.1.event_types"],
        [hook({ event_types: Array.from({ length: 251 }, () => "message.new") }), "event_hooks.1.event_types"],
        [hook({ event_types: [7] }), "event_hooks.1.event_types.0"],
        [hook({ product: "mail" }), "event_hooks.1.product"],
        [hook({ timeout_ms: 50 }), "event_hooks.1.timeout_ms"],
        [hook({ failover_config: { gcs_bucket: "b" } }), "event_hooks.1.failover_config"],
        [hook({ id: "00000000-0000-4000-8000-000000000000" }), "event_hooks.1.id"],
        [hook({ id }), "event_hooks.1.id"],
        [
          { event_hooks: Array.from({ length: 51 }, (_, n) => ({ hook_type: "webhook", webhook_url: `${url}/${n}` })) },
          "event_hooks",
        ],
        [{ event_hooks: "all" }, "event_hooks"],
        [{ webhook_events: ["message.new"] }, "webhook_events"],
        [{ webhook_url: url, webhook_events: ["mesage.new"] }, "webhook_events"],
        [{ webhook_url: "ftp://hooks.example.com" }, "webhook_url"],
        [{ sqs_url: queueUrl }, "sqs_key"],
        [{ sqs_url: queueUrl, sqs_key: "AKID" }, "sqs_secret"],
        [{ sqs_key: "AKID" }, "sqs_key"],
        [{ sqs_url: "https://10.1.1.1/1/q", sqs_key: "AKID", sqs_secret: "s" }, "sqs_url"],
        [{ sns_topic_arn: "arn:aws:sns", sns_key: "AKID", sns_secret: "s" }, "sns_topic_arn"],
        [{ webhook_compression_algorithm: "br" }, "webhook_compression_algorithm"],
        [{ webhook_compression_algorithm: "", enable_hook_payload_compression: true }, "webhook_compression_algorithm"],
        [{ before_message_send_hook_url: "https://localhost/" }, "before_message_send_hook_url"],
        [{ before_message_send_hook_attempt_timeout_ms: 5_001 }, "before_message_send_hook_attempt_timeout_ms"],
        [{ before_message_send_hook_attempt_timeout_ms: -1 }, "before_message_send_hook_attempt_timeout_ms"],
        [{ before_message_send_hook_on_failure: "deny" }, "before_message_send_hook_on_failure"],
        [{ custom_action_handler_url: url }, "custom_action_handler_url"],
        [{ moderation_webhook_url: url }, "moderation_webhook_url"],
      ]
      for (const [body, field] of cases) {
        // Whatever stands beside a fault is not done either.
        const answer = await patch({
          enable_hook_payload_compression: false,
          ...body,
          revoke_tokens_issued_before: null,
        })
        expect({ body, fields: Object.keys(answer.body.exception_fields ?? {}) }).toEqual({ body, fields: [field] })
        expectRefusal(answer, "input", field)
      }
      expect(await get()).toEqual(before)
      expectRefusal(
        await server.call("PATCH", "/api/v2/app", {
          apiKey: app.apiKey,
          as: userToken("jessica", {}, app.secret),
          body: {},
        }),
        "notAllowed",
      )
    })

    test("an app's hooks are bounded, whichever setting made them", async () => {
      const list = Array.from({ length: 50 }, (_, n) => ({ hook_type: "webhook", webhook_url: `${url}/${n}` }))
      await set({ event_hooks: list })
      expectRefusal(await patch({ webhook_url: url }), "input")
      expectRefusal(await admin("POST", "/hooks", { hook_type: "webhook", webhook_url: url }), "input")
      await set({ event_hooks: list.slice(1), webhook_url: url })
      expect((await admin("GET", "/hooks")).body.hooks).toHaveLength(50)
    }, 30_000)

    test("the older settings are one hook each, which keeps its secrets as it moves", async () => {
      await set({ webhook_url: url, webhook_events: ["message.new"] })
      await set({ sqs_url: queueUrl, sqs_key: "AKID", sqs_secret: "q-secret" })
      await set({ sns_topic_arn: topicArn, sns_key: "AKID2", sns_secret: "t-secret" })
      const shown = await get()
      expect(shown).toMatchObject({
        event_hooks: [],
        webhook_url: url,
        webhook_events: ["message.new"],
        sqs_url: queueUrl,
        sqs_key: "AKID",
        sns_topic_arn: topicArn,
        sns_key: "AKID2",
      })
      expect(JSON.stringify(shown)).not.toMatch(/q-secret|t-secret/)
      const hooks = async () => (await admin("GET", "/hooks")).body.hooks
      const first = await hooks()
      expect(first).toMatchObject([
        { hook_type: "webhook", origin: "webhook_url", event_types: ["message.new"] },
        { hook_type: "sqs", origin: "sqs_url", sqs_region: "eu-west-1", event_types: [] },
        { hook_type: "sns", origin: "sns_topic_arn", sns_region: "eu-west-1" },
      ])
      const secrets = await secretIds(first[0].id)
      await set({ webhook_url: `${url}/2` })
      await set({ webhook_events: [] })
      // What a client read and sends back whole; it never had the secrets.
      await set({ sqs_url: queueUrl, sqs_key: "AKID", sqs_secret: "", sns_topic_arn: `${topicArn}2` })
      const second = await hooks()
      expect(second.map(({ id }: { id: string }) => id)).toEqual(first.map(({ id }: { id: string }) => id))
      expect(second[0]).toMatchObject({ webhook_url: `${url}/2`, event_types: [] })
      expect(second[2]).toMatchObject({ sns_topic_arn: `${topicArn}2` })
      expect(await secretIds(first[0].id)).toEqual(secrets)
      expectRefusal(await patch({ sqs_key: "OTHER" }), "input", "sqs_secret")

      await admin("PATCH", `/hooks/${first[0].id}`, { enabled: false })
      await set({ webhook_url: `${url}/2` })
      expect((await hooks())[0].enabled).toBe(false)
      await set({ webhook_url: url })
      expect((await hooks())[0].enabled).toBe(true)

      await set({ webhook_url: "", webhook_events: ["message.new"], sqs_url: "", sns_topic_arn: "" })
      expect(await hooks()).toEqual([])
      await set({ webhook_url: "", webhook_events: [], sqs_key: "", sqs_secret: "" })
      expect((await audited(3)).map(({ action }) => action)).toEqual(["hook.deleted", "hook.deleted", "hook.deleted"])
    })

    test("compression: two names of one switch, for every hook that says nothing itself", async () => {
      const hooks = [
        { hook_type: "webhook", webhook_url: url },
        { hook_type: "webhook", webhook_url: `${url}/2`, compression: "none" },
      ]
      await set({ enable_hook_payload_compression: true, event_hooks: hooks, webhook_url: `${url}/3` })
      const shown = await get()
      expect(shown).toMatchObject({ enable_hook_payload_compression: true, webhook_compression_algorithm: "gzip" })
      expect(shown.event_hooks.map((hook: object) => Object.hasOwn(hook, "compression"))).toEqual([false, true])
      const compressions = async () =>
        // biome-ignore lint/suspicious/noExplicitAny: whatever the wire brings
        (await admin("GET", "/hooks")).body.hooks.map(({ compression }: any) => compression)
      expect(await compressions()).toEqual(["gzip", "none", "gzip"])
      await set({ webhook_compression_algorithm: "", event_hooks: shown.event_hooks })
      expect(await compressions()).toEqual(["none", "none", "none"])
    })

    test("before a message is sent: url, time and what follows from no answer", async () => {
      await set({
        before_message_send_hook_url: `${url}?token=t0`,
        before_message_send_hook_attempt_timeout_ms: 5_000,
        before_message_send_hook_on_failure: "refuse",
      })
      expect(await get()).toMatchObject({
        before_message_send_hook_url: `${url}?token=t0`,
        before_message_send_hook_attempt_timeout_ms: 5_000,
        before_message_send_hook_on_failure: "refuse",
      })
      await set({ before_message_send_hook_attempt_timeout_ms: 0 })
      await set({ before_message_send_hook_url: "" })
      expect(await get()).toMatchObject({
        before_message_send_hook_url: "",
        before_message_send_hook_attempt_timeout_ms: 0,
        before_message_send_hook_on_failure: "refuse",
      })
      const rows = await audited(3)
      expect(rows.map(({ action }) => action)).toEqual(Array.from({ length: 3 }, () => "hook_settings.updated"))
      expect(rows[2].after.before_message_send_hook).toEqual({
        address: `webhook ${url}`,
        attempt_timeout_ms: 5_000,
        on_failure: "refuse",
      })
    })

    test("of two lists at once, one holds", async () => {
      const lists = ["a", "b", "c", "d"].map((name) =>
        Array.from({ length: 3 }, (_, n) => ({ hook_type: "webhook", webhook_url: `${url}/${name}/${n}` })),
      )
      await Promise.all(lists.map((event_hooks) => set({ event_hooks })))
      const shown: string[] = (await get()).event_hooks.map((hook: { webhook_url: string }) => hook.webhook_url)
      expect(shown).toHaveLength(3)
      expect(new Set(shown.map((text) => text.split("/").at(-2))).size).toBe(1)
    })

    test("another app sees and changes nothing of it", async () => {
      await set({ event_hooks: [{ hook_type: "webhook", webhook_url: url }] })
      const [{ id }] = (await get()).event_hooks
      const mine = app
      app = await createApp(server, "other")
      expect((await get()).event_hooks).toEqual([])
      expectRefusal(await patch({ event_hooks: [{ id, enabled: false }] }), "input", "event_hooks.0.id")
      await set({ event_hooks: [] })
      app = mine
      expect((await get()).event_hooks).toHaveLength(1)
    })
  })
}

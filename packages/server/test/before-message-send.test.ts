// An app's backend is asked before a message is sent: a real backend beside a real node, on each database.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { signRequest } from "../../sdk-server/src/server-auth.ts"
import { limits } from "../src/events/webhooks/limits.ts"
import {
  createPostgresDatabase,
  serverToken,
  startTestServer,
  type TestServer,
  testApiKey,
  testApiSecret,
  userToken,
} from "../src/testing.ts"
import { asAdmin, createGuest, databaseKinds, expectRefusal, startOn } from "./fixtures.ts"

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the wire brings
type Json = any

interface Backend {
  readonly url: string
  readonly asked: { readonly headers: Headers; readonly text: string; readonly json: Json }[]
  /** What the next questions are answered with. */
  answer: (question: Json) => Json | Response | Promise<Json | Response>
  stop(): Promise<void>
}

function startBackend(port = 0): Backend {
  const server = Bun.serve({
    port,
    hostname: "127.0.0.1",
    async fetch(request) {
      const text = await request.text()
      const question = { headers: request.headers, text, json: JSON.parse(text) }
      self.asked.push(question)
      const answer = await self.answer(question.json)
      return answer instanceof Response ? answer : Response.json(answer)
    },
  })
  const self: Backend = {
    url: `http://127.0.0.1:${server.port}/before-send`,
    asked: [],
    answer: () => ({}),
    stop: () => server.stop(true),
  }
  return self
}

const allowPrivate = { WEIR_WEBHOOK_ALLOW_PRIVATE: "true" }
/** For a start on a database that has no tables yet, on a machine that has other work. */
const startMs = 30_000
let counter = 0

for (const kind of databaseKinds) {
  describe(`before-message-send on ${kind}`, () => {
    let t: TestServer
    let backend: Backend

    beforeAll(async () => {
      t = await startOn(kind, allowPrivate)
    }, startMs)
    afterAll(() => t.close())
    beforeEach(async () => {
      backend = startBackend()
      await setHook({ before_message_send_hook_url: backend.url })
    })
    afterEach(() => backend.stop())

    const setHook = async (settings: object): Promise<void> => {
      const body = {
        before_message_send_hook_attempt_timeout_ms: 0,
        before_message_send_hook_on_failure: "allow",
        ...settings,
      }
      expect((await t.call("PATCH", "/api/v2/app", { body })).status).toBe(200)
    }
    /** A channel with two members of its own, so that what one test does to them is no other test's concern. */
    const room = async (type = "messaging") => {
      const [author, other] = [`author-${counter}`, `other-${counter}`]
      const users = { [author]: { id: author, name: "Author" }, [other]: { id: other } }
      expect((await t.call("POST", "/api/v2/users", { body: { users } })).status).toBe(201)
      const path = `/api/v2/chat/channels/${type}/hook${process.pid}-${counter++}`
      const body = { data: { created_by_id: other, members: [author, other] } }
      expect((await t.call("POST", `${path}/query`, { body })).status).toBe(201)
      const send = (message: object, as = userToken(author)) =>
        t.call("POST", `${path}/message`, { as, body: { message } })
      const watch = async () => {
        const socket = await t.connect(other)
        const { connectionId } = socket
        const as = userToken(other)
        expect((await t.call("POST", `${path}/query`, { as, connectionId, body: { watch: true } })).status).toBe(201)
        return socket
      }
      const messages = async (): Promise<Json[]> =>
        (await t.call("POST", `${path}/query`, { body: { user_id: other } })).body.messages
      return { path, author, other, send, watch, messages }
    }
    type Where = Awaited<ReturnType<typeof room>>
    const textsOf = (messages: Json[]): string[] => messages.map(({ text }) => text)
    const slowly =
      (ms: number, answer: Json = {}) =>
      async () => {
        await Bun.sleep(ms)
        return answer
      }

    describe("the question", () => {
      test("is signed, and holds message, user, channel and who asked", async () => {
        const { send, author, other, path } = await room()
        const answer = await send({ id: `q-${counter}`, text: "grüezi", mentioned_users: [other], custom: { mood: 1 } })
        expect(answer.status).toBe(201)
        expect(backend.asked).toHaveLength(1)
        const [{ headers, text, json }] = backend.asked as [Backend["asked"][number]]
        expect(headers.get("x-signature")).toBe(createHmac("sha256", testApiSecret).update(text).digest("hex"))
        expect(headers.get("x-api-key")).toBe(testApiKey)
        expect(headers.get("x-webhook-attempt")).toBe("1")
        const cid = path.split("/").slice(-2).join(":")
        expect(json.message).toMatchObject({ id: answer.body.message.id, cid, type: "regular", text: "grüezi" })
        expect(json.message).toMatchObject({ custom: { mood: 1 }, user: { id: author, name: "Author" } })
        expect(json.message.mentioned_users.map(({ id }: Json) => id)).toEqual([other])
        expect(json.user).toEqual(json.message.user)
        expect(json.channel).toMatchObject({ cid, type: "messaging" })
        expect(json.request_info).toMatchObject({ type: "client", ip: "127.0.0.1" })
        // Every member that the stored message has was in the question too.
        const names = Object.keys(answer.body.message)
        expect(names.filter((name) => !(name in json.message))).toEqual([])
      })

      test("is put for replies, and for what servers send", async () => {
        const { send, author } = await room()
        const parent = (await send({ text: "parent" })).body.message
        expect((await send({ text: "reply", parent_id: parent.id })).body.message.type).toBe("reply")
        expect((await send({ text: "by server", user_id: author }, serverToken())).status).toBe(201)
        expect(backend.asked.map(({ json }) => json.message.text)).toEqual(["parent", "reply", "by server"])
        expect(backend.asked.map(({ json }) => json.request_info.type)).toEqual(["client", "client", "server"])
        expect(backend.asked[1]?.json.message).toMatchObject({ type: "reply", parent_id: parent.id })
      })

      test("is not put for what is refused anyway, nor where no URL is set", async () => {
        const { send, path } = await room()
        const stranger = `stranger-${counter}`
        expect(
          (await t.call("POST", "/api/v2/users", { body: { users: { [stranger]: { id: stranger } } } })).status,
        ).toBe(201)
        expect((await send({ text: "let me in" }, userToken(stranger))).status).toBeGreaterThanOrEqual(400)
        expect((await send({ text: "x".repeat(100_000) })).status).toBe(400)
        expect((await t.call("POST", path, { body: { data: { frozen: true } } })).status).toBe(201)
        expect((await send({ text: "frozen" })).body.message).toMatchObject({ type: "error" })
        expect(backend.asked).toEqual([])
        await setHook({ before_message_send_hook_url: "" })
        const open = await room()
        expect((await open.send({ text: "unasked" })).status).toBe(201)
        expect(backend.asked).toEqual([])
      })
    })

    describe("the answer", () => {
      test("rewrites what is said, and everybody sees the rewritten message", async () => {
        const { send, watch, messages, other } = await room()
        backend.answer = ({ message }) => ({
          message: {
            ...message,
            text: message.text.replace("darn", "****"),
            attachments: [{ type: "link", title_link: "https://rules.example" }],
            mentioned_users: [other, "nobody-there"],
            custom: { moderated: true },
          },
        })
        const socket = await watch()
        const { status, body } = await send({ text: "darn it", custom: { mood: 1 } })
        expect(status).toBe(201)
        expect(body.message).toMatchObject({
          type: "regular",
          text: "**** it",
          attachments: [{ type: "link", title_link: "https://rules.example" }],
          custom: { moderated: true },
        })
        expect(body.message.mentioned_users.map(({ id }: Json) => id)).toEqual([other])
        expect((await socket.next("message.new")).message).toEqual(body.message)
        expect(await messages()).toEqual([body.message])
        socket.close()
      })

      test("may bring what the sender could not, for it is the app's own word", async () => {
        const guest = await createGuest(t, `visitor-${counter}`)
        const { send } = await room("livestream")
        expect((await send({ text: "https://spam.example" }, guest.token)).status).toBe(403)
        backend.answer = () => ({ message: { text: "see https://rules.example" } })
        const { status, body } = await send({ text: "hello" }, guest.token)
        expect([status, body.message.text]).toEqual([201, "see https://rules.example"])
      })

      test("of the bare message, or only of what changes, is understood as well", async () => {
        const { send } = await room()
        backend.answer = ({ message }) => ({ ...message, text: "bare" })
        expect((await send({ text: "a", custom: { kept: 1 } })).body.message).toMatchObject({ text: "bare" })
        backend.answer = () => ({ text: "part" })
        const { message } = (await send({ text: "b", custom: { kept: 1 } })).body
        expect(message).toMatchObject({ text: "part", custom: { kept: 1 } })
      })

      test("that is empty or the same leaves the message as it is", async () => {
        const { send } = await room()
        const answers: Backend["answer"][] = [
          () => ({}),
          () => new Response(null, { status: 204 }),
          () => new Response(""),
          () => ({ message: null }),
          (question) => question,
          ({ message }) => ({ message }),
        ]
        for (const answer of answers) {
          backend.answer = answer
          const { status, body } = await send({ text: "as it was", attachments: [{ type: "image" }], silent: true })
          expect([status, body.message.text]).toEqual([201, "as it was"])
          expect(body.message).toMatchObject({ type: "regular", attachments: [{ type: "image" }], silent: true })
        }
        expect(backend.asked).toHaveLength(answers.length)
      })

      test("cannot change whose message it is, which one, or where", async () => {
        const { send, author, other, messages } = await room()
        const elsewhere = await room()
        const parent = (await send({ text: "parent" })).body.message
        backend.answer = ({ message }) => ({
          message: {
            ...message,
            text: "changed",
            id: "another-id",
            cid: elsewhere.path.split("/").slice(-2).join(":"),
            user: { id: other },
            user_id: other,
            parent_id: parent.id,
            type: "system",
            created_at: "2001-01-01T00:00:00Z",
            reply_count: 7,
          },
        })
        const id = `kept-${counter}`
        const { message } = (await send({ id, text: "mine" })).body
        expect(message).toMatchObject({ id, text: "changed", type: "regular", user: { id: author }, reply_count: 0 })
        expect(message.parent_id).toBeUndefined()
        expect(Date.parse(message.created_at)).toBeGreaterThan(Date.now() - 60_000)
        expect(textsOf(await messages())).toEqual(["parent", "changed"])
        expect(await elsewhere.messages()).toEqual([])
      })

      test("of type error discards the message: the sender hears why, and nobody else anything", async () => {
        const { send, watch, messages, author } = await room()
        backend.answer = ({ message }) => ({ message: { ...message, type: "error", text: "not here, please" } })
        const socket = await watch()
        const id = `discarded-${counter}`
        const { status, body } = await send({ id, text: "darn" })
        expect(status).toBe(201)
        expect(body.message).toMatchObject({ id, type: "error", text: "not here, please", user: { id: author } })
        expect((await t.call("GET", `/api/v2/chat/messages/${id}`)).status).toBe(404)
        expect(await messages()).toEqual([])
        // Without a text of its own the message keeps the sender's.
        backend.answer = () => ({ type: "error" })
        expect((await send({ text: "darn" })).body.message).toMatchObject({ type: "error", text: "darn" })
        // The id is still free: what is discarded once may be sent when it is better.
        backend.answer = () => ({})
        expect((await send({ id, text: "sorry" })).body.message).toMatchObject({ id, type: "regular", text: "sorry" })
        expect((await socket.next("message.new")).message.text).toBe("sorry")
        expect(socket.seen("message.new")).toHaveLength(1)
        socket.close()
      })
    })

    describe("without an answer", () => {
      const failures: readonly (readonly [string, Backend["answer"]])[] = [
        ["an error", () => new Response("{}", { status: 500 })],
        ["no JSON", () => new Response("<html>busy</html>")],
        ["a redirect", () => new Response(null, { status: 307, headers: { location: "/elsewhere" } })],
        ["too much", () => new Response(JSON.stringify({ text: "x".repeat(limits.responseBytesMax) }))],
        ["a text that is too long", () => ({ message: { text: "x".repeat(50_000) } })],
        ["nothing to say", () => ({ message: { text: "", custom: {} } })],
        ["a wrong type", () => ({ message: { text: { $ne: 1 } } })],
        ["a list", () => ["no"]],
        ["U+0000", () => ({ message: { text: "a\0b" } })],
        ["too much custom data", () => ({ message: { custom: { a: "x".repeat(10_000) } } })],
      ]
      test.each(failures)(
        "%s: the message is sent as it was, or refused where the app wants that",
        async (_, answer) => {
          const { send, messages } = await room()
          backend.answer = answer
          const { status, body } = await send({ text: "as it was", custom: { a: 1 } })
          expect([status, body.message.text, body.message.custom]).toEqual([201, "as it was", { a: 1 }])
          await setHook({ before_message_send_hook_on_failure: "refuse" })
          const id = `refused-${counter++}`
          const refused = await send({ id, text: "better not" })
          expectRefusal(refused, "unavailable")
          expect(refused.headers.get("retry-after")).toBe("1")
          // An operator can see why.
          const decisionId = refused.headers.get("x-decision-id")
          const { decision } = (await t.call("GET", `/api/admin/v1/decisions/${decisionId}`, asAdmin)).body
          expect(decision).toMatchObject({ operation: "SendMessage", code: -3 })
          expect(JSON.stringify(decision)).toContain("before_message_send_hook_url")
          expect(textsOf(await messages())).toEqual(["as it was"])
          expect(backend.asked).toHaveLength(2)
          // Sent again when the backend is well, it goes through under the same id.
          backend.answer = () => ({})
          expect((await send({ id, text: "better not" })).body.message).toMatchObject({ id, type: "regular" })
        },
      )

      test("in time: the same, after the time-out that is set", async () => {
        const { send, messages } = await room()
        backend.answer = slowly(2_000, { message: { text: "too late" } })
        const before_message_send_hook_attempt_timeout_ms = 200
        await setHook({ before_message_send_hook_attempt_timeout_ms })
        const startedMs = performance.now()
        expect((await send({ text: "passes" })).body.message.text).toBe("passes")
        const tookMs = performance.now() - startedMs
        expect(tookMs).toBeGreaterThanOrEqual(190)
        expect(tookMs).toBeLessThan(1_500)
        const before_message_send_hook_on_failure = "refuse"
        await setHook({ before_message_send_hook_attempt_timeout_ms, before_message_send_hook_on_failure })
        expectRefusal(await send({ text: "does not" }), "unavailable")
        expect(textsOf(await messages())).toEqual(["passes"])
      })

      test("from a backend that has died: after a few messages it is not waited for, and asked again when it is back", async () => {
        const { send, messages } = await room()
        const port = Number(new URL(backend.url).port)
        await setHook({ before_message_send_hook_attempt_timeout_ms: 200 })
        // Dies in the middle of a question, as a killed process does.
        const dying = backend
        dying.answer = () => dying.stop().then(() => ({}))
        expect((await send({ text: "0" })).body.message.text).toBe("0")
        for (let n = 1; n < limits.unansweredUntilAway; n++) expect((await send({ text: `${n}` })).status).toBe(201)
        backend = startBackend(port)
        backend.answer = ({ message }) => ({ message: { text: `${message.text}, seen` } })
        const unasked = await send({ text: "unasked" })
        expect(unasked.body.message.text).toBe("unasked")
        expect(backend.asked).toEqual([])
        const endMs = performance.now() + limits.awayMsMin * 4
        let text = ""
        while (!text.endsWith("seen") && performance.now() < endMs) {
          await Bun.sleep(100)
          text = (await send({ text: "back" })).body.message.text
        }
        expect(text).toBe("back, seen")
        expect(textsOf(await messages())).toContain("back, seen")
      })
    })

    describe("while the backend thinks", () => {
      /** Holds every question until it is let go. */
      const hold = (answer: Json = {}) => {
        let letGo = (): void => {}
        let arrived = (): void => {}
        const released = new Promise<void>((go) => {
          letGo = go
        })
        const asked = new Promise<void>((go) => {
          arrived = go
        })
        backend.answer = async () => {
          arrived()
          await released
          return answer
        }
        return { asked, letGo: () => letGo() }
      }
      const patient = { before_message_send_hook_attempt_timeout_ms: 5_000 }

      test("no transaction is open: others write in the meantime", async () => {
        await setHook(patient)
        const { send, path, other, watch } = await room()
        const held = hold({ message: { text: "thought about" } })
        const sending = send({ text: "hello" })
        await held.asked
        // Each of these needs the one writer that SQLite has, and is answered before the message is.
        const users = { [`new-${counter}`]: { id: `new-${counter++}` } }
        expect((await t.call("POST", "/api/v2/users", { body: { users } })).status).toBe(201)
        const body = { data: { custom: { topic: "other" } }, user_id: other }
        expect((await t.call("POST", path, { body })).status).toBe(201)
        const socket = await watch()
        expect(await Promise.race([sending, Bun.sleep(50)])).toBeUndefined()
        held.letGo()
        expect((await sending).body.message.text).toBe("thought about")
        expect((await socket.next("message.new")).message.text).toBe("thought about")
        socket.close()
      })

      test("messages do not wait for each other, and each gets its own answer", async () => {
        await setHook(patient)
        const { send, messages } = await room()
        let open = 0
        let most = 0
        backend.answer = async ({ message }) => {
          open++
          most = Math.max(most, open)
          await Bun.sleep(100)
          open--
          return { message: { text: `${message.text}!` } }
        }
        const texts = Array.from({ length: 20 }, (_, index) => `m${index}`)
        const answers = await Promise.all(texts.map((text) => send({ text })))
        expect(answers.map(({ body }) => body.message.text)).toEqual(texts.map((text) => `${text}!`))
        expect(most).toBeGreaterThan(10)
        expect(textsOf(await messages()).sort()).toEqual(texts.map((text) => `${text}!`).sort())
      })

      test("the same message that comes twice is one message, and is not asked about once it is stored", async () => {
        await setHook(patient)
        const { send, messages } = await room()
        let asked = 0
        backend.answer = async () => {
          asked++
          const text = `answer ${asked}`
          await Bun.sleep(50)
          return { message: { text } }
        }
        const id = `twice-${counter++}`
        const answers = await Promise.all([send({ id, text: "hello" }), send({ id, text: "hello" })])
        expect(answers.map(({ status }) => status)).toEqual([201, 201])
        expect(new Set(answers.map(({ body }) => body.message.text)).size).toBe(1)
        const askedBefore = asked
        backend.answer = () => ({ type: "error", text: "changed my mind" })
        const again = await send({ id, text: "hello" })
        expect([again.status, again.body.message]).toEqual([201, answers[0]?.body.message])
        expect([asked, backend.asked.length]).toEqual([askedBefore, askedBefore])
        expect(await messages()).toHaveLength(1)
      })

      const endings: readonly (readonly [string, (where: Where) => Promise<{ status: number }>, number])[] = [
        [
          "somebody who is banned meanwhile sends nothing",
          ({ author, other }) =>
            t.call("POST", "/api/v2/moderation/ban", { body: { target_user_id: author, banned_by_id: other } }),
          403,
        ],
        [
          "somebody whose tokens are revoked meanwhile sends nothing",
          async ({ author }) => {
            const { body } = await t.call("GET", "/api/admin/v1/apps", asAdmin)
            const path = `/api/admin/v1/apps/${body.apps[0].id}/revocations`
            return t.call("POST", path, { ...asAdmin, body: { user_id: author } })
          },
          401,
        ],
        [
          "nothing is sent to a channel that is disabled meanwhile",
          ({ path }) => t.call("POST", path, { body: { data: { disabled: true } } }),
          403,
        ],
        [
          "somebody who is removed from the channel meanwhile sends nothing",
          ({ path, author }) => t.call("POST", path, { body: { remove_members: [author] } }),
          // To whom a channel is closed, it is not there.
          404,
        ],
      ]
      test.each(endings)("%s", async (_, end, status) => {
        await setHook(patient)
        const where = await room()
        const { send } = where
        const held = hold()
        const id = `ended-${counter++}`
        const sending = send({ id, text: "hello" })
        await held.asked
        expect((await end(where)).status).toBeLessThan(300)
        held.letGo()
        const refused = await sending
        expect([refused.status, refused.body.message.text]).toEqual([status, undefined])
        expect((await t.call("GET", `/api/v2/chat/messages/${id}`)).status).toBe(404)
      })

      test("a channel that is frozen meanwhile takes nothing any more", async () => {
        await setHook(patient)
        const { send, path, messages } = await room()
        const held = hold()
        const sending = send({ text: "hello" })
        await held.asked
        expect((await t.call("POST", path, { body: { data: { frozen: true } } })).status).toBe(201)
        held.letGo()
        expect((await sending).body.message.type).toBe("error")
        expect(await messages()).toEqual([])
      })

      test("a signed request, whose nonce counts once, is still itself afterwards, and no other time", async () => {
        await setHook(patient)
        backend.answer = slowly(50)
        const { path, author } = await room()
        const url = `${t.url}${path}/message?api_key=${testApiKey}`
        const body = JSON.stringify({ message: { text: "signed", user_id: author } })
        const createdSeconds = Math.floor(Date.now() / 1000)
        const signed = await signRequest(
          { method: "POST", url, body },
          { apiKey: testApiKey, apiSecret: testApiSecret, createdSeconds },
        )
        const headers = { ...signed, "content-type": "application/json", "stream-auth-type": "jwt" }
        const statuses = []
        for (let n = 0; n < 2; n++) statuses.push((await fetch(url, { method: "POST", headers, body })).status)
        expect(statuses).toEqual([201, 401])
        expect(backend.asked).toHaveLength(1)
      })
    })
  })

  test(
    `case 62: on ${kind} a backend at a private address is not asked unless the operator allows it`,
    async () => {
      const dataDir = mkdtempSync(join(tmpdir(), "weir-test-"))
      const database = kind === "postgres" ? await createPostgresDatabase() : null
      const env: Record<string, string> = database === null ? {} : { WEIR_DATABASE_URL: database.url }
      const backend = startBackend()
      try {
        const open = await startTestServer({ dataDir, env: { ...env, ...allowPrivate } })
        const body = { before_message_send_hook_url: backend.url, before_message_send_hook_on_failure: "refuse" }
        expect((await open.call("PATCH", "/api/v2/app", { body })).status).toBe(200)
        const path = "/api/v2/chat/channels/messaging/private"
        const data = { created_by_id: "alice", members: ["alice"] }
        expect((await open.call("POST", "/api/v2/users", { body: { users: { alice: { id: "alice" } } } })).status).toBe(
          201,
        )
        expect((await open.call("POST", `${path}/query`, { body: { data } })).status).toBe(201)
        const message = { text: "hello" }
        const as = userToken("alice")
        expect((await open.call("POST", `${path}/message`, { as, body: { message } })).status).toBe(201)
        expect(backend.asked).toHaveLength(1)
        await open.close()
        // The setting is from a time when it was allowed; it is looked at anew with each question.
        const guarded = await startTestServer({ dataDir, env })
        expectRefusal(await guarded.call("POST", `${path}/message`, { as, body: { message } }), "unavailable")
        expect(backend.asked).toHaveLength(1)
        const again = await guarded.call("PATCH", "/api/v2/app", {
          body: { before_message_send_hook_url: `${backend.url}2` },
        })
        expectRefusal(again, "input", "before_message_send_hook_url")
        await guarded.close()
      } finally {
        await backend.stop()
        await database?.drop()
        rmSync(dataDir, { recursive: true, force: true })
      }
    },
    startMs,
  )
}

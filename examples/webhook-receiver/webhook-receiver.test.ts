// The example, run by plain Node with the built packages, as the receiver of a real server's hook.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { join } from "node:path"
import {
  startTestServer,
  type TestServer,
  testAdminToken,
  testApiKey,
  testApiSecret,
  userToken,
} from "../../packages/server/src/testing.ts"
import { build } from "../../tools/build.ts"

const root = join(import.meta.dir, "../..")
const asOperator = { as: `Bearer ${testAdminToken}`, apiKey: null, authType: null } as const

let weir: TestServer
let receiver: Bun.Subprocess<"ignore", "pipe", "inherit">
let lines: AsyncGenerator<string>
let hooks: string
let hookId: string
let secret: string
let url: string

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = ""
  for await (const chunk of stream.pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>) {
    const parts = (rest + chunk).split("\n")
    rest = parts.pop() as string
    yield* parts
  }
}
const nextLine = async (): Promise<string> => (await lines.next()).value as string

beforeAll(async () => {
  await build(root)
  weir = await startTestServer({ env: { WEIR_WEBHOOK_ALLOW_PRIVATE: "true" } })
  const [{ id: app }] = (await weir.call("GET", "/api/admin/v1/apps", asOperator)).body.apps
  hooks = `/api/admin/v1/apps/${app}/hooks`
  // The receiver has to know the secret first; where it is, the hook is told afterwards.
  const made = await weir.call("POST", hooks, {
    ...asOperator,
    body: { hook_type: "webhook", webhook_url: "http://127.0.0.1:9/hook", event_types: ["message.new"] },
  })
  hookId = made.body.hook.id
  secret = made.body.secrets.find(({ alg }: { alg: string }) => alg === "hmac").value
  receiver = Bun.spawn(["node", join(import.meta.dir, "receiver.mjs")], {
    cwd: root,
    env: { PATH: process.env.PATH, WEBHOOK_SECRETS: secret, PORT: "0" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    timeout: 60_000,
  })
  lines = linesOf(receiver.stdout)
  url = await nextLine()
  await weir.call("PATCH", `${hooks}/${hookId}`, { ...asOperator, body: { webhook_url: url } })
}, 60_000)
afterAll(async () => {
  receiver?.kill()
  await receiver?.exited
  await weir?.close()
})

test("hears of a message", async () => {
  const users = { jessica: { id: "jessica" } }
  expect((await weir.call("POST", "/api/v2/users", { body: { users } })).status).toBe(201)
  const channel = "/api/v2/chat/channels/messaging/lunch"
  const data = { created_by_id: "jessica", members: [{ user_id: "jessica" }] }
  expect((await weir.call("POST", `${channel}/query`, { body: { data } })).status).toBe(201)
  const body = { message: { text: "Lunch at noon?" } }
  expect((await weir.call("POST", `${channel}/message`, { as: userToken("jessica"), body })).status).toBe(201)
  expect(await nextLine()).toBe("message.new jessica Lunch at noon?")
})

test("takes the same delivery once, and nothing that the secret did not sign in time", async () => {
  const body = JSON.stringify({ type: "message.new", user: { id: "eve" }, message: { text: "by hand" } })
  const post = async (id: string, seconds: number, key: string, more: Record<string, string> = {}): Promise<string> => {
    const mac = createHmac("sha256", Buffer.from(key.slice("whsec_".length), "base64"))
    const signature = `v1,${mac.update(`${id}.${seconds}.${body}`).digest("base64")}`
    const headers = { "webhook-id": id, "webhook-timestamp": `${seconds}`, "webhook-signature": signature, ...more }
    const answer = await fetch(url, { method: "POST", headers, body })
    const { result, code } = (await answer.json()) as { result?: string; code?: string }
    return `${answer.status} ${result ?? code}`
  }
  const now = Math.floor(Date.now() / 1_000)
  expect(await post("msg_1", now, secret)).toBe("200 handled")
  expect(await nextLine()).toBe("message.new eve by hand")
  expect(await post("msg_1", now, secret)).toBe("200 duplicate")
  expect(await post("msg_2", now - 400, secret)).toBe("401 timestamp-too-old")
  expect(await post("msg_3", now, `whsec_${Buffer.alloc(32, 1).toString("base64")}`)).toBe("401 signature-mismatch")
  // The API secret's signature alone is no way around the time.
  const documented = createHmac("sha256", testApiSecret).update(body).digest("hex")
  const downgraded = { "webhook-signature": "", "x-signature": documented, "x-api-key": testApiKey }
  expect(await post("msg_4", now, secret, { ...downgraded, "x-webhook-id": "msg_4" })).toBe("401 missing-header")
  const sent = await weir.call("POST", `${hooks}/${hookId}/test`, { ...asOperator, body: {} })
  expect(sent.status).toBe(200)
  // Nothing of what was refused was printed in between.
  expect(await nextLine()).toStartWith("message.new alice ")
})

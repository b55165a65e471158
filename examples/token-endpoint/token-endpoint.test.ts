// The example, run by plain Node with the built packages against a real server.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { join } from "node:path"
import { startTestServer, type TestServer, testApiKey, testApiSecret } from "../../packages/server/src/testing.ts"
import { build } from "../../tools/build.ts"

const root = join(import.meta.dir, "../..")
const password = "correct-horse"

let weir: TestServer
let backend: Bun.Subprocess<"ignore", "pipe", "inherit">
let url: string
beforeAll(async () => {
  await build(root)
  weir = await startTestServer()
  backend = Bun.spawn(["node", join(import.meta.dir, "backend.mjs")], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      API_KEY: testApiKey,
      API_SECRET: testApiSecret,
      PASSWORD: password,
      WEIR_URL: weir.url,
      PORT: "0",
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    timeout: 60_000,
  })
  const { value } = await backend.stdout.getReader().read()
  url = new TextDecoder().decode(value).trim()
}, 60_000)
afterAll(async () => {
  backend?.kill()
  await backend?.exited
  await weir?.close()
})

async function client(user: string, given: string): Promise<string> {
  const run = Bun.spawn(["node", join(import.meta.dir, "client.mjs"), user, url], {
    cwd: root,
    env: { PATH: process.env.PATH, API_KEY: testApiKey, PASSWORD: given, WEIR_URL: weir.url },
    stdout: "pipe",
    stderr: "inherit",
    timeout: 20_000,
  })
  return (await new Response(run.stdout).text()).trim()
}

test("who signed in is connected, as nobody else", async () => {
  expect(await client("jessica", password)).toBe("connected as jessica")
})

test("who did not sign in gets no token", async () => {
  expect(await client("jessica", "a guess")).toContain("no token: HTTP 401")
  expect(await client("eve", password)).toContain("no token: HTTP 401")
})

test("the endpoint under plain Node: POST only, and never an id that was sent", async () => {
  const signedIn = await fetch(`${url}/sign-in`, {
    method: "POST",
    body: new URLSearchParams({ user: "john", password }),
  })
  expect(signedIn.status).toBe(204)
  const cookie = signedIn.headers.get("set-cookie")?.split(";")[0] as string
  expect((await fetch(`${url}/token`, { headers: { cookie } })).status).toBe(405)
  const body = JSON.stringify({ user_id: "jessica" })
  const answer = await fetch(`${url}/token?user_id=jessica`, { method: "POST", headers: { cookie }, body })
  expect(answer.headers.get("cache-control")).toBe("no-store")
  expect(((await answer.json()) as { user_id: string }).user_id).toBe("john")
  const long = await fetch(`${url}/token`, { method: "POST", headers: { cookie }, body: "x".repeat(1_000_000) })
  expect(long.status).toBe(413)
})

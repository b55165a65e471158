// The commands that ask a running server, as an operator would call them: rotate, revoke, explain.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startTestServer, type TestServer, testAdminToken, testApiKey, userToken } from "@weir/server/testing"
import { shown } from "../src/admin.ts"
import { run } from "../src/main.ts"

let server: TestServer
let folder: string
beforeAll(async () => {
  server = await startTestServer()
  folder = mkdtempSync(join(tmpdir(), "weir-cli-"))
  await server.call("POST", "/api/v2/users", { body: { users: { jessica: { id: "jessica" }, john: { id: "john" } } } })
  await server.call("POST", "/api/v2/chat/channels/messaging/general/query", {
    as: userToken("jessica"),
    body: { data: {} },
  })
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function weir(words: string[], more: Record<string, string | undefined> = {}, input = "") {
  const out: string[] = []
  const err: string[] = []
  const code = await run(words, {
    env: { WEIR_URL: server.url, WEIR_ADMIN_TOKEN: testAdminToken, ...more },
    print: (line) => out.push(line),
    complain: (line) => err.push(line),
    readInput: async () => input,
    now: Date.now,
  })
  return { code, out: out.join("\n"), err: err.join("\n") }
}
const json = async (words: string[]) => JSON.parse((await weir([...words, "--json"])).out)

describe("weir and a running server", () => {
  test("case 59: text from elsewhere cannot steer a terminal or begin a line", () => {
    expect(shown("a\u001b[31m\r\nb\u202e\u0085c")).toBe("a\\u001b[31m\\r\\nb\\u202e\\u0085c")
    expect(shown("plain ünicode ✓")).toBe("plain ünicode ✓")
  })

  test("why: the check that failed and what would help", async () => {
    const refused = await server.call("POST", "/api/v2/chat/channels/messaging/general/message", {
      as: userToken("john"),
      body: { message: { text: "x" } },
    })
    const { code, out } = await weir(["why", refused.headers.get("x-decision-id") ?? ""])
    expect(code).toBe(0)
    expect(out).toContain("SendMessage was refused")
    expect(out).toContain("✗ grant")
    expect(out).toContain("✓ signature")
    expect(out).toMatch(/What would help: .*read-channel/)
    expect((await weir(["why", "nonsense"])).code).toBe(2)
    expect((await weir(["why", crypto.randomUUID()])).err).toContain("Can't find decision")
  })

  test("explain: allowed is 0, refused is 1", async () => {
    const ask = (user: string) =>
      weir(["explain", "--user", user, "--action", "create-message", "--resource", "channel:messaging:general"])
    expect(await ask("jessica")).toMatchObject({ code: 0 })
    const refused = await ask("john")
    expect(refused.code).toBe(1)
    expect(refused.out).toContain("✗ grant")
    const expired = userToken("jessica", { exp: 10 })
    const byToken = await weir(
      ["explain", "--token", "-", "--action", "read-channel", "--resource", "channel:messaging:general"],
      {},
      expired,
    )
    expect(byToken.code).toBe(1)
    expect(byToken.out).toContain("✗ times")
    expect((await weir(["explain", "--user", "a", "--resource", "x", "--action", "b"])).code).toBe(2)
  })

  test("apps, keys and secrets: a rotation from the command line", async () => {
    const made = await json(["apps", "create", "shop", "--environment", "production"])
    expect(made.app).toMatchObject({ name: "shop", environment: "production" })
    expect((await weir(["apps", "list"])).out).toContain("shop, production")
    const key = made.key.api_key
    const added = await json(["secrets", "add", key, "--app", "shop", "--label", "next", "--prefixed"])
    expect(added).toMatchObject({ secret: { state: "standby" }, value: expect.stringMatching(/^weir_sk_/) })
    const { kid } = added.secret
    const old = made.key.kid
    const set = (name: string, state: string, ...more: string[]) =>
      weir(["secrets", "set", key, name, state, "--app", "shop", ...more])
    expect((await set(kid, "active")).out).toContain(`${kid} is active`)
    expect((await set(old, "retiring")).out).toContain("retiring")
    const dry = await set(old, "revoked", "--dry-run")
    expect(dry.out).toContain("safe: yes")
    expect((await weir(["keys", "list", "--app", "shop"])).out).toContain(`${old}  retiring  HS256`)
    const revoked = await set(old, "revoked")
    expect(revoked.out).toContain("holds from")
    expect((await set(old, "active")).code).toBe(1)
    expect((await set(kid, "revoked")).err).toContain("force=true")
  })

  test("revoke gives a receipt that is proved offline, and not when a byte of it is changed", async () => {
    const text = await weir(["revoke", "--app", "default", "--user", "jessica", "--reason", "lost phone"])
    expect(text.out).toContain("slowest node")
    const answer = await json(["revoke", "--app", "default", "--user", "john"])
    const files = { good: join(folder, "good.json"), bad: join(folder, "bad.json"), keys: join(folder, "keys.json") }
    writeFileSync(files.good, JSON.stringify(answer))
    writeFileSync(files.bad, JSON.stringify({ ...answer, receipt: { ...answer.receipt, target: "nobody" } }))
    writeFileSync(files.keys, await (await fetch(`${server.url}/.well-known/weir-receipt-keys.json`)).text())
    expect(await weir(["receipt", "verify", files.good, "--keys", files.keys])).toMatchObject({ code: 0 })
    const bad = await weir(["receipt", "verify", files.bad, "--keys", files.keys])
    expect(bad).toMatchObject({ code: 1, out: "not valid: it was changed, or another key signed it" })
    expect((await weir(["receipt", "verify", files.good])).code).toBe(1)
    expect((await weir(["revoke", "--user", "a", "--all"])).code).toBe(2)
    expect((await weir(["revoke", "--app", "default", "--user", "jessica", "--dry-run"])).out).toContain(
      "would close 0 sockets",
    )
  })

  test("what stands in the way is one line", async () => {
    expect(await weir(["apps", "list"], { WEIR_ADMIN_TOKEN: undefined })).toMatchObject({ code: 1 })
    expect((await weir(["apps", "list"], { WEIR_ADMIN_TOKEN: "w".repeat(40) })).err).toContain(
      "admin token is missing or wrong",
    )
    expect((await weir(["apps", "list"], { WEIR_URL: "http://127.0.0.1:1" })).err).toContain("does not answer")
    expect((await weir(["apps", "list"], { WEIR_URL: "ftp://x" })).code).toBe(1)
    expect((await weir(["keys", "list"])).err).toContain("--app")
    expect((await weir(["secrets", "add", "short"])).code).toBe(2)
    expect(testApiKey).toHaveLength(12)
  })
})

// Operators from the command line: the team of a running server, and the way back in that needs no server.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startTestServer, type TestServer, testAdminToken } from "@weir/server/testing"
import { addTotp, logIn, type OperatorPage, openPage, setUpOwner, tokenOf } from "../../server/test/operator-page.ts"
import { run } from "../src/main.ts"

setDefaultTimeout(60_000)

let folder: string
let server: TestServer
let owner: OperatorPage
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "weir-operators-"))
  server = await startTestServer({ dataDir: folder })
  owner = await setUpOwner(server)
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function weir(...words: string[]) {
  const out: string[] = []
  const err: string[] = []
  const code = await run(words, {
    env: { WEIR_URL: server.url, WEIR_ADMIN_TOKEN: testAdminToken, WEIR_DATA_DIR: folder },
    print: (line) => out.push(line),
    complain: (line) => err.push(line),
    readInput: async () => "",
    now: Date.now,
  })
  return { code, out: out.join("\n"), err: err.join("\n") }
}

test("an invite is a link that opens, and the list shows who came", async () => {
  const { code, out } = await weir("operators", "invite", "ines@example.com", "--role", "support")
  expect(code).toBe(0)
  const page = openPage(server.url, "ines@example.com")
  const body = { token: tokenOf(out), name: "Ines\u001b[2J", password: "seven green boats on a lake" }
  expect((await page.access("POST", "invite/accept", body)).status).toBe(200)
  const list = await weir("operators", "list")
  expect(list.out).toMatch(/owner@example\.com +owner, Olga, password only, last login 20/)
  expect(list.out).toMatch(/ines@example\.com +support, Ines\\u001b/)
  expect((await weir("operators", "invite", "a@example.com", "--role", "god")).code).toBe(2)
  expect((await weir("operators", "invite", "no address")).code).toBe(1)
})

test("case 55: whoever lost everything gets in by a link that the server's own terminal prints, once", async () => {
  const { uri } = await addTotp(owner)
  expect(uri).toStartWith("otpauth://")
  const { code, out } = await weir("operators", "reset-link", "Owner@example.com")
  expect(code).toBe(0)
  expect(out).toMatch(/^http:\/\/localhost:\d+\/dashboard\/invite#[\w-]{43}$/)
  const page = openPage(server.url, owner.email)
  const accept = { token: tokenOf(out), name: "", password: "another boat upon the lake" }
  expect((await page.access("POST", "invite/read", { token: accept.token })).body).toMatchObject({
    kind: "reset",
    invited_by: "command line",
  })
  expect((await page.access("POST", "invite/accept", accept)).status).toBe(200)
  expect((await page.admin("GET", "/me")).body).toMatchObject({ has_totp: false, operator: { role: "owner" } })
  expect((await owner.admin("GET", "/me")).status).toBe(401)
  expect((await page.access("POST", "invite/accept", accept)).status).toBe(400)
  expect((await logIn(openPage(server.url, owner.email), accept.password)).status).toBe(200)
  const { entries } = (await page.admin("GET", "/audit?limit=20")).body
  expect(entries).toContainEqual(expect.objectContaining({ action: "operator.reset_link_made", actor: "command line" }))
})

test("a reset link for nobody is none", async () => {
  const { code, err } = await weir("operators", "reset-link", "nobody@example.com")
  expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("there is no operator") })
})

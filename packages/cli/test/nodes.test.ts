// `weir nodes` and `weir requests` beside a running server, as an operator at night would call them.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { startTestServer, type TestServer, testAdminToken, testApiKey, userToken } from "@weir/server/testing"
import { run } from "../src/main.ts"

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  await server.call("POST", "/api/v2/users", { body: { users: { jessica: { id: "jessica" }, john: { id: "john" } } } })
})
afterAll(() => server.close())

function start(...words: string[]) {
  const out: string[] = []
  const err: string[] = []
  const interrupt = new AbortController()
  const code = run(words, {
    env: { WEIR_URL: server.url, WEIR_ADMIN_TOKEN: testAdminToken },
    print: (line) => out.push(line),
    complain: (line) => err.push(line),
    readInput: async () => "",
    now: Date.now,
    interrupted: () => interrupt.signal,
  })
  return { out, err, code, interrupt }
}
async function weir(...words: string[]) {
  const { out, err, code } = start(...words)
  return { code: await code, out, err }
}
const readAs = (user: string) => server.call("GET", "/api/v2/app", { as: userToken(user) })
async function until(what: string, look: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000
  while (!look()) {
    if (performance.now() > endMs) throw new Error(`not within 10 s: ${what}`)
    await Bun.sleep(10)
  }
}

test("nodes: what a node is, how it fares, and nothing else where it is alone", async () => {
  const { code, out, err } = await weir("nodes")
  expect({ code, err }).toEqual({ code: 0, err: [] })
  expect(out[0]).toMatch(/^\w{12} {2}answering, asked here$/)
  const rows = out.slice(1).map((line) => /^ {2}(\S+(?: \S+)*) {2,}(\S.*)$/.exec(line)?.slice(1))
  expect(rows.map((row) => row?.[0])).toEqual([
    "version",
    "address",
    "runs for",
    "sockets",
    "requests",
    "memory",
    "timers late by",
    "revocations",
    "bus",
    "database",
  ])
  const facts = Object.fromEntries(rows as [string, string][])
  expect(facts.revocations).toMatch(/^all applied, asked \d+ ms ago, lease for \d+ ms$/)
  expect(facts.bus).toBe("local")
  expect(facts.database).toMatch(/^sqlite, answers in [\d.]+ ms, its clock differs by -?[\d.]+ ms$/)
  const json = JSON.parse((await weir("nodes", "--json")).out.join("\n"))
  expect(json.nodes).toMatchObject([{ is_here: true, status: "answering", state: { bus: "local" } }])
  expect((await weir("nodes", "extra")).code).toBe(2)
})

test("requests: newest last, filtered, bounded; a refusal says why and what to ask about", async () => {
  await readAs("jessica")
  const refused = await server.call("POST", "/api/v2/chat/channels/messaging/none/message", {
    as: userToken("john"),
    body: { message: { text: "x" } },
  })
  const id = refused.headers.get("x-decision-id") as string
  const all = await weir("requests")
  expect({ code: all.code, err: all.err }).toEqual({ code: 0, err: [] })
  expect(all.out.at(-2)).toMatch(/^\d{4}-\S+Z {2}\d{3} {2}[\d.]+ ms {2}\w+ {2}jessica {2}/)
  expect(all.out.at(-1)).toContain(`${refused.status}`)
  expect(all.out.at(-1)).toContain("  SendMessage  john  ")
  expect(all.out.at(-1)).toEndWith(`  weir why ${id}`)
  expect((await weir("why", id)).code).toBe(0)

  expect((await weir("requests", "--lines", "1")).out).toEqual(all.out.slice(-1))
  expect((await weir("requests", "--lines", "0")).out).toEqual([])
  expect((await weir("requests", "--status", "4xx", "--user", "john", "--key", testApiKey)).out).toEqual(
    all.out.slice(-1),
  )
  expect((await weir("requests", "--status", "5xx")).out).toEqual([])
  const [line = ""] = (await weir("requests", "--operation", "SendMessage", "--json")).out
  expect(JSON.parse(line)).toMatchObject({ operation: "SendMessage", user_id: "john", decision_id: id })
  for (const [words, code] of [
    [["--lines", "201"], 2],
    [["--lines", "x"], 2],
    [["extra"], 2],
    [["--status", "6xx"], 1],
    [["--key", "short"], 1],
    [["--app", "nowhere"], 1],
  ] as const) {
    expect({ words, code: (await weir("requests", ...words)).code }).toEqual({ words, code })
  }
})

test("requests --follow: only what comes from then on, each once, until it is stopped", async () => {
  await readAs("jessica")
  const following = start("requests", "--follow", "--lines", "1", "--user", "jessica", "--json")
  await until("it began", () => following.out.length === 1)
  await readAs("john")
  await readAs("jessica")
  await until("the new one is printed", () => following.out.length > 1)
  await server.call("GET", "/api/v2/app", { as: userToken("jessica", { exp: 10 }) })
  await readAs("jessica")
  await until("what came later is printed", () => following.out.length > 2)
  following.interrupt.abort()
  expect(await following.code).toBe(0)
  expect(following.err).toEqual([])
  // Three requests were hers; the one with a token that had expired was nobody's.
  const seen = following.out.map((line) => JSON.parse(line))
  expect(seen.map(({ user_id }) => user_id)).toEqual(["jessica", "jessica", "jessica"])
  expect(new Set(seen.map(({ id }) => id)).size).toBe(3)
})

// `weir audit …` against the database of a running server, as an operator would call it beside it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createPostgresDatabase, startTestServer, type TestServer, testAdminToken } from "@weir/server/testing"
import { SQL } from "bun"
import { run } from "../src/main.ts"

const launcher = join(import.meta.dir, "../bin/weir.js")
const kinds = process.env.WEIR_TEST_POSTGRES_URL ? (["sqlite", "postgres"] as const) : (["sqlite"] as const)

interface Outcome {
  code: number
  out: string
  err: string
}

async function called(words: string[], env: Record<string, string>): Promise<Outcome> {
  const out: string[] = []
  const err: string[] = []
  const code = await run(words, {
    env,
    print: (line) => out.push(`${line}\n`),
    complain: (line) => err.push(`${line}\n`),
    readInput: async () => "",
    now: Date.now,
  })
  return { code, out: out.join(""), err: err.join("") }
}

for (const kind of kinds) {
  describe(`weir audit on ${kind}`, () => {
    let folder: string
    let server: TestServer
    let env: Record<string, string>
    let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "weir-audit-"))
      if (kind === "postgres") database = await createPostgresDatabase()
      env = { WEIR_DATA_DIR: folder, ...(database === null ? {} : { WEIR_DATABASE_URL: database.url }) }
      server = await startTestServer({ env, dataDir: folder })
      for (let n = 0; n < 5; n++) await createApp(`app ${n}`)
    })
    afterAll(async () => {
      await server.close()
      await database?.drop()
      rmSync(folder, { recursive: true, force: true })
    })

    async function createApp(name: string): Promise<void> {
      const as = `Bearer ${testAdminToken}`
      const answer = await server.call("POST", "/api/admin/v1/apps", {
        as,
        apiKey: null,
        authType: null,
        body: { name },
      })
      expect(answer.status).toBe(201)
    }
    async function tamper(statement: string): Promise<void> {
      const url = database?.url ?? `sqlite://${join(folder, "weir.db")}`
      const sql = new SQL(url)
      await sql.unsafe(statement)
      await sql.close()
    }
    const audit = (...words: string[]) => called(["audit", ...words], env)

    test("verify: a whole chain, exit code 0, and its head", async () => {
      const { code, out, err } = await audit("verify")
      expect({ code, err }).toEqual({ code: 0, err: "" })
      expect(out).toMatch(/^whole: 5 rows\nhead 5:[0-9a-f]{64}\n$/)
      const head = /head (\S+)/.exec(out)?.[1] as string
      await createApp("later")
      expect((await audit("verify", "--head", head)).code).toBe(0)
      const other = `5:${"0".repeat(64)}`
      expect(await audit("verify", "--head", other)).toEqual({
        code: 1,
        out: "fault at row 5: its hash is not the one that was noted\n4 rows before it as they were written\n",
        err: "",
      })
      const { out: json } = await audit("verify", "--json")
      expect(JSON.parse(json)).toMatchObject({ whole: true, rows: 6, fault: null, head: { seq: 6 } })
    })

    test("export: lines that verify without the database, and parts of them", async () => {
      const { code, out, err } = await audit("export")
      expect({ code, err }).toEqual({ code: 0, err: "" })
      expect(
        out
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line).seq),
      ).toEqual([1, 2, 3, 4, 5, 6])
      const path = join(folder, "audit.jsonl")
      writeFileSync(path, out)
      const nowhere = { WEIR_DATA_DIR: join(folder, "nowhere") }
      const whole = await called(["audit", "verify", path], nowhere)
      expect(whole).toMatchObject({ code: 0, out: expect.stringMatching(/^whole: 6 rows\nhead 6:/) })
      writeFileSync(path, out.replace("app 3", "app x"))
      expect(await called(["audit", "verify", path], nowhere)).toMatchObject({
        code: 1,
        out: expect.stringMatching(/^fault at row 4: it was changed\n3 rows/),
      })
      expect((await audit("export", "--after", "4")).out.trimEnd().split("\n").length).toBe(2)
      const appId = JSON.parse(out.split("\n")[1] as string).app_id
      expect((await audit("export", "--app", String(appId))).out.trimEnd().split("\n").length).toBe(1)
      expect(await audit("export", "--after", "99")).toEqual({ code: 0, out: "", err: "" })
    })

    test("prune: takes old rows away, leaves a whole chain that says so, and tells where it begins", async () => {
      const soon = new Date().toISOString()
      await Bun.sleep(2)
      await createApp("after the pruning")
      const { code, out } = await audit("prune", "--before", soon)
      expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^pruned 6 rows; the log begins after 6:/) })
      const verified = await audit("verify")
      expect(verified).toMatchObject({
        code: 0,
        out: expect.stringMatching(/^whole: 2 rows\nbegins after 6:\S+\nhead 8:/),
      })
      expect((await audit("prune", "--before", soon)).out).toBe("nothing to prune\n")
    })

    test("verify: the first fault, exit code 1; a chain with a fault is not pruned", async () => {
      await createApp("victim")
      await createApp("witness")
      await tamper("delete from audit_log where seq = 9")
      expect(await audit("verify")).toMatchObject({
        code: 1,
        out: expect.stringMatching(/^fault at row 9: row 9 is missing\n/),
      })
      expect(await audit("prune", "--before", new Date().toISOString())).toMatchObject({
        code: 1,
        err: "weir: nothing was pruned: fault at row 9: row 9 is missing\n",
      })
    })

    test("what is called wrongly or is not there is one line and no file is made", async () => {
      const missing = join(folder, "missing")
      const usage: string[][] = [
        ["verify", "a", "b"],
        ["verify", "--head", "x"],
        ["verify", "--head", "5"],
        ["export", "more"],
        ["export", "--after=-1"],
        ["export", "--app", "x"],
        ["prune"],
        ["prune", "--before", "yesterday"],
        ["prune", "--before", "2999-01-01T00:00:00Z"],
      ]
      for (const words of usage) {
        const { code, err } = await audit(...words)
        expect({ words, code, lines: err.trimEnd().split("\n").length }).toEqual({ words, code: 2, lines: 2 })
      }
      expect((await audit("verify", missing)).err).toMatch(/^weir: \S+ cannot be read: ENOENT\n$/)
      writeFileSync(join(folder, "long"), "x".repeat(3_000_000))
      expect((await audit("verify", join(folder, "long"))).err).toMatch(/a line never ends\n$/)
      const absent = await called(["audit", "verify"], { WEIR_DATA_DIR: missing })
      expect(absent).toMatchObject({ code: 1, err: expect.stringMatching(/^weir: there is no database at \S+\n$/) })
      expect(existsSync(missing)).toBe(false)
    })
  })
}

test("a long export through a pipe arrives whole, and a database without a log says what to do", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-audit-"))
  const weir = (...words: string[]) =>
    Bun.spawn(["node", launcher, "audit", ...words], {
      env: { PATH: process.env.PATH as string, WEIR_DATA_DIR: folder },
      stdout: "pipe",
      stderr: "pipe",
    })
  try {
    const sql = new SQL(`sqlite://${join(folder, "weir.db")}`)
    await sql.unsafe("create table other (id integer)")
    const early = weir("verify")
    expect(await early.exited).toBe(1)
    expect(await new Response(early.stderr).text()).toBe(
      "weir: this database has no audit log: start the server once\n",
    )
    const server = await startTestServer({ dataDir: folder })
    await server.close()
    // 20,000 rows of some 600 bytes: far more than a pipe holds. Whether they are a chain does not matter here.
    await sql.unsafe(`insert into audit_log (seq, at, action, actor, target, prev_hash, hash)
      with recursive n(n) as (select 1 union all select n + 1 from n where n < 20000)
      select n, n, 'a.b', 'x', '{"text":"${"y".repeat(500)}"}', 'h', 'h' from n`)
    await sql.close()
    const child = weir("export")
    // A reader that takes its time.
    await Bun.sleep(1000)
    const text = await new Response(child.stdout).text()
    expect(await child.exited).toBe(0)
    const lines = text.trimEnd().split("\n")
    expect(lines.length).toBe(20_000)
    expect(JSON.parse(lines.at(-1) as string).seq).toBe(20_000)
    const cutOff = weir("export")
    await cutOff.stdout.cancel()
    expect(await cutOff.exited).toBe(1)
    expect(await new Response(cutOff.stderr).text()).toMatch(/^weir: standard output was closed/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 30_000)

import { Database as SqliteFile } from "bun:sqlite"
import { describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import { SQL } from "bun"
import { type Backend, type TestDatabase, testBackends } from "../../../../../contract/suites/store/backends.ts"
import { manualClock } from "../../base/clock.ts"
import { createLogger } from "../../base/log.ts"
import type { AuditRecord } from "../../request/http.ts"
import type { Database } from "../../store/database.ts"
import { migrate } from "../../store/migrate.ts"
import { openDatabase } from "../../store/open.ts"
import { append, createAudit, pruneAudit } from "./cache.ts"
import { limits } from "./limits.ts"
import { migrations } from "./migrations.ts"
import type { AuditResponse } from "./rules.ts"
import { type AuditRow, selectHead, selectNewest } from "./store.ts"
import { exportLines, verifyChain, verifyExport } from "./verify.ts"

const startMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const entry = (n: number, more: Partial<AuditRecord> = {}): AuditRecord => ({
  action: "app.updated",
  actor: "operator",
  address: "192.0.2.1",
  at: startMs + n * 1000,
  appId: 1_000_000 + n,
  target: { app: 1_000_000 + n },
  before: { name: `name ${n}` },
  after: { name: `name ${n + 1}` },
  ...more,
})

/** A log of its own: a database with only these tables, and a way around the program. */
async function openLog(backend: Backend) {
  const made: TestDatabase = await backend.create()
  const open = () => openDatabase(made.location)
  const db = await open()
  await migrate(db, [{ module: "audit", migrations }])
  const others: Database[] = []
  return {
    db,
    /** Another node on the same database. */
    async another() {
      const other = await open()
      others.push(other)
      return other
    },
    /** SQL as somebody with the database's password would send it. */
    async tamper(...statements: string[]) {
      if (made.location.kind === "sqlite") {
        const file = new SqliteFile(made.location.path)
        for (const statement of statements) file.exec(statement)
        file.close()
        return
      }
      const sql = new SQL(made.location.url, { max: 1 })
      for (const statement of statements) await sql.unsafe(statement)
      await sql.close()
    },
    write: (count: number, from = 1) =>
      db.transact(async (tx) => {
        for (let n = from; n < from + count; n++) await append(tx, entry(n))
      }),
    async rows(): Promise<AuditRow[]> {
      return (await selectNewest(db.read, null, null, 10_000)).reverse()
    },
    async exported(): Promise<string> {
      let text = ""
      for await (const part of exportLines(db.read)) text += part
      return text
    },
    async close() {
      for (const other of others) await other.close()
      await db.close()
      await made.drop()
    },
  }
}
type Log = Awaited<ReturnType<typeof openLog>>

async function* linesOf(text: string) {
  yield* text.split("\n")
}

/** The hash as another program would make it from a line of an export: RFC 8785 by hand, for members like ours. */
function hashByHand({ hash: _, ...members }: AuditResponse): string {
  const sorted = (value: unknown): unknown =>
    typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, member]) => [name, sorted(member)]),
        )
      : value
  return createHash("sha256")
    .update(JSON.stringify(sorted(members)))
    .digest("hex")
}

for (const backend of testBackends()) {
  describe(`audit chain on ${backend.name}`, () => {
    /** Each test has its own log, because each spoils it. */
    const withLog = (name: string, rows: number, run: (log: Log) => Promise<void>) =>
      test(name, async () => {
        const log = await openLog(backend)
        try {
          if (rows > 0) await log.write(rows)
          await run(log)
        } finally {
          await log.close()
        }
      })

    withLog("an empty log and a fresh one are whole, and the head is their newest row", 0, async (log) => {
      expect(await verifyChain(log.db.read)).toMatchObject({ whole: true, rows: 0, head: null, fault: null })
      await log.write(3)
      const rows = await log.rows()
      const hash = rows[2]?.hash as string
      expect(await verifyChain(log.db.read)).toMatchObject({
        whole: true,
        rows: 3,
        head: { seq: 3, hash },
        fault: null,
      })
      expect(rows.map(({ prev_hash }) => prev_hash)).toEqual(["", rows[0]?.hash as string, rows[1]?.hash as string])
    })

    withLog("a change and its entry are one: what is rolled back leaves no gap", 1, async (log) => {
      const failed = log.db.transact(async (tx) => {
        await append(tx, entry(2))
        throw new Error("no")
      })
      await expect(failed).rejects.toThrow("no")
      await log.write(1, 2)
      expect(await verifyChain(log.db.read)).toMatchObject({ whole: true, rows: 2 })
    })

    withLog("writers of two nodes at once make one chain", 0, async (log) => {
      const nodes = backend.name === "postgres" ? [log.db, await log.another()] : [log.db]
      const appends = Array.from({ length: 40 }, (_, n) =>
        (nodes[n % nodes.length] as Database).transact((tx) => append(tx, entry(n))),
      )
      await Promise.all(appends)
      expect(await verifyChain(log.db.read)).toMatchObject({ whole: true, rows: 40 })
      const apps = (await log.rows()).map(({ app_id }) => app_id)
      expect(new Set(apps).size).toBe(40)
    })

    describe("case 59: tampering is found", () => {
      const other: Record<keyof AuditRow, string> = {
        seq: "999",
        at: "at + 1",
        app_id: "null",
        action: "'app.read'",
        actor: "'nobody'",
        address: "'192.0.2.2'",
        target: `'{"app":1000004}'`,
        before: `'{"name":"another"}'`,
        after: "null",
        prev_hash: `'${"0".repeat(64)}'`,
        hash: `'${"0".repeat(64)}'`,
      }
      withLog("in every column of a row", 5, async (log) => {
        const written = (await log.rows())[2] as AuditRow
        expect(Object.keys(written).sort()).toEqual(Object.keys(other).sort())
        for (const [column, value] of Object.entries(other)) {
          const before = written[column as keyof AuditRow]
          await log.tamper(`update audit_log set "${column}" = ${value} where hash = '${written.hash}'`)
          const found = await verifyChain(log.db.read)
          expect({ column, whole: found.whole, rows: found.rows, seq: found.fault?.seq }).toEqual({
            column,
            whole: false,
            rows: 2,
            seq: 3,
          })
          const restored = typeof before === "number" ? before : `'${before}'`
          const at = column === "seq" ? "seq = 999" : "seq = 3"
          await log.tamper(`update audit_log set "${column}" = ${restored} where ${at}`)
          expect((await verifyChain(log.db.read)).whole).toBe(true)
        }
      })

      const faults: [name: string, seq: number, what: RegExp, statements: string[]][] = [
        ["a missing row in the middle", 3, /row 3 is missing/, ["delete from audit_log where seq = 3"]],
        ["a missing first row", 1, /row 1 is missing/, ["delete from audit_log where seq = 1"]],
        ["a missing newest row", 5, /ends at row 4/, ["delete from audit_log where seq = 5"]],
        ["all rows missing", 1, /ends at row 0/, ["delete from audit_log"]],
        [
          "two rows that changed places",
          2,
          /changed/,
          [
            "update audit_log set seq = 99 where seq = 2",
            "update audit_log set seq = 2 where seq = 3",
            "update audit_log set seq = 3 where seq = 99",
          ],
        ],
        [
          "a row that was put in behind the end",
          6,
          /behind the end/,
          [
            `insert into audit_log select 6, at, app_id, action, actor, address, target, "before", "after", hash, hash
            from audit_log where seq = 5`,
          ],
        ],
        [
          "a row that was put in before the beginning",
          1,
          /put in/,
          [
            `insert into audit_log select 0, at, app_id, action, actor, address, target, "before", "after", '', hash
            from audit_log where seq = 5`,
          ],
        ],
        [
          "another spelling of the same JSON",
          4,
          /changed/,
          [`update audit_log set target = '{ "app":1000004}' where seq = 4`],
        ],
        ["JSON that is none", 4, /changed/, ["update audit_log set target = '{' where seq = 4"]],
        ["a time that is none", 4, /changed/, ["update audit_log set at = 1e300 where seq = 4"]],
        ["a missing head", 6, /names the end/, ["delete from audit_head"]],
        ["a head that was set back", 5, /set back/, ["update audit_head set seq = 4"]],
        ["another hash in the head", 6, /not the row/, ["update audit_head set hash = 'x'"]],
        [
          "a beginning that was cut off as if it had been pruned",
          6,
          /no entry says so/,
          [
            "update audit_head set base_seq = 2, base_hash = (select hash from audit_log where seq = 2)",
            "delete from audit_log where seq <= 2",
          ],
        ],
      ]
      for (const [name, seq, what, statements] of faults) {
        withLog(name, 5, async (log) => {
          await log.tamper(...statements)
          const { whole, fault } = await verifyChain(log.db.read)
          expect({ whole, seq: fault?.seq, what: fault?.what }).toEqual({
            whole: false,
            seq,
            what: expect.stringMatching(what),
          })
        })
      }

      withLog("a chain written anew as a whole is whole, and not the one that was noted elsewhere", 5, async (log) => {
        const noted = await selectHead(log.db.read)
        await log.tamper("delete from audit_log", "update audit_head set seq = 0, hash = ''")
        await log.write(5, 100)
        expect((await verifyChain(log.db.read)).whole).toBe(true)
        const found = await verifyChain(log.db.read, { seq: 5, hash: noted?.hash ?? "" })
        expect(found).toMatchObject({ whole: false, fault: { seq: 5, what: expect.stringMatching(/noted/) } })
        const beyond = await verifyChain(log.db.read, { seq: 9, hash: "00" })
        expect(beyond).toMatchObject({ whole: false, fault: { what: expect.stringMatching(/row 9 was noted/) } })
      })
    })

    withLog("a place that was noted is found in a chain that has gone on", 5, async (log) => {
      const noted = await selectHead(log.db.read)
      await log.write(5, 6)
      expect(await verifyChain(log.db.read, { seq: 5, hash: noted?.hash ?? "" })).toMatchObject({
        whole: true,
        rows: 10,
      })
    })

    withLog("longer than a step of the walk, with a fault behind it", 0, async (log) => {
      const count = limits.walkBatchMax + 5
      for (let from = 1; from <= count; from += 200) await log.write(Math.min(200, count - from + 1), from)
      expect(await verifyChain(log.db.read)).toMatchObject({ whole: true, rows: count })
      expect((await log.exported()).trimEnd().split("\n").length).toBe(count)
      await log.tamper(`update audit_log set actor = 'x' where seq = ${limits.walkBatchMax + 2}`)
      expect((await verifyChain(log.db.read)).fault?.seq).toBe(limits.walkBatchMax + 2)
      const through = await pruneAudit(log.db, { beforeMs: startMs + 1e9, actor: "operator", now: startMs })
      expect(through?.seq).toBe(count)
      expect(await verifyChain(log.db.read)).toMatchObject({ whole: true, rows: 1, base: { seq: count } })
    })

    withLog("pruning leaves a whole chain, says so in it, and a row missing after it is found", 10, async (log) => {
      const noted = (await log.rows())[3] as AuditRow
      const prune = (n: number) => pruneAudit(log.db, { beforeMs: startMs + n * 1000, actor: "operator", now: startMs })
      expect(await prune(5)).toEqual({ seq: 4, hash: noted.hash })
      expect(await verifyChain(log.db.read)).toMatchObject({ whole: true, rows: 7, base: { seq: 4, hash: noted.hash } })
      expect((await log.rows()).at(-1)).toMatchObject({ action: "audit.pruned", actor: "operator" })
      expect(await prune(5)).toBeNull()
      expect((await log.rows()).length).toBe(7)
      expect((await verifyChain(log.db.read, { seq: 4, hash: noted.hash })).whole).toBe(true)
      expect((await verifyChain(log.db.read, { seq: 4, hash: "00" })).whole).toBe(false)
      expect((await verifyChain(log.db.read, { seq: 2, hash: "00" })).fault?.what).toContain("before the beginning")
      await log.tamper("delete from audit_log where seq = 5")
      expect((await verifyChain(log.db.read)).fault).toEqual({ seq: 5, what: "row 5 is missing" })
    })

    withLog("an export is verified without the database, by hand too", 5, async (log) => {
      const text = await log.exported()
      const lines = text.trimEnd().split("\n")
      let previous = ""
      for (const line of lines) {
        const shown: AuditResponse = JSON.parse(line)
        expect(hashByHand(shown)).toBe(shown.hash)
        expect(shown.prev_hash).toBe(previous)
        previous = shown.hash
      }
      const head = { seq: 5, hash: previous }
      expect(await verifyExport(linesOf(text), head)).toMatchObject({ whole: true, rows: 5, head, base: { seq: 0 } })
      const from3 = lines.slice(2).join("\n")
      expect(await verifyExport(linesOf(from3))).toMatchObject({ whole: true, rows: 3, base: { seq: 2 } })
      const [first = "", second = "", third = "", fourth = "", fifth = ""] = lines
      const faults: [lines: string[], seq: number, what: RegExp][] = [
        [[first, second, fourth, fifth], 3, /row 3 is missing/],
        [[first, third, second, fourth, fifth], 2, /row 2 is missing/],
        [[first, second, second, third], 3, /put in or moved/],
        [[first, second.replace("operator", "nobody"), third], 2, /changed/],
        [[first, second.replace("{", '{"more":1,'), third], 2, /changed/],
        [[first, second.replace("{", '{"actor":"nobody",'), third], 2, /line 2 .*repeated/],
        [[first, second.slice(0, -2), third], 2, /line 2 .*not valid JSON/],
        [[first, "null"], 2, /no entry/],
        [[first, second, third], 4, /row 5 was noted/],
        [[first.replace(/"prev_hash":""/, `"prev_hash":"${"0".repeat(64)}"`), second], 1, /changed/],
      ]
      for (const [changed, seq, what] of faults) {
        const { whole, fault } = await verifyExport(linesOf(changed.join("\n")), head)
        expect({ whole, ...fault }).toEqual({
          whole: false,
          seq,
          what: expect.stringMatching(what) as unknown as string,
        })
      }
    })

    withLog("case 59: texts are kept as they are, and no line or terminal is led astray by them", 0, async (log) => {
      const forged = "x\r\n2026-01-01 operator logged in\u001b[2J\u009b31m\u2028\u202etxt\u0000\ud800"
      await log.db.transact((tx) =>
        append(tx, entry(1, { actor: forged, target: { [forged]: forged }, address: forged, appId: null })),
      )
      const text = await log.exported()
      expect(text.trimEnd()).toMatch(/^[\x20-\x7e\u00a0-\ud7ff\ufffd]*$/)
      expect(text).not.toMatch(/[\u2028\u202e]/)
      const kept = forged.replace("\u0000", "\ufffd").replace("\ud800", "\ufffd")
      expect(JSON.parse(text)).toMatchObject({ actor: kept, address: kept, target: { [kept]: kept } })
      expect((await verifyChain(log.db.read)).whole).toBe(true)
      expect((await verifyExport(linesOf(text))).whole).toBe(true)
    })

    withLog("case 51: no secret is kept, whatever a caller hands over", 0, async (log) => {
      const canary = "canary0SeCrEt0canary1SeCrEt1canary2"
      const jwt = `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(canary).toString("base64url")}.${canary}`
      const pem = `-----BEGIN PRIVATE KEY-----\n${canary}\n-----END PRIVATE KEY-----`
      const secrets = {
        secret: canary,
        secrets: [canary],
        api_secret: canary,
        apiSecret: canary,
        value: canary,
        sealed: Buffer.from(canary),
        sealed_value: { iv: canary },
        bytes: Buffer.from(canary),
        token: canary,
        access_token: canary,
        private_key: canary,
        privateKey: { d: canary },
        password: canary,
        Authorization: `Bearer ${canary}`,
        public_jwk: { kty: "oct", k: canary, kid: "kept" },
        label: `weir_sk_${canary}`,
        reason: `see ${jwt} and ${pem}`,
        long: `${"x".repeat(limits.textCharsMax - 10)}weir_sk_${canary}`,
        nested: [{ deeper: { secret: canary, state: "kept" } }],
      }
      const kept = { secrets: [{ kid: "kept", value: canary }], tokens: 3, token_policy: { preset: "kept" } }
      await log.db.transact(async (tx) => {
        await append(tx, entry(1, { target: secrets, before: { ...secrets }, after: kept }))
        await append(tx, entry(2, { actor: jwt, address: `weir_sk_${canary}`, target: { list: [secrets] } }))
      })
      const dump = JSON.stringify(await log.rows()) + (await log.exported())
      for (const form of [canary, canary.slice(2, 20), Buffer.from(canary).toString("base64url").slice(2, 20)]) {
        expect(dump).not.toContain(form)
      }
      expect(dump).not.toContain("99,97,110,97,114,121")
      const [first] = await log.rows()
      expect(JSON.parse(first?.after ?? "")).toEqual({
        secrets: [{ kid: "kept" }],
        tokens: 3,
        token_policy: { preset: "kept" },
      })
      expect(JSON.parse(first?.target ?? "").nested).toEqual([{ deeper: { state: "kept" } }])
      expect(JSON.parse(first?.target ?? "").public_jwk).toEqual({ kty: "oct", kid: "kept" })
    })

    withLog("an entry is bounded however much it is told", 0, async (log) => {
      const wide = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`member ${n}`, "é".repeat(5000)]))
      const deep = JSON.parse(`${'{"a":'.repeat(100)}1${"}".repeat(100)}`)
      await log.db.transact((tx) =>
        append(tx, entry(1, { target: wide, before: deep, after: { list: Array(999).fill(1) } })),
      )
      const [row] = await log.rows()
      expect(row?.target?.length).toBeLessThan(limits.membersBytesMax)
      expect(row?.before?.length).toBeLessThan(100)
      expect(JSON.parse(row?.after ?? "").list.length).toBe(limits.membersMax)
      expect((await log.exported()).length).toBeLessThan(limits.lineCharsMax)
      expect((await verifyChain(log.db.read)).whole).toBe(true)
    })

    describe("events of strangers", () => {
      const quiet = createLogger({ level: "error", format: "json", write: () => {} })
      const refused = (address: string, at: number): AuditRecord => ({
        action: "operator.refused",
        actor: "unknown",
        address,
        at,
      })

      withLog("repeated ones are one row for each network and minute, with their count", 0, async (log) => {
        const clock = manualClock(startMs)
        const audit = createAudit({ db: log.db, clock, log: quiet })
        for (let n = 0; n < 500; n++) {
          audit.note(refused("192.0.2.7", clock.now()))
          audit.note(refused(`2001:db8:0:1::${n.toString(16)}`, clock.now()))
          clock.advance(1)
        }
        clock.advance(60_000)
        audit.note(refused("192.0.2.7", clock.now()))
        await audit.flush()
        const rows = (await log.rows()).map(({ address, after }) => ({ address, ...JSON.parse(after ?? "") }))
        const first_at = new Date(startMs).toISOString()
        const last_at = new Date(startMs + 499).toISOString()
        const again = new Date(startMs + 60_500).toISOString()
        expect(rows).toEqual([
          { address: "192.0.2.7", count: 500, first_at, last_at },
          { address: "2001:db8:0:1", count: 500, first_at, last_at },
          { address: "192.0.2.7", count: 1, first_at: again, last_at: again },
        ])
        await audit.close()
      })

      withLog(
        "a flood from everywhere fills neither memory nor the log, and none of it goes uncounted",
        0,
        async (log) => {
          const clock = manualClock(startMs)
          const audit = createAudit({ db: log.db, clock, log: quiet })
          for (let n = 0; n < 5000; n++) {
            audit.note(refused(`198.51.${n >> 8}.${n & 255}`, clock.now()))
            // An operator who looks every now and then must not lift the bound.
            if (n % 1000 === 0) await audit.flush()
          }
          await audit.close()
          const rows = await log.rows()
          expect(rows.filter(({ address }) => address !== null).length).toBe(limits.notesPerMinuteMax)
          expect(rows.length).toBeLessThanOrEqual(limits.notesPerMinuteMax + 6)
          const counted = rows.reduce((total, { after }) => total + JSON.parse(after ?? "").count, 0)
          expect(counted).toBe(5000)
          expect((await verifyChain(log.db.read)).whole).toBe(true)
        },
      )

      withLog("while the database is away they wait, bounded, and are written when it is back", 0, async (log) => {
        const clock = manualClock(startMs)
        let isAway = true
        const db: Database = {
          ...log.db,
          transact: (work) => (isAway ? Promise.reject(new Error("away")) : log.db.transact(work)),
        }
        const audit = createAudit({ db, clock, log: quiet })
        const minutes = Math.ceil(limits.notesPendingMax / limits.notesPerMinuteMax) + 5
        for (let minute = 0; minute < minutes; minute++) {
          for (let n = 0; n < 40; n++) audit.note(refused(`198.51.100.${n}`, clock.now()))
          await expect(audit.flush()).rejects.toThrow("away")
          clock.advance(60_000)
        }
        isAway = false
        await audit.close()
        const rows = await log.rows()
        expect(rows.length).toBeLessThanOrEqual(limits.notesPendingMax + 1)
        expect(rows.reduce((total, { after }) => total + JSON.parse(after ?? "").count, 0)).toBe(minutes * 40)
      })
    })
  })
}

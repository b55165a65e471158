// `npm run bench`: measures Weir beside its baselines, writes bench/results/<date>.json, prints one table.
// bench/README.md says what each row asks.

import { randomBytes } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { cpus, release, totalmem } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { type Contender, type ContenderName, canPin, stopAll } from "./contender.ts"
import { type Fixture, sampleFixture } from "./fixture.ts"
import { startBare } from "./peers/bare/start.ts"
import { startHandmade } from "./peers/handmade/start.ts"
import { type Measurement, type Row, rowOf, tableOf } from "./report.ts"
import { measureFirstLoad } from "./rows/first-load.ts"
import { measureChecks, measureSignatures } from "./rows/gate.ts"
import { connects, fanout, getResource, type LoadKind, measureLoad, type Runs } from "./rows/load.ts"
import { type Backends, measureRevocations } from "./rows/revoke.ts"
import { measureSwitches } from "./rows/switches.ts"
import { measureVerify } from "./rows/verify.ts"
import { measureWebhooks } from "./rows/webhooks.ts"
import { fullSettings, quickSettings, type Settings } from "./settings.ts"
import { type SizeRow, sizeTableOf } from "./sizes.ts"
import { type TimeRow, timeTableOf } from "./times.ts"
import { startWeir } from "./weir.ts"

const usage = `npm run bench -- [options]
  --quick                 short runs: for a look, not for the README
  --questions a,b,c,d,f,g,h,i,j,k
                          only these questions (e is asked whenever the hand-made peer takes part)
  --contenders weir,bare,handmade
                          only these; without Weir the peers are measured with made-up answers
  --pairs <n>             runs of each contender that count
  --database-url <url>    Weir on an empty PostgreSQL database instead of SQLite (b to e)
  --postgres <url>        server on which i makes a database for its two nodes, and the Redis that they share; without
  --redis <url>           them WEIR_TEST_POSTGRES_URL and WEIR_TEST_REDIS_URL, and without those i has one node only
  --note <text>           kept in the result, such as what else ran on the machine
  --out <file>            where the JSON goes`

const allQuestions = ["a", "b", "c", "d", "f", "g", "h", "i", "j", "k"] as const
type Question = (typeof allQuestions)[number]
const allContenders = ["bare", "weir", "handmade"] as const satisfies ContenderName[]

interface Options {
  readonly quick: boolean
  readonly questions: readonly Question[]
  readonly contenders: readonly ContenderName[]
  readonly databaseUrl: string | null
  /** Null: no two nodes. */
  readonly backends: Backends | null
  readonly settings: Settings
  readonly note: string | undefined
  readonly out: string
}

async function main(): Promise<number> {
  const options = readOptions()
  if (options === null) {
    console.log(usage)
    return 2
  }
  const { settings, contenders: wanted } = options
  const rows: Row[] = []
  const timeRows: TimeRow[] = []
  const sizeRows: SizeRow[] = []
  const asks = (question: Question): boolean => options.questions.includes(question) && wanted.includes("weir")
  const newContext = () => ({ settings, apiKey: "benchbench00", secret: randomBytes(32).toString("hex") })
  if (asks("a")) rows.push(...(await verifyRows(settings)))
  if (asks("f")) timeRows.push(...(await measureChecks(settings.checkPairs, settings.revocationEntries)))
  if (asks("g")) rows.push(...(await measureSignatures(settings.checkPairs)))

  const kinds = kindsOf(options)
  const loadRuns: { kind: string; runs: Runs }[] = []
  if (kinds.length > 0) {
    const context = newContext()
    const contenders = await startContenders(options, context.apiKey, context.secret)
    for (const kind of kinds) {
      const runs = await measureLoad(kind, contenders, context, (name, run, counts) =>
        tell(kind.name, name, run, counts),
      )
      loadRuns.push({ kind: kind.name, runs })
      rows.push(...loadRows(kind.name, runs))
    }
    await stopAll()
  }
  if (asks("h")) {
    rows.push(...(await measureSwitches(newContext(), (name, run, counts) => tell("switches", name, run, counts))))
    await stopAll()
  }
  if (asks("i")) {
    if (options.backends === null) console.error("i: no two nodes, because --postgres and --redis are not both known")
    timeRows.push(...(await measureRevocations(newContext(), options.backends)))
  }
  if (asks("j")) {
    const found = await measureWebhooks(newContext(), (name, run, counts) => tell("webhooks", name, run, counts))
    rows.push(...found.rows)
    timeRows.push(...found.timeRows)
    await stopAll()
  }
  if (asks("k")) {
    const found = await measureFirstLoad(settings.pairs)
    if (found === null) console.error("k: not measured, because Chromium is not here")
    else sizeRows.push(...found)
  }

  const measured = rows.length + timeRows.length + sizeRows.length > 0
  const result = {
    date: new Date().toISOString(),
    quick: options.quick,
    note: options.note,
    machine: machine(),
    database: options.databaseUrl === null ? "sqlite" : "postgres",
    settings,
    rows,
    timeRows,
    sizeRows,
    // Without a partner a contender is in no row, so its runs are kept on their own.
    runs: measured ? undefined : loadRuns,
  }
  mkdirSync(join(options.out, ".."), { recursive: true })
  writeFileSync(options.out, `${JSON.stringify(result, null, 1)}\n`)
  if (rows.length > 0) console.log(`\n${tableOf(rows)}`)
  if (timeRows.length > 0) console.log(`\n${timeTableOf(timeRows)}`)
  if (sizeRows.length > 0) console.log(`\n${sizeTableOf(sizeRows)}`)
  console.log(`\n${machineText()}`)
  console.log(`written to ${options.out}`)
  return 0
}

function readOptions(): Options | null {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        questions: { type: "string", default: allQuestions.join() },
        contenders: { type: "string", default: allContenders.join() },
        pairs: { type: "string" },
        "database-url": { type: "string" },
        postgres: { type: "string", default: process.env.WEIR_TEST_POSTGRES_URL },
        redis: { type: "string", default: process.env.WEIR_TEST_REDIS_URL },
        note: { type: "string" },
        out: { type: "string" },
        help: { type: "boolean", default: false },
      },
    })
    if (values.help) return null
    const base = values.quick ? quickSettings : fullSettings
    const pairs = values.pairs === undefined ? base.pairs : Number(values.pairs)
    if (!Number.isInteger(pairs) || pairs < 1 || pairs > 100) throw new Error("--pairs is a whole number from 1 to 100")
    const day = new Date().toISOString().slice(0, 10)
    return {
      quick: values.quick,
      questions: chosen("--questions", values.questions, allQuestions),
      contenders: chosen("--contenders", values.contenders, allContenders),
      databaseUrl: values["database-url"] ?? null,
      backends: values.postgres && values.redis ? { postgresUrl: values.postgres, redisUrl: values.redis } : null,
      settings: { ...base, pairs, checkPairs: Math.min(pairs, base.checkPairs) },
      note: values.note,
      out: values.out ?? join(import.meta.dir, "results", `${day}${values.quick ? "-quick" : ""}.json`),
    }
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`)
    return null
  }
}

/** The known names among those of a comma-separated list, in our order. Throws on an unknown one. */
function chosen<Name extends string>(option: string, list: string, known: readonly Name[]): Name[] {
  const names = list.split(",").map((name) => name.trim())
  const unknown = names.find((name) => !known.includes(name as Name))
  if (unknown !== undefined) throw new Error(`${option} knows ${known.join(", ")}, and not "${unknown}"`)
  return known.filter((name) => names.includes(name))
}

function kindsOf({ questions, settings }: Options): LoadKind[] {
  return [
    ...(questions.includes("b") ? [getResource("distinct"), getResource("repeated")] : []),
    ...(questions.includes("c") ? [connects] : []),
    ...(questions.includes("d") ? settings.watchers.map(fanout) : []),
  ]
}

/** All of them stay up for the whole run: one that is not asked does nothing. */
async function startContenders({ contenders, settings, databaseUrl }: Options, apiKey: string, secret: string) {
  const started: Contender[] = []
  let fixture: Fixture = sampleFixture
  if (contenders.includes("weir")) {
    const { users, watchers } = settings
    const made = await startWeir({ apiKey, secret, users, watchers, databaseUrl })
    started.push(made.weir)
    fixture = made.fixture
  }
  if (contenders.includes("bare")) started.unshift(await startBare(fixture))
  if (contenders.includes("handmade")) started.push(await startHandmade({ fixture, secret, members: settings.users }))
  return started
}

async function verifyRows(settings: Settings): Promise<Row[]> {
  const { weir, bare, jose } = await measureVerify(settings.pairs)
  const what = "verify a user token never seen before"
  const plan = { what, unit: "/s", subject: "weir" }
  return [
    rowOf({ ...plan, id: "a1", baseline: "createHmac", aim: 0.6 }, weir, bare),
    rowOf({ ...plan, id: "a2", baseline: "jose", aim: 20 }, weir, jose),
  ]
}

/** What each kind of load is called in the table, and what is aimed at beside the bare runtime. */
const loadPlans: Record<string, { id: string; what: string; unit: string; aim: number | null }> = {
  "get-distinct": { id: "b1", what: "GET a message, each token new", unit: "/s", aim: 0.6 },
  "get-repeated": { id: "b2", what: "GET a message, tokens repeat", unit: "/s", aim: 0.75 },
  connect: { id: "c", what: "connect and authenticate", unit: "/s", aim: 0.5 },
  "fanout-1": { id: "d1", what: "message to 1 watcher, deliveries", unit: "/s", aim: null },
  "fanout-100": { id: "d2", what: "message to 100 watchers, deliveries", unit: "/s", aim: null },
  "fanout-1000": { id: "d3", what: "message to 1,000 watchers, deliveries", unit: "/s", aim: 0.6 },
}
const handmadeAim = 3

function loadRows(kind: string, { weir, bare, handmade }: Runs): Row[] {
  const plan = loadPlans[kind]
  if (plan === undefined || weir === undefined) return []
  const rows: Row[] = []
  if (bare !== undefined) rows.push(rowOf({ ...plan, subject: "weir", baseline: "bare" }, weir, bare))
  if (handmade !== undefined) {
    rows.push(
      rowOf({ ...plan, id: `e-${plan.id}`, subject: "weir", baseline: "handmade", aim: handmadeAim }, weir, handmade),
    )
  }
  return rows
}

function tell(kind: string, contender: string, run: Measurement, counts: boolean): void {
  const busy = run.busy === null ? "" : `server ${shareText(run.busy.server)} busy, load ${shareText(run.busy.load)}`
  const warmup = counts ? "" : " (warm-up)"
  console.error(
    `${kind.padEnd(13)} ${contender.padEnd(9)} ${run.perSecond.toLocaleString("en-US").padStart(9)}/s  ${busy}${warmup}`,
  )
}

const shareText = (share: number | null): string => (share === null ? "?" : `${Math.round(share * 100)} %`)

function machine() {
  const [cpu] = cpus()
  return {
    cpu: cpu?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    bun: Bun.version,
    node: nodeVersion(),
    /** One core for the server and one for the load. */
    pinned: canPin,
  }
}

function nodeVersion(): string | null {
  const node = Bun.which("node")
  return node === null ? null : Bun.spawnSync([node, "--version"]).stdout.toString().trim()
}

function machineText(): string {
  const { cpu, cores, memoryGiB, system, bun, node, pinned } = machine()
  const held = pinned ? "server on one core, load on another" : "processes not held to cores"
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}; Bun ${bun}, Node ${node}; ${held}`
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => void stopAll().finally(() => process.exit(130)))
}
try {
  const exitCode = await main()
  process.exit(exitCode)
} catch (error) {
  await stopAll()
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exit(1)
}

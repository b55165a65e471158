// `weir audit verify`, `weir audit export` and `weir audit prune`: the audit log of the database that the settings name,
// or of an exported file, without a server.

import { createReadStream, existsSync } from "node:fs"
import { ConfigError, loadConfig } from "@weir/server/config/config"
import {
  auditLimits,
  type ChainPlace,
  exportLines,
  pruneAudit,
  selectAuditHead,
  type Verification,
  verifyChain,
  verifyExport,
} from "@weir/server/core/audit/index"
import type { Database } from "@weir/server/store/database"
import { type DatabaseLocation, openDatabase } from "@weir/server/store/open"
import {
  type Arguments,
  type Command,
  CommandError,
  type Context,
  exitCodes,
  noPositionals,
  printResult,
  UsageError,
} from "../command.ts"
import { parseTime } from "../duration.ts"

/** `weir audit verify [file]`: prints the first fault of the chain, exit code 1; or that it is whole, and its head. */
export const verifyAudit: Command = {
  name: "audit verify",
  usage: "[file]",
  summary: "Find the first row of the audit log that was changed, moved, put in or taken out.",
  options: {
    head: { type: "string", value: "<seq>:<hash>", doc: "Place that was noted elsewhere: the chain must hold it." },
    json: { type: "boolean", doc: "Print JSON." },
  },
  notes: [
    "Without a file: the log in the database that the settings name, also while the server runs.",
    "With a file: what `weir audit export` wrote. It shows what is missing in its middle, not what is at its end.",
    "Exit code 1 when something is wrong; the first fault is printed.",
    "Whoever can write the whole database can write the whole chain anew, and then it is whole. Note the head that",
    "this command prints where they cannot write, and pass it with --head next time.",
  ],
  async run(args, context) {
    const [path, extra] = args.positionals
    if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"`)
    const noted = notedHead(args.text("head"))
    const verification =
      path === undefined
        ? await withLog(context, ({ read }) => verifyChain(read, noted))
        : await verifyExport(linesOfFile(path), noted)
    printResult(args, context, verification, report(verification))
    return verification.whole ? exitCodes.ok : exitCodes.failed
  },
}

/** `weir audit export`: JSON Lines on standard output, in the order of the chain. */
export const exportAudit: Command = {
  name: "audit export",
  usage: "",
  summary: "Print the audit log as JSON Lines, oldest first.",
  options: {
    after: { type: "string", value: "<seq>", doc: "Only rows after this one." },
    app: {
      type: "string",
      value: "<id>",
      doc: "Only rows of this app; they are no whole chain and cannot be verified.",
    },
  },
  notes: ["Each line is one row; control characters in it are escaped, whoever put them there."],
  async run(args, context) {
    noPositionals(args)
    const after = wholeNumber(args, "after")
    const app = wholeNumber(args, "app")
    await withLog(context, async ({ read }) => {
      for await (const lines of exportLines(read, { after, app })) {
        context.print(lines.trimEnd())
        await context.written?.()
      }
    })
    return exitCodes.ok
  },
}

/** `weir audit prune`: takes old rows away, and says so in the log. */
export const pruneAuditLog: Command = {
  name: "audit prune",
  usage: "",
  summary: "Take old rows out of the audit log. Export them first: they are gone after it.",
  options: {
    before: { type: "string", value: "<time>", doc: "Rows before this RFC 3339 time, such as 2026-01-31T00:00:00Z." },
  },
  notes: ["A chain that is not whole is left as it is. The pruning is itself a row of the log."],
  async run(args, context) {
    noPositionals(args)
    const text = args.text("before")
    if (text === null) throw new UsageError("--before is missing")
    const beforeMs = parseTime(text)
    if (beforeMs === null) throw new UsageError(`--before is no RFC 3339 time: "${text.slice(0, 80)}"`)
    if (beforeMs > context.now()) throw new UsageError("--before lies in the future")
    return withLog(context, async (db) => {
      const { whole, fault, base } = await verifyChain(db.read)
      if (!whole) throw new CommandError(`nothing was pruned: fault at row ${fault?.seq}: ${fault?.what}`)
      const through = await pruneAudit(db, { beforeMs, actor: "command line", now: context.now() })
      context.print(
        through === null
          ? "nothing to prune"
          : `pruned ${through.seq - base.seq} rows; the log begins after ${placeText(through)}`,
      )
      return exitCodes.ok
    })
  },
}

function report({ whole, rows, head, base, fault }: Verification): string[] {
  const begins = base.seq === 0 ? [] : [`begins after ${placeText(base)}`]
  const counted = `${rows} ${rows === 1 ? "row" : "rows"}`
  if (!whole)
    return [`fault at row ${fault?.seq}: ${fault?.what}`, `${counted} before it as they were written`, ...begins]
  return [`whole: ${counted}`, ...begins, ...(head === null ? [] : [`head ${placeText(head)}`])]
}

const placeText = ({ seq, hash }: ChainPlace): string => `${seq}:${hash}`

/** `<seq>:<hash>`. Throws UsageError. */
function notedHead(text: string | null): ChainPlace | null {
  if (text === null) return null
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (seq === undefined || hash === undefined) {
    throw new UsageError("--head is <seq>:<hash>, as `weir audit verify` prints it")
  }
  return { seq: Number(seq), hash }
}

function wholeNumber(args: Arguments, name: string): number | undefined {
  const text = args.text(name)
  if (text === null) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`--${name} is no whole number: "${text.slice(0, 80)}"`)
  return Number(text)
}

/** The lines of a file, read as they are needed. Throws CommandError for a file that cannot be read or is no export. */
async function* linesOfFile(path: string): AsyncGenerator<string, void, undefined> {
  let rest = ""
  try {
    for await (const text of createReadStream(path, "utf8")) {
      const lines = (rest + text).split("\n")
      rest = lines.pop() ?? ""
      if (rest.length > auditLimits.lineCharsMax) throw new CommandError(`${path} is no export: a line never ends`)
      yield* lines
    }
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`)
  }
  yield rest
}

/** Opens the database that the settings name, for as long as `work` takes. Throws CommandError. */
async function withLog<T>({ env }: Context, work: (db: Database) => Promise<T>): Promise<T> {
  const db = await openDatabase(locationOf(env)).catch((error) => {
    throw new CommandError(firstLine(error))
  })
  try {
    // Whatever else is wrong with the log is for those who read it to say.
    await selectAuditHead(db.read).catch((error) => {
      const isAbsent = /no such (table|column)|does not exist/.test(String(error.message))
      throw new CommandError(isAbsent ? "this database has no audit log: start the server once" : firstLine(error))
    })
    return await work(db)
  } finally {
    await db.close()
  }
}

// Opening a file that is not there would make it.
function locationOf(env: Context["env"]): DatabaseLocation {
  try {
    const { database } = loadConfig(env)
    if (database.kind === "sqlite" && !existsSync(database.path)) {
      throw new CommandError(`there is no database at ${database.path}`)
    }
    return database
  } catch (error) {
    throw error instanceof ConfigError ? new CommandError(error.message) : error
  }
}

const firstLine = (error: unknown): string => String((error as Error).message).split("\n")[0] ?? ""

// The command line: finds the command, shows help, turns errors into one line and an exit code. 0: done. 1: could not
// do it. 2: called wrongly.

import { readFileSync } from "node:fs"
import { nearest } from "@weir/server/base/nearest"
import {
  type Command,
  CommandError,
  type Context,
  columns,
  type ExitCode,
  exitCodes,
  helpOf,
  parseArguments,
  UsageError,
} from "./command.ts"
import { appsCreate, appsList, keysList, revoke, secretsAdd, secretsSet } from "./commands/apps.ts"
import { exportAudit, pruneAuditLog, verifyAudit } from "./commands/audit.ts"
import { config } from "./commands/config.ts"
import { doctor } from "./commands/doctor.ts"
import { masterKeyStatus, rotateMasterKeyCommand } from "./commands/master-key.ts"
import { listNodes, listRequests } from "./commands/nodes.ts"
import { inviteOperator, listOperators, resetLink } from "./commands/operators.ts"
import { verifyReceipt } from "./commands/receipt.ts"
import { serve } from "./commands/serve.ts"
import { createToken, inspectToken } from "./commands/token.ts"
import { webhooksList, webhooksLog, webhooksReplay, webhooksSend, webhooksShow } from "./commands/webhooks.ts"
import { webhooksListen } from "./commands/webhooks-listen.ts"
import { explain, why } from "./commands/why.ts"
import { cliLimits } from "./limits.ts"

const commands: readonly Command[] = [
  serve,
  config,
  createToken,
  inspectToken,
  why,
  explain,
  listRequests,
  listNodes,
  appsList,
  appsCreate,
  keysList,
  secretsAdd,
  secretsSet,
  revoke,
  listOperators,
  inviteOperator,
  resetLink,
  verifyReceipt,
  webhooksList,
  webhooksListen,
  webhooksSend,
  webhooksLog,
  webhooksShow,
  webhooksReplay,
  doctor,
  masterKeyStatus,
  rotateMasterKeyCommand,
  verifyAudit,
  exportAudit,
  pruneAuditLog,
]

/** Runs one command line (the words after `weir`) and gives its exit code. */
export async function run(words: readonly string[], context: Context): Promise<ExitCode> {
  const [first] = words
  if (first === undefined || first === "help" || first === "--help" || first === "-h") {
    for (const line of overview()) context.print(line)
    return first === undefined ? exitCodes.usage : exitCodes.ok
  }
  if (first === "--version" || first === "-v") {
    context.print(`weir ${ownVersion()} (Bun ${Bun.version})`)
    return exitCodes.ok
  }
  const command = commands.find(({ name }) => name.split(" ").every((word, index) => words[index] === word))
  if (command === undefined) return explainUnknown(words, context)
  return runCommand(command, words.slice(command.name.split(" ").length), context)
}

async function runCommand(command: Command, words: readonly string[], context: Context): Promise<ExitCode> {
  try {
    const args = parseArguments(command, words)
    if (!args.flag("help")) return await command.run(args, context)
    for (const line of helpOf(command)) context.print(line)
    return exitCodes.ok
  } catch (error) {
    if (error instanceof UsageError) {
      context.complain(`weir ${command.name}: ${error.message}`)
      context.complain(`"weir ${command.name} --help" shows how it is called`)
      return exitCodes.usage
    }
    if (error instanceof CommandError) {
      context.complain(`weir: ${error.message}`)
      return exitCodes.failed
    }
    throw error
  }
}

// `weir token` and `weir token --help` name a group; anything else is a mistyped word.
function explainUnknown(words: readonly string[], context: Context): ExitCode {
  const [first = "", second] = words
  const group = commands.filter(({ name }) => name.startsWith(`${first} `))
  const asksForHelp = second === "--help" || second === "-h"
  if (group.length > 0 && (second === undefined || asksForHelp)) {
    for (const line of summaries(group)) context.print(line)
    return asksForHelp ? exitCodes.ok : exitCodes.usage
  }
  const typed = group.length > 0 ? `${first} ${second}` : first
  const known =
    group.length > 0 ? group.map(({ name }) => name) : commands.map(({ name }) => name.split(" ")[0] ?? name)
  const suggestion = nearest(typed, known, cliLimits.suggestionEditsMax)
  const hint = suggestion === null ? '"weir --help" lists them' : `did you mean "weir ${suggestion}"?`
  context.complain(`weir: "${typed.slice(0, 80)}" is not a command; ${hint}`)
  return exitCodes.usage
}

function overview(): string[] {
  return [
    "Weir: an open, self-hosted gate for chat, feeds and video.",
    "",
    "Usage: weir <command> [options]",
    "",
    "Commands:",
    ...summaries(commands),
    "",
    '"weir <command> --help" says more. "weir --version" shows the version.',
  ]
}

const summaries = (list: readonly Command[]): string[] =>
  columns(list.map(({ name, usage, summary }) => [`${name} ${usage}`.trimEnd(), summary] as const))

const ownVersion = (): string =>
  String(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).version)

async function readInput(bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of Bun.stdin.stream()) {
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw new CommandError(`standard input has more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString("utf8")
}

// A pipe takes what was written when its reader does; leaving before that would cut the result off.
let taken: Promise<Error | null> = Promise.resolve(null)

function print(line: string): void {
  taken = new Promise((resolve) => {
    process.stdout.write(`${line}\n`, (error) => resolve(error ?? null))
  })
}

/** From the first call on, a signal ends the command instead of the program; a second one ends the program. */
function interrupted(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => stop.abort())
  return stop.signal
}

async function written(): Promise<void> {
  if ((await taken) !== null) throw new CommandError("standard output was closed before the end of the result")
}

if (import.meta.main) {
  // written() tells of it, where it matters.
  process.stdout.on("error", () => {})
  const code = await run(process.argv.slice(2), {
    env: process.env,
    print,
    written,
    complain: (line) => void process.stderr.write(`${line}\n`),
    readInput,
    now: Date.now,
    interrupted,
  })
  await taken
  // Connections that a check gave up on must not keep the process alive.
  process.exit(code)
}

// Operators from the command line: who can log in, an invite, and the way back in for somebody who lost theirs.

import { existsSync } from "node:fs"
import { operatorRoles } from "@weir/protocol"
import { ConfigError, loadConfig } from "@weir/server/config/config"
import { appendAudit } from "@weir/server/core/audit/index"
import { makeResetLink, selectOperatorByEmail } from "@weir/server/core/operators/index"
import { openDatabase } from "@weir/server/store/open"
import { adminNotes, adminOptions, askServer, shown } from "../admin.ts"
import {
  type Command,
  CommandError,
  columns,
  exitCodes,
  noPositionals,
  onlyPositional,
  UsageError,
} from "../command.ts"

export const listOperators: Command = {
  name: "operators list",
  usage: "",
  summary: "List who can log in to the dashboard, with their role.",
  options: adminOptions,
  notes: adminNotes,
  async run(args, context) {
    noPositionals(args)
    const answer = await askServer(args, context, "GET", "/team")
    if (args.flag("json")) context.print(JSON.stringify(answer, null, 2))
    else for (const line of columns(answer.operators.map(rowOf))) context.print(line)
    return exitCodes.ok
  },
}

// biome-ignore lint/suspicious/noExplicitAny: as the server answers it
function rowOf(operator: any): [string, string] {
  const facts = [
    operator.role,
    shown(operator.name),
    ...(operator.disabled ? ["shut out"] : []),
    operator.has_totp || operator.passkeys > 0 ? "second factor" : "password only",
    operator.last_login_at === null ? "never logged in" : `last login ${operator.last_login_at}`,
  ]
  return [shown(operator.email), facts.join(", ")]
}

export const inviteOperator: Command = {
  name: "operators invite",
  usage: "<email>",
  summary: "Make a one-time link with which somebody joins. No mail is sent: hand it over yourself.",
  options: {
    role: { type: "string", value: "<role>", doc: `${operatorRoles.join(", ")}. Default: viewer.` },
    ...adminOptions,
  },
  notes: [...adminNotes, "The link works once, for a week."],
  async run(args, context) {
    const email = onlyPositional(args, "<email>")
    const role = args.text("role") ?? "viewer"
    if (!operatorRoles.some((known) => known === role)) {
      throw new UsageError(`--role is one of ${operatorRoles.join(", ")}`)
    }
    const answer = await askServer(args, context, "POST", "/team/invites", { email, role })
    context.print(args.flag("json") ? JSON.stringify(answer, null, 2) : answer.link)
    return exitCodes.ok
  },
}

/** Works on the database itself: who may read the settings may enter, and nobody else need be there. */
export const resetLink: Command = {
  name: "operators reset-link",
  usage: "<email>",
  summary: "Make a one-time link with which an operator sets a new password. It takes their second factors away.",
  options: {},
  notes: [
    "For an operator who lost their password, authenticator and recovery codes. It asks no server: it writes to the",
    "database that the settings name, so it works for the last owner too. The link works once, for an hour; whoever",
    "has it has the account. It is in the audit log.",
  ],
  async run(args, context) {
    const email = onlyPositional(args, "<email>").trim().toLowerCase()
    const config = configOf(context.env)
    const db = await openDatabase(config.database).catch((error) => {
      throw new CommandError(firstLine(error))
    })
    try {
      const now = context.now()
      const path = await db.transact(async (tx) => {
        const operator = await selectOperatorByEmail(tx, email)
        if (operator === undefined)
          throw new CommandError(`there is no operator ${JSON.stringify(email.slice(0, 100))}`)
        if (operator.disabled === 1) throw new CommandError("this operator is shut out; an owner lets them in again")
        const made = await makeResetLink(tx, operator, "command line", now)
        await appendAudit(tx, {
          action: "operator.reset_link_made",
          actor: "command line",
          address: null,
          at: now,
          target: { operator: operator.id, email },
        })
        return made.path
      })
      const scheme = config.tls === null ? "http" : "https"
      context.print(`${config.publicOrigin ?? `${scheme}://localhost:${config.port}`}${path}`)
      return exitCodes.ok
    } catch (error) {
      if (error instanceof CommandError) throw error
      const isAbsent = /no such (table|column)|does not exist/.test(String((error as Error).message))
      throw new CommandError(isAbsent ? "this database has no operators: start the server once" : firstLine(error))
    } finally {
      await db.close()
    }
  },
}

function configOf(env: Readonly<Record<string, string | undefined>>) {
  try {
    const config = loadConfig(env)
    // Opening a file that is not there would make it.
    if (config.database.kind === "sqlite" && !existsSync(config.database.path)) {
      throw new CommandError(`there is no database at ${config.database.path}`)
    }
    return config
  } catch (error) {
    throw error instanceof ConfigError ? new CommandError(error.message) : error
  }
}

const firstLine = (error: unknown): string => String((error as Error).message).split("\n")[0] ?? ""

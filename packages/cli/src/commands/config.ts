import { existsSync } from "node:fs"
import { ConfigError, describeSettings, loadConfig } from "@weir/server/config/config"
import { type Command, type Context, exitCodes, noPositionals } from "../command.ts"

/** `weir config`: each setting, its value, where that comes from and what it means. */
export const config: Command = {
  name: "config",
  usage: "",
  summary: "Show each setting, its value (secrets masked) and where the value comes from.",
  options: { json: { type: "boolean", doc: "Print JSON." } },
  notes: ["Exit code 1 when the server would refuse to start with these settings."],
  async run(args, context) {
    noPositionals(args)
    const rows = describeSettings(context.env, existsSync)
    const { error, warnings } = verdictOn(context)
    if (args.flag("json")) {
      context.print(JSON.stringify({ settings: rows, error, warnings }, null, 2))
      return error === null ? exitCodes.ok : exitCodes.failed
    }
    const nameWidth = Math.max(...rows.map((row) => row.name.length))
    const valueWidth = Math.max(...rows.map((row) => row.value.length))
    for (const { name, value, source, doc } of rows) {
      context.print(`${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${source}`)
      context.print(`  ${doc}`)
    }
    for (const warning of warnings) context.complain(`warning: ${warning}`)
    if (error !== null) context.complain(`weir: ${error}`)
    return error === null ? exitCodes.ok : exitCodes.failed
  },
}

function verdictOn({ env }: Context): { error: string | null; warnings: readonly string[] } {
  try {
    return { error: null, warnings: loadConfig(env).warnings }
  } catch (error) {
    if (error instanceof ConfigError) return { error: error.message, warnings: [] }
    throw error
  }
}

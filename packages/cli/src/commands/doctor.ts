import { type Config, ConfigError, loadConfig } from "@weir/server/config/config"
import type { Env } from "@weir/server/config/env"
import { checks, type Finding } from "../checks.ts"
import { type Command, type Context, exitCodes, noPositionals } from "../command.ts"

/** `weir doctor`: looks at everything the server needs, without starting it. */
export const doctor: Command = {
  name: "doctor",
  usage: "",
  summary: "Check this machine and what the settings point at: folder, database, Redis, clock, certificate, port.",
  options: { json: { type: "boolean", doc: "Print JSON." } },
  notes: ["Exit code 1 when something would keep the server from starting or working."],
  async run(args, context) {
    noPositionals(args)
    const findings = await examine(context)
    if (args.flag("json")) {
      context.print(JSON.stringify({ findings }, null, 2))
    } else {
      const width = Math.max(...findings.map((finding) => finding.check.length))
      for (const { check, status, detail } of findings) {
        context.print(`${status.padEnd(4)}  ${check.padEnd(width)}  ${detail}`)
      }
    }
    return findings.some((finding) => finding.status === "fail") ? exitCodes.failed : exitCodes.ok
  },
}

async function examine({ env, now }: Context): Promise<Finding[]> {
  const config = configOr(env)
  if (typeof config === "string") return [{ check: "settings", status: "fail", detail: config }]
  const findings = config.warnings.map((detail): Finding => ({ check: "settings", status: "warn", detail }))
  if (findings.length === 0) findings.push({ check: "settings", status: "ok", detail: "known and consistent" })
  // One after the other, so that no check disturbs what another one measures.
  for (const [check, look] of Object.entries(checks)) findings.push(...(await run(check, () => look(config, now))))
  return findings
}

function configOr(env: Env): Config | string {
  try {
    return loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

// A check that throws has found something: its message is the finding.
async function run(check: string, look: () => Promise<Omit<Finding, "check">[]>): Promise<Finding[]> {
  try {
    return (await look()).map((finding) => ({ check, ...finding }))
  } catch (error) {
    return [{ check, status: "fail", detail: (error as Error).message.split("\n")[0] ?? "" }]
  }
}

// `weir why` and `weir explain`: what the gate decided and what it would decide, in words.

import { adminNotes, adminOptions, appOf, appOption, askServer, shown } from "../admin.ts"
import {
  type Command,
  type Context,
  columns,
  exitCodes,
  noPositionals,
  onlyPositional,
  printResult,
  UsageError,
} from "../command.ts"

interface Check {
  readonly check: string
  readonly passed: boolean | null
  readonly detail: string | null
}

/** `weir why <id>`: why a caller was refused. The id is the refusal's X-Decision-Id. */
export const why: Command = {
  name: "why",
  usage: "<decision id>",
  summary: "Say why a caller was refused: the id is in the header X-Decision-Id and in the log.",
  options: adminOptions,
  notes: adminNotes,
  async run(args, context) {
    const id = onlyPositional(args, "<decision id>")
    if (!/^[0-9a-f-]{36}$/.test(id)) throw new UsageError(`"${shown(id).slice(0, 80)}" is not the id of a decision`)
    const { decision } = await askServer(args, context, "GET", `/decisions/${id}`)
    return printResult(args, context, decision, decisionLines(decision))
  },
}

// biome-ignore lint/suspicious/noExplicitAny: as the server answers it (protocol, Decision)
function decisionLines(decision: any): string[] {
  const { caller, token } = decision
  const who = caller.user_id ?? token?.user_id ?? caller.kind ?? "somebody"
  const rows: [string, string][] = [
    ["at", decision.at],
    ["app", decision.app_id === null ? "none that there is" : String(decision.app_id)],
    ["caller", `${shown(who)}, ${caller.kind ?? "not proved"}, from ${shown(caller.address)}`],
    ["client", shown(caller.client ?? "did not say")],
  ]
  if (token !== null) rows.push(["token", tokenText(token)])
  if (decision.action !== null) rows.push(["asked", `${shown(decision.action)} on ${shown(decision.resource)}`])
  return [
    `${shown(decision.operation)} was refused: ${shown(decision.reason)} (code ${decision.code}, HTTP ${decision.status})`,
    "",
    ...columns(rows),
    "",
    ...checkLines(decision.checks),
    "",
    `What would help: ${shown(decision.remedy)}`,
  ]
}

// biome-ignore lint/suspicious/noExplicitAny: as the server answers it
function tokenText(token: any): string {
  const parts = [token.proved ? `proved by secret ${shown(token.kid ?? "none")}` : "not proved"]
  if (token.kind !== null) parts.push(shown(token.kind))
  if (token.age_seconds !== null) parts.push(`${token.age_seconds} s old`)
  if (token.expires_in_seconds !== null) {
    const left = token.expires_in_seconds
    parts.push(left < 0 ? `expired ${-left} s ago` : `ends in ${left} s`)
  }
  if (token.skew_ms !== null) parts.push(`${token.skew_ms} ms ahead of the server's clock`)
  if (token.narrowed) parts.push("narrowed by scopes")
  return parts.join(", ")
}

const marks = { true: "✓", false: "✗", null: "·" } as const

const checkLines = (checks: readonly Check[]): string[] =>
  columns(
    checks.map(({ check, passed, detail }) => [
      `${marks[String(passed) as keyof typeof marks]} ${shown(check)}`,
      passed === null ? "not reached" : shown(detail ?? ""),
    ]),
  )

/** `weir explain`: would this user, or the bearer of this token, be allowed to do that? */
export const explain: Command = {
  name: "explain",
  usage: "",
  summary: "Say whether a user, or the bearer of a token, would be allowed to do something. Changes nothing.",
  options: {
    app: appOption,
    user: { type: "string", value: "<user_id>", doc: "The user who would do it." },
    token: {
      type: "string",
      value: "<jwt>",
      doc: "The token that would come along, instead of a user; - reads it from standard input.",
    },
    action: { type: "string", value: "<action>", doc: "Id of the action, such as create-message." },
    resource: {
      type: "string",
      value: "<type:id>",
      doc: "channel:messaging:general, feed:user:jessica, call:default:a, user:jessica, app.",
    },
    ...adminOptions,
  },
  notes: adminNotes,
  async run(args, context) {
    noPositionals(args)
    const action = args.text("action")
    const resource = resourceOf(args.text("resource"))
    if (action === null) throw new UsageError("--action is missing")
    const token = await tokenOf(args.text("token"), context)
    const user = args.text("user")
    if ((user === null) === (token === null)) throw new UsageError("name --user or --token, and not both")
    const app = await appOf(args, context)
    const answer = await askServer(args, context, "POST", `/apps/${app}/explain`, {
      ...(user === null ? { token } : { user_id: user }),
      action,
      resource: resource.type === "app" ? { type: "app", id: String(app) } : resource,
    })
    const roles = answer.roles.map(({ role, from }: { role: string; from: string }) => [
      shown(role),
      `from ${shown(from)}`,
    ])
    printResult(args, context, answer, [
      answer.allowed ? "allowed" : "refused",
      "",
      ...checkLines(answer.checks),
      ...(roles.length > 0 ? ["", ...columns(roles)] : []),
      ...(answer.remedy === null ? [] : ["", `What would help: ${shown(answer.remedy)}`]),
    ])
    return answer.allowed ? exitCodes.ok : exitCodes.failed
  },
}

const tokenBytesMax = 16 * 1024

async function tokenOf(given: string | null, context: Context): Promise<string | null> {
  return given === "-" ? (await context.readInput(tokenBytesMax)).trim() : given
}

function resourceOf(text: string | null): { type: string; id: string } {
  if (text === "app") return { type: "app", id: "" }
  const colon = text?.indexOf(":") ?? -1
  if (text === null || colon <= 0 || colon === text.length - 1) {
    throw new UsageError("--resource is missing, or not of the form channel:messaging:general")
  }
  return { type: text.slice(0, colon), id: text.slice(colon + 1) }
}

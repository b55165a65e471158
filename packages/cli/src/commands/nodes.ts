// `weir nodes` and `weir requests`: how the nodes of a deployment fare, and what they have just answered.

import { type OutputOf, type nodes as protocolNodes, traffic } from "@weir/protocol"
import { adminNotes, adminOptions, appOf, appOption, askServer, shown } from "../admin.ts"
import {
  type Arguments,
  type Command,
  columns,
  exitCodes,
  linesWanted,
  noPositionals,
  type Option,
  printResult,
} from "../command.ts"
import { formatDuration } from "../duration.ts"
import { cliLimits } from "../limits.ts"
import { stopSignal, waitMs } from "../waiting.ts"

type Node = OutputOf<typeof protocolNodes.listNodes>["nodes"][number]
type Answer = OutputOf<typeof traffic.listRequests>
type AnsweredRequest = Answer["requests"][number]

/** `weir nodes`: a few lines for each node. */
export const listNodes: Command = {
  name: "nodes",
  usage: "",
  summary: "Show the nodes of a deployment and how each fares. Those that vanished are shown for an hour.",
  options: adminOptions,
  notes: adminNotes,
  async run(args, context) {
    noPositionals(args)
    const answer = await askServer(args, context, "GET", "/nodes")
    const nodes: readonly Node[] = answer.nodes
    const now = context.now()
    return printResult(
      args,
      context,
      answer,
      nodes.flatMap((node) => nodeLines(node, now)),
    )
  },
}

function nodeLines({ id, is_here, last_seen_at, state }: Node, now: number): string[] {
  if (state === null) return [`${shown(id)}  silent since ${last_seen_at}`]
  const { memory, event_loop, revocations, database, dropped } = state
  const rows: [string, string][] = [
    ["version", shown(`${state.version}, ${state.runtime}`)],
    ["address", shown(state.address ?? "none")],
    ["runs for", formatDuration((now - Date.parse(state.started_at)) / 1_000)],
    ["sockets", String(state.sockets)],
    ["requests", `${state.requests_per_minute} in the last minute, ${state.requests} in all`],
    ["memory", `${megabytes(memory.resident_bytes)}, of it heap ${megabytes(memory.heap_bytes)}`],
    ["timers late by", `${event_loop.mean_ms} ms, at most ${event_loop.max_ms} ms`],
    ["revocations", revocationsText(revocations)],
    ["bus", state.bus],
    ["database", databaseText(database)],
  ]
  if (dropped.refusals + dropped.traffic_minutes > 0) {
    rows.push(["not recorded", `${dropped.refusals} refusals, ${dropped.traffic_minutes} minutes of traffic`])
  }
  const facts = ["answering", ...(state.is_draining ? ["draining"] : []), ...(is_here ? ["asked here"] : [])]
  return [`${shown(id)}  ${facts.join(", ")}`, ...columns(rows)]
}

function revocationsText({ behind, age_ms, lease_left_ms }: NonNullable<Node["state"]>["revocations"]): string {
  const known = behind === 0 ? "all applied" : `${behind} not applied yet`
  const lease = lease_left_ms > 0 ? `lease for ${Math.round(lease_left_ms)} ms` : "NO LEASE, it lets nobody in"
  return `${known}, asked ${Math.round(age_ms)} ms ago, ${lease}`
}

function databaseText({ dialect, ping_ms, clock_offset_ms }: NonNullable<Node["state"]>["database"]): string {
  if (ping_ms === null) return `${shown(dialect)}, did not answer`
  return `${shown(dialect)}, answers in ${ping_ms} ms, its clock differs by ${clock_offset_ms ?? 0} ms`
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_000_000)} MB`

const filterOptions: Readonly<Record<string, Option>> = {
  status: {
    type: "string",
    value: "<status>",
    doc: "Only with this status, such as 403, or of this class, such as 4xx.",
  },
  key: { type: "string", value: "<api_key>", doc: "Only with this API key." },
  user: { type: "string", value: "<user_id>", doc: "Only of this user." },
  operation: { type: "string", value: "<name>", doc: "Only this operation, such as SendMessage; Connect for sockets." },
}

/** `weir requests`: a line for each of the latest requests, and of those that come. */
export const listRequests: Command = {
  name: "requests",
  usage: "",
  summary: "Show the latest requests of an app, newest last, or follow them.",
  options: {
    app: appOption,
    ...filterOptions,
    follow: { type: "boolean", doc: "Go on until Ctrl-C." },
    lines: { type: "string", value: "<n>", doc: `At most so many. Default ${cliLimits.logLinesDefault}.` },
    url: adminOptions.url as Option,
    json: { type: "boolean", doc: "Print JSON Lines, one for each request." },
  },
  notes: [
    "A line: when, status, time taken, operation, caller; of a refusal why, and what to ask `weir why` about.",
    "They are in the memory of the nodes, which keep the latest of each app: no bodies, no tokens, no query values.",
    ...adminNotes,
  ],
  async run(args, context) {
    noPositionals(args)
    const { requestsMax } = traffic.trafficBounds
    const count = linesWanted(args, cliLimits.logLinesDefault, requestsMax)
    const filters = filtersOf(args)
    const path = `/apps/${await appOf(args, context)}/requests`
    let silent = ""
    const look = async (more: Readonly<Record<string, string>>, linesMax: number): Promise<string> => {
      const query = new URLSearchParams({ ...filters, ...more })
      const answer: Answer = await askServer(args, context, "GET", `${path}?${query}`)
      for (const request of answer.requests.slice(0, linesMax).toReversed()) {
        context.print(args.flag("json") ? JSON.stringify(request) : requestLine(request))
        await context.written?.()
      }
      if (answer.missed > 0) context.complain(`weir: ${answer.missed} more came at once; they are not shown`)
      const nowSilent = answer.silent_nodes.join(", ")
      if (nowSilent !== silent && nowSilent !== "") context.complain(`weir: no answer from ${shown(nowSilent)}`)
      silent = nowSilent
      return answer.after
    }
    let after = await look({ limit: String(Math.max(count, 1)) }, count)
    if (!args.flag("follow")) return exitCodes.ok
    const stop = stopSignal(context)
    while (!(await waitMs(cliLimits.pollEveryMs, stop))) {
      after = await look({ limit: String(requestsMax), after }, requestsMax)
    }
    return exitCodes.ok
  },
}

/** The filters that were given, as the management API names them. The server says which it does not take. */
function filtersOf(args: Arguments): Readonly<Record<string, string>> {
  const given = {
    status: args.text("status"),
    api_key: args.text("key"),
    user_id: args.text("user"),
    operation: args.text("operation"),
  }
  return Object.fromEntries(Object.entries(given).filter((entry): entry is [string, string] => entry[1] !== null))
}

/** A request in one line. */
function requestLine(request: AnsweredRequest): string {
  const { at, status, duration_ms, operation, reason, decision_id } = request
  const parts = [
    at,
    String(status),
    `${duration_ms} ms`,
    operation,
    request.user_id ?? request.kind ?? "somebody",
    request.address,
    ...(reason === null ? [] : [reason]),
    ...(decision_id === null ? [] : [`weir why ${decision_id}`]),
  ]
  return shown(parts.join("  "))
}

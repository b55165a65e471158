// `weir webhooks listen`: an app's events on the developer's own machine, through a connection that the command opens,
// so neither a tunnel nor an open port is needed. Deliveries are signed as those of any other hook.

import { adminNotes, adminOptions, appOf, appOption, askServer, serverOf, shown } from "../admin.ts"
import {
  type Arguments,
  type Command,
  CommandError,
  type Context,
  columns,
  exitCodes,
  noPositionals,
  type Option,
  UsageError,
} from "../command.ts"
import { cliLimits } from "../limits.ts"
import { stopSignal, waitMs } from "../waiting.ts"
import {
  ConnectionLost,
  type DeliveryLine,
  forwardDelivery,
  listenLines,
  type ReadyLine,
  type ReceiverAnswer,
  ResumeRefused,
} from "./listen-stream.ts"

export const webhooksListen: Command = {
  name: "webhooks listen",
  usage: "",
  summary: "Receive the events of an app here: print them, or forward them to a receiver under development.",
  options: {
    app: appOption,
    forward: {
      type: "string",
      value: "<url>",
      doc: "Send each to this http(s) URL, such as http://localhost:4000/hook.",
    },
    events: { type: "string", value: "<types>", doc: "Only these: message.*,member.added. Default: all." },
    product: { type: "string", value: "<product>", doc: "Only those of chat, feeds, video or moderation." },
    custom: { type: "boolean", doc: "Also events of the app's own making." },
    url: adminOptions.url as Option,
    json: { type: "boolean", doc: "Print JSON Lines: what the server sends, each delivery with its answer." },
  },
  notes: [
    "Nothing has to be reachable from the server. Deliveries have the same headers and signatures as over HTTPS; the",
    "secrets that they are signed with are printed first and hold until this command ends, also when it has to connect",
    "anew. What the receiver answers counts: 2xx is delivered, anything else is tried again later while this runs.",
    "Without --forward each event is printed and counts as delivered. Ctrl-C ends it, and its hook with it.",
    ...adminNotes,
  ],
  async run(args, context) {
    noPositionals(args)
    const forward = forwardOf(args)
    const query = queryOf(args)
    const server = serverOf(args, context)
    const app = await appOf(args, context)
    const stop = stopSignal(context)
    const listener = createListener({ args, context, app, forward, stop })
    let pauseMs: number = cliLimits.reconnectMsMin
    let hasListened = false
    while (!stop.aborted) {
      let lost = "the connection was closed"
      try {
        for await (const line of listenLines(server, app, query, stop)) {
          if (line.type === "ready") {
            listener.ready(line)
            query.set("resume", line.resume)
            hasListened = true
            pauseMs = cliLimits.reconnectMsMin
          } else if (line.type === "delivery") listener.deliver(line)
          else if (line.type === "end") {
            lost = line.reason === "draining" ? "the server goes down" : "the server took this listener for gone"
          }
          await context.written?.()
        }
      } catch (error) {
        if (error instanceof ResumeRefused) {
          query.delete("resume")
          context.complain(`weir: the secrets change: ${error.message}`)
          continue
        }
        if (!(error instanceof ConnectionLost)) throw error
        lost = shown(error.message)
        // Who was never let in has named the wrong server, rather.
        if (!hasListened) throw new CommandError(`cannot listen: ${lost}`)
      }
      if (stop.aborted) break
      context.complain(`weir: ${lost}; trying again in ${Math.ceil(pauseMs / 1_000)} s`)
      await waitMs(pauseMs, stop)
      pauseMs = Math.min(2 * pauseMs, cliLimits.reconnectMsMax)
    }
    return exitCodes.ok
  },
}

interface ListenerParts {
  readonly args: Arguments
  readonly context: Context
  readonly app: number
  readonly forward: URL | null
  readonly stop: AbortSignal
}

interface Listener {
  /** The server listens to this command. */
  ready(line: ReadyLine): void
  /** Makes a delivery and tells the server what came of it, beside others. */
  deliver(line: DeliveryLine): void
}

function createListener({ args, context, app, forward, stop }: ListenerParts): Listener {
  const isJson = args.flag("json")
  let current: ReadyLine | null = null

  const make = async (delivery: DeliveryLine, { hook_id, timeout_ms }: ReadyLine): Promise<void> => {
    const startedMs = performance.now()
    const answer: ReceiverAnswer =
      forward === null
        ? { status: 200 }
        : await forwardDelivery(forward, delivery, timeout_ms - cliLimits.forwardMarginMs, stop)
    if (stop.aborted) return
    const durationMs = Math.round(performance.now() - startedMs)
    if (isJson) context.print(JSON.stringify({ ...delivery, answer: { ...answer, duration_ms: durationMs } }))
    else
      for (const line of deliveryLines(delivery, answer, durationMs, forward === null, context.now()))
        context.print(line)
    const { id, attempt } = delivery
    const body = { delivery: id, attempt, ...answer, duration_ms: durationMs }
    try {
      const { accepted } = await askServer(args, context, "POST", `/apps/${app}/hooks/${hook_id}/answers`, body)
      if (!accepted) context.complain(`weir: ${shown(id)}: the answer came too late, it is delivered again`)
    } catch (error) {
      if (!stop.aborted) context.complain(`weir: ${shown(id)}: the answer did not arrive: ${(error as Error).message}`)
    }
  }

  return {
    ready(line) {
      const isSame = current?.secrets.every(({ value }, index) => line.secrets[index]?.value === value) ?? false
      current = line
      if (isSame) context.complain("weir: listening again")
      else if (isJson) context.print(JSON.stringify(line))
      else for (const text of readyLines(line, forward)) context.print(text)
    },
    deliver(line) {
      if (current !== null) void make(line, current)
    },
  }
}

function readyLines({ secrets }: ReadyLine, forward: URL | null): string[] {
  const rows = secrets.map(({ alg, value, public_key }): [string, string] =>
    alg === "hmac" ? ["signing secret", shown(value)] : ["public key", shown(public_key)],
  )
  return [forward === null ? "listening" : `listening, forwards to ${shown(forward.href)}`, ...columns(rows), ""]
}

function deliveryLines(
  { id, attempt, body }: DeliveryLine,
  { status, error }: ReceiverAnswer,
  durationMs: number,
  isBodyShown: boolean,
  nowMs: number,
): string[] {
  const result = status === null || status === undefined ? `no answer: ${error ?? "unknown"}` : String(status)
  const again = attempt > 1 ? `  attempt ${attempt}` : ""
  const line = `${new Date(nowMs).toISOString()}  ${typeOf(body)}  ${id}  ${result}  ${durationMs} ms${again}`
  return isBodyShown ? [shown(line), `  ${shown(body)}`] : [shown(line)]
}

function typeOf(body: string): string {
  try {
    return String(JSON.parse(body).type)
  } catch {
    return "?"
  }
}

/** Where deliveries go; null: nowhere. Throws UsageError. */
function forwardOf(args: Arguments): URL | null {
  const text = args.text("forward")
  if (text === null) return null
  const url = URL.canParse(text) ? new URL(text) : null
  if (url !== null && /^https?:$/.test(url.protocol)) return url
  throw new UsageError(`--forward "${shown(text).slice(0, 200)}" is no http(s) URL, such as http://localhost:4000/hook`)
}

function queryOf(args: Arguments): URLSearchParams {
  const query = new URLSearchParams()
  const types = (args.text("events") ?? "").split(",").map((type) => type.trim())
  for (const type of types) if (type !== "") query.append("event_types", type)
  const product = args.text("product")
  if (product !== null) query.set("product", product)
  if (args.flag("custom")) query.set("should_send_custom_events", "true")
  return query
}

// `weir webhooks list | log | show | send | replay`: what an app's backends are sent, what became of it, and sending it
// again. `weir webhooks listen` is in webhooks-listen.ts.

import { readFileSync, statSync } from "node:fs"
import { deliveryIdPattern, hookIdPattern, limits, webhookEvents, webhooks } from "@weir/protocol"
import { adminNotes, adminOptions, appOf, appOption, askServer, shown } from "../admin.ts"
import {
  type Arguments,
  type Command,
  CommandError,
  type Context,
  exitCodes,
  linesWanted,
  noPositionals,
  type Option,
  onlyPositional,
  printResult,
  UsageError,
} from "../command.ts"
import { parseDuration, parseTime } from "../duration.ts"
import { cliLimits } from "../limits.ts"
import { stopSignal, waitMs } from "../waiting.ts"
import {
  type Delivery,
  type DeliveryWithLog,
  deliveryLine,
  deliveryLines,
  type Hook,
  hookLines,
  outcomeLine,
} from "./webhooks-text.ts"

const filterOptions: Readonly<Record<string, Option>> = {
  hook: { type: "string", value: "<id>", doc: 'Only of this hook; "weir webhooks list" lists them.' },
  state: { type: "string", value: "<state>", doc: "pending, delivered or dead." },
  type: { type: "string", value: "<type>", doc: "Only events of this type, or the beginning of some: message.*" },
  since: {
    type: "string",
    value: "<time>",
    doc: "Of events from this time on: RFC 3339, or how long ago, such as 2h.",
  },
  until: { type: "string", value: "<time>", doc: "Of events before this time." },
}

export const webhooksList: Command = {
  name: "webhooks list",
  usage: "",
  summary: "List the hooks of an app, whether they are enabled, and what waits for them.",
  options: { app: appOption, ...adminOptions },
  notes: adminNotes,
  async run(args, context) {
    noPositionals(args)
    const answer = await askServer(args, context, "GET", `/apps/${await appOf(args, context)}/hooks`)
    const hooks: readonly Hook[] = answer.hooks
    return printResult(args, context, answer, hooks.length === 0 ? ["no hooks"] : hooks.flatMap(hookLines))
  },
}

export const webhooksLog: Command = {
  name: "webhooks log",
  usage: "",
  summary: "Show the deliveries of an app, newest last, or follow them.",
  options: {
    app: appOption,
    ...filterOptions,
    follow: { type: "boolean", doc: "Go on until Ctrl-C: what is new, and again what came of it." },
    lines: { type: "string", value: "<n>", doc: `At most so many. Default ${cliLimits.logLinesDefault}.` },
    url: adminOptions.url as Option,
    json: { type: "boolean", doc: "Print JSON Lines, one for each delivery." },
  },
  notes: ["A line: when, state, HTTP status or fault, type, id.", ...adminNotes],
  async run(args, context) {
    noPositionals(args)
    const filters = filtersOf(args, context)
    const count = linesWanted(args, cliLimits.logLinesDefault, cliLimits.logLinesMax)
    const app = await appOf(args, context)
    const write = async (delivery: Delivery): Promise<void> => {
      context.print(args.flag("json") ? JSON.stringify(delivery) : deliveryLine(delivery))
      await context.written?.()
    }
    const pages = (): AsyncGenerator<readonly Delivery[]> => pagesOf(args, context, app, filters)
    const isFollowed = args.flag("follow")
    const known: Delivery[] = []
    if (count > 0 || isFollowed) {
      for await (const page of pages()) {
        known.push(...page)
        if (known.length >= count) break
      }
    }
    for (const delivery of known.slice(0, count).toReversed()) await write(delivery)
    if (isFollowed) await follow(known, pages, write, context)
    return exitCodes.ok
  },
}

/** Looks again and again for what is new and what changed since `known`, until somebody stops it. */
async function follow(
  known: readonly Delivery[],
  pages: () => AsyncGenerator<readonly Delivery[]>,
  write: (delivery: Delivery) => Promise<void>,
  context: Context,
): Promise<void> {
  const stop = stopSignal(context)
  /** By id, how it was when it was last seen. Those that were not seen for the longest time come first. */
  const seen = new Map<string, string>()
  const remember = (delivery: Delivery): void => {
    seen.delete(delivery.id)
    seen.set(delivery.id, stateOf(delivery))
    const [oldest] = seen.keys()
    if (seen.size > cliLimits.followedMax) seen.delete(oldest as string)
  }
  for (const delivery of known.toReversed()) remember(delivery)
  while (!(await waitMs(cliLimits.pollEveryMs, stop))) {
    const found: Delivery[] = []
    for await (const page of pages()) {
      found.push(...page)
      // A whole page of news may have more behind it.
      const isAllNew = page.length === limits.pageSizeMax && page.every(({ id }) => !seen.has(id))
      if (!isAllNew) break
      if (found.length < cliLimits.followedMax) continue
      context.complain(`weir: more than ${found.length} deliveries came at once; some are not shown`)
      break
    }
    for (const delivery of found.toReversed()) {
      if (seen.get(delivery.id) !== stateOf(delivery)) await write(delivery)
      remember(delivery)
    }
  }
}

const stateOf = ({ state, attempts }: Delivery): string => `${state} ${attempts}`

export const webhooksShow: Command = {
  name: "webhooks show",
  usage: "<delivery id>",
  summary:
    "Show a delivery: the event, each attempt with its request and answer, and whether its signatures are right.",
  options: { app: appOption, ...adminOptions },
  notes: ["The id is what receivers get as webhook-id.", ...adminNotes],
  async run(args, context) {
    const id = deliveryIdOf(onlyPositional(args, "<delivery id>"))
    const { delivery } = await askServer(args, context, "GET", `/apps/${await appOf(args, context)}/deliveries/${id}`)
    return printResult(args, context, delivery, deliveryLines(delivery))
  },
}

export const webhooksSend: Command = {
  name: "webhooks send",
  usage: "<type>",
  summary: "Send hooks a test event, wait for what they answer, and show it.",
  options: {
    app: appOption,
    hook: { type: "string", value: "<id>", doc: "To this hook. Default: every enabled hook that wants the type." },
    sample: { type: "boolean", doc: "Send a sample of the type (default)." },
    body: {
      type: "string",
      value: "<file>",
      doc: "Send the JSON object in this file instead; - reads standard input.",
    },
    ...adminOptions,
  },
  notes: [
    "Signed and retried as any other delivery. Exit code 1 when a hook did not take it at its first attempt.",
    ...adminNotes,
  ],
  async run(args, context) {
    const type = onlyPositional(args, "<type>")
    const file = args.text("body")
    if (file !== null && args.flag("sample")) throw new UsageError("name --sample or --body, and not both")
    const body = file === null ? undefined : await bodyOf(file, context)
    const hook = args.text("hook")
    if (hook !== null) requireHookId(hook)
    const app = await appOf(args, context)
    const hooks: readonly Hook[] = (await askServer(args, context, "GET", `/apps/${app}/hooks`)).hooks
    const receivers = hooks.filter((one) => (hook === null ? wants(one, type) : one.id === hook))
    if (receivers.length === 0) {
      throw new CommandError(hook === null ? `no enabled hook wants ${shown(type)}` : `there is no hook ${hook}`)
    }
    const ids: string[] = []
    for (const { id } of receivers) {
      const { delivery } = await askServer(args, context, "POST", `/apps/${app}/hooks/${id}/test`, { type, body })
      ids.push(delivery.id)
    }
    const ended = await Promise.all(ids.map((id) => outcomeOf(args, context, app, id)))
    const lines = ended.map((delivery, index) => outcomeLine(delivery, receivers[index] as Hook))
    printResult(args, context, { deliveries: ended }, lines)
    return ended.every(({ state }) => state === "delivered") ? exitCodes.ok : exitCodes.failed
  },
}

const wants = ({ enabled, product, event_types, should_send_custom_events }: Hook, type: string): boolean =>
  enabled &&
  webhookEvents.wants({ product, eventTypes: event_types, sendsCustomEvents: should_send_custom_events }, type)

/** The delivery after its first attempt, or as it is when nothing came of it in time. */
async function outcomeOf(args: Arguments, context: Context, app: number, id: string): Promise<DeliveryWithLog> {
  const endMs = performance.now() + cliLimits.sendWaitMs
  for (;;) {
    const { delivery } = await askServer(args, context, "GET", `/apps/${app}/deliveries/${id}`)
    if (delivery.attempts > 0 || delivery.state !== "pending" || performance.now() > endMs) return delivery
    await waitMs(cliLimits.sendPollEveryMs, null)
  }
}

export const webhooksReplay: Command = {
  name: "webhooks replay",
  usage: "[delivery id]…",
  summary: "Send deliveries again: these, or all that the filters find.",
  options: {
    app: appOption,
    ...filterOptions,
    state: { type: "string", value: "<state>", doc: "dead (default), delivered or pending." },
    ...adminOptions,
  },
  notes: [
    "They keep their ids, so a receiver that had one drops it. Without ids at least one filter is needed.",
    "pending: what waits for its next attempt is tried now.",
    ...adminNotes,
  ],
  async run(args, context) {
    const ids = args.positionals.map(deliveryIdOf)
    const filters = filtersOf(args, context)
    const hasFilters = Object.keys(filters).length > 0
    if (ids.length > 0 && hasFilters) throw new UsageError("name deliveries or filters, and not both")
    if (ids.length === 0 && !hasFilters) {
      throw new UsageError("name deliveries, or at least one of --hook, --state, --type, --since, --until")
    }
    const path = `/apps/${await appOf(args, context)}/deliveries/replay`
    let replayed = 0
    if (ids.length > 0) {
      const { replayIdsMax } = webhooks.webhookLimits
      for (let from = 0; from < ids.length; from += replayIdsMax) {
        const part = ids.slice(from, from + replayIdsMax)
        replayed += (await askServer(args, context, "POST", path, { ids: part })).replayed
      }
    } else {
      // The server goes on behind what it replayed, so what dies again meanwhile is not sent once more.
      for (let next: string | null | undefined; next !== null; ) {
        const body = { ...filters, ...(next === undefined ? {} : { next }) }
        const answer = await askServer(args, context, "POST", path, body)
        replayed += answer.replayed
        next = answer.has_more ? answer.next : null
      }
    }
    if (args.flag("json")) context.print(JSON.stringify({ replayed }))
    else context.print(`${replayed} ${replayed === 1 ? "delivery is" : "deliveries are"} sent again`)
    return exitCodes.ok
  },
}

/** Pages of deliveries, newest first. */
async function* pagesOf(
  args: Arguments,
  context: Context,
  app: number,
  filters: Filters,
): AsyncGenerator<readonly Delivery[]> {
  for (let next: string | null = ""; next !== null; ) {
    const query = new URLSearchParams({ ...filters, limit: String(limits.pageSizeMax) })
    if (next !== "") query.set("next", next)
    const answer = await askServer(args, context, "GET", `/apps/${app}/deliveries?${query}`)
    yield answer.deliveries
    next = answer.next
  }
}

type Filters = Readonly<Partial<Record<"hook_id" | "state" | "type" | "since" | "until", string>>>

/** The filters that were given, as the management API names them. Throws UsageError. */
function filtersOf(args: Arguments, context: Context): Filters {
  const hook = args.text("hook")
  const state = args.text("state")
  if (hook !== null) requireHookId(hook)
  if (state !== null && !["pending", "delivered", "dead"].includes(state)) {
    throw new UsageError(`"${shown(state).slice(0, 80)}" is no state: pending, delivered or dead`)
  }
  const given = {
    hook_id: hook,
    state,
    type: args.text("type"),
    since: timeOf(args, "since", context),
    until: timeOf(args, "until", context),
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
}

/** A time that was given as such or as a length of time before now. Throws UsageError. */
function timeOf(args: Arguments, name: "since" | "until", context: Context): string | null {
  const text = args.text(name)
  if (text === null) return null
  const seconds = parseDuration(text)
  if (seconds !== null) return new Date(context.now() - seconds * 1_000).toISOString()
  if (parseTime(text) !== null) return text
  throw new UsageError(`--${name} is no RFC 3339 time and no length of time: "${text.slice(0, 80)}"`)
}

function requireHookId(text: string): void {
  if (new RegExp(hookIdPattern).test(text)) return
  throw new UsageError(`"${shown(text).slice(0, 80)}" is not the id of a hook; "weir webhooks list" lists them`)
}

function deliveryIdOf(text: string): string {
  if (new RegExp(deliveryIdPattern).test(text)) return text
  throw new UsageError(`"${shown(text).slice(0, 80)}" is not the id of a delivery, such as msg_1z-…`)
}

/** The JSON object in a file, or on standard input. Throws CommandError. */
async function bodyOf(file: string, context: Context): Promise<object> {
  const text = file === "-" ? await context.readInput(cliLimits.testBodyBytesMax) : textOf(file)
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    // Said below.
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body
  throw new CommandError(`${file === "-" ? "standard input" : shown(file)} holds no JSON object`)
}

function textOf(file: string): string {
  try {
    if (statSync(file).size <= cliLimits.testBodyBytesMax) return readFileSync(file, "utf8")
  } catch (error) {
    throw new CommandError(`${shown(file)} cannot be read: ${(error as NodeJS.ErrnoException).code ?? "unknown"}`)
  }
  throw new CommandError(`${shown(file)} has more than ${cliLimits.testBodyBytesMax} bytes`)
}

// Hooks, deliveries and attempts as lines for a terminal. What receivers and events say is shown so that it cannot steer
// one. Pure.

import type { OutputOf, webhooks } from "@weir/protocol"
import { shown } from "../admin.ts"
import { columns } from "../command.ts"

export type Hook = OutputOf<typeof webhooks.readHook>["hook"]
export type Delivery = OutputOf<typeof webhooks.listDeliveries>["deliveries"][number]
export type DeliveryWithLog = OutputOf<typeof webhooks.readDelivery>["delivery"]

/** One hook: where it goes and what it wants, then how it fares. */
export function hookLines(hook: Hook): string[] {
  const { status } = hook
  const state = hook.enabled ? "enabled" : `switched off (${shown(hook.disabled_reason ?? "operator")})`
  const wanted = hook.event_types.length === 0 ? "all events" : hook.event_types.join(" ")
  const waiting =
    status.oldest_pending_at === null
      ? String(status.pending)
      : `${status.pending}, the oldest since ${status.oldest_pending_at}`
  const rows: [string, string][] = [
    ["events", `${shown(wanted)}${hook.product === "all" ? "" : ` of ${shown(hook.product)}`}`],
    ["pending", waiting],
    ["last delivered", status.last_delivered_at ?? "none"],
  ]
  if (status.failing_since !== null) rows.push(["failing since", status.failing_since])
  return [`${hook.id}  ${shown(hook.hook_type)}  ${state}  ${shown(placeOf(hook))}`, ...columns(rows)]
}

/** Where a hook's deliveries go, in one word or two. */
const placeOf = (hook: Hook): string =>
  hook.webhook_url ??
  hook.sqs_queue_url ??
  hook.sns_topic_arn ??
  (hook.redis_url === undefined ? undefined : `${hook.redis_url} ${hook.redis_stream ?? ""}`) ??
  (hook.nats_url === undefined ? undefined : `${hook.nats_url} ${hook.nats_subject ?? ""}`) ??
  (hook.hook_type === "listen" ? "a listener" : "")

/** A delivery in one line. */
export function deliveryLine(delivery: Delivery): string {
  const { attempts, due_at } = delivery
  const result = delivery.status ?? delivery.fault ?? "-"
  const more = [
    ...(attempts > 1 ? [`${attempts} attempts`] : []),
    ...(attempts > 0 && due_at !== null ? [`next ${due_at}`] : []),
    ...(delivery.source === "test" ? ["test"] : []),
  ]
  const parts = [delivery.created_at, delivery.state.padEnd(9), result, delivery.type, delivery.id, ...more]
  return shown(parts.join("  "))
}

/** Everything that is known of a delivery. */
export function deliveryLines(delivery: DeliveryWithLog): string[] {
  const facts: [string, string][] = [
    ["hook", delivery.hook_id],
    ["type", shown(delivery.type)],
    ["stream", shown(delivery.stream)],
    ["state", delivery.state],
    ["attempts", String(delivery.attempts)],
    ["written", `${delivery.created_at}${delivery.source === "test" ? ", as a test" : ""}`],
  ]
  if (delivery.due_at !== null) facts.push(["due", delivery.due_at])
  if (delivery.finished_at !== null) facts.push(["ended", delivery.finished_at])
  return [
    delivery.id,
    ...columns(facts),
    "",
    shown(delivery.body),
    ...delivery.log.flatMap((attempt) => ["", ...attemptLines(attempt)]),
  ]
}

function attemptLines(attempt: DeliveryWithLog["log"][number]): string[] {
  const { request, response, fault, detail, signature_check } = attempt
  const headerLines = (mark: string, headers: Readonly<Record<string, string>>): string[] =>
    Object.entries(headers).map(([name, value]) => `  ${mark} ${shown(name)}: ${shown(value)}`)
  return [
    `attempt at ${attempt.at}, ${attempt.duration_ms} ms: ${fault === null ? "delivered" : shown(detail ?? fault)}`,
    `  > ${shown(request.target)}`,
    ...headerLines(">", request.headers),
    ...(response === null
      ? ["  < no answer"]
      : [
          `  < ${response.status ?? "answered"}`,
          ...headerLines("<", response.headers),
          ...(response.body === "" ? [] : [`  < ${shown(response.body)}`]),
        ]),
    `  webhook-signature ${checkText(signature_check.standard)}, x-signature ${checkText(signature_check.api)}`,
  ]
}

const checkText = (isRight: boolean | null): string =>
  isRight === null ? "cannot be checked" : isRight ? "is right" : "is WRONG"

/** A test delivery after its first attempt: what the hook answered. */
export function outcomeLine(delivery: DeliveryWithLog, hook: Hook): string {
  const last = delivery.log.at(-1)
  const where = shown(placeOf(hook))
  if (last === undefined) return `${delivery.id}  waits: nothing came of it yet  ${where}`
  const result = last.fault === null ? "delivered" : shown(last.detail ?? last.fault)
  const next = delivery.due_at === null ? "" : `, next attempt ${delivery.due_at}`
  return `${delivery.id}  ${last.response?.status ?? "-"}  ${last.duration_ms} ms  ${result}${next}  ${where}`
}

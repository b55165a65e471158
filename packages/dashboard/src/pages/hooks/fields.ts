// What a hook of each kind is set to, as data for the form. Pure.

import type { Hook, HookBody, HookKind } from "./words.tsx"

export interface Field {
  readonly name: keyof HookBody & string
  readonly label: string
  readonly description?: string
  readonly placeholder?: string
  /** `secret` is written and never read: an empty one leaves what is there. */
  readonly kind: "text" | "secret" | "number" | "switch"
  readonly required?: boolean
}

const aws = (service: "sqs" | "sns"): readonly Field[] => [
  { name: `${service}_key`, label: "Access key id", kind: "text", required: true },
  { name: `${service}_secret`, label: "Secret access key", kind: "secret", required: true },
  { name: `${service}_region`, label: "Region", kind: "text", description: "From the address unless given." },
]

export const kindFields: Readonly<Record<HookKind, readonly Field[]>> = {
  webhook: [
    {
      name: "webhook_url",
      label: "Address",
      description: "It gets a POST for each event, and answers with 2xx.",
      placeholder: "https://backend.example/hooks/weir",
      kind: "text",
      required: true,
    },
  ],
  sqs: [
    {
      name: "sqs_queue_url",
      label: "Queue",
      placeholder: "https://sqs.eu-west-1.amazonaws.com/123456789012/events",
      kind: "text",
      required: true,
    },
    ...aws("sqs"),
  ],
  sns: [
    {
      name: "sns_topic_arn",
      label: "Topic",
      placeholder: "arn:aws:sns:eu-west-1:123456789012:events",
      kind: "text",
      required: true,
    },
    ...aws("sns"),
    { name: "sns_endpoint", label: "Endpoint", kind: "text", description: "Where it is not the region's own." },
    {
      name: "sns_event_based_message_group_id_enabled",
      label: "Group by event type",
      description: "For FIFO topics: in place of channel, feed or call.",
      kind: "switch",
    },
  ],
  redis: [
    {
      name: "redis_url",
      label: "Server",
      description: "With its password. It is shown without, and kept while the server stays the same.",
      placeholder: "rediss://user:password@redis.example:6379/0",
      kind: "text",
      required: true,
    },
    { name: "redis_stream", label: "Stream", placeholder: "weir-events", kind: "text", required: true },
    {
      name: "redis_length_max",
      label: "Longest stream",
      description: "It is cut to about so many entries. Empty: never.",
      kind: "number",
    },
  ],
  nats: [
    { name: "nats_url", label: "Server", placeholder: "tls://nats.example:4222", kind: "text", required: true },
    { name: "nats_subject", label: "Subject", placeholder: "weir.events", kind: "text", required: true },
    { name: "nats_user", label: "User", kind: "text" },
    { name: "nats_password", label: "Password", kind: "secret" },
    { name: "nats_token", label: "Token", kind: "secret", description: "In place of user and password." },
  ],
}

export interface Settings {
  readonly product: string
  readonly event_types: readonly string[]
  readonly should_send_custom_events: boolean
  readonly timeout_ms: number
  readonly compression: string
  readonly ordered: boolean
}

/** What the form holds. Fields of the kind by name, as typed; a switch is `true` or empty. */
export interface Draft {
  readonly kind: HookKind
  readonly fields: Readonly<Record<string, string>>
  readonly settings: Settings
}

export const newSettings: Settings = {
  product: "all",
  event_types: [],
  should_send_custom_events: false,
  timeout_ms: 6_000,
  compression: "none",
  ordered: false,
}

/** A draft of a hook as it is. */
export function draftOf(hook: Hook): Draft {
  const kind = hook.hook_type as HookKind
  const shown = hook as unknown as Readonly<Record<string, unknown>>
  const fields = kindFields[kind].map(({ name, kind: of }) => {
    const value = shown[name]
    if (of === "switch") return [name, value === true ? "true" : ""]
    return [name, value === undefined || value === null ? "" : String(value)]
  })
  return {
    kind,
    fields: Object.fromEntries(fields),
    settings: {
      product: hook.product,
      event_types: hook.event_types,
      should_send_custom_events: hook.should_send_custom_events,
      timeout_ms: hook.timeout_ms,
      compression: hook.compression,
      ordered: hook.ordered,
    },
  }
}

/** The body of CreateHook. */
export function createBody({ kind, fields, settings }: Draft): HookBody {
  const given = kindFields[kind].flatMap((field) => {
    const text = fields[field.name] ?? ""
    return text.trim() === "" ? [] : [[field.name, readField(field, text)]]
  })
  return { hook_type: kind, ...Object.fromEntries(given), ...settings, event_types: [...settings.event_types] }
}

/** The body of UpdateHook: what differs from the hook as it is. Empty when nothing does. */
export function updateBody(before: Draft, { kind, fields, settings }: Draft): HookBody {
  const changed = kindFields[kind].flatMap((field) => {
    const text = (fields[field.name] ?? "").trim()
    if (text === (before.fields[field.name] ?? "")) return []
    return [[field.name, readField(field, text)]]
  })
  const differing = Object.entries(settings).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(before.settings[name as keyof Settings]),
  )
  return { ...Object.fromEntries(changed), ...Object.fromEntries(differing) }
}

function readField({ kind }: Field, text: string): string | number | boolean | null {
  if (kind === "switch") return text === "true"
  if (kind !== "number") return text.trim()
  return text === "" ? null : Number(text)
}

/** Whether everything is there that a hook of the kind needs. `isNew`: its secrets are not known yet. */
export const isComplete = ({ kind, fields }: Draft, isNew: boolean): boolean =>
  kindFields[kind].every(
    ({ name, required, kind: of }) =>
      required !== true || (of === "secret" && !isNew) || (fields[name] ?? "").trim() !== "",
  )

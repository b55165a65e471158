// How hooks are spoken of.

import { Badge, Group, Text } from "@mantine/core"
import type { CallInput, CallOutput } from "../../api/client.ts"
import { countText } from "../traffic/series.ts"

export type Hook = CallOutput<"ListHooks">["hooks"][number]
export type HookStats = CallOutput<"GetWebhookStats">["hooks"][number]
export type HookBody = NonNullable<CallInput<"CreateHook">["body"]>

/** Kinds that an operator can make. A `listen` hook lives as long as somebody listens. */
export const hookKinds = ["webhook", "sqs", "sns", "redis", "nats"] as const
export type HookKind = (typeof hookKinds)[number]

export const kindLabels: Readonly<Record<string, string>> = {
  webhook: "HTTP",
  sqs: "Amazon SQS",
  sns: "Amazon SNS",
  redis: "Redis stream",
  nats: "NATS",
  listen: "Listener",
}

const originTexts: Readonly<Record<string, string>> = {
  admin: "made here or through the management API",
  event_hooks: "set by your backend (event_hooks)",
  webhook_url: "set by your backend (webhook_url)",
  sqs_url: "set by your backend (sqs_url)",
  sns_topic_arn: "set by your backend (sns_topic_arn)",
  listen: "somebody listens at this moment",
}
export const originText = (origin: string): string => originTexts[origin] ?? origin

/** A hook that a backend sets anew at its start: what is changed here may be undone by it. */
export const isBackends = ({ origin }: Pick<Hook, "origin">): boolean => origin !== "admin" && origin !== "listen"

/** The server counts no further than this. */
const pendingCountedMax = 10_000

export const pendingText = (pending: number): string =>
  pending >= pendingCountedMax ? `${countText(pendingCountedMax)} or more` : countText(pending)

/** Where its deliveries go, in one line. */
export function addressOf(hook: Hook): string {
  switch (hook.hook_type) {
    case "webhook":
      return hook.webhook_url ?? ""
    case "sqs":
      return hook.sqs_queue_url ?? ""
    case "sns":
      return hook.sns_topic_arn ?? ""
    case "redis":
      return `${hook.redis_url} ${hook.redis_stream}`
    case "nats":
      return `${hook.nats_url} ${hook.nats_subject}`
    default:
      return "an open connection"
  }
}

export const productLabels: Readonly<Record<string, string>> = {
  all: "All products",
  chat: "Chat",
  feeds: "Feeds",
  video: "Video",
  moderation: "Moderation",
}

/** What it gets, in a few words. */
export function wantsText({ event_types: types, product }: Pick<Hook, "event_types" | "product">): string {
  const whose = product === "all" ? "" : ` of ${product}`
  if (types.length === 0) return `every event${whose}`
  const [first = "", ...rest] = types
  return rest.length === 0 ? `${first}${whose}` : `${first} and ${rest.length} more${whose}`
}

/** Off, failing, behind or fine. */
export function HookState({ hook, stats }: { hook: Hook; stats?: HookStats | undefined }) {
  const { enabled, disabled_reason: reason, status } = hook
  if (!enabled) {
    return (
      <Badge variant="light" color="gray">
        {reason === "gone" ? "off: gone" : "off"}
      </Badge>
    )
  }
  const failingSince = stats?.node?.failing_since ?? status.failing_since
  return (
    <Group gap={6}>
      {failingSince === null ? (
        <Badge variant="light" color="teal">
          on
        </Badge>
      ) : (
        <Badge variant="light" color="red">
          failing
        </Badge>
      )}
      {stats?.node?.circuit === "open" ? (
        <Badge variant="light" color="yellow">
          circuit open
        </Badge>
      ) : null}
    </Group>
  )
}

export function EventTypes({ types }: { types: readonly string[] }) {
  if (types.length === 0) return <Text size="sm">Every event, those of later versions too.</Text>
  return (
    <Group gap={6}>
      {types.map((type) => (
        <Badge key={type} variant="light" color="gray">
          {type}
        </Badge>
      ))}
    </Group>
  )
}

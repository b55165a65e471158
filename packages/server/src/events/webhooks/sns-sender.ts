// Deliveries to Amazon SNS: Publish in the query protocol (SNS API Reference, API version 2010-03-31). What subscribers
// get is the envelope that SNS makes, whose `Message` is the documented body.

import type { Outgoing } from "../../base/outgoing.ts"
import { type Attempt, retry } from "./attempt.ts"
import { type AwsRequest, createAwsSender } from "./aws.ts"
import type { HookSender, TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"
import { groupId } from "./queue.ts"

type SnsTarget = TargetOf<"sns">

/**
 * Sends deliveries of hooks of the kind `sns` (createAwsSender). Subscriptions can be filtered by the attribute
 * `event_type`. To a FIFO topic (its ARN ends in `.fifo`) the group is the stream, or the event type with `groupByType`,
 * and the webhook id is what duplicates are known by.
 */
export const createSnsSender = ({ outgoing }: { readonly outgoing: Outgoing }): HookSender =>
  createAwsSender<SnsTarget>("sns", outgoing, {
    shownTarget: ({ topicArn }) => topicArn,
    messageBytesMax: limits.snsMessageBytesMax,
    requestOf,
    // The answers are small documents of a fixed form, and few of their elements are asked for.
    readError(answer) {
      const code = elementOf("Code", answer)
      return code === null ? null : { code, message: elementOf("Message", answer) ?? "" }
    },
    objection: (answer) =>
      elementOf("MessageId", answer) === null
        ? retry("protocol", "the answer does not say that the message was taken")
        : null,
  })

function requestOf({ target, delivery, headers }: Attempt<SnsTarget>, text: string): AwsRequest | null {
  const url = endpointOf(target)
  if (url === null) return null
  const form = new URLSearchParams({ Action: "Publish", Version: "2010-03-31", TopicArn: target.topicArn })
  form.set("Message", text)
  for (const [index, [name, value]] of Object.entries(headers).entries()) {
    const entry = `MessageAttributes.entry.${index + 1}`
    form.set(`${entry}.Name`, name)
    form.set(`${entry}.Value.DataType`, "String")
    form.set(`${entry}.Value.StringValue`, value)
  }
  if (target.topicArn.endsWith(".fifo")) {
    form.set("MessageGroupId", groupId(target.groupByType ? delivery.type : delivery.stream))
    form.set("MessageDeduplicationId", delivery.webhookId)
  }
  return {
    url,
    headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
    body: form.toString(),
  }
}

/** Where the service answers; null when there is no such place. The region is checked, as it becomes a host name. */
function endpointOf({ endpoint, region }: SnsTarget): string | null {
  if (endpoint !== null) return URL.canParse(endpoint) ? new URL(endpoint).href : null
  if (!/^[a-z0-9-]{1,32}$/.test(region)) return null
  return `https://sns.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}/`
}

/** The text of the first element of this name; null when there is none. */
function elementOf(name: string, text: string): string | null {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
  return found?.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => entities[entity] ?? "") ?? null
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" }

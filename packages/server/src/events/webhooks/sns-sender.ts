// Deliveries to Amazon SNS: Publish in the query protocol (SNS API Reference, API version 2010-03-31). What subscribers
// get is the envelope that SNS makes, whose `Message` is the documented body.

import type { Outgoing } from "../../base/outgoing.ts"
import { type AwsAnswers, createAwsClient } from "./aws.ts"
import type { HookDelivery, HookSender, HookTarget } from "./hook.ts"
import { limits } from "./limits.ts"
import {
  type Attempt,
  attributeBytes,
  groupId,
  messageAttributes,
  queueText,
  refuse,
  retry,
  runAttempt,
  wrongKind,
} from "./queue.ts"

type SnsTarget = Extract<HookTarget, { readonly kind: "sns" }>

/**
 * Sends deliveries of hooks of the kind `sns`. `outgoing` stays its owner's and is not closed with the sender.
 *
 * The headers of the delivery are message attributes, so subscriptions can be filtered by `event_type`. To a FIFO topic
 * (its ARN ends in `.fifo`) the group is the stream, or the event type with `groupByType`, and the webhook id is what
 * duplicates are known by.
 *
 * `refused` is a message above limits.snsMessageBytesMax with its attributes, or one that SNS does not take. All else is
 * `retry`, with the service's code in `detail`.
 */
export function createSnsSender({ outgoing }: { readonly outgoing: Outgoing }): HookSender {
  const call = createAwsClient(outgoing)

  async function deliver(attempt: Attempt, target: SnsTarget, delivery: HookDelivery, nowMs: number) {
    const attributes = messageAttributes(delivery, nowMs)
    attempt.headers = attributes
    const text = await queueText(delivery)
    const bytes = Buffer.byteLength(text) + attributeBytes(attributes)
    if (bytes > limits.snsMessageBytesMax) {
      return refuse("too-big", `the message has ${bytes} bytes; SNS takes at most ${limits.snsMessageBytesMax}`)
    }
    const url = endpointOf(target)
    if (url === null) return retry("refused-url", "the topic's region or endpoint is none")
    const form = new URLSearchParams({ Action: "Publish", Version: "2010-03-31", TopicArn: target.topicArn })
    form.set("Message", text)
    for (const [index, [name, value]] of Object.entries(attributes).entries()) {
      const entry = `MessageAttributes.entry.${index + 1}`
      form.set(`${entry}.Name`, name)
      form.set(`${entry}.Value.DataType`, "String")
      form.set(`${entry}.Value.StringValue`, value)
    }
    if (target.topicArn.endsWith(".fifo")) {
      form.set("MessageGroupId", groupId(target.groupByType ? delivery.type : delivery.stream))
      form.set("MessageDeduplicationId", delivery.webhookId)
    }
    const { region, accessKeyId, secretAccessKey } = target
    return call(
      {
        service: "sns",
        region,
        credentials: { accessKeyId, secretAccessKey },
        url,
        headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
        body: form.toString(),
        timeoutMs: delivery.hook.timeoutMs,
      },
      answers,
      nowMs,
    )
  }

  return {
    send(delivery, nowMs) {
      const { target } = delivery.hook
      if (target.kind !== "sns") {
        return runAttempt({ target: target.kind, secrets: [], headers: {} }, async () => wrongKind(target.kind))
      }
      const attempt: Attempt = { target: target.topicArn, secrets: [target.secretAccessKey], headers: {} }
      return runAttempt(attempt, () => deliver(attempt, target, delivery, nowMs))
    },
    close: async () => {},
  }
}

/** Where the service answers; null when there is no such place. The region is checked, as it becomes a host name. */
function endpointOf({ endpoint, region }: SnsTarget): string | null {
  if (endpoint !== null) return URL.canParse(endpoint) ? new URL(endpoint).href : null
  if (!/^[a-z0-9-]{1,32}$/.test(region)) return null
  return `https://sns.${region}.amazonaws.com${region.startsWith("cn-") ? ".cn" : ""}/`
}

// The answers are small documents of a fixed form, and two of their elements are all that is asked for.
const answers: AwsAnswers = {
  readError(text) {
    const code = elementOf("Code", text)
    return code === null ? null : { code, message: elementOf("Message", text) ?? "" }
  },
  objection: (text) =>
    elementOf("MessageId", text) === null
      ? retry("protocol", "the answer does not say that the message was taken")
      : null,
}

/** The text of the first element of this name; null when there is none. */
function elementOf(name: string, text: string): string | null {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
  return found?.replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => entities[entity] ?? "") ?? null
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" }

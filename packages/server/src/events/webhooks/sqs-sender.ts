// Deliveries to Amazon SQS: SendMessage in the AWS JSON 1.0 protocol (SQS API Reference, API version 2012-11-05), at the
// host of the queue's URL.

import { createHash } from "node:crypto"
import type { Outgoing } from "../../base/outgoing.ts"
import { type AwsAnswers, createAwsClient } from "./aws.ts"
import type { HookDelivery, HookSender, HookTarget } from "./hook.ts"
import { limits } from "./limits.ts"
import {
  type Attempt,
  type AttemptEnd,
  attributeBytes,
  groupId,
  messageAttributes,
  queueText,
  refuse,
  retry,
  runAttempt,
  wrongKind,
} from "./queue.ts"

type SqsTarget = Extract<HookTarget, { readonly kind: "sqs" }>

/**
 * Sends deliveries of hooks of the kind `sqs`. `outgoing` stays its owner's and is not closed with the sender.
 *
 * The body has the documented form (`queueText`), the headers of the delivery are message attributes. To a FIFO queue
 * (its name ends in `.fifo`) the stream is the group, so that the events of one channel, feed or call stay in order,
 * and the webhook id is what duplicates are known by: SQS drops them itself for five minutes.
 *
 * `refused` is a message that SQS does not take: above limits.sqsMessageBytesMax with its attributes, or above the
 * queue's own bound. All else is `retry`, with the service's code in `detail`.
 */
export function createSqsSender({ outgoing }: { readonly outgoing: Outgoing }): HookSender {
  const call = createAwsClient(outgoing)

  async function deliver(attempt: Attempt, target: SqsTarget, delivery: HookDelivery, nowMs: number) {
    const attributes = messageAttributes(delivery, nowMs)
    attempt.headers = attributes
    const text = await queueText(delivery)
    const bytes = Buffer.byteLength(text) + attributeBytes(attributes)
    if (bytes > limits.sqsMessageBytesMax) {
      return refuse("too-big", `the message has ${bytes} bytes; SQS takes at most ${limits.sqsMessageBytesMax}`)
    }
    if (!URL.canParse(target.queueUrl)) return retry("refused-url", "the queue's URL is none")
    const body = JSON.stringify({
      QueueUrl: target.queueUrl,
      MessageBody: text,
      MessageAttributes: Object.fromEntries(
        Object.entries(attributes).map(([name, value]) => [name, { DataType: "String", StringValue: value }]),
      ),
      ...(target.queueUrl.endsWith(".fifo")
        ? { MessageGroupId: groupId(delivery.stream), MessageDeduplicationId: delivery.webhookId }
        : {}),
    })
    const { region, accessKeyId, secretAccessKey } = target
    return call(
      {
        service: "sqs",
        region,
        credentials: { accessKeyId, secretAccessKey },
        url: new URL("/", target.queueUrl).href,
        headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage" },
        body,
        timeoutMs: delivery.hook.timeoutMs,
      },
      answersTo(text),
      nowMs,
    )
  }

  return {
    send(delivery, nowMs) {
      const { target } = delivery.hook
      if (target.kind !== "sqs") {
        return runAttempt({ target: target.kind, secrets: [], headers: {} }, async () => wrongKind(target.kind))
      }
      const attempt: Attempt = { target: target.queueUrl, secrets: [target.secretAccessKey], headers: {} }
      return runAttempt(attempt, () => deliver(attempt, target, delivery, nowMs))
    },
    close: async () => {},
  }
}

const answersTo = (sent: string): AwsAnswers => ({
  readError(text) {
    const { __type: code, message, Message } = membersOf(text)
    if (typeof code !== "string") return null
    return { code, message: String(message ?? Message ?? "") }
  },
  objection(text): AttemptEnd | null {
    const { MessageId: id, MD5OfMessageBody: md5 } = membersOf(text)
    if (typeof id !== "string") return retry("protocol", "the answer does not say that the message was taken")
    // A text that arrived as another one has a signature that does not fit it, and would arrive so again.
    const isWhole = typeof md5 !== "string" || md5 === createHash("md5").update(sent).digest("hex")
    return isWhole ? null : refuse("altered", "the queue says by its MD5 that it took another text than was sent")
  },
})

/** The members of a JSON object; none when the text is something else. */
function membersOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

// Deliveries to Amazon SQS: SendMessage in the AWS JSON 1.0 protocol (SQS API Reference, API version 2012-11-05), at the
// host of the queue's URL.

import { createHash } from "node:crypto"
import type { Outgoing } from "../../base/outgoing.ts"
import { type Attempt, refuse, retry } from "./attempt.ts"
import { type AwsRequest, createAwsSender } from "./aws.ts"
import type { HookSender, TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"
import { groupId, membersOf } from "./queue.ts"

type SqsTarget = TargetOf<"sqs">

/**
 * Sends deliveries of hooks of the kind `sqs` (createAwsSender). To a FIFO queue (its name ends in `.fifo`) the stream is
 * the group, so that the events of one channel, feed or call stay in order, and the webhook id is what duplicates are
 * known by: SQS drops them itself for five minutes.
 */
export const createSqsSender = ({ outgoing }: { readonly outgoing: Outgoing }): HookSender =>
  createAwsSender<SqsTarget>("sqs", outgoing, {
    shownTarget: ({ queueUrl }) => queueUrl,
    messageBytesMax: limits.sqsMessageBytesMax,
    requestOf,
    readError(answer) {
      const { __type: code, message, Message } = membersOf(answer)
      return typeof code === "string" ? { code, message: String(message ?? Message ?? "") } : null
    },
    objection(answer, text) {
      const { MessageId: id, MD5OfMessageBody: md5 } = membersOf(answer)
      if (typeof id !== "string") return retry("protocol", "the answer does not say that the message was taken")
      // A text that arrived as another one has a signature that does not fit it, and would arrive so again.
      const isWhole = typeof md5 !== "string" || md5 === createHash("md5").update(text).digest("hex")
      return isWhole ? null : refuse("altered", "the queue says by its MD5 that it took another text than was sent")
    },
  })

function requestOf({ target: { queueUrl }, delivery, headers }: Attempt<SqsTarget>, text: string): AwsRequest | null {
  if (!URL.canParse(queueUrl)) return null
  const attribute = ([name, value]: [string, string]) => [name, { DataType: "String", StringValue: value }] as const
  return {
    url: new URL("/", queueUrl).href,
    headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage" },
    body: JSON.stringify({
      QueueUrl: queueUrl,
      MessageBody: text,
      MessageAttributes: Object.fromEntries(Object.entries(headers).map(attribute)),
      ...(queueUrl.endsWith(".fifo")
        ? { MessageGroupId: groupId(delivery.stream), MessageDeduplicationId: delivery.webhookId }
        : {}),
    }),
  }
}

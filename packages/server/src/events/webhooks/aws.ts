// What SQS and SNS share: a request signed with AWS Signature Version 4, sent through the guarded way out, the bound on a
// message, and what an error of the service means for the delivery.

import { AwsV4Signer } from "aws4fetch"
import type { Outgoing } from "../../base/outgoing.ts"
import { type Attempt, type AttemptEnd, createSender, delivered, refuse, retry } from "./attempt.ts"
import type { HookSender, TargetOf } from "./hook.ts"
import { limits } from "./limits.ts"
import { attributeBytes, messageAttributes, queueText } from "./queue.ts"

type AwsTarget = TargetOf<"sqs" | "sns">

/** The part of a request that is the service's own. */
export interface AwsRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** An error as the service names it. */
export interface AwsError {
  /** Such as `AccessDenied`. */
  readonly code: string
  readonly message: string
}

/** How a service is asked and how it answers. The answer read is whatever came, which may be none of that service. */
export interface AwsService<Target extends AwsTarget> {
  readonly shownTarget: (target: Target) => string
  /** Of the text with its attributes. */
  readonly messageBytesMax: number
  /** Null when the target is no place that can be asked. The headers of the attempt are the message's attributes. */
  readonly requestOf: (attempt: Attempt<Target>, text: string) => AwsRequest | null
  /** Null when there is no error that can be read. */
  readonly readError: (answer: string) => AwsError | null
  /** Null when a success says that the message `text` was taken, else what it says instead. */
  readonly objection: (answer: string, text: string) => AttemptEnd | null
}

/**
 * A sender for one of the services. `outgoing` stays its owner's and is not closed with the sender.
 *
 * The body has the documented form (`queueText`), the headers of the delivery are message attributes. `refused` is a
 * message that the service does not take: above `messageBytesMax`, or above the target's own bound. All else is `retry`,
 * with the service's code in `detail`.
 */
export function createAwsSender<Target extends AwsTarget>(
  kind: Target["kind"],
  outgoing: Outgoing,
  service: AwsService<Target>,
): HookSender {
  // A signing key is good for a day and costs four HMACs, so it is kept. The name it is kept under holds the secret.
  const signingKeys = new Map<string, ArrayBuffer>()

  return createSender<Target>(kind, {
    shownTarget: service.shownTarget,
    secretsOf: ({ secretAccessKey }) => [secretAccessKey],
    headersOf: messageAttributes,
    async deliver(attempt) {
      const { target, delivery, headers, nowMs } = attempt
      const text = await queueText(delivery)
      const bytes = Buffer.byteLength(text) + attributeBytes(headers)
      if (bytes > service.messageBytesMax) {
        const name = kind.toUpperCase()
        return refuse("too-big", `the message has ${bytes} bytes; ${name} takes at most ${service.messageBytesMax}`)
      }
      const request = service.requestOf(attempt, text)
      if (request === null) return retry("refused-url", "the target's URL, endpoint or region is none")
      if (signingKeys.size >= limits.awsSigningKeysMax) signingKeys.clear()
      const response = await outgoing.send({
        url: request.url,
        method: "POST",
        headers: await signedHeaders(request, target, signingKeys, nowMs),
        body: request.body,
        timeoutMs: delivery.hook.timeoutMs,
        responseBytesMax: limits.responseBytesMax,
      })
      const { status } = response
      const answer = new TextDecoder().decode(response.body)
      const end =
        status >= 200 && status < 300
          ? (service.objection(answer, text) ?? delivered)
          : endOfFailure(status, service.readError(answer))
      return { ...end, status, response: { headers: response.headers, body: answer } }
    },
  })
}

async function signedHeaders(
  { url, headers, body }: AwsRequest,
  { kind: service, region, accessKeyId, secretAccessKey }: AwsTarget,
  cache: Map<string, ArrayBuffer>,
  nowMs: number,
): Promise<Record<string, string>> {
  const datetime = new Date(nowMs).toISOString().replace(/[:-]|\.\d{3}/g, "")
  // The content type says which protocol the body speaks, so it is signed like the rest.
  const signer = { method: "POST", url, headers, body, accessKeyId, secretAccessKey, service, region, cache, datetime }
  const signed = await new AwsV4Signer({ ...signer, allHeaders: true }).sign()
  return Object.fromEntries(signed.headers)
}

/**
 * Nearly everything is tried again: keys that were taken back, a queue that is not there yet and a policy that is too
 * narrow are mended by an operator within the days that a delivery waits, and a redirect, which is not followed, is a
 * URL to be corrected. Refused is only a message that the service will never take.
 */
function endOfFailure(status: number, error: AwsError | null): AttemptEnd {
  if (status >= 300 && status < 400) return retry("redirect", `the service answered ${status}: no redirect is followed`)
  if (error === null) return retry(status === 429 ? "throttled" : "status", `the service answered ${status}`)
  const code = plainCode(error.code)
  return {
    result: messageFaults.has(code) ? "refused" : "retry",
    fault: faultOf(code, status),
    detail: `${code}: ${error.message || `status ${status}`}`,
  }
}

/** Too big for this queue, or with characters that it does not take. */
const messageFaults: ReadonlySet<string> = new Set(["InvalidMessageContents", "InvalidParameterValue"])

function faultOf(code: string, status: number): string {
  if (messageFaults.has(code)) return "rejected"
  if (/throttl|LimitExceeded|OverLimit|TooMany/i.test(code) || status === 429) return "throttled"
  if (/NonExistent|DoesNotExist|NotFound/.test(code)) return "not-found"
  if (/Access|Auth|Token|Client|Signature|Expired|Disabled/.test(code)) return "auth"
  return "status"
}

/**
 * A code without what the protocols put around it: `com.amazonaws.sqs#QueueDoesNotExist` is `QueueDoesNotExist`, and
 * `InvalidParameterValueException` is `InvalidParameterValue`.
 */
function plainCode(code: string): string {
  const plain = code
    .slice(code.lastIndexOf("#") + 1)
    .replace(/:.*$/s, "")
    .replace(/Exception$/, "")
  return /^[\w.-]{1,64}$/.test(plain) ? plain : "an error without a name"
}

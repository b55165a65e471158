// Calls to SQS and SNS: a request signed with AWS Signature Version 4, sent through the guarded way out, and what an
// error of the service means for the delivery.

import { AwsV4Signer } from "aws4fetch"
import type { Outgoing, OutgoingResponse } from "../../base/outgoing.ts"
import type { AwsCredentials } from "./hook.ts"
import { limits } from "./limits.ts"
import { type AttemptEnd, retry } from "./queue.ts"

export interface AwsCall {
  readonly service: "sqs" | "sns"
  readonly region: string
  readonly credentials: AwsCredentials
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
}

/** An error as the service names it. */
export interface AwsError {
  /** Such as `AccessDenied`. */
  readonly code: string
  readonly message: string
}

/** How a service writes its answers. Both are asked with whatever came, which may be no answer of that service. */
export interface AwsAnswers {
  /** Null when there is no error that can be read. */
  readError(text: string): AwsError | null
  /** Null when a success says that the message was taken, else what it says instead. */
  objection(text: string): AttemptEnd | null
}

/** Sends one call and judges the answer. Rejects with OutgoingError. `nowMs` is the time that is signed. */
export type AwsClient = (call: AwsCall, answers: AwsAnswers, nowMs: number) => Promise<AttemptEnd>

export function createAwsClient(outgoing: Outgoing): AwsClient {
  // A signing key is good for a day and costs four HMACs, so it is kept. The name it is kept under holds the secret.
  const signingKeys = new Map<string, ArrayBuffer>()

  return async (call, answers, nowMs) => {
    if (signingKeys.size >= limits.awsSigningKeysMax) signingKeys.clear()
    const response = await outgoing.send({
      url: call.url,
      method: "POST",
      headers: await signedHeaders(call, signingKeys, nowMs),
      body: call.body,
      timeoutMs: call.timeoutMs,
      responseBytesMax: limits.responseBytesMax,
    })
    const text = new TextDecoder().decode(response.body)
    const end = judge(response, text, answers)
    return { ...end, status: response.status, response: { headers: response.headers, body: text } }
  }
}

async function signedHeaders(
  { service, region, credentials, url, headers, body }: AwsCall,
  cache: Map<string, ArrayBuffer>,
  nowMs: number,
): Promise<Record<string, string>> {
  const { accessKeyId, secretAccessKey } = credentials
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
function judge({ status }: OutgoingResponse, text: string, answers: AwsAnswers): AttemptEnd {
  if (status >= 200 && status < 300) {
    return answers.objection(text) ?? { result: "delivered", fault: null, detail: null }
  }
  if (status >= 300 && status < 400) return retry("redirect", `the service answered ${status}: no redirect is followed`)
  const error = answers.readError(text)
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

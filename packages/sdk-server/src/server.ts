// The app itself as a caller: every operation with a server token, and the tokens of its users.

import { baseUrlOf } from "../../sdk-client/src/base-url.ts"
import { createOperations, type Operations } from "../../sdk-client/src/operations.ts"
import { createRest, type Fetch, type RestRequest } from "../../sdk-client/src/rest.ts"
import { sleep, systemTimers, type Timers } from "../../sdk-client/src/timers.ts"
import type { Answer, Task } from "../../sdk-client/src/wire.ts"
import { limits } from "./limits.ts"
import { type AuthMethod, checkSafeForBasic, serverAuth } from "./server-auth.ts"
import { algorithmOf, type SigningKey } from "./signing.ts"
import {
  type CallTokenOptions,
  createCallToken,
  createCallTokenAsync,
  createToken,
  createTokenAsync,
  type TokenOptions,
} from "./tokens.ts"
import { version } from "./version.ts"
import { readWebhook, verifyWebhook, verifyWebhookAsync } from "./webhooks.ts"
import type { WebhookBody } from "./webhooks-body.ts"
import type { WebhookEvent } from "./webhooks-verifier.ts"

export interface WeirServerOptions {
  apiKey: string
  /** API secret; or, with `auth: "token"`, the private key of a pair. */
  apiSecret: SigningKey
  /** What webhooks are signed with; apiSecret unless told otherwise. Needed where that is a private key. */
  webhookSecret?: string
  /** Which of the key's secrets this is: the server then tries no other. */
  kid?: string
  /** How calls prove who makes them; `token` unless told otherwise. */
  auth?: AuthMethod
  /** Address of the server. Without it: the environment's WEIR_URL, else 127.0.0.1:3030. */
  baseUrl?: string
  /** Of one REST request. */
  timeoutMs?: number
  /** Name of the calling package, for `X-Stream-Client`. */
  clientTag?: string
  /** Parts that tests and unusual platforms replace. */
  fetch?: Fetch
  timers?: Timers
}

/** A task ended in `failed`, or did not end in time. */
export class WeirTaskError extends Error {
  override readonly name = "WeirTaskError"

  constructor(
    message: string,
    /** The task as it was last seen. */
    readonly task: Task,
  ) {
    super(message)
  }
}

export interface WeirServer extends Operations {
  readonly apiKey: string
  readonly baseUrl: string
  /** A token for one user's device; see the function of the same name. */
  createToken(userId: string, options?: TokenOptions): string
  createTokenAsync(userId: string, options?: TokenOptions): Promise<string>
  /** A token that opens only the listed calls. */
  createCallToken(options: CallTokenOptions): string
  createCallTokenAsync(options: CallTokenOptions): Promise<string>
  /** Whether a webhook's raw body and its `X-Signature` belong together. */
  verifyWebhook(body: WebhookBody, signature: string): boolean
  verifyWebhookAsync(body: WebhookBody, signature: string): Promise<boolean>
  /** Verifies and reads a webhook. Rejects with WeirWebhookError. */
  readWebhook(body: WebhookBody, signature: string): Promise<WebhookEvent>
  /** Asks once a second until the task is completed. Rejects with WeirTaskError. */
  waitForTask(taskId: string, options?: { timeoutMs?: number }): Promise<Answer<Task>>
}

/**
 * A caller with the app's secret. Calls go out with a server token, so no permission is checked: name the user that
 * a call acts for (`user_id`, `created_by_id`) and never pass on unchecked what a client asked for.
 * Throws Error in a browser, TypeError when key, secret or address cannot be right.
 */
export function createWeirServer(options: WeirServerOptions): WeirServer {
  const { apiKey, apiSecret } = options
  if (!apiKey) throw new TypeError("apiKey is missing")
  const alg = algorithmOf(apiSecret)
  const timers = options.timers ?? systemTimers
  const baseUrl = baseUrlOf(options.baseUrl)
  if (options.auth === "basic") checkSafeForBasic(baseUrl)
  const rest = createRest({
    baseUrl,
    apiKey,
    clientTag: options.clientTag ?? `weir-sdk-server-${version}`,
    timeoutMs: options.timeoutMs ?? limits.requestTimeoutMs,
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    timers,
  })
  const { kid } = options
  const auth = serverAuth(options.auth ?? "token", { apiKey, apiSecret, kid }, timers)
  const withKid = <Options extends TokenOptions>(given?: Options): Options =>
    (kid === undefined ? (given ?? {}) : { kid, ...given }) as Options
  const webhookSecret = (): string => {
    const secret = options.webhookSecret ?? apiSecret
    if (typeof secret === "string" && (alg === "HS256" || options.webhookSecret !== undefined)) return secret
    throw new TypeError("webhooks are signed with an API secret and not with a pair: give webhookSecret")
  }
  const operations = createOperations(<A>(request: RestRequest) => rest.call<A>(request, auth))

  return {
    ...operations,
    apiKey,
    baseUrl,
    createToken: (userId, tokenOptions) => createToken(apiSecret, userId, withKid(tokenOptions)),
    createTokenAsync: (userId, tokenOptions) => createTokenAsync(apiSecret, userId, withKid(tokenOptions)),
    createCallToken: (tokenOptions) => createCallToken(apiSecret, withKid(tokenOptions)),
    createCallTokenAsync: (tokenOptions) => createCallTokenAsync(apiSecret, withKid(tokenOptions)),
    verifyWebhook: (body, signature) => verifyWebhook(body, signature, webhookSecret()),
    verifyWebhookAsync: async (body, signature) => verifyWebhookAsync(body, signature, webhookSecret()),
    readWebhook: async (body, signature) => readWebhook(body, signature, webhookSecret()),

    async waitForTask(taskId, { timeoutMs = limits.taskTimeoutMs } = {}) {
      const deadlineMs = timers.now() + timeoutMs
      for (;;) {
        const task = await operations.tasks.get(taskId)
        if (task.status === "completed") return task
        if (task.status === "failed") {
          throw new WeirTaskError(`task ${taskId} failed: ${task.error?.description ?? "no reason given"}`, task)
        }
        if (timers.now() >= deadlineMs) throw new WeirTaskError(`task ${taskId} did not end in ${timeoutMs} ms`, task)
        await sleep(timers, limits.taskPollIntervalMs)
      }
    },
  }
}

// Listeners: what they ask for as a hook, what makes one known again, and what is kept of their answers. Pure.

import { type InputOf, inputError, webhooks as operations } from "@weir/protocol"
import { type MasterKey, open, SealError, seal, sealContext } from "../../base/crypto.ts"
import type { ListenAnswer, ListenedDelivery } from "../../events/webhooks/listen-sender.ts"
import {
  faultOf,
  type HookSpec,
  newSecretView,
  type PlainSecret,
  requireEventTypes,
  type SealedSecret,
} from "../webhooks/index.ts"
import { limits } from "./limits.ts"

type Query = InputOf<typeof operations.listenToHooks>["query"]

/** The hook that a listener asks for. Throws inputError for event types that there are not. */
export function specOf(query: Query, nodeId: string): HookSpec {
  const sendsCustom = query.should_send_custom_events ?? false
  return {
    enabled: true,
    product: query.product ?? "all",
    eventTypes: requireEventTypes(query.event_types ?? [], sendsCustom, "event_types", faultOf()),
    settings: {
      timeout_ms: operations.listenLimits.answerMs,
      // The body is a line of text; that the app compresses for others changes nothing of it.
      compression: "none",
      ordered: false,
      should_send_custom_events: sendsCustom,
    },
    target: { kind: "listen", nodeId },
  }
}

// The receiver of a listener holds the secret in its own settings. A listener whose connection broke gets another hook,
// on another node perhaps, and must get the same secret with it; sealed, it can be the listener who keeps it meanwhile.
const resumeContext = (appId: number): string => sealContext("listen-resume", appId)

/** What a listener hands back to be given the same secrets again. */
export const resumeText = (masterKey: MasterKey, appId: number, secrets: readonly PlainSecret[]): string =>
  seal(masterKey, JSON.stringify(secrets), resumeContext(appId))

/** The secrets of a listener that ended. Throws inputError for what was not given to a listener of this app. */
export function resumedSecrets(masterKey: MasterKey, appId: number, resume: string): PlainSecret[] {
  try {
    return JSON.parse(open(masterKey, resume, resumeContext(appId))) as PlainSecret[]
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    const text = "is from another app or deployment, or was sealed with a key that is gone; listen without it"
    throw inputError(`resume ${text}`, { resume: text })
  }
}

/** The first line of a stream. */
export const readyLine = (hookId: string, secrets: readonly SealedSecret[], resume: string): string =>
  lineOf({
    type: "ready",
    hook_id: hookId,
    secrets: secrets.map(newSecretView),
    resume,
    timeout_ms: operations.listenLimits.answerMs,
  })

export const deliveryLine = (delivery: ListenedDelivery): string => lineOf({ type: "delivery", ...delivery })
export const pingLine: string = lineOf({ type: "ping" })
export const endLine = (reason: "draining" | "removed"): string => lineOf({ type: "end", reason })

function lineOf(line: object): string {
  return `${JSON.stringify(line)}\n`
}

/** An answer with no more of it than is kept, since it may have to travel to another node. */
export function answerOf(body: InputOf<typeof operations.answerDelivery>["body"]): ListenAnswer {
  const headers = Object.entries(body.headers ?? {})
    .slice(0, limits.answerHeadersMax)
    .map(([name, value]): [string, string] => [
      name.slice(0, limits.answerHeaderCharsMax).toLowerCase(),
      value.slice(0, limits.answerHeaderCharsMax),
    ])
  return {
    id: body.delivery,
    attempt: body.attempt,
    status: body.status ?? null,
    headers: Object.fromEntries(headers),
    body: (body.body ?? "").slice(0, limits.answerBodyCharsMax),
    durationMs: body.duration_ms ?? null,
    error: body.error?.slice(0, limits.answerErrorCharsMax) ?? null,
  }
}

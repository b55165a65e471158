// Questions to an app's backend, whose answer somebody waits for: one signed POST, one attempt, and a bound on the time
// that it may take. Whatever goes wrong is a value, because what follows from it is the asker's to decide.

import { ApiError } from "@weir/protocol"
import type { Awaitable } from "../../base/chain.ts"
import type { Clock } from "../../base/clock.ts"
import { uuid } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import { createLru } from "../../base/lru.ts"
import { type Outgoing, OutgoingError, type OutgoingFault, type OutgoingResponse } from "../../base/outgoing.ts"
import { type AskCounts, createAskCounts } from "./ask-counts.ts"
import { faultSentences, requestHeaders } from "./attempt.ts"
import type { HookSigner } from "./hook.ts"
import { limits } from "./limits.ts"

/** What an answer comes to: `kind` is a word for counting, such as `rewritten`. */
export interface Reading {
  readonly kind: string
}

export interface Question<Answer extends Reading> {
  /** What is asked, a word for counting and for the log, such as `before-message-send`. */
  readonly purpose: string
  readonly appId: number
  readonly url: string
  /** Of the request. The whole question takes at most `limits.askSlackMs` more. */
  readonly timeoutMs: number
  /** JSON text. */
  readonly body: string
  /**
   * Makes sense of the answer, which is null when it is empty. What it throws makes the answer no answer: the reason of
   * an ApiError is what operators are told of it.
   */
  readonly read: (json: unknown) => Awaitable<Answer>
}

export type Reply<Answer extends Reading> =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "failed"; readonly fault: AskFault; readonly detail: string }

export type AskFault =
  | OutgoingFault
  /** The status is neither 2xx nor 3xx. */
  | "status"
  /** Redirects are not followed. */
  | "redirect"
  /** The answer is longer than limits.responseBytesMax. */
  | "too-big"
  /** The answer is no JSON, or none that means anything here. */
  | "answer"
  /** limits.asksInFlightMax questions of this app wait already. */
  | "busy"
  /** It has not answered for a while, so it was not asked. */
  | "away"
  /** It could not be asked: the secret does not open, say. */
  | "internal"

/** A question that got no answer, as operators are shown it. */
export interface AskFailure {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly purpose: string
  readonly fault: AskFault
  readonly detail: string
  readonly durationMs: number
}

export interface HookAsk {
  /** Never rejects. */
  ask<Answer extends Reading>(question: Question<Answer>): Promise<Reply<Answer>>
  /** What this node has asked since it began. */
  counts(): AskCounts
  /** The latest failures of an app on this node, newest first. */
  failuresOf(appId: number): readonly AskFailure[]
}

export interface HookAskParts {
  readonly outgoing: Pick<Outgoing, "send">
  /** What questions of an app are signed with: as its deliveries are. */
  readonly signerOf: (appId: number) => Awaitable<HookSigner>
  /** Parses JSON within the bounds of a request's body; null when it is empty. Throws ApiError. */
  readonly parse: (text: string) => unknown
  readonly clock: Clock
  readonly log: Logger
}

/** A backend as the next question needs it. Times are of the monotonic clock, in milliseconds. */
interface Backend {
  unanswered: number
  /** Not asked before this time; null while it answers. */
  awayUntilMs: number | null
  awayMs: number
  /** One question finds out whether it is back. */
  probing: boolean
}

interface Failures {
  readonly latest: AskFailure[]
  warnedMs: number
  unsaid: number
}

/**
 * Asks backends. Each question has an id of its own in `X-Webhook-Id` and is the first and only attempt.
 *
 * A backend that has not answered limits.unansweredUntilAway requests in a row counts as away: questions fail at once,
 * so that it does not cost every caller the time-out, until one that goes out after a pause is answered. Only silence
 * counts, for only silence costs time: an answer that is an error or makes no sense says that somebody is there, and
 * somebody who finds the input that breaks a backend must not thereby switch it off for everybody else.
 */
export function createHookAsk({ outgoing, signerOf, parse, clock, log }: HookAskParts): HookAsk {
  const backends = createLru<Backend>(limits.askedMax)
  const failures = createLru<Failures>(limits.askedMax)
  const inFlight = new Map<number, number>()
  const counts = createAskCounts()

  async function ask<Answer extends Reading>(question: Question<Answer>): Promise<Reply<Answer>> {
    const startedMs = clock.monotonic()
    const reply = await replyTo(question)
    const durationMs = clock.monotonic() - startedMs
    counts.asked(question.purpose, reply.kind === "answer" ? reply.answer.kind : reply.fault, reply.kind, durationMs)
    if (reply.kind === "failed") keep(question, reply.fault, reply.detail, durationMs)
    return reply
  }

  function replyTo<Answer extends Reading>(question: Question<Answer>): Awaitable<Reply<Answer>> {
    const { appId, url } = question
    const waiting = inFlight.get(appId) ?? 0
    if (waiting >= limits.asksInFlightMax) {
      return failed("busy", `${limits.asksInFlightMax} questions of this app wait for an answer already`)
    }
    const backend = backendAt(`${appId}|${url}`)
    const { awayUntilMs } = backend
    if (awayUntilMs !== null && (backend.probing || clock.monotonic() < awayUntilMs)) {
      return failed("away", "the backend has not answered for a while, so it was not asked")
    }
    const isProbe = awayUntilMs !== null
    backend.probing ||= isProbe
    inFlight.set(appId, waiting + 1)
    const answered = answerTo(question, backend, isProbe).finally(() => {
      const left = (inFlight.get(appId) as number) - 1
      if (left === 0) inFlight.delete(appId)
      else inFlight.set(appId, left)
    })
    return within(answered, question.timeoutMs + limits.askSlackMs)
  }

  async function answerTo<Answer extends Reading>(
    question: Question<Answer>,
    backend: Backend,
    isProbe: boolean,
  ): Promise<Reply<Answer>> {
    let response: OutgoingResponse
    try {
      response = await send(question)
      heard(backend, isProbe, true)
    } catch (error) {
      const isSilence = error instanceof OutgoingError
      heard(backend, isProbe, isSilence ? false : null)
      return isSilence ? failed(error.fault, faultSentences[error.fault]) : failed("internal", textOf(error))
    }
    const { status, body, isBodyCut } = response
    if (status >= 300 && status < 400) {
      return failed("redirect", `the backend answered ${status}: redirects are not followed`)
    }
    if (status < 200 || status > 299) return failed("status", `the backend answered ${status}`)
    if (isBodyCut) return failed("too-big", `the answer is longer than ${limits.responseBytesMax} bytes`)
    let json: unknown
    try {
      json = parse(utf8.decode(body))
    } catch {
      return failed("answer", "the answer is not JSON within the bounds of a request")
    }
    try {
      return { kind: "answer", answer: await question.read(json) }
    } catch (error) {
      return failed("answer", textOf(error))
    }
  }

  async function send({ appId, url, timeoutMs, body }: Question<Reading>): Promise<OutgoingResponse> {
    const signed = { signer: await signerOf(appId), webhookId: `ask_${uuid()}`, attempt: 1, body }
    const headers = await requestHeaders(signed, clock.now())
    const responseBytesMax = limits.responseBytesMax
    return outgoing.send({ url, method: "POST", headers, body, timeoutMs, responseBytesMax })
  }

  function backendAt(key: string): Backend {
    const known = backends.get(key)
    if (known !== undefined) return known
    const backend = { unanswered: 0, awayUntilMs: null, awayMs: limits.awayMsMin, probing: false }
    backends.set(key, backend)
    return backend
  }

  /** What a request says of its backend: it answered, it did not, or (null) it was never asked. */
  function heard(backend: Backend, isProbe: boolean, answered: boolean | null): void {
    if (isProbe) backend.probing = false
    if (answered === true) {
      backend.unanswered = 0
      backend.awayUntilMs = null
      backend.awayMs = limits.awayMsMin
    } else if (answered === false) {
      const isBackFromPause = isProbe && backend.awayUntilMs !== null
      backend.unanswered += 1
      // Requests that were on their way when it went away say nothing new.
      if (!isBackFromPause && (backend.awayUntilMs !== null || backend.unanswered < limits.unansweredUntilAway)) return
      if (isBackFromPause) backend.awayMs = Math.min(backend.awayMs * 2, limits.awayMsMax)
      backend.awayUntilMs = clock.monotonic() + backend.awayMs
    }
  }

  function keep({ purpose, appId, url }: Question<Reading>, fault: AskFault, detail: string, durationMs: number): void {
    const key = String(appId)
    const of = failures.get(key) ?? { latest: [], warnedMs: Number.NEGATIVE_INFINITY, unsaid: 0 }
    failures.set(key, of)
    // Those that were not even asked would push out the reason why.
    if (fault !== "away") {
      of.latest.unshift({ at: clock.now(), purpose, fault, detail, durationMs: Math.round(durationMs) })
      of.latest.length = Math.min(of.latest.length, limits.askFailuresKeptMax)
    }
    of.unsaid += 1
    const now = clock.monotonic()
    if (now - of.warnedMs < limits.askWarnEveryMs) return
    const failed_since = of.unsaid
    of.warnedMs = now
    of.unsaid = 0
    log.warn("a backend did not answer a question", {
      app_id: appId,
      purpose,
      // Paths and queries may be secrets.
      origin: URL.parse(url)?.origin,
      fault,
      detail,
      failed_since,
    })
  }

  return { ask, counts: counts.read, failuresOf: (appId) => [...(failures.get(String(appId))?.latest ?? [])] }
}

const failed = (fault: AskFault, detail: string): { kind: "failed"; fault: AskFault; detail: string } => ({
  kind: "failed",
  fault,
  detail: detail.slice(0, limits.askFailureCharsMax).toWellFormed(),
})

/** The reply, if it comes in time; what comes later is dropped. */
function within<Answer extends Reading>(reply: Promise<Reply<Answer>>, timeoutMs: number): Promise<Reply<Answer>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(failed("timeout", faultSentences.timeout)), timeoutMs)
    reply.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

const textOf = (error: unknown): string =>
  error instanceof ApiError ? error.reason : error instanceof Error ? error.message : String(error)

// Where the token of a connected user comes from. One source belongs to one `connect()`, so an answer that arrives
// after `disconnect()` or after another user came in has nothing left to change.

import { createBudget } from "./budget.ts"
import type { ServerClock } from "./clock.ts"
import { WeirConnectionError } from "./errors.ts"
import { kinshipOf, readClaims } from "./jwt.ts"
import { limits } from "./limits.ts"
import { createTabs, handover, type TabParts } from "./tabs.ts"
import { backoffMs, type TimerHandle, type Timers, withTimeout } from "./timers.ts"

/** `signal` ends when nobody waits for the answer any more. */
export interface TokenRequest {
  readonly signal: AbortSignal
}

/**
 * Asks the app's server for a token of the connected user. May reject: an error whose `status`, `statusCode` or
 * `response.status` is 401 or 403 says that the user may have none, which is final; any other passes.
 */
export type TokenProvider = (request?: TokenRequest) => string | Promise<string>
export type TokenOrProvider = string | TokenProvider

export interface TokenSource {
  /** The token to send. Asks the provider only when there is none or the present one is about to expire. */
  get(): Promise<string>
  /** Whether there is, or may come, a token other than this one. */
  canReplace(refused: string): boolean
  /** A token other than `refused`, which the server called expired. Rejects `token_stale` when there is none. */
  replace(refused: string): Promise<string>
  /** A new token before a reconnect, unless the present one is only seconds old. */
  renew(): Promise<string>
  /** From now on this token, or this provider's. Throws `token_mismatch` for a token that is not this user's. */
  set(tokenOrProvider: TokenOrProvider): void
  /** The server's time turned out to be another one: judges the present token's end anew. */
  clockChanged(): void
  /** Stops renewing the token; it can still be asked for. */
  rest(): void
  /** Forgets the token. Whoever waits or asks is told `disconnected`. */
  close(): void
}

export interface TokenSourceParts {
  readonly timers: Timers
  /** By which a token's end is judged. */
  readonly clock: Pick<ServerClock, "now" | "isKnown">
  /** The other tabs, and the name under which they share this user's tokens; null: none. */
  readonly tabs: { readonly parts: TabParts; readonly name: string } | null
}

interface Held {
  readonly token: string
  readonly loadedAtMs: number
  /** Renew from here on, by the server's time; Infinity when the token names no end, or none that can be believed. */
  readonly renewAtMs: number
  /** By the server's time; Infinity when the token names no end. */
  readonly expiresAtMs: number
}

/**
 * A source of tokens for one user. However many callers wait, the provider is asked once at a time, and never more than
 * `limits.tokenLoadsPerMinuteMax` times a minute. Throws `token_mismatch` when a token given as text is not one, or
 * belongs to somebody else.
 */
export function createTokenSource(userId: string, given: TokenOrProvider, parts: TokenSourceParts): TokenSource {
  const { timers, clock } = parts
  const loads = createBudget(timers, limits.tokenLoadsPerMinuteMax, 60_000)
  const replacements = createBudget(timers, limits.tokenReplacementsPerMinuteMax, 60_000)
  const closing = new AbortController()
  const refusedTokens: string[] = []
  let provider: TokenProvider | null = null
  let held: Held | null = null
  /** What the tokens of this source have in common; null before the first. */
  let kinship: string | null = null
  let inFlight: Promise<string> | null = null
  /** Counts `set()`: the answer of a provider that was replaced meanwhile is not taken. */
  let generation = 0
  let renewal: TimerHandle | null = null
  let renewalFailures = 0

  const isRefused = (token: string) => refusedTokens.includes(token)
  const isClosed = () => closing.signal.aborted
  const lives = ({ token, expiresAtMs }: Held) => clock.now() < expiresAtMs && !isRefused(token)

  if (typeof given === "string") refuseForeignToken(given, userId)
  const tabs = parts.tabs === null ? null : createTabs(parts.tabs.parts, parts.tabs.name, timers, takeFromOtherTab)
  set(given)

  function set(next: TokenOrProvider): void {
    if (typeof next === "string") refuseForeignToken(next, userId)
    generation += 1
    inFlight = null
    provider = typeof next === "string" ? null : next
    if (typeof next === "string") {
      hold(next)
      tabs?.tell(next)
    } else if (held !== null) scheduleRenewal(held.renewAtMs)
  }

  const load = (): Promise<string> => {
    if (isClosed()) return Promise.reject(disconnected())
    if (inFlight !== null) return inFlight
    const asking = ask().finally(() => {
      if (inFlight === asking) inFlight = null
    })
    inFlight = asking
    return asking
  }

  async function ask(): Promise<string> {
    const asksFor = generation
    const before = held?.token ?? null
    const token = tabs === null ? await fresh() : await tabs.exclusively((isContended) => shared(before, isContended))
    if (isClosed()) throw disconnected()
    if (asksFor !== generation) return held === null ? load() : held.token
    refuseForeignToken(token, userId)
    if (isRefused(token)) throw stale("the token provider gave a token that the server has already refused")
    if (token !== held?.token || token === before) hold(token)
    return token
  }

  async function fresh(): Promise<string> {
    if (provider === null) throw stale("the token has expired; a token given as text cannot be renewed")
    if (!loads.take()) throw tooOften()
    return asked(provider, timers, closing.signal)
  }

  // While this tab waited, the one before it may have got a token that serves here too.
  async function shared(before: string | null, isContended: boolean): Promise<string> {
    const isServed = () => held !== null && held.token !== before && clock.now() < held.renewAtMs
    if (isContended && !isServed() && kinship !== null) await handover(timers)
    if (isClosed()) throw disconnected()
    if (held !== null && isServed()) return held.token
    const token = await fresh()
    if (!isRefused(token) && !isClosed()) tabs?.tell(token)
    return token
  }

  // Another tab may be there for something else, with a narrower or a wider token of the same user; only a token that
  // says the same as ours, later, is one that our own provider could have given.
  function takeFromOtherTab(token: string): void {
    if (isClosed() || kinship === null || isRefused(token) || kinshipOf(token) !== kinship) return
    if (readClaims(token)?.userId !== userId) return
    if (held !== null && !isNewer(token, held.token)) return
    const expiresAtSeconds = readClaims(token)?.expiresAtSeconds ?? null
    if (expiresAtSeconds !== null && clock.isKnown && expiresAtSeconds * 1000 <= clock.now()) return
    hold(token)
  }

  function hold(token: string): void {
    held = heldToken(token, parts)
    kinship = kinshipOf(token)
    renewalFailures = 0
    scheduleRenewal(held.renewAtMs)
  }

  function drop(): void {
    held = null
    scheduleRenewal(Number.POSITIVE_INFINITY)
  }

  // One timer at a time: each load replaces the former one, so renewals can never double.
  function scheduleRenewal(atMs: number): void {
    if (renewal !== null) timers.clearTimeout(renewal)
    renewal = null
    if (atMs === Number.POSITIVE_INFINITY || provider === null || isClosed()) return
    const delayMs = Math.min(Math.max(0, atMs - clock.now()), limits.timerDelayMaxMs)
    renewal = timers.setTimeout(() => {
      renewal = null
      if (clock.now() < atMs) scheduleRenewal(atMs)
      else load().catch(renewLater)
    }, delayMs)
  }

  // A failed early renewal is tried again only while the token lives; after that the next request asks.
  function renewLater(error: unknown): void {
    if (isFinal(error)) return
    const waitMs = backoffMs(renewalFailures, limits.backoffBaseMs, limits.backoffMaxMs, timers.random())
    renewalFailures += 1
    const atMs = clock.now() + waitMs
    if (held !== null && atMs < held.expiresAtMs) scheduleRenewal(atMs)
  }

  // Nothing is held at first, when the provider failed, and when the server refused what there was: only this can loop,
  // as fast as an app sends requests.
  async function loadAnew(): Promise<string> {
    if (inFlight === null && refusedTokens.length > 0 && !replacements.take()) throw tooOften()
    return load()
  }

  // While the old token still lives, a failing provider is no reason to fail a request.
  async function loadOr(present: Held): Promise<string> {
    try {
      return await load()
    } catch (error) {
      if (!isClosed() && lives(present)) return present.token
      throw error
    }
  }

  return {
    set,
    canReplace: (refused) => provider !== null || (held !== null && held.token !== refused && !isRefused(held.token)),

    async get() {
      if (isClosed()) throw disconnected()
      if (held === null) return loadAnew()
      return provider === null || clock.now() < held.renewAtMs ? held.token : loadOr(held)
    },

    async replace(refused) {
      if (!isRefused(refused)) refusedTokens.push(refused)
      if (refusedTokens.length > limits.tokensRefusedKeptMax) refusedTokens.shift()
      if (held !== null && !isRefused(held.token)) return held.token
      drop()
      return loadAnew()
    },

    async renew() {
      if (isClosed()) throw disconnected()
      if (held === null) return loadAnew()
      const ageMs = timers.now() - held.loadedAtMs
      const isFresh = ageMs >= 0 && ageMs < limits.tokenRenewIntervalMs && clock.now() < held.renewAtMs
      return provider === null || isFresh ? held.token : loadOr(held)
    },

    clockChanged() {
      if (held === null) return
      held = { ...heldToken(held.token, parts), loadedAtMs: held.loadedAtMs }
      scheduleRenewal(held.renewAtMs)
    },

    rest() {
      scheduleRenewal(Number.POSITIVE_INFINITY)
    },

    close() {
      closing.abort()
      tabs?.close()
      drop()
    },
  }
}

async function asked(provider: TokenProvider, timers: Timers, closing: AbortSignal): Promise<string> {
  const failed = (message: string, cause?: unknown) => new WeirConnectionError("token_provider", message, { cause })
  const abandoned = new AbortController()
  const abandon = () => abandoned.abort()
  closing.addEventListener("abort", abandon)
  // Whoever disconnects need not wait for an endpoint that has stopped answering.
  const ended = new Promise<never>((_, reject) => {
    abandoned.signal.addEventListener("abort", () => reject(disconnected()))
  })
  ended.catch(() => {})
  let token: unknown
  try {
    token = await withTimeout(
      Promise.race([Promise.resolve().then(() => provider({ signal: abandoned.signal })), ended]),
      timers,
      limits.tokenProviderTimeoutMs,
      () => failed(`the token provider did not answer within ${limits.tokenProviderTimeoutMs} ms`),
    )
  } catch (error) {
    if (error instanceof WeirConnectionError) throw error
    const status = statusOf(error)
    if (status !== 401 && status !== 403) throw failed(`the token provider failed: ${String(error)}`, error)
    throw new WeirConnectionError("token_refused", `the token provider was refused (${status})`, { cause: error })
  } finally {
    closing.removeEventListener("abort", abandon)
    abandon()
  }
  if (typeof token !== "string" || token === "") throw failed("the token provider gave no token")
  return token
}

/** The HTTP status by the names that HTTP clients give it. */
function statusOf(error: unknown): unknown {
  const { status, statusCode, response } = (typeof error === "object" && error !== null ? error : {}) as {
    status?: unknown
    statusCode?: unknown
    response?: { status?: unknown } | null
  }
  return status ?? statusCode ?? response?.status
}

// A clock that runs ahead makes a good token look expired. Until the server has told its time, such an `exp` is not
// believed; and a token that is over in truth is still sent, because only the server's word counts.
function heldToken(token: string, { timers, clock }: TokenSourceParts): Held {
  const loadedAtMs = timers.now()
  const nowMs = clock.now()
  const expiresAtSeconds = readClaims(token)?.expiresAtSeconds ?? null
  const lifeMs = expiresAtSeconds === null ? null : expiresAtSeconds * 1000 - nowMs
  if (lifeMs === null || lifeMs <= 0) {
    return { token, loadedAtMs, renewAtMs: Number.POSITIVE_INFINITY, expiresAtMs: Number.POSITIVE_INFINITY }
  }
  const marginMs = Math.min(limits.tokenRenewMarginMs, lifeMs / 5)
  // Tabs and devices that got their tokens at one moment shall not all come back at one moment.
  const earlierMs = marginMs * limits.tokenRenewJitter * timers.random()
  // A provider that repeats its token until the end would be asked in ever shorter steps, hence the least wait.
  const waitMs = Math.max(lifeMs - marginMs - earlierMs, limits.tokenRenewWaitMinMs)
  return { token, loadedAtMs, renewAtMs: nowMs + waitMs, expiresAtMs: nowMs + lifeMs }
}

function isNewer(token: string, than: string): boolean {
  const [next, present] = [readClaims(token), readClaims(than)]
  const byExpiry = (next?.expiresAtSeconds ?? 0) - (present?.expiresAtSeconds ?? 0)
  return byExpiry === 0 ? (next?.issuedAtSeconds ?? 0) > (present?.issuedAtSeconds ?? 0) : byExpiry > 0
}

const isFinal = (error: unknown): boolean =>
  error instanceof WeirConnectionError && ["token_refused", "token_mismatch", "disconnected"].includes(error.reason)

const stale = (message: string) => new WeirConnectionError("token_stale", message)
const disconnected = () => new WeirConnectionError("disconnected", "disconnect() was called")
const tooOften = () =>
  new WeirConnectionError("token_provider", "tokens are refused or expire too fast; the provider is asked again later")

/** Throws `token_mismatch` when the token is unreadable or names another user. */
function refuseForeignToken(token: string, userId: string): void {
  const claims = readClaims(token)
  if (claims === null) throw new WeirConnectionError("token_mismatch", "the token is not a JWT of three segments")
  if (claims.userId !== userId) {
    const owner = claims.userId === null ? "names no user_id" : `belongs to user '${claims.userId}'`
    throw new WeirConnectionError("token_mismatch", `the token ${owner}, but user '${userId}' wants to connect`)
  }
}

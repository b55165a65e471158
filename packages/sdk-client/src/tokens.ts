// Where the token of a connected user comes from. One source belongs to one `connect()`, so an answer that arrives
// after `disconnect()` or after another user came in has nothing left to change.

import { WeirConnectionError } from "./errors.ts"
import { readClaims } from "./jwt.ts"
import { limits } from "./limits.ts"
import { backoffMs, type TimerHandle, type Timers, withTimeout } from "./timers.ts"

/** Asks the app's server for a token of the connected user. May reject; must not hang. */
export type TokenProvider = () => string | Promise<string>
export type TokenOrProvider = string | TokenProvider

export interface TokenSource {
  /** False for a token given as text: it can never be renewed. */
  readonly canRenew: boolean
  /** The token to send. Asks the provider only when there is none or the present one is about to expire. */
  get(): Promise<string>
  /** A token other than `refused`, which the server called expired. Rejects `token_stale` when there is none. */
  replace(refused: string): Promise<string>
  /** A new token before a reconnect, unless the present one is only seconds old. */
  renew(): Promise<string>
  /** Forgets the token and stops renewing it. */
  close(): void
}

/**
 * A source of tokens for one user. However many callers wait, the provider is asked once at a time.
 * Throws `token_mismatch` when a token given as text is not one, or belongs to somebody else.
 */
export function createTokenSource(userId: string, tokenOrProvider: TokenOrProvider, timers: Timers): TokenSource {
  return typeof tokenOrProvider === "function"
    ? providedTokens(userId, tokenOrProvider, timers)
    : fixedToken(userId, tokenOrProvider)
}

function fixedToken(userId: string, token: string): TokenSource {
  refuseForeignToken(token, userId)
  const get = async () => token
  return {
    canRenew: false,
    get,
    renew: get,
    async replace() {
      throw new WeirConnectionError("token_stale", "the token has expired; a token given as text cannot be renewed")
    },
    close() {},
  }
}

interface Held {
  readonly token: string
  readonly loadedAtMs: number
  /** Renew from here on; Infinity when the token names no end, or none that this clock can believe. */
  readonly renewAtMs: number
  /** Infinity when the token names no end. */
  readonly expiresAtMs: number
}

function providedTokens(userId: string, provider: TokenProvider, timers: Timers): TokenSource {
  let held: Held | null = null
  let inFlight: Promise<string> | null = null
  let renewal: TimerHandle | null = null
  let renewalFailures = 0
  let isClosed = false
  const refusedTokens: string[] = []

  const load = (): Promise<string> => {
    inFlight ??= ask().finally(() => {
      inFlight = null
    })
    return inFlight
  }

  async function ask(): Promise<string> {
    const token = await asked(provider, timers)
    refuseForeignToken(token, userId)
    if (refusedTokens.includes(token)) {
      throw new WeirConnectionError(
        "token_stale",
        "the token provider gave a token that the server has already refused",
      )
    }
    if (!isClosed) hold(token)
    return token
  }

  function hold(token: string): void {
    held = heldToken(token, timers.now())
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
    if (atMs === Number.POSITIVE_INFINITY) return
    const delayMs = Math.min(Math.max(0, atMs - timers.now()), limits.timerDelayMaxMs)
    renewal = timers.setTimeout(() => {
      renewal = null
      if (timers.now() < atMs) scheduleRenewal(atMs)
      else load().catch(renewLater)
    }, delayMs)
  }

  // A failed early renewal is tried again only while the token lives; after that the next request asks.
  function renewLater(): void {
    const waitMs = backoffMs(renewalFailures, limits.backoffBaseMs, limits.backoffMaxMs, timers.random())
    renewalFailures += 1
    const atMs = timers.now() + waitMs
    if (!isClosed && held !== null && atMs < held.expiresAtMs) scheduleRenewal(atMs)
  }

  return {
    canRenew: true,

    async get() {
      if (held === null) return load()
      if (timers.now() < held.renewAtMs) return held.token
      // While the old token still lives, a failing provider is no reason to fail a request.
      const { token, expiresAtMs } = held
      return load().catch((error) => {
        if (timers.now() < expiresAtMs && !refusedTokens.includes(token)) return token
        throw error
      })
    },

    async replace(refused) {
      if (!refusedTokens.includes(refused)) refusedTokens.push(refused)
      if (refusedTokens.length > limits.tokensRefusedKeptMax) refusedTokens.shift()
      if (held !== null && !refusedTokens.includes(held.token)) return held.token
      drop()
      return load()
    },

    async renew() {
      if (held === null) return load()
      const { token, loadedAtMs, expiresAtMs } = held
      if (timers.now() - loadedAtMs < limits.tokenRenewIntervalMs && timers.now() < expiresAtMs) return token
      return load().catch((error) => {
        if (timers.now() < expiresAtMs && !refusedTokens.includes(token)) return token
        throw error
      })
    },

    close() {
      isClosed = true
      drop()
    },
  }
}

async function asked(provider: TokenProvider, timers: Timers): Promise<string> {
  const failed = (message: string, cause?: unknown) => new WeirConnectionError("token_provider", message, { cause })
  let token: unknown
  try {
    token = await withTimeout(
      Promise.resolve().then(() => provider()),
      timers,
      limits.tokenProviderTimeoutMs,
      () => failed(`the token provider did not answer within ${limits.tokenProviderTimeoutMs} ms`),
    )
  } catch (error) {
    throw error instanceof WeirConnectionError ? error : failed(`the token provider failed: ${String(error)}`, error)
  }
  if (typeof token !== "string" || token === "") throw failed("the token provider gave no token")
  return token
}

// A clock that runs ahead makes a good token look expired. Then its `exp` is not believed: the token is used
// until the server refuses it, instead of asking the provider before every request.
function heldToken(token: string, nowMs: number): Held {
  const expiresAtSeconds = readClaims(token)?.expiresAtSeconds ?? null
  const lifeMs = expiresAtSeconds === null ? null : expiresAtSeconds * 1000 - nowMs
  if (lifeMs === null || lifeMs <= 0) {
    return { token, loadedAtMs: nowMs, renewAtMs: Number.POSITIVE_INFINITY, expiresAtMs: Number.POSITIVE_INFINITY }
  }
  // A provider that repeats its token until the end would be asked in ever shorter steps, hence the least wait.
  const waitMs = Math.max(lifeMs - Math.min(limits.tokenRenewMarginMs, lifeMs / 5), limits.tokenRenewWaitMinMs)
  return { token, loadedAtMs: nowMs, renewAtMs: nowMs + waitMs, expiresAtMs: nowMs + lifeMs }
}

/** Throws `token_mismatch` when the token is unreadable or names another user. */
function refuseForeignToken(token: string, userId: string): void {
  const claims = readClaims(token)
  if (claims === null) throw new WeirConnectionError("token_mismatch", "the token is not a JWT of three segments")
  if (claims.userId !== userId) {
    const owner = claims.userId === null ? "names no user_id" : `belongs to user '${claims.userId}'`
    throw new WeirConnectionError("token_mismatch", `the token ${owner}, but user '${userId}' wants to connect`)
  }
}

// Doors that strangers knock at. Whoever is refused too often from one address waits out the window before a signature
// is looked at again, so that neither guessing nor flooding costs the gate more than a look into a map. Counted are
// refusals only, and only by this node. Credentials that this node has let in before are looked at all the same, because
// behind one address there may be a whole office; the operators' door has no such exception.

import { ApiError, apiKeyPattern, type ErrorName, type OperatorPrincipal, rateLimitWindowSeconds } from "@weir/protocol"
import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible"
import type { Authenticate, Credentials } from "../authenticate/authenticate.ts"
import { isPromise } from "../base/chain.ts"
import type { Clock } from "../base/clock.ts"
import type { Logger } from "../base/log.ts"
import type { Peer } from "./http.ts"
import { networkOf, RateLimitError } from "./rate-limit.ts"
import { bounds } from "./rate-limit-bounds.ts"

/** An address was refused so often that its door is shut now. */
export interface Shut {
  readonly door: "authentication" | "operator"
  readonly address: string
  /** As the caller named it; null: counted over all keys, or an operator. */
  readonly apiKey: string | null
  readonly failures: number
}

export interface DoorsParts {
  /** False: nobody is counted. */
  readonly enforced: boolean
  /** Once for each time that a door shuts, for the audit log. Must not throw. */
  readonly onShut: (shut: Shut) => void
  readonly clock: Clock
  readonly log: Logger
}

export type AuthenticateOperator = (authorization: string, peer: Peer) => OperatorPrincipal

export interface Doors {
  /** The credential was let in: from now on no shut door is shut for it. Cheap, but not meant for every request. */
  remember(credentials: Credentials): void
  /** The same check behind a door. Throws, besides its errors, RateLimitError. */
  guard(authenticate: Authenticate): Authenticate
  guardOperators(authenticate: AuthenticateOperator): AuthenticateOperator
}

/** Refusals that somebody gets who guesses: key, token, signature. Tokens that were good once are not among them. */
const guesses: ReadonlySet<ErrorName> = new Set(["accessKey", "authentication", "tokenSignature"])

const apiKeys = new RegExp(apiKeyPattern)

export function createDoors({ enforced, onShut, clock, log }: DoorsParts): Doors {
  const byAddress = createDoor("failures", bounds.failuresPerAddressMax, clock, log)
  const byKey = createDoor("failures-by-key", bounds.failuresPerAddressAndKeyMax, clock, log)
  const operators = createDoor("operator-failures", bounds.operatorFailuresPerAddressMax, clock, log)
  const known = createKnown(bounds.knownCredentialsMax)
  const keyed = (network: string, apiKey: string): string => `${network}|${apiKey}`
  // What is no key has no door of its own: strangers choose its length.
  const keyOf = ({ apiKey }: Credentials): string | null => (apiKey !== null && apiKeys.test(apiKey) ? apiKey : null)

  const requireOpen = (credentials: Credentials): void => {
    const network = networkOf(credentials.address())
    const apiKey = keyOf(credentials)
    const places: [Door, string][] = [[byAddress, network]]
    if (apiKey !== null) places.push([byKey, keyed(network, apiKey)])
    for (const [door, who] of places) {
      const leftMs = door.leftMs(who)
      if (leftMs === 0 || known.has(credentials.authorization)) continue
      throw refused("failed-authentications", door.failuresMax, leftMs, clock)
    }
  }
  const count = (credentials: Credentials, error: unknown): void => {
    if (!(error instanceof ApiError) || !guesses.has(error.kind)) return
    const address = credentials.address()
    const network = networkOf(address)
    const apiKey = keyOf(credentials)
    byAddress.count(network, (failures) => onShut({ door: "authentication", address, apiKey: null, failures }))
    if (apiKey === null) return
    byKey.count(keyed(network, apiKey), (failures) => onShut({ door: "authentication", address, apiKey, failures }))
  }

  return {
    remember({ authorization }) {
      if (enforced) known.add(authorization)
    },
    guard(authenticate) {
      if (!enforced) return authenticate
      return (credentials, nowMs) => {
        // As long as no door is shut, nobody's address has to be found out.
        if (byAddress.mayBeShut() || byKey.mayBeShut()) requireOpen(credentials)
        try {
          const caller = authenticate(credentials, nowMs)
          if (!isPromise(caller)) return caller
          return caller.catch((error) => {
            count(credentials, error)
            throw error
          })
        } catch (error) {
          count(credentials, error)
          throw error
        }
      }
    },
    guardOperators(authenticate) {
      if (!enforced) return authenticate
      return (authorization, peer) => {
        const leftMs = operators.mayBeShut() ? operators.leftMs(networkOf(peer.address)) : 0
        if (leftMs > 0) throw refused("failed-operators", operators.failuresMax, leftMs, clock)
        try {
          return authenticate(authorization, peer)
        } catch (error) {
          const { address } = peer
          operators.count(networkOf(address), (failures) =>
            onShut({ door: "operator", address, apiKey: null, failures }),
          )
          throw error
        }
      }
    },
  }
}

interface Door {
  readonly failuresMax: number
  /** False: none is shut for certain. */
  mayBeShut(): boolean
  /** Milliseconds until it opens; 0: it is open. */
  leftMs(who: string): number
  /** Counts a failure; `onShut` hears with their number when it was the last that is allowed. */
  count(who: string, onShut: (failures: number) => void): void
}

/**
 * The counting is rate-limiter-flexible's. Its memory store keeps a record and a timer for each key, so its keys are
 * buckets, drawn with a seed of this process that nobody outside can know: strangers who come from ever new addresses
 * fill no memory, and nobody can choose to share somebody's bucket.
 */
function createDoor(name: string, failuresMax: number, clock: Clock, log: Logger): Door {
  const limiter = new RateLimiterMemory({ keyPrefix: name, points: failuresMax, duration: rateLimitWindowSeconds })
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1))
  const bucketOf = (who: string): number => Bun.hash.xxHash32(who, seed) % bounds.failureBucketsMax
  /** Bucket → monotonic milliseconds at which it opens. */
  const shut = new Map<number, number>()
  let latestMs = 0

  const leftMs = (who: string): number => {
    const bucket = bucketOf(who)
    const untilMs = shut.get(bucket)
    if (untilMs === undefined) return 0
    const left = untilMs - clock.monotonic()
    if (left <= 0) shut.delete(bucket)
    return Math.max(0, left)
  }
  const isUsedUp = (failures: RateLimiterRes): boolean => failures.remainingPoints === 0

  return {
    failuresMax,
    mayBeShut() {
      if (shut.size === 0) return false
      if (clock.monotonic() < latestMs) return true
      shut.clear()
      return false
    },
    leftMs,
    count(who, onShut) {
      const bucket = bucketOf(who)
      const close = (failures: RateLimiterRes): void => {
        const now = clock.monotonic()
        if (!isUsedUp(failures) || (shut.get(bucket) ?? 0) > now) return
        const untilMs = now + failures.msBeforeNext
        shut.set(bucket, untilMs)
        latestMs = Math.max(latestMs, untilMs)
        onShut(failures.consumedPoints)
      }
      limiter.consume(bucket).then(close, (refusal) => {
        if (refusal instanceof Error) log.error("a refused authentication was not counted", { cause: refusal })
        else close(refusal)
      })
    },
  }
}

function refused(rule: string, failuresMax: number, leftMs: number, clock: Clock): RateLimitError {
  const seconds = Math.max(1, Math.ceil(leftMs / 1000))
  const reset = Math.ceil((clock.now() + leftMs) / 1000)
  return new RateLimitError({ limit: failuresMax, remaining: 0, reset }, seconds, {
    check: "rate-limit",
    rule,
    detail: `this address was refused ${failuresMax} times within ${rateLimitWindowSeconds} s`,
    remedy: `wait ${seconds} s, then come with a good credential`,
    facts: { limit: failuresMax, window_seconds: rateLimitWindowSeconds },
  })
}

/**
 * Credentials that were let in before, by a hash of 32 bits. A stranger who meets one by accident has passed the door
 * and no more: the credential itself is still checked.
 */
function createKnown(countMax: number) {
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1))
  let young = new Set<number>()
  let old = new Set<number>()
  const hashOf = (authorization: string): number => Bun.hash.xxHash32(authorization, seed)
  return {
    has: (authorization: string | null): boolean =>
      authorization !== null && (young.has(hashOf(authorization)) || old.has(hashOf(authorization))),
    add(authorization: string | null): void {
      if (authorization === null) return
      if (young.size >= countMax / 2) {
        old = young
        young = new Set()
      }
      young.add(hashOf(authorization))
    },
  }
}

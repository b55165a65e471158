// How often. Counters live in this process; each door that strangers can knock at has one, because what is behind it
// is made for callers who proved who they are.

import { ApiError } from "@weir/protocol"
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible"

/** A bound on one operation: so many points per window, counted by app and by caller's address. */
export interface RateLimit {
  readonly name: string
  readonly perAppMax: number
  readonly perAddressMax: number
  readonly windowSeconds: number
}

export interface LimitState {
  readonly limit: number
  readonly remaining: number
  /** Unix seconds at which the window ends. */
  readonly reset: number
}

export interface RateLimiter {
  /** Takes one point. Throws ApiError rateLimit with the seconds to wait. Answers the state for the headers. */
  take(limit: RateLimit, appId: number, address: string, nowMs: number): Promise<LimitState>
}

export function createRateLimiter(): RateLimiter {
  const limiters = new Map<string, RateLimiterMemory>()
  const limiterOf = (name: string, points: number, duration: number): RateLimiterMemory => {
    let limiter = limiters.get(name)
    if (limiter === undefined) {
      limiter = new RateLimiterMemory({ keyPrefix: name, points, duration })
      limiters.set(name, limiter)
    }
    return limiter
  }
  return {
    async take(limit, appId, address, nowMs) {
      const byAddress = limiterOf(`${limit.name}:address`, limit.perAddressMax, limit.windowSeconds)
      const byApp = limiterOf(`${limit.name}:app`, limit.perAppMax, limit.windowSeconds)
      await takePoint(byAddress, `${appId}|${networkOf(address)}`, limit)
      const state = await takePoint(byApp, String(appId), limit)
      return {
        limit: limit.perAppMax,
        remaining: state.remainingPoints,
        reset: Math.ceil((nowMs + state.msBeforeNext) / 1000),
      }
    },
  }
}

async function takePoint(limiter: RateLimiterMemory, key: string, limit: RateLimit): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(key)
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal
    const retryAfterSeconds = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000))
    throw new ApiError("rateLimit", `Too many requests, check response headers for more information`, {
      retryAfterSeconds,
      internal: `limit ${limit.name}`,
    })
  }
}

/** IPv6 callers own a whole /64, so they are counted by it; IPv4 by the address. */
export function networkOf(address: string): string {
  if (!address.includes(":")) return address
  if (address.startsWith("::ffff:") && address.includes(".")) return address.slice(7)
  const [head = "", tail] = address.split("::")
  const groups = head === "" ? [] : head.split(":")
  if (tail !== undefined) {
    const after = tail === "" ? [] : tail.split(":")
    while (groups.length + after.length < 8) groups.push("0")
    groups.push(...after)
  }
  return groups.slice(0, 4).join(":")
}

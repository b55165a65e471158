// How often. Every request of an app is counted by operation and platform: for the app as a whole, for the user, and
// where it matters for the address. Counting never leaves the tick: counters are numbers of this process, and what the
// other nodes have counted is brought in behind the requests' back (rate-limit-shared.ts). A window is a minute; all
// windows of an app end at one moment, which `reset` promises, and those of different apps at different ones.

import {
  ApiError,
  type AppCaller,
  appLimitOf,
  type OperationLimits,
  type Platform,
  platformOf,
  platforms,
  rateLimitWindowSeconds,
  userLimitDefault,
  type Why,
} from "@weir/protocol"
import { type Awaitable, chain, isPromise } from "../base/chain.ts"
import type { Logger } from "../base/log.ts"
import { bounds } from "./rate-limit-bounds.ts"
import { type AppCounters, type Counter, createCounters } from "./rate-limit-counters.ts"
import { createSharing, type SharedCounters } from "./rate-limit-shared.ts"

/** A route's own bound in place of the published one, for doors that strangers knock at: all platforms count as one. */
export interface RateLimit {
  readonly name: string
  readonly perAppMax: number
  readonly perAddressMax: number
  readonly windowSeconds: typeof rateLimitWindowSeconds
}

export interface LimitState {
  readonly limit: number
  readonly remaining: number
  /** Unix seconds at which the window ends. */
  readonly reset: number
}

/** Which of the limits. */
export type LimitScope = "app" | "user" | "address"

/** 429/9, with what the headers say. */
export class RateLimitError extends ApiError {
  constructor(
    readonly state: LimitState,
    retryAfterSeconds: number,
    why: Why,
  ) {
    super("rateLimit", "Too many requests, check response headers for more information", { retryAfterSeconds, why })
  }
}

/** An app's own numbers by the operation's published name; `*` stands for every operation without any. */
export type LimitOverrides = Readonly<Record<string, Partial<OperationLimits>>>

/** An operation as something that is counted. */
export interface CountedOperation {
  readonly name: string
  readonly index: number
  readonly own: RateLimit | null
}

export interface RateLimiter {
  /** False: nothing is counted. */
  readonly enforced: boolean
  /** Names an operation, once for each; throws when the name is taken or there are bounds.operationsMax of them. */
  operation(name: string, own?: RateLimit | null): CountedOperation
  /** All of them, in the order of their naming. */
  operations(): readonly CountedOperation[]
  /** Their published names. */
  names(): readonly string[]
  /**
   * Counts one request: all of it, or when one limit is used up nothing. Answers what is left of the tightest limit, or
   * null where there is none. `address` is asked for only where it decides. Throws (or rejects with) RateLimitError. A
   * promise comes only for the first requests of an app, whose own limits are not known yet.
   */
  take(
    operation: CountedOperation,
    caller: AppCaller,
    client: string | null,
    address: () => string,
    nowMs: number,
  ): Awaitable<LimitState | null>
  /** What is left of an app's limit on a platform; null: no limit, or no such operation. Takes nothing. */
  stateOf(appId: number, operation: string, platform: Platform, nowMs: number): LimitState | null
  /** Lets an app's new numbers hold on this node from now on. The other nodes ask for them. */
  changed(appId: number, overrides: LimitOverrides): void
  close(): Promise<void>
}

export interface RateLimiterParts {
  /** False: nothing is counted and no header is sent. */
  readonly enforced: boolean
  /** An app's own numbers, from a cache; null: it has none. */
  readonly overridesOf: (appId: number) => Awaitable<LimitOverrides | null>
  /** Where several nodes count together; null: this one counts alone. */
  readonly shared: SharedCounters | null
  readonly log: Logger
}

/** What holds for an operation of an app: its limits, and from which count of the app on addresses are looked at. */
export interface OperationRules extends OperationLimits {
  readonly addressFrom: number
}

/**
 * The limits of an operation from the published ones, a route's own and an app's. Unless an address has a number, it
 * gets a quarter of the app's, or a user's if that is more, and is looked at once a quarter of the app's is used up: so
 * the address is found out only of apps that are busy, and one address gets no more than half of what the app has.
 */
export function rulesOf(operation: string, own: RateLimit | null, overrides: LimitOverrides): OperationRules {
  const numberOf = <Absent>(scope: LimitScope, absent: Absent): number | null | Absent => {
    for (const name of [operation, "*"]) {
      const given = Object.hasOwn(overrides, name) ? overrides[name]?.[scope] : undefined
      if (given !== undefined) return given
    }
    return absent
  }
  const app = numberOf("app", own?.perAppMax ?? appLimitOf(operation))
  const user = numberOf("user", userLimitDefault)
  const address = numberOf("address", own?.perAddressMax)
  if (address !== undefined) return { app, user, address, addressFrom: 0 }
  if (app === null) return { app, user, address: null, addressFrom: 0 }
  const quarter = Math.ceil(app / 4)
  return { app, user, address: Math.max(quarter, user ?? 0), addressFrom: quarter }
}

/** Builds the counters. `close` ends what they share. */
export function createRateLimiter({ enforced, overridesOf, shared, log }: RateLimiterParts): RateLimiter {
  const operations: CountedOperation[] = []
  const byName = new Map<string, CountedOperation>()
  const sharing = shared === null ? null : createSharing(shared, log)
  const counters = createCounters(sharing, (slot) => {
    const operation = operations[Math.floor(slot / platforms.length)]
    return `${operation?.name} ${platforms[slot % platforms.length]}`
  })

  /** The rules of an app as they are known now; news are asked for beside the request. */
  const ruleOf = (app: AppCounters, operation: CountedOperation, nowMs: number): OperationRules => {
    if (Math.abs(nowMs - app.rulesAtMs) >= bounds.rulesEveryMs) refresh(app, nowMs)
    let rules = app.rules[operation.index]
    if (rules === undefined) {
      rules = rulesOf(operation.name, operation.own, app.overrides ?? noOverrides)
      app.rules[operation.index] = rules
    }
    return rules
  }
  /** Asks for an app's own limits. Never throws or rejects. */
  const refresh = (app: AppCounters, nowMs: number): Awaitable<void> => {
    app.rulesAtMs = nowMs
    const { changeCount } = app
    try {
      const overrides = overridesOf(app.appId)
      if (!isPromise(overrides)) return adopt(app, overrides)
      return overrides.then(
        (found) => {
          // What was asked for before a change is older than what the change has said.
          if (app.changeCount === changeCount) adopt(app, found)
        },
        (cause) => away(app, cause),
      )
    } catch (cause) {
      return away(app, cause)
    }
  }
  // What was known stays in force: a database that is away must not stop the counting.
  const away = (app: AppCounters, cause: unknown): void => {
    app.overrides ??= noOverrides
    log.warn("the limits of an app cannot be read", { cause })
  }
  const adopt = (app: AppCounters, overrides: LimitOverrides | null): void => {
    const found = overrides ?? noOverrides
    if (app.overrides === found) return
    app.overrides = found
    app.rules = []
  }

  const count = (
    app: AppCounters,
    operation: CountedOperation,
    caller: AppCaller,
    client: string | null,
    address: () => string,
    nowMs: number,
  ): LimitState | null => {
    const isServer = caller.kind === "server"
    const rules = ruleOf(app, operation, nowMs)
    const platform = operation.own === null ? platformOf(isServer, client) : "web"
    const slot = slotOf(operation, platform)
    let ofUser: Counter | null = null
    let ofAddress: Counter | null = null
    let ofApp: Counter | null = null
    if (rules.app !== null) ofApp = counters.ofApp(app, slot, rules.app)
    if (!isServer) {
      // Everybody without a name has the same one, so they are counted by their address alone.
      if (rules.user !== null && caller.kind !== "anonymous") {
        ofUser = counters.ofUser(app, slot, caller.userId, rules.user)
        if (ofUser.taken >= rules.user) throw refused("user", rules.user, operation, platform, app, nowMs)
      }
      if (rules.address !== null && (rules.addressFrom === 0 || (ofApp?.taken ?? 0) >= rules.addressFrom)) {
        ofAddress = counters.ofAddress(app, slot, networkOf(address()), rules.address)
        if (ofAddress.taken >= rules.address) throw refused("address", rules.address, operation, platform, app, nowMs)
      }
    }
    if (ofApp !== null && ofApp.taken >= (rules.app as number)) {
      throw refused("app", rules.app as number, operation, platform, app, nowMs)
    }
    let limit = 0
    let remaining = Number.POSITIVE_INFINITY
    if (ofApp !== null) {
      counters.add(app, ofApp)
      limit = rules.app as number
      remaining = limit - ofApp.taken
    }
    if (ofUser !== null) {
      counters.add(app, ofUser)
      const left = (rules.user as number) - ofUser.taken
      if (left < remaining) {
        limit = rules.user as number
        remaining = left
      }
    }
    if (ofAddress !== null) {
      counters.add(app, ofAddress)
      const left = (rules.address as number) - ofAddress.taken
      if (left < remaining) {
        limit = rules.address as number
        remaining = left
      }
    }
    return limit === 0 ? null : { limit, remaining, reset: app.resetSeconds }
  }

  return {
    enforced,
    operation(name, own = null) {
      if (byName.has(name)) throw new Error(`the operation ${name} is counted already`)
      if (operations.length >= bounds.operationsMax) throw new Error("there are too many operations to count")
      const operation: CountedOperation = { name, index: operations.length, own }
      operations.push(operation)
      byName.set(name, operation)
      return operation
    },
    operations: () => operations,
    names: () => operations.map(({ name }) => name),

    take(operation, caller, client, address, nowMs) {
      if (!enforced) return null
      const app = counters.of(caller.appId, nowMs)
      if (app.overrides === null) {
        return chain(refresh(app, nowMs), () => count(app, operation, caller, client, address, nowMs))
      }
      return count(app, operation, caller, client, address, nowMs)
    },

    stateOf(appId, name, platform, nowMs) {
      const operation = byName.get(name)
      if (!enforced || operation === undefined) return null
      const app = counters.of(appId, nowMs)
      const { app: limit } = ruleOf(app, operation, nowMs)
      if (limit === null) return null
      const taken = app.app[slotOf(operation, operation.own === null ? platform : "web")]?.taken ?? 0
      return { limit, remaining: Math.max(0, limit - taken), reset: app.resetSeconds }
    },

    changed(appId, overrides) {
      const app = counters.known(appId)
      if (app === undefined) return
      app.changeCount += 1
      adopt(app, overrides)
    },

    async close() {
      await sharing?.close()
    },
  }
}

const noOverrides: LimitOverrides = {}

const slotOf = ({ index }: CountedOperation, platform: Platform): number =>
  index * platforms.length + platforms.indexOf(platform)

function refused(
  scope: LimitScope,
  limit: number,
  operation: CountedOperation,
  platform: Platform,
  app: AppCounters,
  nowMs: number,
): RateLimitError {
  const retryAfterSeconds = Math.max(1, Math.ceil((app.endMs - nowMs) / 1000))
  const of = { app: "the app", user: "this user", address: "this address" }[scope]
  return new RateLimitError({ limit, remaining: 0, reset: app.resetSeconds }, retryAfterSeconds, {
    check: "rate-limit",
    rule: scope,
    detail: `${of} has made ${limit} requests of ${operation.name} on ${platform} in this minute, and no more are allowed`,
    remedy: `wait ${retryAfterSeconds} s, or raise the limit: PATCH the app's limits, ${operation.name}.${scope}`,
    facts: { scope, operation: operation.name, platform, limit, window_seconds: rateLimitWindowSeconds },
  })
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

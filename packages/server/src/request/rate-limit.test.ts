import { describe, expect, test } from "bun:test"
import { type AppCaller, appLimitOf, type Platform, platformOf, rateLimitWindowSeconds } from "@weir/protocol"
import fc from "fast-check"
import { createRateLimiter, type LimitOverrides, type LimitState, RateLimitError, rulesOf } from "./rate-limit.ts"
import { bounds } from "./rate-limit-bounds.ts"

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const base = { apiKey: "a1b2c3d4e5f6", scopes: null, proof: null }
const user = (userId: string, appId = 1_000_020): AppCaller => ({
  ...base,
  kind: "user",
  appId,
  userId,
  role: "user",
  teams: [],
  issuedAt: null,
  expiresAt: null,
  calls: null,
  bans: null,
})
const backend = (appId = 1_000_020): AppCaller => ({ ...base, kind: "server", appId })
const anonymous = (appId = 1_000_020): AppCaller => ({ ...base, kind: "anonymous", appId, calls: null })
/** The window of app 1000020 begins 0 s after the full minute: 1,000,020 is a multiple of 60. */
const startMs = Date.UTC(2026, 0, 1)
const endSeconds = startMs / 1000 + rateLimitWindowSeconds
const ios = "stream-swift-client-v4.1.0"
const android = "stream-android-client-6"

function counting(overrides: LimitOverrides | null = null) {
  let own = overrides
  const limiter = createRateLimiter({ enforced: true, overridesOf: () => own, shared: null, log: silent })
  const operations = new Map(["SendMessage", "QueryUsers"].map((name) => [name, limiter.operation(name)]))
  const guests = limiter.operation("CreateGuest", {
    name: "create-guest",
    perAppMax: 100,
    perAddressMax: 10,
    windowSeconds: 60,
  })
  interface Ask {
    operation?: string
    client?: string | null
    address?: string
    at?: number
  }
  const take = (caller: AppCaller, { operation = "SendMessage", client = null, address, at = startMs }: Ask = {}) => {
    const looked = (): string => {
      if (address === undefined) throw new Error("the address was looked at")
      return address
    }
    const counted = operation === "CreateGuest" ? guests : operations.get(operation)
    return limiter.take(counted as typeof guests, caller, client, looked, at) as LimitState | null
  }
  /** How many of `count` requests are let in, and the first refusal. */
  const times = (count: number, caller: AppCaller, ask: Ask = {}) => {
    let taken = 0
    let refusal: RateLimitError | null = null
    for (let i = 0; i < count; i++) {
      try {
        take(caller, ask)
        taken += 1
      } catch (error) {
        if (!(error instanceof RateLimitError)) throw error
        refusal ??= error
      }
    }
    return { taken, refusal, rule: refusal?.why?.rule }
  }
  return { limiter, take, times, set: (next: LimitOverrides) => (own = next) }
}

describe("published limits", () => {
  test.each([
    ["Connect", 10_000],
    ["GetApp", 10_000],
    ["SendMessage", 1_000],
    ["CreateGuest", 1_000],
    ["UpdateUsers", 300],
    ["QueryMembers", 300],
    ["UpdateApp", 60],
    ["ListChannelTypes", 60],
    ["AddActivity", 1_000],
  ])("%s: %d a minute for an app", (operation, limit) => expect(appLimitOf(operation)).toBe(limit))

  test("a user has 60 a minute of an operation, and the tightest limit is what the headers say", () => {
    const { take, times } = counting()
    expect(take(user("jessica"))).toEqual({ limit: 60, remaining: 59, reset: endSeconds })
    expect(times(100, user("jessica"))).toMatchObject({ taken: 59, rule: "user" })
    expect(times(1, user("john")).taken).toBe(1)
    expect(times(1, user("jessica"), { operation: "QueryUsers" }).taken).toBe(1)
  })

  test("an app has its limit whoever calls, and what was refused does not count", () => {
    const { times, limiter } = counting()
    for (let i = 0; i < 20; i++) times(100, user(`user-${i}`), { address: `10.0.0.${i}` })
    expect(limiter.stateOf(1_000_020, "SendMessage", "web", startMs)).toMatchObject({ limit: 1_000, remaining: 0 })
    expect(times(1, user("late"), { address: "10.0.1.1" })).toMatchObject({ taken: 0, rule: "app" })
  })

  test("servers are exempt from the limits of users and addresses, not from the app's", () => {
    const { take, times } = counting()
    expect(take(backend())).toEqual({ limit: 1_000, remaining: 999, reset: endSeconds })
    expect(times(2_000, backend())).toMatchObject({ taken: 999, rule: "app" })
  })

  test("nobody shares anonymity's one name: anonymous callers are held to the app's and the address's", () => {
    expect(counting().times(300, anonymous(), { address: "10.0.0.1" }).taken).toBe(300)
    expect(counting().times(600, anonymous(), { address: "10.0.0.1" })).toMatchObject({ taken: 500, rule: "address" })
  })
})

describe("platforms", () => {
  test.each<[boolean, string | null, Platform]>([
    [true, ios, "server"],
    [true, null, "server"],
    [false, null, "web"],
    [false, "", "web"],
    [false, "stream-chat-javascript-client-browser-9.0.0", "web"],
    [false, "stream-php-client-11.0.0", "web"],
    [false, "axios/1.7", "web"],
    [false, ios, "ios"],
    [false, "weir-client|app=Shop|os=iOS 18", "ios"],
    [false, android, "android"],
    [false, "stream-chat-kotlin-7", "android"],
    [false, `${"x".repeat(500)} ios`, "web"],
  ])("server %p, client %p: %p", (isServer, client, platform) => expect(platformOf(isServer, client)).toBe(platform))

  test("each has counters of its own", () => {
    const { times, limiter } = counting()
    for (const client of [null, ios, android]) expect(times(100, user("jessica"), { client }).taken).toBe(60)
    expect(limiter.stateOf(1_000_020, "SendMessage", "ios", startMs)).toMatchObject({ remaining: 940 })
    expect(limiter.stateOf(1_000_020, "SendMessage", "server", startMs)).toMatchObject({ remaining: 1_000 })
  })

  test("strangers at the guests' door cannot multiply it by naming platforms", () => {
    const { times } = counting()
    const ask = { operation: "CreateGuest", address: "10.0.0.1" }
    expect(times(8, anonymous(), ask).taken).toBe(8)
    expect(times(8, anonymous(), { ...ask, client: ios })).toMatchObject({ taken: 2, rule: "address" })
    for (let i = 2; i < 12; i++) times(10, anonymous(), { ...ask, address: `10.0.0.${i}`, client: android })
    expect(times(1, anonymous(), { ...ask, address: "10.0.0.99" })).toMatchObject({ taken: 0, rule: "app" })
  })
})

describe("windows", () => {
  test("end at the promised second, and a new one is empty", () => {
    const { take, times } = counting()
    expect(times(60, user("jessica"), { at: startMs + 1_000 }).taken).toBe(60)
    const { refusal } = times(1, user("jessica"), { at: endSeconds * 1000 - 1 })
    expect(refusal).toMatchObject({ state: { limit: 60, remaining: 0, reset: endSeconds }, retryAfterSeconds: 1 })
    expect(take(user("jessica"), { at: endSeconds * 1000 })).toEqual({
      limit: 60,
      remaining: 59,
      reset: endSeconds + 60,
    })
  })

  test("of different apps end at different seconds", () => {
    const { take } = counting()
    const resets = [0, 1, 59].map((more) => (take(user("jessica", 1_000_020 + more)) as LimitState).reset % 60)
    expect(resets).toEqual([0, 1, 59])
  })

  test("a clock that is set back by an hour leaves nobody shut out for an hour", () => {
    const { times } = counting()
    expect(times(100, user("jessica")).taken).toBe(60)
    expect(times(1, user("jessica"), { at: startMs - 3_600_000 }).taken).toBe(1)
  })

  test("why says which limit, and what would help", () => {
    const { refusal } = counting().times(61, user("jessica"), { at: startMs + 15_000 })
    expect(refusal).toMatchObject({ code: 9, status: 429, retryAfterSeconds: 45 })
    expect(refusal?.why).toEqual({
      check: "rate-limit",
      rule: "user",
      detail: "this user has made 60 requests of SendMessage on web in this minute, and no more are allowed",
      remedy: "wait 45 s, or raise the limit: PATCH the app's limits, SendMessage.user",
      facts: { scope: "user", operation: "SendMessage", platform: "web", limit: 60, window_seconds: 60 },
    })
  })
})

describe("addresses", () => {
  // Finding an address out costs more than all of the counting.
  test("are not looked at while an app is quiet", () => {
    const { times } = counting()
    for (let i = 0; i < 10; i++) expect(times(25, user(`user-${i}`)).taken).toBe(25)
    expect(() => times(1, user("one-more"))).toThrow("the address was looked at")
  })

  test("case 65: one address cannot use up what an app has, whatever users it names", () => {
    const { times } = counting()
    let taken = 0
    for (let i = 0; i < 100; i++) taken += times(60, user(`made-up-${i}`), { address: "2001:db8:1:2::1" }).taken
    expect(taken).toBe(500)
    expect(times(60, user("jessica"), { address: "10.0.0.1" }).taken).toBe(60)
  })

  test("case 54: an address of the same /64 is the same address", () => {
    const { times } = counting({ SendMessage: { address: 10 } })
    for (let i = 0; i < 10; i++) expect(times(1, user(`u-${i}`), { address: `2001:db8:1:2:${i}::1` }).taken).toBe(1)
    expect(times(1, user("other"), { address: "2001:db8:1:2:ffff::1" })).toMatchObject({ taken: 0, rule: "address" })
    expect(times(1, user("other"), { address: "2001:db8:1:3::1" }).taken).toBe(1)
  })
})

describe("an app's own limits", () => {
  test("an operation's own number, then that of *, then the published one", () => {
    const own = { SendMessage: { app: 5 }, "*": { app: 7, user: null } }
    expect(rulesOf("SendMessage", null, own)).toMatchObject({ app: 5, user: null })
    expect(rulesOf("QueryUsers", null, own)).toMatchObject({ app: 7, user: null })
    expect(rulesOf("QueryUsers", null, {})).toEqual({ app: 1_000, user: 60, address: 250, addressFrom: 250 })
    expect(rulesOf("UpdateApp", null, {})).toEqual({ app: 60, user: 60, address: 60, addressFrom: 15 })
    expect(rulesOf("SendMessage", null, { "*": { address: null } })).toMatchObject({ address: null })
    expect(rulesOf("constructor", null, JSON.parse('{"*":{"app":3}}'))).toMatchObject({ app: 3 })
  })

  test("null is no limit, and then nothing is promised", () => {
    const { take, times } = counting({ "*": { app: null, user: null } })
    expect(take(user("jessica"))).toBeNull()
    expect(times(5_000, user("jessica")).taken).toBe(5_000)
  })

  test("a change holds at once where it was made, and counts go on", () => {
    const { times, limiter, set } = counting()
    expect(times(10, user("jessica")).taken).toBe(10)
    set({ SendMessage: { user: 12 } })
    limiter.changed(1_000_020, { SendMessage: { user: 12 } })
    expect(times(10, user("jessica")).taken).toBe(2)
  })

  test("and elsewhere within a second or so", () => {
    const { times, set } = counting()
    expect(times(10, user("jessica")).taken).toBe(10)
    set({ SendMessage: { user: 12 } })
    expect(times(10, user("jessica"), { at: startMs + bounds.rulesEveryMs }).taken).toBe(2)
  })

  test("a database that is away leaves what was known in force", async () => {
    let isAway = false
    const overridesOf = async () => {
      if (isAway) throw new Error("away")
      return { SendMessage: { user: 3 } }
    }
    const limiter = createRateLimiter({ enforced: true, overridesOf, shared: null, log: silent })
    const operation = limiter.operation("SendMessage")
    const take = (at: number) => limiter.take(operation, user("jessica"), null, () => "", at)
    expect(await take(startMs)).toMatchObject({ limit: 3, remaining: 2 })
    expect(take(startMs)).toMatchObject({ limit: 3, remaining: 1 })
    isAway = true
    take(startMs + 5_000)
    await Bun.sleep(0)
    expect(() => take(startMs + 5_000)).toThrow(RateLimitError)
    const other = limiter.take(operation, user("jessica", 1_000_021), null, () => "", startMs)
    expect(await other).toMatchObject({ limit: 60, remaining: 59 })
  })

  test("off counts nothing", () => {
    const limiter = createRateLimiter({ enforced: false, overridesOf: () => null, shared: null, log: silent })
    const operation = limiter.operation("SendMessage")
    for (let i = 0; i < 2_000; i++) expect(limiter.take(operation, user("a"), null, () => "", startMs)).toBeNull()
    expect(limiter.stateOf(1_000_020, "SendMessage", "web", startMs)).toBeNull()
  })
})

describe("one app and another", () => {
  test("case 65: a flood of users of one app costs another app none of its counters, nor itself its own limit", () => {
    const { times } = counting()
    const other = user("jessica", 1_000_021)
    expect(times(60, other).taken).toBe(60)
    const flood = user("x", 1_000_022)
    for (let i = 0; i < bounds.userCountersPerAppMax * 2; i++) {
      times(1, { ...flood, userId: `made-up-${i}` } as AppCaller, { address: "10.0.0.1" })
    }
    expect(times(1, other)).toMatchObject({ taken: 0, rule: "user" })
    expect(times(1, user("late", 1_000_022), { address: "10.0.0.2" }).taken).toBe(1)
    expect(times(2_000, backend(1_000_022)).taken).toBe(1_000)
  })

  test("case 65: an app that has used up everything takes nothing from another", () => {
    const { times } = counting()
    expect(times(5_000, backend(1_000_023)).taken).toBe(1_000)
    expect(times(5_000, backend(1_000_024)).taken).toBe(1_000)
  })
})

// The counters against the plainest model that there can be: a list of what was let in.
test("whatever comes in whatever order, what is let in is what the limits say", () => {
  const request = fc.record({
    appId: fc.constantFrom(1_000_020, 1_000_047),
    who: fc.constantFrom("server", "a", "b", "c"),
    operation: fc.constantFrom("SendMessage", "QueryUsers"),
    client: fc.constantFrom(null, ios, android),
    address: fc.constantFrom("10.0.0.1", "10.0.0.2"),
    passesMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 30_000 })),
  })
  const numbers = { app: 6, user: 3, address: 4 }
  fc.assert(
    fc.property(fc.array(request, { maxLength: 80 }), (requests) => {
      const { take } = counting({ "*": numbers })
      const letIn: string[][] = []
      let at = startMs
      for (const { appId, who, operation, client, address, passesMs } of requests) {
        at += passesMs
        const isServer = who === "server"
        const window = Math.floor((at / 1000 - (appId % 60)) / 60)
        const place = `${appId} ${window} ${operation} ${platformOf(isServer, client)}`
        const names = isServer
          ? [`app ${place}`]
          : [`app ${place}`, `user ${place} ${who}`, `address ${place} ${address}`]
        const countOf = (name: string): number => letIn.filter((counted) => counted.includes(name)).length
        const expected = names.every((name) => countOf(name) < numbers[name.split(" ")[0] as keyof typeof numbers])
        let isIn = true
        try {
          const state = take(isServer ? backend(appId) : user(who, appId), { operation, client, address, at })
          const left = names.map((name) => numbers[name.split(" ")[0] as keyof typeof numbers] - countOf(name) - 1)
          expect(state?.remaining).toBe(Math.min(...left))
          expect(state?.reset).toBe((window + 1) * 60 + (appId % 60))
        } catch (error) {
          if (!(error instanceof RateLimitError)) throw error
          isIn = false
        }
        expect(isIn).toBe(expected)
        if (isIn) letIn.push(names)
      }
    }),
    { numRuns: 200 },
  )
})

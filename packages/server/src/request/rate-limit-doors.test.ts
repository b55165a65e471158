import { describe, expect, test } from "bun:test"
import { ApiError, type AppCaller } from "@weir/protocol"
import type { Credentials } from "../authenticate/authenticate.ts"
import { type ManualClock, manualClock } from "../base/clock.ts"
import { RateLimitError } from "./rate-limit.ts"
import { bounds } from "./rate-limit-bounds.ts"
import { createDoors, type Shut } from "./rate-limit-doors.ts"

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const key = "a1b2c3d4e5f6"
const caller: AppCaller = { kind: "server", appId: 1, apiKey: key, scopes: null, proof: null }
const errors = {
  key: new ApiError("accessKey", "api_key is invalid"),
  token: new ApiError("authentication", "no token"),
  signature: new ApiError("tokenSignature", "signature is not valid"),
  expired: new ApiError("tokenExpired", "expired"),
  suspended: new ApiError("appSuspended", "app is suspended"),
  away: new ApiError("unavailable", "away"),
}
type Outcome = keyof typeof errors | "good"

const keyMax = bounds.failuresPerAddressAndKeyMax
const addressMax = bounds.failuresPerAddressMax

/** A door before a check whose outcome stands in the credential: `<outcome>.<anything>`. */
function door(mode: "sync" | "async" = "sync", enforced = true) {
  const clock: ManualClock = manualClock(Date.UTC(2026, 0, 1))
  const shut: Shut[] = []
  let checked = 0
  const doors = createDoors({ enforced, onShut: (news) => shut.push(news), clock, log: silent })
  const check = ({ authorization }: Credentials): AppCaller => {
    checked += 1
    const outcome = (authorization ?? "token").split(".")[0] as Outcome
    if (outcome !== "good") throw errors[outcome]
    return caller
  }
  const guarded = doors.guard(mode === "sync" ? check : async (credentials) => check(credentials))
  const knock = async (authorization: string, address = "10.0.0.1", apiKey: string | null = key): Promise<string> => {
    const credentials: Credentials = {
      apiKey,
      authType: "jwt",
      authorization,
      client: null,
      address: () => address,
      isSecure: () => false,
      signed: null,
    }
    try {
      await guarded(credentials, clock.now())
      doors.remember(credentials)
      return "in"
    } catch (error) {
      return error instanceof RateLimitError ? "shut" : (error as ApiError).kind
    }
  }
  const times = async (count: number, outcome: Outcome, address?: string, apiKey?: string | null) => {
    const answers: string[] = []
    for (let i = 0; i < count; i++) answers.push(await knock(`${outcome}.${answers.length}`, address, apiKey))
    return answers.filter((answer) => answer === "shut").length
  }
  return { clock, shut, knock, times, doors, checkedCount: () => checked }
}

describe("authentication", () => {
  for (const mode of ["sync", "async"] as const) {
    for (const outcome of ["token", "signature"] as const) {
      test(`${mode}, ${outcome}: after ${keyMax} refusals the next is not looked at`, async () => {
        const { times, checkedCount, shut } = door(mode)
        expect(await times(keyMax, outcome)).toBe(0)
        expect(await times(10, outcome)).toBe(10)
        expect(checkedCount()).toBe(keyMax)
        expect(shut).toEqual([{ door: "authentication", address: "10.0.0.1", apiKey: key, failures: keyMax }])
      })
    }
  }

  test("what no guess brings about is not counted: good calls, old tokens, a suspended app, a gate that is away", async () => {
    const { times } = door()
    for (const outcome of ["good", "expired", "suspended", "away"] as const) {
      expect(await times(addressMax * 2, outcome)).toBe(0)
    }
  })

  test("case 54: an address is shut over all keys, an IPv6 address by its /64, and nobody else with it", async () => {
    const { times, knock, shut } = door()
    for (let i = 0; i < addressMax; i++) {
      expect(await knock("key.x", `2001:db8:1:2::${i.toString(16)}`, `abcdefgh${1000 + i}`)).toBe("accessKey")
    }
    expect(await knock("key.x", "2001:db8:1:2:ffff::1", key)).toBe("shut")
    expect(await knock("key.x", "2001:db8:1:2:ffff::1", null)).toBe("shut")
    expect(await knock("key.x", "2001:db8:1:3::1", key)).toBe("accessKey")
    expect(shut).toHaveLength(1)
    expect(await times(1, "good", "10.0.0.9")).toBe(0)
  })

  test("one client that is broken shuts its own app's door, not that of others at its address", async () => {
    const { times, knock } = door()
    expect(await times(keyMax * 3, "signature")).toBe(keyMax * 2)
    expect(await knock("good.x", "10.0.0.1", "zzzzzzzzzzzz")).toBe("in")
    expect(await knock("good.x", "10.0.0.2", key)).toBe("in")
  })

  test("behind a shut door, who was let in before is let in, and a stranger with a good token waits", async () => {
    const { knock, times } = door()
    expect(await knock("good.colleague")).toBe("in")
    await times(keyMax, "signature")
    expect(await knock("good.colleague")).toBe("in")
    expect(await knock("good.newcomer")).toBe("shut")
    expect(await knock("good.newcomer", "10.0.0.2")).toBe("in")
  })

  test("it opens again when the window is over, to the second that was said", async () => {
    const { doors, knock, times, clock } = door()
    await times(keyMax, "signature")
    const guarded = doors.guard(() => caller)
    const credentials = {
      apiKey: key,
      authType: "jwt",
      authorization: "good.newcomer",
      client: null,
      address: () => "10.0.0.1",
      isSecure: () => false,
      signed: null,
    }
    const refusal = await new Promise<unknown>((resolve) => {
      try {
        resolve(guarded(credentials, clock.now()))
      } catch (error) {
        resolve(error)
      }
    })
    expect(refusal).toBeInstanceOf(RateLimitError)
    const { retryAfterSeconds = 0, state, why, code } = refusal as RateLimitError
    expect(code).toBe(9)
    expect(retryAfterSeconds).toBeWithin(59, 61)
    expect(state).toMatchObject({ limit: keyMax, remaining: 0 })
    expect(state.reset * 1000).toBeWithin(clock.now() + 59_000, clock.now() + 61_000)
    expect(why).toMatchObject({ check: "rate-limit", rule: "failed-authentications", facts: { limit: keyMax } })
    clock.advance(retryAfterSeconds * 1000)
    expect(await knock("good.newcomer")).toBe("in")
  })

  test("what is no key has no door of its own, however many there are", async () => {
    const { knock } = door()
    for (let i = 0; i < addressMax; i++) expect(await knock("key.x", "10.0.0.1", "x".repeat(i + 13))).toBe("accessKey")
    expect(await knock("key.x", "10.0.0.1", "x".repeat(5_000))).toBe("shut")
  })

  test("off counts nobody", async () => {
    expect(await door("sync", false).times(addressMax * 2, "signature")).toBe(0)
  })
})

test("strangers from ever new networks fill no memory: there are only so many buckets", async () => {
  const { knock } = door()
  const before = process.memoryUsage().rss
  for (let i = 0; i < 150_000; i++)
    await knock("key.x", `2001:db8:${(i >> 8).toString(16)}:${(i & 255).toString(16)}::1`)
  // Twice 65,536 records with a timer each; unbounded, it would be three times as much.
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
}, 30_000)

describe("operators", () => {
  const doorsOf = () => {
    const clock = manualClock(Date.UTC(2026, 0, 1))
    const shut: Shut[] = []
    const doors = createDoors({ enforced: true, onShut: (news) => shut.push(news), clock, log: silent })
    const guarded = doors.guardOperators((authorization) => {
      if (authorization !== "Bearer good") throw errors.token
      return {
        kind: "operator",
        name: "admin token",
        role: "owner",
        operatorId: null,
        sessionId: null,
        verifiedAtMs: null,
      }
    })
    const knock = async (authorization: string, address: string): Promise<string> => {
      try {
        guarded(authorization, { address, isSecure: false })
        return "in"
      } catch (error) {
        return error instanceof RateLimitError ? "shut" : "refused"
      } finally {
        await Promise.resolve()
      }
    }
    return { clock, shut, knock }
  }

  test("case 54: ten wrong tokens shut the door for a minute, for the right one too", async () => {
    const { clock, shut, knock } = doorsOf()
    const max = bounds.operatorFailuresPerAddressMax
    expect(max).toBe(10)
    for (let i = 0; i < max; i++) expect(await knock(`Bearer guess-${i}`, "203.0.113.9")).toBe("refused")
    expect(await knock("Bearer good", "203.0.113.9")).toBe("shut")
    expect(await knock("Bearer good", "203.0.113.10")).toBe("in")
    expect(shut).toEqual([{ door: "operator", address: "203.0.113.9", apiKey: null, failures: max }])
    clock.advance(60_000)
    expect(await knock("Bearer good", "203.0.113.9")).toBe("in")
  })

  test("good calls are not counted", async () => {
    const { knock } = doorsOf()
    for (let i = 0; i < 100; i++) expect(await knock("Bearer good", "203.0.113.9")).toBe("in")
  })
})

import { describe, expect, test } from "bun:test"
import { limits } from "../src/limits.ts"
import type { Timers } from "../src/timers.ts"
import { createTokenSource as createSource, type TokenOrProvider } from "../src/tokens.ts"
import { mint } from "./handshake-server.ts"
import { type ManualTimers, manualTimers, settle } from "./manual-timers.ts"

/** A source that goes by its timers, as long as the server has not told its time, and is alone. */
const createTokenSource = (userId: string, given: TokenOrProvider, timers: Timers) =>
  createSource(userId, given, { timers, clock: { now: () => timers.now(), isKnown: false }, tabs: null })

const tokenFor = (timers: ManualTimers, lifeSeconds: number, jti: number) =>
  mint({ user_id: "ann", exp: Math.floor(timers.now() / 1000) + lifeSeconds, jti })

/** A provider that counts, and answers only when told. */
function heldProvider() {
  const calls: { resolve: (token: string) => void; reject: (error: Error) => void }[] = []
  return { calls, provider: () => new Promise<string>((resolve, reject) => calls.push({ resolve, reject })) }
}

describe("a token given as text", () => {
  test("is used as it is and cannot be replaced", async () => {
    const token = mint({ user_id: "ann" })
    const source = createTokenSource("ann", token, manualTimers())
    expect(source.canReplace(token)).toBe(false)
    expect(await source.get()).toBe(token)
    await expect(source.replace(token)).rejects.toMatchObject({ reason: "token_stale" })
  })

  test.each([
    ["no token at all", "nonsense"],
    ["two segments", "a.b"],
    ["a payload that is not JSON", "a.b.c"],
    ["another user's token", mint({ user_id: "bob" })],
    ["a server token", mint({ server: true })],
  ])("is refused when it is %s", (_, token) => {
    expect(() => createTokenSource("ann", token, manualTimers())).toThrow(
      expect.objectContaining({ reason: "token_mismatch" }),
    )
  })

  test("may name a user id beyond ASCII in any JSON spelling", async () => {
    const token = mint({ user_id: "ann", name: "Ånn — 安" })
    expect(await createTokenSource("ann", token, manualTimers()).get()).toBe(token)
  })
})

describe("a token provider", () => {
  test("is asked once, however many callers wait", async () => {
    const timers = manualTimers()
    const { calls, provider } = heldProvider()
    const source = createTokenSource("ann", provider, timers)
    const waiting = [source.get(), source.get(), source.renew(), source.replace("old.to.ken")]
    await settle()
    expect(calls).toHaveLength(1)
    const token = tokenFor(timers, 3600, 1)
    calls[0]?.resolve(token)
    expect(await Promise.all(waiting)).toEqual([token, token, token, token])
    expect(await source.get()).toBe(token)
    expect(calls).toHaveLength(1)
  })

  test("that was asked for a replacement already is not asked again by a caller with the same old token", async () => {
    const timers = manualTimers()
    let asked = 0
    const source = createTokenSource("ann", () => tokenFor(timers, 3600, ++asked), timers)
    const first = await source.get()
    const second = await source.replace(first)
    expect(second).not.toBe(first)
    expect(await source.replace(first)).toBe(second)
    expect(asked).toBe(2)
  })

  test("that hands out a refused token again is told on, not asked in a loop", async () => {
    const timers = manualTimers()
    let asked = 0
    const stale = tokenFor(timers, 3600, 1)
    const source = createTokenSource(
      "ann",
      () => {
        asked += 1
        return stale
      },
      timers,
    )
    await source.get()
    await expect(source.replace(stale)).rejects.toMatchObject({ reason: "token_stale" })
    await timers.advance(3600_000)
    // Nothing goes on asking in the background.
    expect(asked).toBe(2)
  })

  test.each([
    ["throws", () => Promise.reject(new Error("login first"))],
    ["gives nothing", () => ""],
    ["gives no string", () => 7 as unknown as string],
  ])("that %s rejects with its reason", async (_, provider) => {
    const source = createTokenSource("ann", provider, manualTimers())
    await expect(source.get()).rejects.toMatchObject({ name: "WeirConnectionError", reason: "token_provider" })
  })

  test("that hangs is given up after its time-out, and asked again by the next caller", async () => {
    const timers = manualTimers()
    const { calls, provider } = heldProvider()
    const source = createTokenSource("ann", provider, timers)
    const outcome = source.get().catch((error) => error)
    await timers.advance(limits.tokenProviderTimeoutMs)
    expect(await outcome).toMatchObject({ reason: "token_provider" })
    source.get().catch(() => {})
    await settle()
    expect(calls).toHaveLength(2)
  })

  test("for another user is refused", async () => {
    const source = createTokenSource("ann", () => mint({ user_id: "bob" }), manualTimers())
    await expect(source.get()).rejects.toMatchObject({ reason: "token_mismatch" })
  })
})

describe("before a token expires", () => {
  test("it is renewed once, shortly before", async () => {
    const timers = manualTimers()
    let asked = 0
    const source = createTokenSource("ann", () => tokenFor(timers, 600, ++asked), timers)
    const first = await source.get()
    await timers.advance(500_000)
    expect([asked, await source.get()]).toEqual([1, first])
    await timers.advance(45_000)
    expect(asked).toBe(2)
    expect(await source.get()).not.toBe(first)
    source.close()
    await timers.advance(3600_000)
    expect(asked).toBe(2)
  })

  test("a provider that repeats its token until the end is asked a bounded number of times", async () => {
    const timers = manualTimers()
    let asked = 0
    const token = tokenFor(timers, 600, 1)
    const source = createTokenSource(
      "ann",
      () => {
        asked += 1
        return token
      },
      timers,
    )
    await source.get()
    await timers.advance(1200_000)
    expect(asked).toBeGreaterThan(1)
    expect(asked).toBeLessThan(20)
  })

  test("a provider that fails does not fail a request as long as the old token lives", async () => {
    const timers = manualTimers()
    let fails = false
    const source = createTokenSource(
      "ann",
      () => (fails ? Promise.reject(new Error("away")) : Promise.resolve(tokenFor(timers, 600, 1))),
      timers,
    )
    const token = await source.get()
    fails = true
    await timers.advance(590_000)
    expect(await source.get()).toBe(token)
    expect(await source.renew()).toBe(token)
    await timers.advance(20_000)
    await expect(source.get()).rejects.toMatchObject({ reason: "token_provider" })
  })

  test("a clock that runs ahead does not make every request ask", async () => {
    const timers = manualTimers()
    let asked = 0
    const source = createTokenSource("ann", () => tokenFor(timers, -600, ++asked), timers)
    await source.get()
    await source.get()
    await timers.advance(3600_000)
    expect(asked).toBe(1)
  })

  test("a token that lives for years needs no timer longer than the platform has", async () => {
    const timers = manualTimers()
    const source = createTokenSource("ann", () => tokenFor(timers, 10 * 365 * 86_400, 1), timers)
    await source.get()
    expect(Math.max(...timers.pendingDelaysMs())).toBeLessThanOrEqual(limits.timerDelayMaxMs)
    await timers.advance(limits.timerDelayMaxMs + 1)
    expect(await source.get()).toBeString()
  })
})

test("before a reconnect a token of a few seconds is kept, an older one renewed", async () => {
  const timers = manualTimers()
  let asked = 0
  const source = createTokenSource("ann", () => tokenFor(timers, 3600, ++asked), timers)
  const first = await source.get()
  await timers.advance(2_000)
  expect(await source.renew()).toBe(first)
  await timers.advance(20_000)
  expect(await source.renew()).not.toBe(first)
  expect(asked).toBe(2)
})

test("an answer after close() changes nothing", async () => {
  const timers = manualTimers()
  const { calls, provider } = heldProvider()
  const source = createTokenSource("ann", provider, timers)
  const outcome = source.get()
  await settle()
  source.close()
  calls[0]?.resolve(tokenFor(timers, 60, 1))
  await expect(outcome).rejects.toMatchObject({ reason: "disconnected" })
  await expect(source.get()).rejects.toMatchObject({ reason: "disconnected" })
  expect(timers.pendingDelaysMs()).toEqual([])
})

describe("another token", () => {
  test("takes the place of the present one, and of a question that is under way", async () => {
    const timers = manualTimers()
    const { calls, provider } = heldProvider()
    const source = createTokenSource("ann", provider, timers)
    const outcome = source.get()
    await settle()
    const next = tokenFor(timers, 3600, 2)
    source.set(next)
    calls[0]?.resolve(tokenFor(timers, 3600, 1))
    expect([await outcome, await source.get()]).toEqual([next, next])
    source.close()
  })

  test("may be a provider, which renews from then on", async () => {
    const timers = manualTimers()
    let asked = 0
    const source = createTokenSource("ann", tokenFor(timers, 600, 0), timers)
    source.set(() => tokenFor(timers, 600, ++asked))
    await timers.advance(550_000)
    expect(asked).toBe(1)
    source.close()
  })

  test("of somebody else is refused and changes nothing", async () => {
    const timers = manualTimers()
    const token = tokenFor(timers, 600, 0)
    const source = createTokenSource("ann", token, timers)
    expect(() => source.set(mint({ user_id: "bob" }))).toThrow(expect.objectContaining({ reason: "token_mismatch" }))
    expect(await source.get()).toBe(token)
  })
})

describe("a provider whose backend refuses", () => {
  test.each([
    ["status", { status: 401 }],
    ["statusCode", { statusCode: 403 }],
    ["response.status", { response: { status: 401 } }],
  ])("is final, by %s", async (_, fields) => {
    const provider = () => Promise.reject(Object.assign(new Error("no"), fields))
    await expect(createTokenSource("ann", provider, manualTimers()).get()).rejects.toMatchObject({
      reason: "token_refused",
    })
  })

  test("is not asked again before the token ends", async () => {
    const timers = manualTimers()
    let asked = 0
    const source = createTokenSource(
      "ann",
      () => {
        asked += 1
        return asked === 1 ? tokenFor(timers, 600, 1) : Promise.reject(Object.assign(new Error("no"), { status: 401 }))
      },
      timers,
    )
    await source.get()
    await timers.advance(590_000)
    expect(asked).toBe(2)
    source.close()
  })
})

test("renewals of many are spread by chance", async () => {
  const renewAfterMs = async (chance: number) => {
    const timers = manualTimers()
    timers.chance = chance
    const source = createTokenSource("ann", () => tokenFor(timers, 3600, 1), timers)
    await source.get()
    const [delayMs] = timers.pendingDelaysMs()
    source.close()
    return delayMs as number
  }
  const spreadMs = (await renewAfterMs(0)) - (await renewAfterMs(0.999))
  expect(spreadMs).toBeGreaterThan(limits.tokenRenewMarginMs * limits.tokenRenewJitter * 0.8)
})

test("however fast tokens are refused, the provider is asked a bounded number of times a minute", async () => {
  const timers = manualTimers()
  let asked = 0
  const source = createTokenSource("ann", () => tokenFor(timers, 600, ++asked), timers)
  for (let requests = 0; requests < 100; requests += 1) {
    await source
      .get()
      .then((token) => source.replace(token))
      .catch(() => {})
  }
  expect(asked).toBe(1 + limits.tokenReplacementsPerMinuteMax)
  await timers.advance(60_000)
  expect(await source.get()).toBeString()
  source.close()
})

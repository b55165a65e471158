// What tabs do for each other, in detail; contract/suites/refresh has whole clients, and a real browser.

import { describe, expect, test } from "bun:test"
import { simulateTabs } from "../../../contract/suites/refresh/simulated-tabs.ts"
import { limits } from "../src/limits.ts"
import { createTabs, platformTabs, type TabParts } from "../src/tabs.ts"
import { systemTimers } from "../src/timers.ts"
import { createTokenSource, type TokenOrProvider } from "../src/tokens.ts"
import { mint } from "./handshake-server.ts"
import { manualTimers, settle } from "./manual-timers.ts"

const inSeconds = (seconds: number) => Math.floor(Date.now() / 1000) + seconds

function sourceIn(tabs: TabParts | null, given: TokenOrProvider, timers = systemTimers) {
  const clock = { now: () => timers.now(), isKnown: true }
  return createTokenSource("ann", given, { timers, clock, tabs: tabs && { parts: tabs, name: "ann's" } })
}

describe("a token of another tab", () => {
  const held = mint({ user_id: "ann", exp: inSeconds(600), jti: "a" })
  const takes = async (token: string): Promise<boolean> => {
    const tabs = simulateTabs(0)
    const source = sourceIn(tabs, () => held)
    await source.get()
    const other = createTabs(tabs, "ann's", systemTimers, () => {})
    other.tell(token)
    await Bun.sleep(10)
    const present = await source.get()
    source.close()
    other.close()
    return present === token
  }

  test("is taken when it says the same and lasts longer", async () => {
    expect(await takes(mint({ user_id: "ann", exp: inSeconds(900), jti: "b" }))).toBe(true)
  })

  test.each([
    ["ends sooner", mint({ user_id: "ann", exp: inSeconds(300) })],
    ["is over", mint({ user_id: "ann", exp: inSeconds(-5) })],
    ["belongs to another user", mint({ user_id: "bob", exp: inSeconds(900) })],
    ["reaches less", mint({ user_id: "ann", exp: inSeconds(900), scopes: { "chat:*:*": ["read"] } })],
    ["is for another device", mint({ user_id: "ann", exp: inSeconds(900), device_id: "phone" })],
    ["is no token", "nonsense"],
    ["is too long", mint({ user_id: "ann", exp: inSeconds(900), jti: "x".repeat(limits.tokenCharsMax) })],
  ])("is not taken when it %s", async (_, token) => {
    expect(await takes(token)).toBe(false)
  })

  test("is not taken once the server has refused it", async () => {
    const tabs = simulateTabs(0)
    const refused = mint({ user_id: "ann", exp: inSeconds(900), jti: "r" })
    const tokens = [refused, held]
    const source = sourceIn(tabs, () => tokens.shift() ?? held)
    await source.get()
    expect(await source.replace(refused)).toBe(held)
    const other = createTabs(tabs, "ann's", systemTimers, () => {})
    other.tell(refused)
    await Bun.sleep(10)
    expect(await source.get()).toBe(held)
    source.close()
    other.close()
  })
})

describe("the lock", () => {
  test("of a tab that never lets go is not waited for without end", async () => {
    const tabs = simulateTabs(0)
    const timers = manualTimers()
    tabs.locks.request("ann's", {}, () => new Promise(() => {}))
    let asked = 0
    const source = sourceIn(
      tabs,
      () => {
        asked += 1
        return mint({ user_id: "ann" })
      },
      timers,
    )
    const outcome = source.get()
    await timers.advance(limits.tabLockWaitMs - 1)
    expect(asked).toBe(0)
    await timers.advance(1)
    await outcome
    expect(asked).toBe(1)
    source.close()
  })

  test("that cannot be had, because the platform forbids it, is done without", async () => {
    const forbidden = () => {
      throw new DOMException("storage is blocked", "SecurityError")
    }
    const source = sourceIn({ locks: { request: async () => forbidden() }, openChannel: forbidden }, () =>
      mint({ user_id: "ann" }),
    )
    expect(await source.get()).toBeString()
    source.close()
  })

  test("is let go when the provider fails, and its error is passed on once", async () => {
    const tabs = simulateTabs(0)
    let asked = 0
    const source = sourceIn(tabs, () => {
      asked += 1
      return Promise.reject(new Error("away"))
    })
    await expect(source.get()).rejects.toMatchObject({ reason: "token_provider" })
    expect(asked).toBe(1)
    expect(await tabs.locks.request("ann's", { ifAvailable: true }, async (lock) => lock !== null)).toBe(true)
    source.close()
  })
})

test("after disconnect a tab that waits for the lock asks nobody", async () => {
  const tabs = simulateTabs(0)
  let release = () => {}
  tabs.locks.request("ann's", {}, () => new Promise<void>((resolve) => (release = resolve)))
  let asked = 0
  const source = sourceIn(tabs, () => {
    asked += 1
    return mint({ user_id: "ann" })
  })
  const outcome = source.get()
  await settle()
  source.close()
  release()
  await expect(outcome).rejects.toMatchObject({ reason: "disconnected" })
  expect(asked).toBe(0)
})

test("a runtime without pages has no tabs", () => {
  expect(platformTabs()).toBeNull()
})

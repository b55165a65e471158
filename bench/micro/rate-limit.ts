// Question: what does counting cost a request? Prints one JSON line per row: {"name", "nanoseconds"}. The rows take turns
// in rounds of about two milliseconds and the quarter of fast rounds decides, as in verify.ts. The last row is the
// library's memory store, awaited as its interface asks for, with one key where the others count two or three.

import { RateLimiterMemory } from "rate-limiter-flexible"
import type { AppCaller } from "../../packages/protocol/src/index.ts"
import { createRateLimiter } from "../../packages/server/src/request/rate-limit.ts"

const users = 1_000
const perRound = 2_000
const rounds = 200
/** Out of reach, so that every request is let in. */
const plenty = 10_000_000
const log = { debug() {}, info() {}, warn() {}, error() {} }

const callers = Array.from(
  { length: users },
  (_, index): AppCaller => ({
    kind: "user",
    appId: 1_000_001,
    apiKey: "a1b2c3d4e5f6",
    userId: `user-${index}`,
    role: "user",
    teams: [],
    issuedAt: null,
    expiresAt: null,
    calls: null,
    bans: null,
    scopes: null,
    proof: null,
  }),
)
const addresses = callers.map((_, index) => `203.0.113.${index % 256}`)
const backend: AppCaller = { kind: "server", appId: 1_000_001, apiKey: "a1b2c3d4e5f6", scopes: null, proof: null }
const client = "stream-javascript-client-browser-8.15.0"

/** `address`: null where addresses are not looked at, as it is with an app that is not busy. */
function limiterOf(address: number | null) {
  const overrides = { "*": { app: plenty, user: plenty, address } }
  const limiter = createRateLimiter({ enforced: true, overridesOf: () => overrides, shared: null, log })
  return { limiter, operation: limiter.operation("SendMessage") }
}

const quiet = limiterOf(null)
const busy = limiterOf(plenty)
const library = new RateLimiterMemory({ keyPrefix: "SendMessage", points: plenty, duration: 60 })

const rows: { name: string; run: (nowMs: number) => void | Promise<void> }[] = [
  {
    name: "server: app",
    run: (nowMs) => {
      for (let i = 0; i < perRound; i++) quiet.limiter.take(quiet.operation, backend, client, () => "", nowMs)
    },
  },
  {
    name: "user: app and user",
    run: (nowMs) => {
      for (let i = 0; i < perRound; i++) {
        quiet.limiter.take(quiet.operation, callers[i % users] as AppCaller, client, () => "", nowMs)
      }
    },
  },
  {
    name: "user of a busy app: app, user and address",
    run: (nowMs) => {
      for (let i = 0; i < perRound; i++) {
        const address = (): string => addresses[i % users] as string
        busy.limiter.take(busy.operation, callers[i % users] as AppCaller, client, address, nowMs)
      }
    },
  },
  {
    name: "rate-limiter-flexible, memory: user",
    run: async () => {
      for (let i = 0; i < perRound; i++) await library.consume(`user-${i % users}`)
    },
  },
]

const nanoseconds = rows.map((): number[] => [])
for (let round = 0; round < rounds; round++) {
  for (const [index, row] of rows.entries()) {
    const startedAt = Bun.nanoseconds()
    await row.run(Date.now())
    nanoseconds[index]?.push((Bun.nanoseconds() - startedAt) / perRound)
  }
}
for (const [index, row] of rows.entries()) {
  const sorted = (nanoseconds[index] as number[]).sort((a, b) => a - b)
  console.log(JSON.stringify({ name: row.name, nanoseconds: Math.round(sorted[Math.floor(rounds / 4)] as number) }))
}

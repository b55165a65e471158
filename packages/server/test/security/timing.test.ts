// Case 52: whether the time of a comparison tells where the first difference is, after Reparaz, Balasch and
// Verbauwhede, «Dude, is my code constant time?» (2017): two classes of input, measured in turns, and Welch's t between
// their times. A comparison that leaks on purpose runs beside, so that the test shows that it would have seen a leak.
//
// API keys are looked up as they are, in a map and by an index of the database, not by a hash: a key is public, it is
// baked into every app that was shipped, and knowing one lets nobody in. What proves a caller is the secret, and what is
// sent of that is compared below.

import { expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { isBasicSecret } from "../../src/authenticate/basic.ts"
import { createAuthenticateOperator } from "../../src/authenticate/operator.ts"
import { importSecret, isHs256Mac, type VerificationKey } from "../../src/authenticate/token.ts"

const bounds = {
  /** Measurements of both classes together. */
  samples: 100_000,
  /** Calls of one measurement: a clock tick is longer than a comparison. */
  callsPerSample: 4,
  /** The slowest part is left out: other work of the machine shows there, in either class. */
  keptPart: 0.9,
  /** Of what is compared by the one that leaks: as long as a secret. */
  leakyBytes: 64,
  /** dudect's own bound is 4.5 on a quiet machine; what has to hold on a busy one is that the leak stands far above. */
  tOfLeakMin: 30,
  timesSmaller: 3,
  /** One of several rounds has to be quiet. */
  rounds: 5,
} as const

/** Compares byte by byte and stops at the first difference. */
function leakyEquals(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** |t| between the times of two ways of calling, which are measured in random turns. */
function welchT(first: () => unknown, second: () => unknown): number {
  const times: [number[], number[]] = [[], []]
  const runs = [first, second] as const
  for (let sample = -2_000; sample < bounds.samples; sample++) {
    const which = Math.random() < 0.5 ? 0 : 1
    const run = runs[which]
    const startNs = Bun.nanoseconds()
    for (let call = 0; call < bounds.callsPerSample; call++) run()
    const tookNs = Bun.nanoseconds() - startNs
    // The first ones are the compiler's.
    if (sample >= 0) times[which].push(tookNs)
  }
  const all = [...times[0], ...times[1]].sort((a, b) => a - b)
  const cutNs = all[Math.floor(all.length * bounds.keptPart)] as number
  const [a, b] = times.map((of) => momentsOf(of.filter((ns) => ns <= cutNs))) as [Moments, Moments]
  return Math.abs(a.mean - b.mean) / Math.sqrt(a.variance / a.count + b.variance / b.count)
}

interface Moments {
  readonly count: number
  readonly mean: number
  readonly variance: number
}
function momentsOf(values: readonly number[]): Moments {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1)
  return { count: values.length, mean, variance }
}

const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ 1
  return copy
}

const secret = "timing-secret-timing-secret-timing-secret-timing-secret-timing00"
const key: VerificationKey = { kid: "k", alg: "HS256", key: importSecret(secret), state: "active" }
const input = Buffer.from("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiamVzc2ljYSJ9")
const mac = createHmac("sha256", secret).update(input).digest()

const adminToken = "admin-token-for-timing-0123456789abcdef"
const operator = createAuthenticateOperator(adminToken)
const asOperator = (token: string) => {
  const header = `Bearer ${token}`
  return () => {
    try {
      return operator(header)
    } catch {
      return null
    }
  }
}
const wrongAt = (text: string, at: number): string => `${text.slice(0, at)}~${text.slice(at + 1)}`

/** Of each comparison: a miss at the first byte, and one at the last. */
const comparisons: Readonly<Record<string, readonly [() => unknown, () => unknown]>> = {
  "the MAC of a token": [
    (
      (wrong) => () =>
        isHs256Mac(key.key, input, wrong)
    )(flipped(mac, 0)),
    (
      (wrong) => () =>
        isHs256Mac(key.key, input, wrong)
    )(flipped(mac, 31)),
  ],
  "the secret of Basic": [
    () => isBasicSecret(key, wrongAt(secret, 0)),
    () => isBasicSecret(key, wrongAt(secret, secret.length - 1)),
  ],
  "the operator's token": [asOperator(wrongAt(adminToken, 0)), asOperator(wrongAt(adminToken, adminToken.length - 1))],
}

test("what is compared here: a match is one, and a miss is none wherever it is", () => {
  expect(isHs256Mac(key.key, input, mac)).toBe(true)
  expect(isBasicSecret(key, secret)).toBe(true)
  expect(asOperator(adminToken)()).not.toBeNull()
  for (const [first, last] of Object.values(comparisons)) {
    for (const run of [first, last]) expect(run() || null).toBeNull()
  }
})

test.each(Object.keys(comparisons))(
  "case 52: the time of comparing %s does not tell where the first difference is",
  (name) => {
    const long = Buffer.alloc(bounds.leakyBytes, 7)
    const [early, late] = [flipped(long, 0), flipped(long, long.length - 1)]
    const [first, last] = comparisons[name] as readonly [() => unknown, () => unknown]
    const seen: { leak: number; own: number }[] = []
    for (let round = 0; round < bounds.rounds; round++) {
      const leak = welchT(
        () => leakyEquals(long, early),
        () => leakyEquals(long, late),
      )
      const own = welchT(first, last)
      seen.push({ leak, own })
      if (leak > bounds.tOfLeakMin && own * bounds.timesSmaller < leak && own < bounds.tOfLeakMin / bounds.timesSmaller)
        break
    }
    const { leak, own } = seen.at(-1) as { leak: number; own: number }
    console.log(`timing of ${name}: |t| ${own.toFixed(1)}, of a comparison that leaks ${leak.toFixed(1)}`)
    expect(leak).toBeGreaterThan(bounds.tOfLeakMin)
    expect(own).toBeLessThan(bounds.tOfLeakMin / bounds.timesSmaller)
  },
  60_000,
)

// Rows (f) and (g): what the gate's checks cost in one process, each beside the same without it or beside what is usually
// taken for it.

import { type Measurement, type Row, rowOf } from "../report.ts"
import { type TimeRow, type Times, timeRowOf } from "../times.ts"
import { numberOf, runMicro } from "./micro.ts"
import { rateOf } from "./verify.ts"

const patternCounts = [1, 10, 100] as const
/** «Under a microsecond», for the most that a token may carry. */
const scopesNsMax = 1_000
/** «Leaves the p99 where it was», within what two runs of the same thing differ by. */
const revocationsP99RatioMax = 1.25

/** (f) One process per pair, and for the set of revocations two: a large set slows its whole process's upkeep. */
export async function measureChecks(pairs: number, revocations: number): Promise<TimeRow[]> {
  const free: Times[] = []
  const narrowed = patternCounts.map((): Times[] => [])
  const counted: Times[] = []
  const library: Times[] = []
  const tokens = ["token never seen before", "token seen before"] as const
  const withNone = tokens.map((): Times[] => [])
  const withMany = tokens.map((): Times[] => [])
  for (let pair = 0; pair < pairs; pair++) {
    const scopes = await runMicro("scopes.ts")
    free.push(typical(numberOf(scopes, "decision without scopes", "nanoseconds")))
    for (const [index, count] of patternCounts.entries()) {
      narrowed[index]?.push(typical(numberOf(scopes, `decision with ${count} `, "nanoseconds")))
    }
    const limits = await runMicro("rate-limit.ts")
    counted.push(typical(numberOf(limits, "user: app and user", "nanoseconds")))
    library.push(typical(numberOf(limits, "rate-limiter-flexible", "nanoseconds")))
    const none = await runMicro("revocations.ts", ["0"])
    const many = await runMicro("revocations.ts", [String(revocations)])
    for (const [index, token] of tokens.entries()) {
      withNone[index]?.push(quantilesFrom(none, token))
      withMany[index]?.push(quantilesFrom(many, token))
    }
  }
  const unit = "ns"
  const scopeRows = patternCounts.map((count, index) =>
    timeRowOf(
      {
        id: `f${index + 1}`,
        what: "decide what a narrowed token may",
        unit,
        subject: count === 1 ? "1 pattern" : `${count} patterns`,
        baseline: "not narrowed",
        aim: { of: "p50", max: scopesNsMax },
      },
      narrowed[index] as Times[],
      free,
    ),
  )
  const revocationRows = tokens.map((token, index) =>
    timeRowOf(
      {
        id: `f${index + 4}`,
        what: `let a caller in, ${token}`,
        unit,
        subject: `${revocations.toLocaleString("en-US")} revocations`,
        baseline: "none",
        aim: { of: "p99Ratio", max: revocationsP99RatioMax },
      },
      withMany[index] as Times[],
      withNone[index] as Times[],
    ),
  )
  const count = timeRowOf(
    { id: "f6", what: "count a request", unit, subject: "app and user", baseline: "library, user", aim: null },
    counted,
    library,
  )
  return [...scopeRows, ...revocationRows, count]
}

const typical = (p50: number): Times => ({ p50, p99: null, detail: {} })
const quantilesFrom = (lines: Parameters<typeof numberOf>[0], name: string): Times => ({
  p50: numberOf(lines, name, "p50Ns"),
  p99: numberOf(lines, name, "p99Ns"),
  detail: {},
})

const algorithms = ["ES256", "EdDSA"] as const
const baselines = [
  { name: "bare", shown: "node:crypto" },
  { name: "jose", shown: "jose" },
] as const

/** (g) Tokens that a key pair signed. One process per pair; each measures all of them in turns. */
export async function measureSignatures(pairs: number): Promise<Row[]> {
  const runs = new Map<string, Measurement[]>()
  for (let pair = 0; pair < pairs; pair++) {
    const lines = await runMicro("signatures.ts")
    for (const alg of algorithms) {
      for (const name of ["weir", ...baselines.map((baseline) => baseline.name)]) {
        const key = `${name} ${alg}`
        runs.set(key, [...(runs.get(key) ?? []), rateOf(numberOf(lines, key, "opsPerSecond"))])
      }
    }
  }
  return algorithms.flatMap((alg, at) =>
    baselines.map(({ name, shown }, index) =>
      rowOf(
        {
          id: `g${at * baselines.length + index + 1}`,
          what: `verify an ${alg} token never seen before`,
          unit: "/s",
          subject: "weir",
          baseline: shown,
          aim: null,
        },
        runs.get(`weir ${alg}`) ?? [],
        runs.get(`${name} ${alg}`) ?? [],
      ),
    ),
  )
}

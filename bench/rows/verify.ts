// Row (a): the verifier alone, in one process and without a server; bench/micro/verify.ts measures, this reads it.

import type { Measurement } from "../report.ts"
import { numberOf, runMicro } from "./micro.ts"

export interface VerifyRuns {
  readonly weir: Measurement[]
  readonly bare: Measurement[]
  readonly jose: Measurement[]
}

/** One process per pair; each measures all three in turns. Throws with its words when it fails. */
export async function measureVerify(pairs: number): Promise<VerifyRuns> {
  const runs: VerifyRuns = { weir: [], bare: [], jose: [] }
  for (let pair = 0; pair < pairs; pair++) {
    const lines = await runMicro("verify.ts")
    // A line's name begins with whom it measures.
    for (const name of ["weir", "bare", "jose"] as const) runs[name].push(rateOf(numberOf(lines, name, "opsPerSecond")))
  }
  return runs
}

/** A run of which only the rate is known. */
export const rateOf = (perSecond: number): Measurement => ({ perSecond, busy: null, latency: null, detail: {} })

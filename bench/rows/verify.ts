// Row (a): the verifier alone, in one process and without a server; bench/micro/verify.ts measures, this reads it.

import { join } from "node:path"
import { pinned, serverCore } from "../contender.ts"
import type { Measurement } from "../report.ts"

export interface VerifyRuns {
  readonly weir: Measurement[]
  readonly bare: Measurement[]
  readonly jose: Measurement[]
}

/** One process per pair; each measures all three in turns. Throws with its words when it fails. */
export async function measureVerify(pairs: number): Promise<VerifyRuns> {
  const runs: VerifyRuns = { weir: [], bare: [], jose: [] }
  for (let pair = 0; pair < pairs; pair++) {
    const child = Bun.spawn(pinned(serverCore, [process.execPath, join(import.meta.dir, "../micro/verify.ts")]), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    })
    const [stdout, stderr, exitCode] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ])
    if (exitCode !== 0) throw new Error(`bench/micro/verify.ts: ${stderr.trim()}`)
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { name: string; opsPerSecond: number })
    for (const name of ["weir", "bare", "jose"] as const) {
      // A line's name begins with whom it measures.
      const line = lines.find((candidate) => candidate.name.startsWith(name))
      if (line === undefined) throw new Error(`bench/micro/verify.ts printed no line for ${name}`)
      runs[name].push({ perSecond: line.opsPerSecond, busy: null, latency: null, detail: {} })
    }
  }
  return runs
}

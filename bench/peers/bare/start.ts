// Starts the bare peer.

import { type Contender, startProcess } from "../../contender.ts"
import type { Fixture } from "../../fixture.ts"

/** Throws when it does not start. */
export async function startBare(fixture: Fixture): Promise<Contender> {
  const env = { BENCH_FIXTURE: JSON.stringify(fixture) }
  const child = await startProcess("the bare peer", [process.execPath, `${import.meta.dir}/server.ts`], env, true)
  const { http, connect, publish } = child.ready as { http: number; connect: number; publish: number }
  return {
    name: "bare",
    pid: child.pid,
    ports: { http, connect, fanout: publish },
    messageId: "any",
    hearsAtOnce: true,
    looksAtTokens: false,
    channelFor: (watchers) => `bench-${watchers}`,
  }
}

// Starts the hand-made peer, on Node.

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Contender, startProcess } from "../../contender.ts"
import type { Fixture } from "../../fixture.ts"

export interface HandmadeOptions {
  readonly fixture: Fixture
  readonly secret: string
  /** It knows the users `member-0` … `member-<members - 1>`, and all of them are members of every channel. */
  readonly members: number
}

/** Throws when Node or its packages are missing. */
export async function startHandmade({ fixture, secret, members }: HandmadeOptions): Promise<Contender> {
  const node = Bun.which("node")
  if (node === null) throw new Error("the hand-made peer needs Node on the PATH")
  const dataDir = mkdtempSync(join(tmpdir(), "weir-bench-handmade-"))
  const env = {
    BENCH_FIXTURE: JSON.stringify(fixture),
    BENCH_SECRET: secret,
    BENCH_MEMBERS: String(members),
    BENCH_DATA_DIR: dataDir,
    // What its authors would set in production.
    NODE_ENV: "production",
  }
  const command = [node, `${import.meta.dir}/server.mjs`]
  const cleanUp = (): void => rmSync(dataDir, { recursive: true, force: true })
  const child = await startProcess("the hand-made peer", command, env, true, cleanUp).catch((error) => {
    const missing = String(error.message).includes("ERR_MODULE_NOT_FOUND")
    throw missing ? new Error(`${error.message}\nIts packages are missing: run "npm install"`) : error
  })
  const port = child.ready.port as number
  const sample = JSON.parse(fixture.resource.body) as { message: { id: string } }
  return {
    name: "handmade",
    pid: child.pid,
    ports: { http: port, connect: port, fanout: port },
    messageId: sample.message.id,
    hearsAtOnce: false,
    looksAtTokens: true,
    channelFor: (watchers) => `bench-${watchers}`,
  }
}

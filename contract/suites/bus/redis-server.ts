// A Redis server of the test's own, which it may stop and start as it likes.

import { createServer } from "node:net"

export interface OwnRedisServer {
  readonly url: string
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Starts it on the same port; resolves when it answers. */
  start(): Promise<void>
  /** Holds the process still: connections stay open and nothing answers. */
  freeze(): void
  thaw(): void
}

/** Whether a server can be started here: the program `redis-server` or `valkey-server` is on the path. */
export const redisProgram: string | null = Bun.which("redis-server") ?? Bun.which("valkey-server")

/** Starts a server on a free port of the loopback, with nothing on disk. Throws when the program is missing. */
export async function startRedisServer(): Promise<OwnRedisServer> {
  const program = redisProgram
  if (program === null) throw new Error("neither redis-server nor valkey-server is installed")
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  let child: Bun.Subprocess | null = null

  const start = async (): Promise<void> => {
    child = Bun.spawn([program, "--bind", "127.0.0.1", "--port", String(port), "--save", "", "--appendonly", "no"], {
      stdout: "ignore",
      stderr: "ignore",
    })
    const endMs = performance.now() + 10_000
    for (;;) {
      const client = new Bun.RedisClient(url, { autoReconnect: false, enableOfflineQueue: false })
      try {
        await client.connect()
        await client.ping()
        return
      } catch (error) {
        if (performance.now() > endMs) throw error
        await Bun.sleep(20)
      } finally {
        client.close()
      }
    }
  }
  await start()
  return {
    url,
    start,
    async kill() {
      child?.kill("SIGKILL")
      await child?.exited
    },
    freeze: () => child?.kill("SIGSTOP"),
    thaw: () => child?.kill("SIGCONT"),
  }
}

/** A port that nobody listens on, as the operating system gives them out. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
}

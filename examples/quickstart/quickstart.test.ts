// The two examples, run unchanged against a real server by plain Node: only the placeholders are filled in, and the
// package name is resolved by the alias in this folder's package.json.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dir, "../..")
const apiKey = "quickstart01"
const apiSecret = "quickstart0secret".repeat(4).slice(0, 64)

let folder: string
let weir: Bun.Subprocess<"ignore", "pipe", "pipe">
let url: string

beforeAll(async () => {
  const { build } = await import("../../tools/build.ts")
  await build(root)
  folder = await mkdtemp(join(tmpdir(), "weir-quickstart-"))
  const port = await freePort()
  url = `http://127.0.0.1:${port}`
  weir = Bun.spawn(["node", join(root, "packages", "cli", "bin", "weir.js"), "serve"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      WEIR_PORT: String(port),
      WEIR_DATA_DIR: join(folder, "data"),
      WEIR_API_KEY: apiKey,
      WEIR_API_SECRET: apiSecret,
    },
  })
  await whenReady()

  // What `npm install` makes of the alias.
  const manifest = JSON.parse(await readFile(join(import.meta.dir, "package.json"), "utf8"))
  const alias = manifest.dependencies["stream-chat"].replace("file:", "")
  await mkdir(join(folder, "node_modules"))
  await symlink(resolve(import.meta.dir, alias), join(folder, "node_modules", "stream-chat"))
  await copyFile(join(import.meta.dir, "package.json"), join(folder, "package.json"))
})

afterAll(async () => {
  weir?.kill()
  await weir?.exited
  await rm(folder, { recursive: true, force: true })
})

test("a server makes a token with require, and a client connects with it by import", async () => {
  const secrets = { YOUR_API_KEY: apiKey, YOUR_API_SECRET: apiSecret }
  const made = await example("server.cjs", secrets, /^Generated token: (\S+)$/m)
  const token = made[1] as string
  expect(token.split(".")).toHaveLength(3)

  const filled = { YOUR_API_KEY: apiKey, GENERATED_TOKEN_FROM_YOUR_SERVER: token }
  const [line] = await example("client.mjs", filled, /^Stream Chat client connected: .*$/m)
  expect(line).toBe("Stream Chat client connected: jessica_smith")
})

test("a token of another secret does not connect, and the client ends with the reason", async () => {
  const made = await example(
    "server.cjs",
    { YOUR_API_KEY: apiKey, YOUR_API_SECRET: "x".repeat(64) },
    /^Generated token: (\S+)$/m,
  )
  const filled = { YOUR_API_KEY: apiKey, GENERATED_TOKEN_FROM_YOUR_SERVER: made[1] as string }
  await expect(example("client.mjs", filled, /connected/)).rejects.toThrow("signature is not valid")
})

/** Fills in one example, runs it until its output matches, and ends it: a connected client stays connected. */
async function example(file: string, placeholders: Record<string, string>, wanted: RegExp): Promise<RegExpExecArray> {
  let text = await readFile(join(import.meta.dir, file), "utf8")
  for (const [placeholder, value] of Object.entries(placeholders)) {
    expect(text).toContain(`'${placeholder}'`)
    text = text.replaceAll(placeholder, value)
  }
  await writeFile(join(folder, file), text)
  const env = { PATH: process.env.PATH, WEIR_URL: url }
  const run = Bun.spawn(["node", file], { cwd: folder, env, stdout: "pipe", stderr: "pipe", timeout: 20_000 })
  const errors = new Response(run.stderr).text()
  let printed = ""
  for await (const chunk of run.stdout) {
    printed += new TextDecoder().decode(chunk)
    const match = wanted.exec(printed)
    if (match === null) continue
    run.kill()
    await run.exited
    return match
  }
  throw new Error(`${file} ended with ${await run.exited} before it printed ${wanted}: ${printed}${await errors}`)
}

async function whenReady(): Promise<void> {
  const deadlineMs = Date.now() + 20_000
  while (Date.now() < deadlineMs) {
    const answer = await fetch(`${url}/readyz`).catch(() => null)
    if (answer?.ok) return
    if (weir.exitCode !== null) break
    await Bun.sleep(50)
  }
  weir.kill()
  throw new Error(`weir did not start: ${await new Response(weir.stderr).text()}`)
}

async function freePort(): Promise<number> {
  const probe = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() })
  const { port } = probe
  await probe.stop(true)
  return port as number
}

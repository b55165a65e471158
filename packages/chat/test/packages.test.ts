// What npm users get: dist/ of the three packages, loaded as they load it. Built afresh into a folder of its own.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import {
  apiKey,
  apiSecret,
  type HandshakeServer,
  mint,
  startHandshakeServer,
} from "../../sdk-client/test/handshake-server.ts"

const root = resolve(import.meta.dir, "../../..")
const names = ["sdk-client", "sdk-server", "chat"] as const
let folder: string
let server: HandshakeServer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-packages-"))
  server = startHandshakeServer()
  const { build } = await import("../../../tools/build.ts")
  await build(root)
  for (const name of names) {
    const home = join(folder, "node_modules", "@weir", name)
    await mkdir(home, { recursive: true })
    // Only what `files` publishes, so nothing can lean on src/.
    await cp(join(root, "packages", name, "dist"), join(home, "dist"), { recursive: true })
    await cp(join(root, "packages", name, "package.json"), join(home, "package.json"))
  }
  const ws = await installedWs()
  if (ws !== null) await symlink(ws, join(folder, "node_modules", "ws"))
})

afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

async function installedWs(): Promise<string | null> {
  for (const home of [root, join(root, "packages", "sdk-client")]) {
    const path = join(home, "node_modules", "ws")
    if (await Bun.file(join(path, "package.json")).exists()) return path
  }
  return null
}

/** Runs a program with plain Node; answers what it printed. */
async function node(file: string, program: string): Promise<string> {
  await writeFile(join(folder, file), program)
  const child = Bun.spawn(["node", file], { cwd: folder, stdout: "pipe", stderr: "pipe", timeout: 20_000 })
  const [out, err, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (status !== 0) throw new Error(`node ${file} ended with ${status}: ${err}`)
  return out.trim()
}

const program = (imports: string) => `${imports}
const main = async () => {
  const client = new WeirClient({ apiKey: "${apiKey}", baseUrl: "${server.url}" })
  const me = await client.connect({ id: "ann" }, createToken("${apiSecret}", "ann"))
  const chat = new StreamChat("${apiKey}", { baseURL: "${server.url}" })
  await chat.connectUser({ id: "ann" }, "${mint({ user_id: "ann" })}")
  console.log(me.id, chat.connectedUsers.current.id, await createServerTokenAsync("${apiSecret}").then((t) => t.split(".").length))
  await client.disconnect()
  await chat.disconnectUser()
}
main()
`

describe("plain Node", () => {
  test("loads all three as ES modules, and a socket opens", async () => {
    const printed = await node(
      "run.mjs",
      program(`import { WeirClient } from "@weir/sdk-client"
import { createServerTokenAsync, createToken } from "@weir/sdk-server"
import { StreamChat } from "@weir/chat"`),
    )
    expect(printed).toBe("ann ann 3")
  })

  test("loads all three with require, and a socket opens", async () => {
    const printed = await node(
      "run.cjs",
      program(`const { WeirClient } = require("@weir/sdk-client")
const { createServerTokenAsync, createToken } = require("@weir/sdk-server")
const { StreamChat } = require("@weir/chat")`),
    )
    expect(printed).toBe("ann ann 3")
  })

  test("ends by itself once disconnected, and its process is not kept by timers", async () => {
    const startedMs = performance.now()
    await node(
      "end.mjs",
      program(`import { WeirClient } from "@weir/sdk-client"
import { createServerTokenAsync, createToken } from "@weir/sdk-server"
import { StreamChat } from "@weir/chat"`),
    )
    expect(performance.now() - startedMs).toBeLessThan(8000)
  })
})

describe("types", () => {
  const consumer = `
    import { WeirClient, WeirApiError } from "@weir/sdk-client"
    import { createWeirServer } from "@weir/sdk-server"
    import { StreamChat } from "@weir/chat"
    const client = new WeirClient({ apiKey: "k" })
    client.on("message.new", (event) => event.message.text.toUpperCase())
    client.on("my.event", (event) => event.type)
    const id: Promise<string> = client.connect({ id: "a" }, async () => "t").then((me) => me.id)
    const task: Promise<string> = createWeirServer({ apiKey: "k", apiSecret: "s" }).waitForTask("t").then((t) => t.status)
    const token: string = StreamChat.getInstance("k", "s").createToken("a")
    const current: string | undefined = new StreamChat("k").connectedUsers.current?.id
    const code = (error: unknown): number => (error instanceof WeirApiError ? error.code : 0)
    // @ts-expect-error a user needs an id
    client.connect({ name: "x" }, "t")
    // @ts-expect-error no such member
    client.on("message.new", (event) => event.nonsense)
    export { code, current, id, task, token }
  `

  test.each([
    ["an ES module", "consumer.mts", "nodenext"],
    ["a CommonJS module", "consumer.cts", "nodenext"],
    ["a bundler", "consumer.ts", "bundler"],
  ])("are complete for %s, checked strictly and without Node's types", async (_, file, resolution) => {
    await writeFile(join(folder, file), consumer)
    const config = join(folder, `${file}.json`)
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      target: "ES2022",
      lib: ["ES2023", "DOM"],
      types: [],
      module: resolution === "bundler" ? "preserve" : "nodenext",
      moduleResolution: resolution,
    }
    await writeFile(config, JSON.stringify({ compilerOptions, files: [file] }))
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
    const run = Bun.spawn(["node", compiler, "-p", config], { cwd: folder, stdout: "pipe" })
    expect(await new Response(run.stdout).text()).toBe("")
    expect(await run.exited).toBe(0)
  })

  test("name no private package and no source file", async () => {
    for (const name of names) {
      const dist = join(folder, "node_modules", "@weir", name, "dist")
      const declarations = (await readdir(dist, { recursive: true })).filter((file) => file.endsWith(".d.ts"))
      expect(declarations.length).toBeGreaterThan(5)
      for (const file of declarations) {
        const text = await readFile(join(dist, file), "utf8")
        expect(text).not.toMatch(/from\s+["'](?!\.)/)
        expect(text).not.toMatch(/from\s+["'][^"']+\.ts["']/)
      }
    }
  })
})

describe("a browser", () => {
  const bundle = async (code: string): Promise<string> => {
    await writeFile(join(folder, "page.ts"), code)
    const { success, outputs, logs } = await Bun.build({
      entrypoints: [join(folder, "page.ts")],
      target: "browser",
      throw: false,
    })
    if (!success) throw new AggregateError(logs, "the bundle failed")
    return outputs[0]?.text() ?? ""
  }

  test.each([
    ["@weir/sdk-client", "WeirClient"],
    ["@weir/chat", "StreamChat"],
    ["@weir/sdk-server", "createTokenAsync"],
  ])("bundle of %s holds nothing of Node", async (name, symbol) => {
    const text = await bundle(`import { ${symbol} } from "${name}"; console.log(${symbol})`)
    expect(text).toContain(symbol)
    expect(text).not.toMatch(/["'`]node:/)
    expect(text).not.toMatch(/require\(|import\(|from ["']/)
    expect(text).not.toMatch(/\bBuffer\b/)
  })

  test("sources hold nothing of Node either, straight from the workspace", async () => {
    for (const name of ["sdk-client", "chat"]) {
      const { outputs } = await Bun.build({
        entrypoints: [join(root, "packages", name, "src", "index.ts")],
        target: "browser",
      })
      const text = (await outputs[0]?.text()) ?? ""
      expect(text).not.toMatch(/["'`]node:|import\(|\bBuffer\b/)
      // No minting in what browsers load.
      expect(text).not.toMatch(/HMAC|createHmac|HS256/)
    }
  })

  test("is refused the secret, and told where tokens are made", async () => {
    const text = await bundle(`import { StreamChat } from "@weir/chat"; globalThis.StreamChat = StreamChat`)
    // A page's globals, as far as the package looks at them; Node's own are not there.
    const run = new Function("globalThis", "window", "document", "process", `${text}\nreturn globalThis.StreamChat`)
    const StreamChat = run({ location: { origin: "https://app.example" } }, {}, {}, undefined)
    expect(() => new StreamChat("k", apiSecret)).toThrow("must not reach a browser")
    expect(() => new StreamChat("k").createToken("ann")).toThrow(
      "tokens can only be created server-side using the API Secret",
    )
  })
})

// What an operator meets at the start: credentials shown once, a closed data folder, TLS, and one clear line whenever
// the node must not run as it was told.

import { Database as SqliteFile } from "bun:sqlite"
import { afterAll, afterEach, describe, expect, test } from "bun:test"
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { call, serverToken, testApiKey, testApiSecret, userToken } from "../src/testing.ts"
import {
  endAllNodes,
  logOf,
  newMasterKey,
  printedCredentials,
  runNode,
  startNode,
  temporaryFolder,
} from "./node-process.ts"
import { selfSigned } from "./self-signed.ts"

const folders: { path: string; remove: () => void }[] = []
const newFolder = (): string => {
  const folder = temporaryFolder()
  folders.push(folder)
  return folder.path
}
afterEach(endAllNodes)
afterAll(() => {
  for (const { remove } of folders) remove()
})

const generated = { WEIR_API_KEY: undefined, WEIR_API_SECRET: undefined }

describe("the credentials of the first app", () => {
  test("are printed once, work, and never appear again", async () => {
    const dataDir = join(newFolder(), "data")
    const settings = { WEIR_DATA_DIR: dataDir, ...generated }
    const first = await startNode(settings, { through: "launcher" })
    const { apiKey, secret } = await printedCredentials(first)
    const answers = await call(first.url, "GET", "/api/v2/app", { apiKey, as: serverToken({}, secret) })
    expect(answers.status).toBe(200)
    const refused = await call(first.url, "GET", "/api/v2/app", { apiKey, as: serverToken({}, testApiSecret) })
    expect(refused.body.code).toBe(43)
    expect(await first.end("SIGTERM")).toBe(0)
    expect(first.output().split(secret)).toHaveLength(2)

    // The second start runs with the most talkative log, serves with the same secret, and does not show it.
    const second = await startNode({ ...settings, WEIR_LOG_LEVEL: "debug" })
    expect(logOf(second.output()).find(({ message }) => message === "listening")?.api_key).toBe(apiKey)
    const as = userToken("ann", {}, secret)
    expect((await call(second.url, "GET", "/api/v2/app", { apiKey, as: serverToken({}, secret) })).status).toBe(200)
    expect((await call(second.url, "GET", "/api/v2/nowhere", { apiKey, as })).status).toBe(404)
    expect(await second.end("SIGTERM")).toBe(0)
    expect(second.output()).not.toContain(secret)
    expect(second.output()).not.toContain(as)

    // Sealed at rest: no file holds it, whichever way it is looked for.
    for (const name of readdirSync(dataDir)) {
      const bytes = readFileSync(join(dataDir, name))
      expect([name, bytes.includes(secret)]).toEqual([name, false])
    }
  }, 30_000)

  test("given ones are used and not printed", async () => {
    const node = await startNode({ WEIR_DATA_DIR: newFolder() })
    expect((await call(node.url, "GET", "/api/v2/app")).status).toBe(200)
    expect(await node.end("SIGTERM")).toBe(0)
    expect(node.output()).not.toContain(testApiSecret)
    expect(node.output()).toContain(testApiKey)
  }, 30_000)

  test("given ones join those that an earlier start generated", async () => {
    const settings = { WEIR_DATA_DIR: newFolder() }
    const first = await startNode({ ...settings, ...generated })
    const { apiKey, secret } = await printedCredentials(first)
    await first.end("SIGTERM")
    const second = await startNode(settings)
    const byGenerated = await call(second.url, "GET", "/api/v2/app", { apiKey, as: serverToken({}, secret) })
    const byGiven = await call(second.url, "GET", "/api/v2/app")
    expect([byGenerated.status, byGiven.status]).toEqual([200, 200])
    expect(byGiven.body.app.id).toBe(byGenerated.body.app.id)
  }, 30_000)

  // The secret in the database stands; an operator who changed the environment alone must learn why tokens fail.
  test("another secret for a key that is there already is warned of", async () => {
    const settings = { WEIR_DATA_DIR: newFolder(), WEIR_RATE_LIMITS: "on" }
    await (await startNode(settings)).end("SIGTERM")
    const otherSecret = [...testApiSecret].reverse().join("")
    const node = await startNode({ ...settings, WEIR_API_SECRET: otherSecret })
    expect((await call(node.url, "GET", "/api/v2/app")).status).toBe(200)
    await node.end("SIGTERM")
    const warnings = logOf(node.output()).filter(({ level }) => level === "warn")
    expect(warnings.map(({ message }) => message)).toEqual([expect.stringContaining("WEIR_API_SECRET")])
    expect(node.output()).not.toContain(otherSecret)
    const again = await startNode(settings)
    await again.end("SIGTERM")
    expect(logOf(again.output()).filter(({ level }) => level === "warn")).toEqual([])
  }, 30_000)
})

test("the data folder and everything in it are closed to other users", async () => {
  const dataDir = join(newFolder(), "deep/data")
  const node = await startNode({ WEIR_DATA_DIR: dataDir })
  expect((await call(node.url, "POST", "/api/v2/users", { body: { users: { ann: { id: "ann" } } } })).status).toBe(201)
  const names = readdirSync(dataDir)
  expect(names).toContain("weir.db")
  expect(names).toContain("weir.db-wal")
  expect(names).toContain("master.key")
  for (const path of [dataDir, ...names.map((name) => join(dataDir, name))]) {
    expect([path, statSync(path).mode & 0o077]).toEqual([path, 0])
  }
}, 30_000)

describe("TLS", () => {
  test("with a certificate the node serves https and wss on any address, and nothing in the clear", async () => {
    const folder = newFolder()
    const { cert, key } = selfSigned("localhost")
    writeFileSync(join(folder, "cert.pem"), cert)
    writeFileSync(join(folder, "key.pem"), key, { mode: 0o600 })
    const node = await startNode({
      WEIR_HOST: "0.0.0.0",
      WEIR_DATA_DIR: join(folder, "data"),
      WEIR_TLS_CERT: join(folder, "cert.pem"),
      WEIR_TLS_KEY: join(folder, "key.pem"),
    })
    expect(node.url).toStartWith("https://127.0.0.1:")
    const address = `${node.url}/api/v2/app?api_key=${testApiKey}`
    const headers = { authorization: serverToken(), "stream-auth-type": "jwt" }
    const response = await fetch(address, { headers, tls: { ca: cert } })
    expect(response.status).toBe(200)
    // A client that does not know the certificate is not fooled, and one that speaks plain HTTP gets no answer.
    expect(await fetch(address, { headers }).catch(() => "refused")).toBe("refused")
    const plain = await fetch(address.replace("https:", "http:"), { headers }).catch(() => null)
    expect(plain?.ok ?? false).toBe(false)

    const socketUrl = `${node.url.replace("https:", "wss:")}/api/v2/connect?api_key=${testApiKey}&stream-auth-type=jwt`
    // Bun's second argument; the type that wins here is the browser's.
    const socket = new WebSocket(socketUrl, { tls: { ca: cert } } as never)
    const first = await new Promise<string>((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify({ token: userToken("ann"), user_details: { id: "ann" } }))
      socket.onmessage = ({ data }) => resolve(String(data))
      socket.onclose = ({ code, reason }) => reject(new Error(`closed with ${code} ${reason}`))
    })
    expect(JSON.parse(first).type).toBe("connection.ok")
    socket.onclose = null
    socket.close()
    expect(await node.end("SIGTERM")).toBe(0)
  }, 30_000)

  test("a file that is no certificate stops the start", async () => {
    const folder = newFolder()
    const { key } = selfSigned("localhost")
    writeFileSync(join(folder, "cert.pem"), "no certificate")
    writeFileSync(join(folder, "key.pem"), key)
    const paths = { WEIR_TLS_CERT: join(folder, "cert.pem"), WEIR_TLS_KEY: join(folder, "key.pem") }
    expectOneLine(await runNode({ ...paths, WEIR_DATA_DIR: join(folder, "data") }), "cert.pem")
  }, 30_000)
})

describe("what stops the start with one line", () => {
  test("a name that is no setting, and then nothing is made", async () => {
    const dataDir = join(newFolder(), "data")
    const outcome = await runNode({ WEIR_DATA_DIR: dataDir, WEIR_PROT: "3030" }, { through: "launcher" })
    expectOneLine(outcome, "WEIR_PROT")
    expect(outcome.code).toBe(2)
    expect(existsSync(dataDir)).toBe(false)
  }, 30_000)

  test("plain HTTP for other machines, unless a proxy in front is named", async () => {
    const dataDir = join(newFolder(), "data")
    const settings = { WEIR_HOST: "0.0.0.0", WEIR_DATA_DIR: dataDir }
    expectOneLine(await runNode(settings), "WEIR_TRUST_PROXY")
    expect(existsSync(dataDir)).toBe(false)
    const node = await startNode({ ...settings, WEIR_TRUST_PROXY: "10.0.0.0/8" })
    expect((await call(node.url, "GET", "/api/v2/app")).status).toBe(200)
  }, 30_000)

  test("a database that a newer version has changed, which stays as it is", async () => {
    const dataDir = newFolder()
    await (await startNode({ WEIR_DATA_DIR: dataDir })).end("SIGTERM")
    const path = join(dataDir, "weir.db")
    const file = new SqliteFile(path)
    file.run("insert into migrations (module, id, applied_at) values ('users', '9999_from_tomorrow', 0)")
    file.run("pragma wal_checkpoint(truncate)")
    file.close()
    const before = readFileSync(path)
    expectOneLine(await runNode({ WEIR_DATA_DIR: dataDir }), "newer version")
    expect(readFileSync(path).equals(before)).toBe(true)
  }, 30_000)

  test("a master key that is not the database's", async () => {
    const dataDir = newFolder()
    await (await startNode({ WEIR_DATA_DIR: dataDir })).end("SIGTERM")
    expectOneLine(await runNode({ WEIR_DATA_DIR: dataDir, WEIR_MASTER_KEY: newMasterKey() }), "master key")
  }, 30_000)

  test("a database file that is none, a port that is taken, a database that is not there", async () => {
    const dataDir = newFolder()
    writeFileSync(join(dataDir, "weir.db"), "this is a letter to grandmother\n".repeat(100))
    chmodSync(join(dataDir, "weir.db"), 0o600)
    expectOneLine(await runNode({ WEIR_DATA_DIR: dataDir }), "weir.db")
    const node = await startNode({ WEIR_DATA_DIR: newFolder() })
    const { port } = new URL(node.url)
    expectOneLine(await runNode({ WEIR_DATA_DIR: newFolder(), WEIR_PORT: port }), port)
    const url = "postgres://weir:Sesame@127.0.0.1:1/weir"
    const outcome = await runNode({ WEIR_DATA_DIR: newFolder(), WEIR_DATABASE_URL: url })
    expectOneLine(outcome, "127.0.0.1:1")
    expect(outcome.err).not.toContain("Sesame")
  }, 60_000)
})

/** One line on standard error that says what is wrong, and an exit code that a service manager takes for a failure. */
function expectOneLine(outcome: { code: number; err: string }, about: string): void {
  expect(outcome.err).toMatch(/^weir: [^\n]+\n$/)
  expect(outcome.err).toContain(about)
  expect([1, 2]).toContain(outcome.code)
}

// Case 51: canaries. A node that logs all it can is given secrets of every kind, through every way that it takes them,
// and asked at every door. Afterwards none of them stands in what it wrote or answered, in the files of its database or
// in a dump of it. Only the answer that is meant to show a secret, once, may hold it.

import { afterAll, describe, expect, test } from "bun:test"
import { generateKeyPairSync, randomBytes } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { errorCatalogue } from "@weir/protocol"
import { connect, createPostgresDatabase, sign, startTestServer, testApiKey } from "../../src/testing.ts"
import { nowSeconds } from "../fixtures.ts"
import { minimalInput } from "../minimal-input.ts"
import { endAllNodes, type NodeProcess, newMasterKey, startNode, temporaryFolder, until } from "../node-process.ts"

const cleanUps: (() => void | Promise<void>)[] = []
afterAll(async () => {
  await endAllNodes()
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

const random = (): string => randomBytes(24).toString("hex")

/** A secret as it might stand somewhere: as it is, and in the encodings that programs put texts and bytes in. */
function formsOf(secret: string): string[] {
  const encodings = (bytes: Buffer): string[] => {
    // Base64 depends on where the text begins in what was encoded, so what surely belongs to it is looked for.
    const within = [0, 1, 2].flatMap((offset) => {
      const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64")
      const sure = text.slice(offset === 0 ? 0 : 4, Math.floor((offset + bytes.length) / 3) * 4)
      return [sure, sure.replaceAll("+", "-").replaceAll("/", "_")]
    })
    return [bytes.toString("hex"), bytes.toString("hex").toUpperCase(), ...within]
  }
  const asText = [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]
  const asHex = /^(?:[0-9a-f]{2}){16,}$/.test(secret) ? encodings(Buffer.from(secret, "hex")) : []
  return [...new Set([...asText, ...encodings(Buffer.from(secret)), ...asHex])]
}

class Canaries {
  readonly #forms = new Map<string, readonly string[]>()
  /** `name` says what it is, for the message of a failure. */
  add(name: string, secret: string): string {
    expect(secret.length).toBeGreaterThanOrEqual(16)
    this.#forms.set(name, formsOf(secret))
    return secret
  }
  /** Names of those that stand in the text, but for one that is meant to. */
  foundIn(text: string, meant: string | null = null): string[] {
    return [...this.#forms].flatMap(([name, forms]) =>
      name !== meant && forms.some((form) => text.includes(form)) ? [name] : [],
    )
  }
}

test("what is looked for is found in each of its forms, wherever it begins", () => {
  const canaries = new Canaries()
  const secret = canaries.add("the secret", random())
  for (const before of ["", "a", "ab", "abc"]) {
    const bytes = Buffer.from(`${before}${secret}after`)
    for (const text of [...(["latin1", "hex", "base64", "base64url"] as const).map((form) => bytes.toString(form))]) {
      expect(canaries.foundIn(text)).toEqual(["the secret"])
    }
  }
  for (const form of ["base64", "base64url"] as const) {
    expect(canaries.foundIn(Buffer.from(secret, "hex").toString(form))).toEqual(["the secret"])
  }
  expect(canaries.foundIn(secret.slice(1))).toEqual([])
})

interface Said {
  readonly where: string
  readonly text: string
  /** The canary that this answer is there to show. */
  readonly meant: string | null
}

async function tour(
  settings: Record<string, string>,
): Promise<{ node: NodeProcess; canaries: Canaries; said: Said[] }> {
  const canaries = new Canaries()
  const apiSecret = canaries.add("the API secret", random())
  const adminToken = canaries.add("the admin token", random())
  const node = await startNode({
    ...settings,
    WEIR_LOG_LEVEL: "debug",
    WEIR_API_SECRET: apiSecret,
    WEIR_ADMIN_TOKEN: adminToken,
    WEIR_MASTER_KEY: canaries.add("the master key", settings.WEIR_MASTER_KEY as string),
  })
  const said: Said[] = []
  const ask = async (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) => {
    const response = await fetch(node.url + path, {
      method,
      headers: {
        "stream-auth-type": "jwt",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    })
    const text = await response.text()
    const one = {
      where: `${method} ${path.split("?")[0]}`,
      text: `${JSON.stringify([...response.headers])}${text}`,
      meant: null,
    }
    said.push(one)
    return { status: response.status, text, headers: response.headers, one }
  }
  /** The last answer is where this is shown, once. */
  const shown = (name: string, secret: string): string => {
    canaries.add(name, secret)
    said.push({ ...(said.pop() as Said), meant: name })
    return secret
  }
  const asOperator = { authorization: `Bearer ${adminToken}` }
  const operate = async (method: string, path: string, body?: unknown) => {
    const answer = await ask(method, `/api/admin/v1${path}`, asOperator, body)
    expect({ path, status: answer.status, text: answer.status < 300 ? "" : answer.text }).toMatchObject({ text: "" })
    return answer.text.startsWith("{") ? JSON.parse(answer.text) : null
  }
  const now = nowSeconds()
  const token = (name: string, claims: object, secret = apiSecret): string => {
    const text = sign({ iat: now, exp: now + 3_600, ...claims }, secret)
    canaries.add(`the signature of ${name}`, text.split(".")[2] as string)
    return text
  }
  const jessica = token("a user's token", { user_id: "jessica", jti: "t1" })
  const server = token("a server token", { server: true })
  const stranger = token("a token of another secret", { user_id: "jessica" }, random())
  const expired = token("an expired token", { user_id: "jessica", iat: now - 20, exp: now - 10 })
  const revoked = token("a revoked token", { user_id: "jessica", jti: "revoked" })
  const basic = canaries.add("a wrong secret of Basic", random())
  const asServer = { authorization: server }
  const [key, wrongKey] = [`api_key=${testApiKey}`, `api_key=${random().slice(0, 12)}`]

  // Secrets of each kind.
  const [app] = (await operate("GET", "/apps")).apps
  const secrets = `/apps/${app.id}/keys/${testApiKey}/secrets`
  await operate("POST", secrets, { label: "imported", value: canaries.add("an imported secret", random()) })
  const prefixed = await operate("POST", secrets, { label: "prefixed", prefixed: true })
  shown("a secret with a prefix", prefixed.value)
  const pair = await operate("POST", secrets, { label: "pair", alg: "ES256" })
  shown("a private key", pair.value)
  const { publicKey } = generateKeyPairSync("ed25519")
  await operate("POST", secrets, {
    label: "uploaded",
    alg: "EdDSA",
    public_key: publicKey.export({ format: "pem", type: "spki" }).toString(),
  })
  const made = await operate("POST", "/apps", { name: "other", environment: "production" })
  shown("the first secret of an app", made.secret)
  const madeKey = await operate("POST", `/apps/${app.id}/keys`, { label: "second" })
  shown("the first secret of a key", madeKey.secret)

  // Uses and refusals.
  await ask("POST", `/api/v2/users?${key}`, asServer, { users: { jessica: { id: "jessica" } } })
  const guest = await ask("POST", `/api/v2/guest?${key}`, {}, { user: { id: "visitor" } })
  expect(guest.status).toBe(201)
  shown("a guest's token", JSON.parse(guest.text).access_token)
  await ask("GET", `/api/v2/users?${key}`, { authorization: revoked })
  await operate("POST", `/apps/${app.id}/revocations`, { jti: "revoked", reason: "drill" })
  await operate("PATCH", `/apps/${app.id}`, { allow_basic_auth: true })
  const basicOf = (secret: string): string => `Basic ${Buffer.from(`${testApiKey}:${secret}`).toString("base64")}`
  const credentials: [string, string][] = [
    ["user", jessica],
    ["with Bearer", `Bearer ${jessica}`],
    ["server", server],
    ["stranger", stranger],
    ["expired", expired],
    ["revoked", revoked],
    ["Basic", basicOf(apiSecret)],
    ["wrong Basic", basicOf(basic)],
    ["Basic that is no base64", `Basic ${basic}`],
    ["the secret itself", apiSecret],
    ["a damaged token", `${jessica}x`],
    ["half a token", jessica.split(".").slice(1).join(".")],
    ["the admin token", `Bearer ${adminToken}`],
  ]
  const operations = await startTestServer()
  const routes = operations.server.operations
  await operations.close()
  for (const [, authorization] of credentials) {
    for (const query of [key, wrongKey]) {
      await ask("GET", `/api/v2/users?${query}`, { authorization })
      await ask("GET", `/api/v2/users?${query}&authorization=${encodeURIComponent(authorization)}`)
      await ask(
        "POST",
        `/api/v2/users?${query}`,
        { authorization },
        { users: { x: { id: "x", custom: 5 } }, token: authorization },
      )
    }
    await ask("GET", "/api/admin/v1/apps", {
      authorization: authorization.replace(/^Bearer |^Basic /, "Bearer ").slice(0, -1),
    })
    await ask("POST", "/api/v2/users", { authorization }, "{")
  }
  // Who takes the one for the other sends the secret as the key.
  await ask("GET", `/api/v2/users?api_key=${apiSecret}`, { authorization: server })
  for (const operation of routes) {
    const { target, body } = minimalInput(operation)
    const path = `${target}${target.includes("?") ? "&" : "?"}${key}`
    for (const authorization of [jessica, server, stranger]) {
      await ask(operation.method, path, { authorization }, operation.method === "GET" ? undefined : body)
    }
    if (operation.access.includes("operator") && operation.method === "GET") await ask("GET", target, asOperator)
  }
  // The minimal input of some route may have ended the token; whoever connects brings a new one.
  const ws = `${node.url.replace("http", "ws")}/api/v2/connect?${key}&stream-auth-type=jwt`
  for (const one of [token("a token of a socket", { user_id: "jessica", iat: nowSeconds() + 1 }), stranger, expired]) {
    for (const options of [{ token: one }, { url: `${ws}&authorization=${one}` }]) {
      const socket = await connect(node.url, "jessica", options)
      said.push({ where: "a socket's first frame", text: JSON.stringify(socket.frames), meant: null })
      socket.close()
    }
  }

  // What keeps and tells: pages, decisions, sessions, audit.
  const pages = [
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/",
    `/api/v2/apps/${testApiKey}/.well-known/jwks.json`,
  ]
  for (const page of [...pages, ...Object.values(errorCatalogue).map(({ code }) => `/errors/${code}`)])
    await ask("GET", page)
  for (const path of [
    "/audit?limit=100",
    "/decisions",
    "/sessions",
    "/revocations",
    "/keys",
    "/token-policy",
    "/limits",
  ]) {
    await operate("GET", `/apps/${app.id}${path}`)
  }
  const log = await ask("GET", "/api/admin/v1/audit/export", asOperator)
  expect([log.status, log.text.split("\n").length > 10]).toEqual([200, true])
  const decisions = new Set(said.flatMap(({ text }) => text.match(/"x-decision-id","([0-9a-f-]{36})"/)?.[1] ?? []))
  expect(decisions.size).toBeGreaterThan(20)
  for (const id of [...decisions].slice(0, 200)) await ask("GET", `/api/admin/v1/decisions/${id}`, asOperator)
  return { node, canaries, said }
}

function expectUntold({ canaries, said }: { canaries: Canaries; said: readonly Said[] }): void {
  const told = said.flatMap(({ where, text, meant }) =>
    canaries.foundIn(text, meant).map((name) => `${name} in ${where}`),
  )
  expect([...new Set(told)]).toEqual([])
  // And each that is meant to be shown was, in that one answer.
  for (const { text, meant } of said) if (meant !== null) expect(canaries.foundIn(text)).toContain(meant)
}

describe("case 51: no canary comes out", () => {
  test("on SQLite: answers, output and the files of the database", async () => {
    const folder = temporaryFolder()
    cleanUps.push(folder.remove)
    const toured = await tour({ WEIR_DATA_DIR: folder.path, WEIR_MASTER_KEY: newMasterKey() })
    expectUntold(toured)
    const { node, canaries } = toured
    // What is written in batches is written by then; and while it runs the log of the database is there too.
    await Bun.sleep(3_000)
    const scan = (): string[] =>
      readdirSync(folder.path).flatMap((file) =>
        canaries.foundIn(readFileSync(join(folder.path, file)).toString("latin1")).map((name) => `${name} in ${file}`),
      )
    expect(readdirSync(folder.path).filter((file) => file.startsWith("weir.db")).length).toBeGreaterThan(1)
    expect(scan()).toEqual([])
    expect(await node.end("SIGTERM")).toBe(0)
    expect(scan()).toEqual([])
    expect(node.output()).toContain('"message":"request refused"')
    expect(canaries.foundIn(node.output())).toEqual([])
  }, 120_000)

  const pgDump = Bun.which("pg_dump")
  const hasPostgres = process.env.WEIR_TEST_POSTGRES_URL !== undefined
  if (pgDump === null || !hasPostgres) {
    console.log("canary.slow.test.ts: no dump, needs WEIR_TEST_POSTGRES_URL and the program pg_dump")
    return
  }
  test("on Postgres: answers, output and a dump", async () => {
    const database = await createPostgresDatabase()
    if (database === null) throw new Error("there is no Postgres")
    cleanUps.push(database.drop)
    const folder = temporaryFolder()
    cleanUps.push(folder.remove)
    const toured = await tour({
      WEIR_DATA_DIR: folder.path,
      WEIR_DATABASE_URL: database.url,
      WEIR_MASTER_KEY: newMasterKey(),
    })
    expectUntold(toured)
    const { node, canaries } = toured
    await Bun.sleep(3_000)
    const dump = Bun.spawnSync([pgDump, "--dbname", database.url, "--inserts"])
    expect({ exitCode: dump.exitCode, err: dump.stderr.toString() }).toEqual({ exitCode: 0, err: "" })
    const text = dump.stdout.toString("latin1")
    expect(text).toContain("jessica")
    expect(canaries.foundIn(text)).toEqual([])
    await until("the node ends", async () => (await node.end("SIGTERM")) === 0)
    expect(canaries.foundIn(node.output())).toEqual([])
  }, 120_000)
})

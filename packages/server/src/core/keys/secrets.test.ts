// Secrets of a key through the whole server: what verifies when, what an operator is told, and what nobody ever sees.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto"
import { SQL } from "bun"
import { createLocalJWKSet, importPKCS8, jwtVerify, SignJWT } from "jose"
import {
  asAdmin,
  createApp,
  databaseKinds,
  expectRefusal,
  nowSeconds,
  type OtherApp,
  startOn,
} from "../../../test/fixtures.ts"
import { isPrefixedSecret } from "../../base/secret-format.ts"
import { type Answer, serverToken, sign, type TestServer, userToken } from "../../testing.ts"
import { limits } from "./limits.ts"

const spki = (key: KeyObject): string => key.export({ format: "pem", type: "spki" }).toString()
const importable = () => randomBytes(24).toString("hex")

for (const kind of databaseKinds) describe(`secrets on ${kind}`, () => secretsOn(kind))

function secretsOn(kind: (typeof databaseKinds)[number]): void {
  let server: TestServer
  beforeAll(async () => {
    server = await startOn(kind)
  })
  afterAll(() => server.close())

  const admin = (method: string, path: string, body?: unknown) =>
    server.call(method, `/api/admin/v1/apps/${path}`, { ...asAdmin, body })
  const keyPath = ({ id, apiKey }: OtherApp): string => `${id}/keys/${apiKey}`
  const add = (app: OtherApp, body: object) => admin("POST", `${keyPath(app)}/secrets`, body)
  const added = async (app: OtherApp, body: object): Promise<{ kid: string; value: string; state: string }> => {
    const answer = await add(app, body)
    expect({ status: answer.status, message: answer.body.message }).toEqual({ status: 201, message: undefined })
    return { kid: answer.body.secret.kid, value: answer.body.value, state: answer.body.secret.state }
  }
  const step = (app: OtherApp, kid: string, state: string, query = "") =>
    admin("PATCH", `${keyPath(app)}/secrets/${kid}${query}`, { state })
  const stepped = async (...given: Parameters<typeof step>): Promise<Answer> => {
    const answer = await step(...given)
    expect({ status: answer.status, message: answer.body.message }).toEqual({ status: 200, message: undefined })
    expect(answer.body.secret.state).toBe(given[2])
    return answer
  }
  const keyOf = async (app: OtherApp) => (await admin("GET", keyPath(app))).body.key
  const firstKid = async (app: OtherApp): Promise<string> => (await keyOf(app)).secrets.at(-1).kid
  /** Asks as the app's backend with any token. */
  const ask = (app: OtherApp, as: string) => server.call("GET", "/api/v2/app", { as, apiKey: app.apiKey })
  const tokenOf = (secret: string, kid?: string, claims: object = {}): string =>
    sign({ server: true, iat: nowSeconds(), ...claims }, secret, {
      alg: "HS256",
      ...(kid === undefined ? {} : { kid }),
    })
  const tokenOfPair = async (pem: string, alg: string, kid?: string): Promise<string> =>
    new SignJWT({ server: true })
      .setIssuedAt()
      .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
      .sign(await importPKCS8(pem, alg))

  test("case 47: through all states: taken while it verifies, refused the moment after, with kid and without", async () => {
    const app = await createApp(server, "rotation")
    const next = await added(app, { label: "next" })
    expect(next.state).toBe("standby")
    const old = { kid: await firstKid(app), value: app.secret }
    const accepts = async ({ kid, value }: { kid: string; value: string }): Promise<boolean> => {
      const answers = [await ask(app, tokenOf(value, kid)), await ask(app, tokenOf(value))]
      for (const answer of answers) if (answer.status !== 200) expectRefusal(answer, "tokenSignature")
      const statuses = new Set(answers.map(({ status }) => status))
      expect(statuses.size).toBe(1)
      return statuses.has(200)
    }
    // The very same tokens again, which the node has proved before and remembers.
    const remembered = [tokenOf(old.value, old.kid), tokenOf(old.value)]
    const rememberedStatuses = async () => [
      ...new Set(await Promise.all(remembered.map(async (token) => (await ask(app, token)).status))),
    ]
    const walk: [kid: string, state: string, oldVerifies: boolean, nextVerifies: boolean][] = [
      [next.kid, "active", true, true],
      [old.kid, "retiring", true, true],
      [old.kid, "active", true, true],
      [next.kid, "standby", true, false],
      [next.kid, "active", true, true],
      [old.kid, "standby", false, true],
      [old.kid, "active", true, true],
      [old.kid, "retiring", true, true],
      [old.kid, "revoked", false, true],
    ]
    expect([await accepts(old), await accepts(next)]).toEqual([true, false])
    expect(await rememberedStatuses()).toEqual([200])
    for (const [kid, state, oldVerifies, nextVerifies] of walk) {
      await stepped(app, kid, state)
      expect({ kid, state, old: await accepts(old), next: await accepts(next) }).toEqual({
        kid,
        state,
        old: oldVerifies,
        next: nextVerifies,
      })
      expect(await rememberedStatuses()).toEqual([oldVerifies ? 200 : 401])
    }
    for (const state of ["standby", "active", "retiring"]) {
      expectRefusal(await step(app, old.kid, state), "input", "state")
    }
    expect(await accepts(old)).toBe(false)
  })

  test("case 47: sockets end with the secret that opened them, and no others", async () => {
    const app = await createApp(server, "sockets")
    const next = await added(app, { state: "active" })
    const old = await firstKid(app)
    const users = { jessica: { id: "jessica" }, john: { id: "john" } }
    const asServer = { as: serverToken({}, app.secret), apiKey: app.apiKey }
    expect((await server.call("POST", "/api/v2/users", { ...asServer, body: { users } })).status).toBe(201)
    const connectAs = (userId: string, secret: string) =>
      server.connect(userId, { apiKey: app.apiKey, token: userToken(userId, {}, secret) })
    const kept = await connectAs("john", next.value)
    let ended = await connectAs("jessica", app.secret)
    expect([kept.first.type, ended.first.type]).toEqual(["connection.ok", "connection.ok"])
    await stepped(app, old, "standby")
    expect((await ended.closed).code).toBeGreaterThanOrEqual(4000)
    await stepped(app, old, "active")
    ended = await connectAs("jessica", app.secret)
    expect(ended.first.type).toBe("connection.ok")
    await stepped(app, old, "retiring")
    const { receipt } = (await stepped(app, old, "revoked")).body
    expect(receipt).toMatchObject({ sockets_closed: 1, mode: "enforce" })
    expect((await ended.closed).code).toBeGreaterThanOrEqual(4000)
    // Still alive: it hears what is said to its user.
    const body = { users: [{ id: "john", set: { name: "Johnny" } }] }
    expect(
      (await server.call("PATCH", "/api/v2/users", { as: tokenOf(next.value), apiKey: app.apiKey, body })).status,
    ).toBe(200)
    await kept.next("user.updated")
    kept.close()
  })

  test("case 48: what is in use, or is the last, is revoked by force only; a dry run changes nothing", async () => {
    const app = await createApp(server, "last one")
    const kid = await firstKid(app)
    expect((await ask(app, tokenOf(app.secret))).status).toBe(200)
    for (const state of ["revoked", "standby"]) expectRefusal(await step(app, kid, state), "input", "state")
    const other = await added(app, { state: "active" })
    expectRefusal(await step(app, kid, "revoked"), "input", "state")
    const dry = (await step(app, kid, "revoked", "?dry_run=true")).body
    expect(dry).toMatchObject({ secret: { kid, state: "active" }, receipt: null, cut_off: { safe: false } })
    expect((await keyOf(app)).secrets.find((secret: { kid: string }) => secret.kid === kid).state).toBe("active")
    expect((await ask(app, tokenOf(app.secret))).status).toBe(200)
    const { receipt } = (await stepped(app, kid, "revoked", "?force=true")).body
    expect(receipt).toMatchObject({ mode: "enforce" })
    expectRefusal(await ask(app, tokenOf(app.secret)), "tokenSignature")
    // Now the other one is the last.
    expectRefusal(await step(app, other.kid, "standby"), "input", "state")
    await stepped(app, other.kid, "standby", "?force=true")
    expectRefusal(await ask(app, tokenOf(other.value)), "tokenSignature")
    // With nothing left that verifies, a new one does so at once.
    const fresh = await added(app, {})
    expect(fresh.state).toBe("active")
    expect((await ask(app, tokenOf(fresh.value))).status).toBe(200)
  })

  test("a dry run counts who would be cut off, and use is shown by secret", async () => {
    const app = await createApp(server, "counted")
    const kid = await firstKid(app)
    const other = await added(app, { state: "active" })
    const users = { jessica: { id: "jessica" }, john: { id: "john" } }
    const headers = { "X-Stream-Client": "backend-7" }
    const made = { as: serverToken({}, other.value), apiKey: app.apiKey, headers, body: { users } }
    expect((await server.call("POST", "/api/v2/users", made)).status).toBe(201)
    for (const [user, exp] of [
      ["jessica", 600],
      ["jessica", 601],
      ["john", 600],
    ] as const) {
      const as = userToken(user, { exp: nowSeconds() + exp }, app.secret)
      const options = { as, apiKey: app.apiKey, headers: { "X-Stream-Client": "app-web" } }
      expect((await server.call("GET", "/api/v2/users", options)).status).toBe(200)
    }
    const { secret, cut_off } = (await step(app, kid, "revoked", "?dry_run=true")).body
    expect(cut_off).toMatchObject({ tokens: 3, users: 2, safe: false })
    expect(secret).toMatchObject({ usage: { tokens: 3, users: 2, clients: ["app-web"] }, last_client: "app-web" })
    const at = expect.stringMatching(/^\d{4}-/)
    expect(secret.usage.by_client).toEqual([{ client: "app-web", tokens: 3, users: 2, last_seen_at: at }])
    expect(secret.last_address).toMatch(/127\.0\.0\.1/)
    expect(Math.abs(Date.parse(secret.last_used_at) - Date.now())).toBeLessThan(10_000)
    const [newest] = (await keyOf(app)).secrets
    expect(newest).toMatchObject({ kid: other.kid, last_client: "backend-7", usage: { clients: ["backend-7"] } })
    const standby = await added(app, {})
    const unused = (await step(app, standby.kid, "revoked", "?dry_run=true")).body
    expect(unused).toMatchObject({ secret: { last_used_at: null }, cut_off: { tokens: 0, users: 0, safe: true } })
  })

  test.skipIf(kind === "sqlite")("a dry run waits for nobody who changes the app", async () => {
    const app = await createApp(server, "looked at")
    const kid = await firstKid(app)
    const { database } = server.config
    const sql = new SQL(database.kind === "postgres" ? database.url : "", { max: 1 })
    const { promise: done, resolve: finish } = Promise.withResolvers<void>()
    const { promise: locked, resolve: lock } = Promise.withResolvers<void>()
    const changing = sql.begin(async (change) => {
      await change`select id from apps where id = ${app.id} for update`
      lock()
      await done
    })
    try {
      await locked
      const dry = await Promise.race([step(app, kid, "revoked", "?dry_run=true"), Bun.sleep(3_000)])
      expect(dry).toMatchObject({ status: 200, body: { secret: { kid } } })
      // What changes something does wait, or this would show nothing.
      const changed = step(app, kid, "retiring").then(({ status }) => status)
      expect(await Promise.race([changed, Bun.sleep(200)])).toBeUndefined()
      finish()
      expect(await changed).toBe(200)
    } finally {
      finish()
      await changing
      await sql.close()
    }
  })

  test("case 13: kids that are unknown, hostile or another key's prove nothing, and cost no 500", async () => {
    const app = await createApp(server, "kids")
    const { body } = await admin("POST", `${app.id}/keys`, {})
    const sibling = body.key.secrets[0].kid
    const own = await firstKid(app)
    expect((await ask(app, tokenOf(app.secret, own))).status).toBe(200)
    for (const kid of [sibling, "x", "", "../../etc/passwd", "' or 1=1 --", "\u0000", "__proto__", own.toUpperCase()]) {
      expectRefusal(await ask(app, tokenOf(app.secret, kid)), "tokenSignature")
    }
    // A header of 10 KB makes the token longer than any may be.
    expectRefusal(await ask(app, tokenOf(app.secret, "k".repeat(10_000))), "authentication")
    for (const kid of [7, null, {}, [own]]) {
      const token = sign({ server: true, iat: nowSeconds() }, app.secret, { alg: "HS256", kid })
      expectRefusal(await ask(app, token), "authentication")
    }
    for (const kid of ["", "a b", "../x", "k".repeat(65), 5]) expectRefusal(await add(app, { kid }), "input", "kid")
  })

  test("case 14: one kid in two apps: neither proves the other's tokens, whatever was cached first", async () => {
    const apps = [await createApp(server, "first"), await createApp(server, "second")] as const
    const kid = "shared-name"
    const values = [importable(), importable()] as const
    for (const index of [0, 1] as const) await added(apps[index], { kid, value: values[index], state: "active" })
    for (let round = 0; round < 2; round++) {
      for (const index of [0, 1] as const) {
        const other = index === 0 ? 1 : 0
        expect((await ask(apps[index], tokenOf(values[index], kid))).body.app.id).toBe(apps[index].id)
        expectRefusal(await ask(apps[other], tokenOf(values[index], kid)), "tokenSignature")
      }
    }
  })

  test("case 15: a kid is there once in an app, also under its other keys, also after it was revoked", async () => {
    const app = await createApp(server, "names")
    const { kid } = await added(app, { kid: "2026-11" })
    const { body } = await admin("POST", `${app.id}/keys`, {})
    const sibling = { ...app, apiKey: body.key.api_key }
    for (const key of [app, sibling]) expectRefusal(await add(key, { kid }), "input", "kid")
    await stepped(app, kid, "revoked")
    for (const key of [app, sibling]) expectRefusal(await add(key, { kid }), "input", "kid")
    // At once, too: one of them is made, the others are told.
    const answers = await Promise.all([app, sibling, app, sibling].map((key) => add(key, { kid: "raced" })))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400, 400])
  })

  test("case 16: a secret from elsewhere: tokens that are on phones already work, weak ones are refused", async () => {
    const made = { name: "moved", environment: "production" }
    const { body } = await server.call("POST", "/api/admin/v1/apps", { ...asAdmin, body: made })
    const app: OtherApp = { id: body.app.id, apiKey: body.key.api_key, secret: body.secret }
    await createUsersOf(app)
    const value = importable()
    // As a classic backend signs them: no kid, no exp, no iat.
    const onPhones = sign({ user_id: "jessica" }, value)
    const users = (as: string) => server.call("GET", "/api/v2/users", { as, apiKey: app.apiKey })
    expectRefusal(await users(onPhones), "tokenSignature")
    const answer = await add(app, { label: "from before", value, state: "active" })
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({
      value: null,
      shared_with: [],
      secret: { imported: true, label: "from before" },
    })
    expect(JSON.stringify(answer.body)).not.toContain(value)
    expect((await users(onPhones)).status).toBe(200)
    expect((await users(userToken("jessica", {}, app.secret))).status).toBe(200)
    for (const weak of ["", "short", "x".repeat(31)]) expectRefusal(await add(app, { value: weak }), "input", "value")
    expectRefusal(await add(app, { value: "x".repeat(513) }), "input", "value")
    expectRefusal(await users(sign({ user_id: "jessica" }, "")), "tokenSignature")
  })

  test("a secret is in a key once: neither twice, nor back under another name after it was revoked", async () => {
    const app = await createApp(server, "twice")
    const value = importable()
    const { kid } = await added(app, { value, state: "active" })
    expectRefusal(await add(app, { value }), "input", "value")
    // Also what was made here, and shown once.
    expectRefusal(await add(app, { value: app.secret }), "input", "value")
    await stepped(app, kid, "revoked", "?force=true")
    expectRefusal(await add(app, { value, state: "active" }), "input", "value")
    expectRefusal(await ask(app, tokenOf(value)), "tokenSignature")
    const { publicKey } = generateKeyPairSync("ed25519")
    const pair = await added(app, { alg: "EdDSA", public_key: spki(publicKey) })
    await stepped(app, pair.kid, "revoked")
    const jwk = publicKey.export({ format: "jwk" })
    expectRefusal(await add(app, { alg: "EdDSA", public_key: jwk }), "input", "public_key")
  })

  test("two keys may share a secret, and whoever does it is told what that means", async () => {
    const app = await createApp(server, "shared")
    const { body } = await admin("POST", `${app.id}/keys`, {})
    const sibling = { ...app, apiKey: body.key.api_key }
    const answer = await add(sibling, { value: app.secret, state: "active" })
    expect({ status: answer.status, shared: answer.body.shared_with }).toEqual({ status: 201, shared: [app.apiKey] })
    expect((await ask(sibling, tokenOf(app.secret))).status).toBe(200)
    expect((await ask(app, tokenOf(app.secret))).status).toBe(200)
    const { entries } = (await server.call("GET", "/api/admin/v1/audit?limit=10", asAdmin)).body
    expect(entries.find(({ action }: { action: string }) => action === "secret.imported").after).toMatchObject({
      shared_with: [app.apiKey],
    })
    // Of another app nothing is said.
    const stranger = await createApp(server, "stranger")
    expect((await add(stranger, { value: app.secret })).body.shared_with).toEqual([])
  })

  test("pairs: made here or elsewhere, each verifies with its own algorithm alone", async () => {
    const app = await createApp(server, "pairs")
    for (const alg of ["ES256", "EdDSA"] as const) {
      const pair = await added(app, { alg, state: "active" })
      expect(pair.value).toStartWith("-----BEGIN PRIVATE KEY-----")
      for (const kid of [pair.kid, undefined]) {
        expect((await ask(app, await tokenOfPair(pair.value, alg, kid))).status).toBe(200)
      }
      const { privateKey, publicKey } =
        alg === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("ed25519")
      const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString()
      expectRefusal(await ask(app, await tokenOfPair(pem, alg, pair.kid)), "tokenSignature")
      const answer = await add(app, { alg, public_key: publicKey.export({ format: "jwk" }) })
      expect(answer.body).toMatchObject({ value: null, secret: { alg, state: "standby" } })
      // The public half as if it were a shared secret (CVE-2026-34950), under the pair's name and under none.
      for (const kid of [pair.kid, undefined]) {
        expectRefusal(await ask(app, tokenOf(spki(publicKey), kid)), "tokenSignature")
      }
      expectRefusal(await add(app, { alg, public_key: pem }), "input", "public_key")
      expectRefusal(await add(app, { alg, public_key: privateKey.export({ format: "jwk" }) }), "input", "public_key")
    }
  })

  test("guests need a secret that the server shares", async () => {
    const app = await createApp(server, "guests")
    const kid = await firstKid(app)
    await added(app, { alg: "ES256", state: "active" })
    const guest = () =>
      server.call("POST", "/api/v2/guest", {
        as: null,
        authType: null,
        apiKey: app.apiKey,
        body: { user: { id: "visitor" } },
      })
    const { access_token } = (await guest()).body
    const payload = JSON.parse(Buffer.from(access_token.split(".")[0], "base64url").toString())
    expect(payload).toMatchObject({ alg: "HS256", kid })
    // Retiring verifies and signs nothing new, nor does a pair whose private half is elsewhere.
    await stepped(app, kid, "retiring")
    expectRefusal(await guest(), "notAllowed")
    expect((await server.call("GET", "/api/v2/users", { as: access_token, apiKey: app.apiKey })).status).not.toBe(401)
    const newer = await added(app, { state: "active" })
    const again = (await guest()).body.access_token
    expect(JSON.parse(Buffer.from(again.split(".")[0], "base64url").toString()).kid).toBe(newer.kid)
  })

  test("case 17: the JWK Set serves other verifiers, and no private member is in it", async () => {
    const app = await createApp(server, "published")
    const url = `${server.url}/api/v2/apps/${app.apiKey}/.well-known/jwks.json`
    const read = async () => {
      const response = await fetch(url)
      expect(response.status).toBe(200)
      expect(response.headers.get("cache-control")).toBe("public, max-age=300")
      expect(response.headers.get("content-type")).toStartWith("application/json")
      const text = await response.text()
      expect(text).not.toMatch(/"(d|p|q|dp|dq|qi|k|oth)"\s*:/)
      expect(text).not.toContain(app.secret.slice(0, 8))
      return JSON.parse(text)
    }
    expect(await read()).toEqual({ keys: [] })
    const ec = await added(app, { alg: "ES256" })
    const ed = await added(app, { alg: "EdDSA", state: "active" })
    // Standby ones are there before they sign, so that caches have them in time.
    const set = await read()
    expect(set.keys.map(({ kid }: { kid: string }) => kid).sort()).toEqual([ec.kid, ed.kid].sort())
    for (const [pair, alg] of [[ec, "ES256"] as const, [ed, "EdDSA"] as const]) {
      const token = await tokenOfPair(pair.value, alg, pair.kid)
      const { payload } = await jwtVerify(token, createLocalJWKSet(set))
      expect(payload.server).toBe(true)
    }
    await stepped(app, ec.kid, "revoked")
    expect((await read()).keys.map(({ kid }: { kid: string }) => kid)).toEqual([ed.kid])
    expect((await admin("PATCH", keyPath(app), { disabled: true })).status).toBe(200)
    for (const gone of [url, url.replace(app.apiKey, "zzzzzzzzzzzz"), url.replace(app.apiKey, "nonsense")]) {
      expect((await fetch(gone)).status).toBe(404)
    }
  })

  test("case 53: a secret that scanners recognise, on request, works like any other", async () => {
    const app = await createApp(server, "scanned")
    const { value } = await added(app, { prefixed: true, state: "active" })
    expect(isPrefixedSecret(value)).toBe(true)
    expect((await ask(app, tokenOf(value))).status).toBe(200)
    const other = await createApp(server, "mistyped")
    const mistyped = value.slice(0, -1) + (value.at(-1) === "0" ? "1" : "0")
    expectRefusal(await add(other, { value: mistyped }), "input", "value")
    expect((await add(other, { value })).status).toBe(201)
  })

  test("case 50: a secret is answered once, and from then on by no address of the management API", async () => {
    const app = await createApp(server, "once")
    const { kid, value } = await added(app, { label: "shown once" })
    const answers = [
      await admin("GET", keyPath(app)),
      await admin("GET", `${app.id}/keys`),
      await step(app, kid, "active"),
      await admin("PATCH", keyPath(app), { label: "renamed" }),
      await server.call("GET", "/api/admin/v1/audit?limit=100", asAdmin),
    ]
    for (const { status, body } of answers) {
      expect(status).toBe(200)
      const text = JSON.stringify(body)
      for (const secret of [value, app.secret]) expect(text).not.toContain(secret.slice(0, 8))
      expect(text).not.toContain("sealed")
    }
  })

  test("a key is renamed, switched off and on; its sockets go with it", async () => {
    const app = await createApp(server, "switched")
    await createUsersOf(app)
    const socket = await server.connect("jessica", { apiKey: app.apiKey, token: userToken("jessica", {}, app.secret) })
    expect(socket.first.type).toBe("connection.ok")
    const off = (await admin("PATCH", keyPath(app), { label: "old app", disabled: true })).body
    expect(off.key).toMatchObject({ api_key: app.apiKey, label: "old app", disabled: true })
    expectRefusal(await ask(app, tokenOf(app.secret)), "accessKey")
    expect((await socket.closed).code).toBeGreaterThanOrEqual(4000)
    expect((await admin("PATCH", keyPath(app), { disabled: false })).body.key).toMatchObject({ label: "old app" })
    expect((await ask(app, tokenOf(app.secret))).status).toBe(200)
    expect(await keyOf(app)).toMatchObject({ label: "old app", disabled: false, secrets: [{ state: "active" }] })
  })

  test("at most four verify, and a key has a bounded number of secrets", async () => {
    const app = await createApp(server, "bounds")
    const verifying: string[] = []
    for (let made = 1; made < limits.verifyingSecretsPerKeyMax; made++) {
      verifying.push((await added(app, { state: "active" })).value)
    }
    expectRefusal(await add(app, { state: "active" }), "input", "state")
    const standby = await added(app, {})
    expectRefusal(await step(app, standby.kid, "active"), "input", "state")
    for (const secret of [app.secret, ...verifying]) expect((await ask(app, tokenOf(secret))).status).toBe(200)
    for (let made = limits.verifyingSecretsPerKeyMax + 1; made < limits.secretsPerKeyMax; made++) await added(app, {})
    expectRefusal(await add(app, {}), "input")
    expect((await keyOf(app)).secrets).toHaveLength(limits.secretsPerKeyMax)
  })

  test("only operators, only keys of the app that is named, only sound data", async () => {
    const [app, other] = [await createApp(server, "mine"), await createApp(server, "theirs")]
    const kid = await firstKid(app)
    const calls: [string, string, object | undefined][] = [
      ["GET", keyPath(app), undefined],
      ["PATCH", keyPath(app), { disabled: true }],
      ["POST", `${keyPath(app)}/secrets`, {}],
      ["PATCH", `${keyPath(app)}/secrets/${kid}`, { state: "retiring" }],
    ]
    for (const [method, path, body] of calls) {
      for (const as of [null, serverToken({}, app.secret), "Bearer nonsense"]) {
        const options = { as, body, apiKey: app.apiKey }
        expectRefusal(await server.call(method, `/api/admin/v1/apps/${path}`, options), "authentication")
      }
      // Under another app's id the key is as absent as one that never was.
      const elsewhere = path.replace(String(app.id), String(other.id))
      expectRefusal(await admin(method, elsewhere, body), "notFound")
      expectRefusal(await admin(method, path.replace(app.apiKey, "zzzzzzzzzzzz"), body), "notFound")
    }
    expectRefusal(await step(app, "absent", "active"), "notFound")
    expectRefusal(await step(app, kid, "deleted"), "input", "state")
    expectRefusal(await add(app, { alg: "RS256" }), "input", "alg")
    expectRefusal(await add(app, { state: "revoked" }), "input", "state")
    expectRefusal(await add(app, { label: "x".repeat(101) }), "input", "label")
    expect((await ask(app, tokenOf(app.secret))).status).toBe(200)
  })

  const createUsersOf = async (app: OtherApp): Promise<void> => {
    const users = { jessica: { id: "jessica" } }
    const options = { as: serverToken({}, app.secret), apiKey: app.apiKey, body: { users } }
    expect((await server.call("POST", "/api/v2/users", options)).status).toBe(201)
  }
}

// Case 27: every route of the running server × every kind of caller. Routes are found, not listed, so a new one is
// covered from its first day, with input that its own schemas accept.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type ErrorName, errorCatalogue, type Operation, type PrincipalKind } from "@weir/protocol"
import fc from "fast-check"
import { type Answer, serverToken, sign, type TestServer, testAdminToken, userToken } from "../src/testing.ts"
import {
  asAdmin,
  type Credentials,
  createApp,
  createGuest,
  createUsers,
  databaseKinds,
  expectEnvelope,
  expectRefusal,
  nowSeconds,
  startOn,
} from "./fixtures.ts"
import { minimalInput } from "./minimal-input.ts"
import { setUpOwner } from "./operator-page.ts"

for (const kind of databaseKinds) {
  describe(`security matrix on ${kind}`, () => {
    let server: TestServer
    let callers: readonly Caller[] = []
    let operations: readonly Operation[] = []
    beforeAll(async () => {
      server = await startOn(kind)
      operations = server.server.operations
      callers = await callersOf(server)
    })
    afterAll(() => server.close())

    const send = (operation: Operation, credentials: Credentials): Promise<Answer> => {
      const { target, body } = minimalInput(operation)
      return server.call(operation.method, target, { ...credentials, body })
    }

    test("there are routes, each with its own name and address, and an input that its schemas accept", () => {
      expect(operations.length).toBeGreaterThan(15)
      expect(new Set(operations.map(({ name }) => name)).size).toBe(operations.length)
      expect(new Set(operations.map(({ method, path }) => `${method} ${path}`)).size).toBe(operations.length)
      for (const operation of operations) expect(minimalInput(operation).target).toStartWith("/")
    })

    test("every caller at every route gets what their kind may get, and every refusal is a complete envelope", async () => {
      const faults: string[] = []
      for (const operation of operations) {
        for (const caller of callers) {
          const answer = await send(operation, caller.credentials)
          const fault = faultOf(operation, caller, answer)
          if (fault !== null)
            faults.push(`${operation.name} (${operation.method} ${operation.path}) as ${caller.name}: ${fault}`)
          if (answer.status >= 300) expectEnvelope(answer.body)
        }
      }
      expect(faults).toEqual([])
    }, 120_000)

    test("case 66: nothing that is sent to a route is a fault of the server", async () => {
      const faults: string[] = []
      const asServer = { as: serverToken() }
      const asUser = { as: userToken("stranger") }
      for (const operation of operations) {
        const callers = operation.access.includes("operator") ? [asAdmin] : [asServer, asUser]
        const { target, body: valid } = minimalInput(operation)
        const attempts: [target: string, body: unknown][] =
          operation.method === "GET"
            ? hostileTargets(operation, target).map((hostile) => [hostile, undefined])
            : hostileBodies(valid).map((body) => [target, body])
        for (const [to, body] of attempts) {
          for (const credentials of callers) {
            const answer = await server.call(operation.method, to, { ...credentials, body })
            if (answer.status >= 500)
              faults.push(`${operation.name}: ${answer.status} for ${to} ${JSON.stringify(body)}`.slice(0, 300))
            if (answer.status >= 300) expectEnvelope(answer.body)
          }
        }
      }
      expect(faults).toEqual([])
    }, 120_000)

    test("a suspended app's tokens open no route", async () => {
      const app = await createApp(server, "suspended")
      expect(
        (await server.call("PATCH", `/api/admin/v1/apps/${app.id}`, { ...asAdmin, body: { suspended: true } })).status,
      ).toBe(200)
      for (const operation of operations) {
        if (operation.access.includes("operator")) continue
        for (const as of [serverToken({}, app.secret), userToken("jessica", {}, app.secret)]) {
          expectRefusal(await send(operation, { as, apiKey: app.apiKey }), "appSuspended")
        }
      }
    })
  })
}

interface Caller {
  readonly name: string
  readonly credentials: Credentials & { readonly headers?: Record<string, string> }
  /** Null: somebody who proved nothing. */
  readonly kind: PrincipalKind | null
  /** What those who proved nothing are told; at doors where the key is enough it does not matter what they bring. */
  readonly refusal?: ErrorName
  /** What the operators' doors say to them, if not that they must log in. */
  readonly operatorsSay?: ErrorName
  /** A token that reaches nothing of what the matrix asks for. */
  readonly reachesNothing?: boolean
}

async function callersOf(server: TestServer): Promise<readonly Caller[]> {
  const other = await createApp(server)
  const guest = await createGuest(server)
  await createUsers(server, "jessica", "stranger")
  const { cookies } = await setUpOwner(server)
  const cookie = [...cookies].map((pair) => pair.join("=")).join("; ")
  const ownPage = { cookie, "x-weir-dashboard": "1", origin: server.url, "sec-fetch-site": "same-origin" }
  const limited = { call_cids: ["default:some-other-call"], role: "host" }
  return [
    { name: "no key", credentials: { as: serverToken(), apiKey: null }, kind: null, refusal: "accessKey" },
    {
      name: "unknown key",
      credentials: { as: serverToken(), apiKey: "zzzzzzzzzzzz" },
      kind: null,
      refusal: "accessKey",
    },
    { name: "no token", credentials: { as: null }, kind: null, refusal: "authentication" },
    { name: "malformed token", credentials: { as: "a.b.c" }, kind: null, refusal: "authentication" },
    {
      name: "wrong secret",
      credentials: { as: serverToken({}, "w".repeat(64)) },
      kind: null,
      refusal: "tokenSignature",
    },
    {
      name: "expired",
      credentials: { as: userToken("jessica", { iat: 1, exp: nowSeconds() - 1 }) },
      kind: null,
      refusal: "tokenExpired",
    },
    {
      name: "other app's server token",
      credentials: { as: serverToken({}, other.secret) },
      kind: null,
      refusal: "tokenSignature",
    },
    {
      name: "other app's user token",
      credentials: { as: userToken("jessica", {}, other.secret) },
      kind: null,
      refusal: "tokenSignature",
    },
    { name: "admin token at an app's door", credentials: { as: `Bearer ${testAdminToken}` }, kind: "operator" },
    { name: "an operator's session", credentials: { as: null, headers: ownPage }, kind: "operator" },
    {
      name: "an operator's session, used by a foreign page",
      credentials: { as: null, headers: { cookie, origin: "https://other.example", "sec-fetch-site": "cross-site" } },
      kind: null,
      operatorsSay: "notAllowed",
    },
    {
      name: "an operator's session that was signed by somebody else",
      credentials: { as: null, headers: { ...ownPage, cookie: cookie.replace(/.{8}$/, "AAAAAAA%3D") } },
      kind: null,
    },
    { name: "anonymous", credentials: { as: null, authType: "anonymous" }, kind: "anonymous" },
    {
      name: "anonymous call token",
      credentials: { as: sign({ user_id: "!anon", ...limited }), authType: "anonymous" },
      kind: "anonymous",
      reachesNothing: true,
    },
    { name: "guest", credentials: { as: guest.token }, kind: "guest" },
    { name: "user", credentials: { as: userToken("stranger") }, kind: "user" },
    {
      name: "call-token user",
      credentials: { as: userToken("stranger", limited) },
      kind: "user",
      reachesNothing: true,
    },
    { name: "server", credentials: { as: serverToken() }, kind: "server" },
  ]
}

/** What is wrong with an answer, or null. */
function faultOf(operation: Operation, caller: Caller, { status, body }: Answer): string | null {
  const is = (kind: ErrorName): boolean =>
    status === errorCatalogue[kind].status && body.code === errorCatalogue[kind].code
  const got = `got ${status}/${body.code}`
  if (status >= 500) return got
  if (operation.access.includes("operator")) {
    if (caller.kind === "operator") return status === 401 || status === 403 ? got : null
    const { status: expected, code } = errorCatalogue[caller.operatorsSay ?? "authentication"]
    return is(caller.operatorsSay ?? "authentication") ? null : `should be ${expected}/${code}, ${got}`
  }
  if (operation.keyOnly) {
    if (caller.refusal === "accessKey") return is("accessKey") ? null : `should be 401/2, ${got}`
    return status === 401 || status === 403 ? `the key should be enough, ${got}` : null
  }
  if (caller.kind === null || caller.kind === "operator") {
    const refusal = caller.refusal ?? "authentication"
    return is(refusal) ? null : `should be ${errorCatalogue[refusal].status}/${errorCatalogue[refusal].code}, ${got}`
  }
  if (!operation.access.includes(caller.kind)) return is("notAllowed") ? null : `should be 403/17, ${got}`
  if (status === 401) return `knows the caller and says ${got}`
  if (caller.reachesNothing && status < 300 && !isEmpty(body)) return `a token that is limited to another call ${got}`
  return null
}

/** An answer that holds nothing but empty lists: a list shows what its caller reaches. */
const isEmpty = ({ duration: _, ...members }: Record<string, unknown>): boolean =>
  Object.values(members).every((member) => Array.isArray(member) && member.length === 0)

/** The same address with queries that the schema does not expect. */
function hostileTargets({ query }: Operation, target: string): string[] {
  const values = [
    "",
    "\u0000",
    "null",
    "[]",
    "{}",
    "-1",
    "1e99",
    "x".repeat(4_000),
    "[".repeat(2_000),
    '{"user_id":{}}',
    '{"filter_conditions":{"a":{"$gt":{"$in":[]}}}}',
    '{"filter_conditions":{"__proto__":{"$ne":1}},"sort":[{"field":"constructor"}]}',
  ]
  const names = [...Object.keys(query.properties), "user_id", "connection_id", "limit", "__proto__"]
  return names.flatMap((name) =>
    values.map((value) => `${target}${target.includes("?") ? "&" : "?"}${name}=${encodeURIComponent(value)}`),
  )
}

/** Bodies that the schemas do not expect, and some that they do not look at. */
function hostileBodies(valid: unknown): unknown[] {
  const members = Object.keys((valid as object | undefined) ?? {})
  const wrong: unknown[] = [
    null,
    0,
    -1,
    1e308,
    "",
    "\u0000",
    "x".repeat(10_000),
    [],
    [[]],
    {},
    { $ne: null },
    { toString: 1 },
    true,
  ]
  const json = fc.sample(fc.jsonValue({ maxDepth: 3 }), { numRuns: 10, seed: 7 })
  return [
    ...wrong,
    ...json,
    ...members.flatMap((name) => wrong.map((value) => ({ ...(valid as object), [name]: value }))),
    ...[
      "user_id",
      "user",
      "id",
      "limit",
      "next",
      "data",
      "filter_conditions",
      "sort",
      "custom",
      "connection_id",
      "__proto__",
    ].flatMap((name) =>
      wrong.map((value) =>
        JSON.stringify({ ...(valid as object) }).replace(
          /^\{/,
          `{${JSON.stringify(name)}:${JSON.stringify(value)}${members.length > 0 ? "," : ""}`,
        ),
      ),
    ),
  ]
}

// The stage as a whole, on values: keys, users and revocations are plain objects that a test changes between requests.
// The numbers of cases are those of the project's list of security tests.

import { describe, expect, test } from "bun:test"
import { createHash, createHmac, generateKeyPairSync, randomBytes } from "node:crypto"
import { ApiError, type AppCaller, type ErrorName } from "@weir/protocol"
import fc from "fast-check"
import { SignJWT } from "jose"
import {
  authenticationChecks,
  type Credentials,
  createAuthenticate,
  isCutOff,
  type KeyState,
  type Lookups,
  type RevocationQuestion,
  type Revoked,
  type UserState,
  withoutTrace,
} from "./authenticate.ts"
import { apiKey, base64url, keyOf, mint, secret, sign } from "./mint-for-tests.ts"
import { parsePolicy, presets } from "./policy.ts"
import type { SignedRequest } from "./signed-request.ts"
import { otherSpelling, type VerificationKey } from "./token.ts"

const now = 1_700_000_000
const nowMs = now * 1000
const retiring = randomBytes(32).toString("hex")
const foreign = randomBytes(32).toString("hex")
const active: UserState = {
  role: "user",
  teams: [],
  deactivatedAt: null,
  deletedAt: null,
  revokeTokensIssuedBefore: null,
  bans: null,
}

interface World {
  key: KeyState | null
  user: UserState | null
  /** Answers the question of revocation. */
  revoked: (question: RevocationQuestion) => Revoked | null
  hasLease: boolean
}

const keyState = (over: Partial<KeyState> = {}): KeyState => ({
  appId: 7,
  apiKey,
  suspended: false,
  disabled: false,
  disableAuthChecks: false,
  allowBasic: false,
  policy: presets.compatible,
  revokeTokensIssuedBefore: null,
  verificationKeys: [keyOf(secret, "k1"), { ...keyOf(retiring, "k0"), state: "retiring" }],
  verified: new Map(),
  ...over,
})

/** A stage and all that it is told and tells. */
function stage(key: Partial<KeyState> = {}, over: Partial<World> = {}) {
  const world: World = { key: keyState(key), user: active, revoked: () => null, hasLease: true, ...over }
  const sighted: string[] = []
  const warned: string[] = []
  const questions: RevocationQuestion[] = []
  const nonces = new Set<string>()
  const requireLease = () => {
    if (world.hasLease) return
    throw new ApiError("unavailable", "try again", {
      why: { check: "lease", rule: "lease", detail: "the lease is over", remedy: "bring the database back" },
    })
  }
  const lookups: Lookups = {
    key: (asked) => (asked === world.key?.apiKey ? world.key : null),
    user: () => world.user,
    requireLease,
    revoked(question) {
      requireLease()
      questions.push(question)
      return world.revoked(question)
    },
    isNonceFresh: async (asked, nonce) => nonces.size !== nonces.add(`${asked}|${nonce}`).size,
    sighted: (_key, { proof }, _credentials, { kind }) => sighted.push(`${proof.method} ${kind}`),
    warned: (_key, rule) => warned.push(rule),
  }
  const ask = async (credentials: Partial<Credentials>, atMs = nowMs): Promise<AppCaller> =>
    createAuthenticate(lookups)({ ...usual, ...credentials }, atMs)
  return { world, lookups, ask, sighted, warned, questions }
}

const usual: Credentials = {
  apiKey,
  authType: "jwt",
  authorization: mint({ user_id: "john", iat: now - 10 }),
  client: null,
  address: () => "192.0.2.1",
  isSecure: () => false,
  signed: null,
}

async function refusalOf(asked: Promise<AppCaller>): Promise<ApiError> {
  try {
    await asked
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error("let in")
}
const isLetIn = (asked: Promise<AppCaller>): Promise<boolean> =>
  asked.then(
    () => true,
    (error: unknown) => {
      if (error instanceof ApiError) return false
      throw error
    },
  )

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`
const devToken = (claims: object, header: object = { alg: "HS256", typ: "JWT" }): string =>
  `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}.devtoken`

/** A signed request, made here from RFC 9421 alone. */
function signedRequest(
  over: { keyid?: string; nonce?: string; created?: number; secret?: string; input?: string } = {},
) {
  const { keyid = apiKey, nonce = "0123456789abcdef", created = now } = over
  const params = `("@method" "@path" "@query");created=${created};nonce="${nonce}";keyid="${keyid}";alg="hmac-sha256"`
  const base = `"@method": GET\n"@path": /api/v2/users\n"@query": ?a=1\n"@signature-params": ${params}`
  const mac = createHmac("sha256", over.secret ?? secret)
    .update(base)
    .digest("base64")
  const headers: Record<string, string> = { "signature-input": over.input ?? `s=${params}`, signature: `s=:${mac}:` }
  const request: SignedRequest = {
    method: "GET",
    targetUri: "/api/v2/users?a=1",
    authority: "weir.example",
    header: (name) => headers[name] ?? null,
    body: new Uint8Array(),
  }
  return { signed: request, authType: null, authorization: null }
}

const fresh = { iat: now - 10, exp: now + 600 }
const cutAt =
  (beforeMs: number | null, level: Revoked["level"] = "user") =>
  (): Revoked => ({
    level,
    revocationId: "r1",
    beforeMs,
  })

type Row = [
  name: string,
  kind: ErrorName,
  failed: string,
  key: Partial<KeyState>,
  credentials: Partial<Credentials>,
  world?: Partial<World>,
]
const strict = { policy: presets.strict }
const only = (kind: string) => ({ policy: parsePolicy({ allowed_kinds: [kind] }) })
const ofBasic = { authorization: basic(`${apiKey}:${secret}`), isSecure: () => true, authType: null }
/** Every way to be refused: the error, and check and rule of its reason. */
const refusals: Row[] = [
  ["no lease", "unavailable", "lease lease", {}, {}, { hasLease: false }],
  ["no key", "accessKey", "key missing", {}, { apiKey: null }],
  ["an empty key", "accessKey", "key missing", {}, { apiKey: "" }],
  ["a key that cannot be one", "accessKey", "key form", {}, { apiKey: "../../etc/passwd" }],
  ["an unknown key", "accessKey", "key unknown", {}, {}, { key: null }],
  ["a key that is switched off", "accessKey", "key disabled", { disabled: true }, {}],
  ["a suspended app", "appSuspended", "app suspended", { suspended: true }, {}],
  ["no kind of authentication", "accessKey", "kind stream-auth-type", {}, { authType: null }],
  ["another kind", "accessKey", "kind stream-auth-type", {}, { authType: "JWT" }],
  ["no token", "authentication", "token missing", {}, { authorization: null }],
  ["Bearer of nothing", "authentication", "token missing", {}, { authorization: "Bearer  " }],
  ["no token in form", "authentication", "token form", {}, { authorization: "abc" }],
  ["claims that no token has", "authentication", "token form", {}, { authorization: mint({ user_id: 7 }) }],
  ["another secret", "tokenSignature", "signature signature", {}, { authorization: tokenOf({}, foreign) }],
  ["no secret at all", "tokenSignature", "signature signature", { verificationKeys: [] }, {}],
  ["an unknown kid", "tokenSignature", "signature kid", {}, { authorization: tokenOf({}, secret, { kid: "k9" }) }],
  [
    "another algorithm than the secret's",
    "tokenSignature",
    "signature alg",
    {},
    { authorization: tokenOf({}, secret, { kid: "k1", alg: "ES256" }) },
  ],
  [
    "a development token",
    "tokenSignature",
    "signature signature",
    {},
    { authorization: devToken({ user_id: "john" }) },
  ],
  ["strict: no exp", "authentication", "policy require_exp", strict, {}],
  [
    "strict: no iat",
    "authentication",
    "policy require_iat",
    strict,
    { authorization: mint({ user_id: "a", exp: now + 9 }) },
  ],
  [
    "strict: a long life",
    "authentication",
    "policy max_lifetime",
    strict,
    { authorization: mint({ user_id: "a", iat: now, exp: now + 86_401 }) },
  ],
  [
    "strict: an old server token",
    "tokenExpired",
    "policy server_max_age",
    strict,
    { authorization: mint({ server: true, iat: now - 3_600 }) },
  ],
  ["another issuer", "authentication", "policy iss", { policy: parsePolicy({ iss: "me" }) }, {}],
  ["another audience", "authentication", "policy aud", { policy: parsePolicy({ aud: "me" }) }, {}],
  ["a kind that the app does not take", "authentication", "policy allowed_kinds", only("server"), {}],
  [
    "a guest where none may be",
    "authentication",
    "policy allowed_kinds",
    only("user"),
    {},
    { user: { ...active, role: "guest" } },
  ],
  ["no anonymous callers", "authentication", "policy allowed_kinds", only("user"), { authType: "anonymous" }],
  ["expired", "tokenExpired", "times exp", {}, { authorization: mint({ user_id: "a", exp: now }) }],
  ["not valid yet", "tokenNotValidYet", "times nbf", {}, { authorization: mint({ user_id: "a", nbf: now + 6 }) }],
  ["from the future", "tokenBeforeIssuedAt", "times iat", {}, { authorization: mint({ user_id: "a", iat: now + 6 }) }],
  [
    "a feed token",
    "authentication",
    "kind feeds",
    {},
    { authorization: mint({ resource: "*", action: "*", feed_id: "a" }) },
  ],
  [
    "a user's call token from an anonymous caller",
    "authentication",
    "kind anonymous",
    {},
    { authType: "anonymous", authorization: mint({ user_id: "a", call_cids: [] }) },
  ],
  ["the app's cut-off", "tokenExpired", "revocation app", { revokeTokensIssuedBefore: nowMs }, {}],
  ["the user's", "tokenExpired", "revocation user", {}, {}, { user: { ...active, revokeTokensIssuedBefore: nowMs } }],
  [
    "a cut-off and no iat",
    "tokenExpired",
    "revocation no-iat",
    {},
    { authorization: mint({ user_id: "a" }) },
    { revoked: cutAt(1) },
  ],
  ["one token", "tokenExpired", "revocation jti", {}, {}, { revoked: cutAt(null, "jti") }],
  ["a deleted user", "authentication", "user deleted", {}, {}, { user: { ...active, deletedAt: 1 } }],
  ["a deactivated user", "authentication", "user deactivated", {}, {}, { user: { ...active, deactivatedAt: 1 } }],
  ["Basic: not allowed", "authentication", "kind basic-off", {}, ofBasic],
  [
    "Basic: in the open",
    "authentication",
    "kind basic-insecure",
    { allowBasic: true },
    { ...ofBasic, isSecure: () => false },
  ],
  [
    "Basic: two keys",
    "authentication",
    "kind basic-key",
    { allowBasic: true },
    { ...ofBasic, authorization: basic(`other0000000:${secret}`) },
  ],
  [
    "Basic: another secret",
    "tokenSignature",
    "signature basic",
    { allowBasic: true },
    { ...ofBasic, authorization: basic(`${apiKey}:${foreign}`) },
  ],
  ["Basic: no server tokens", "authentication", "policy allowed_kinds", { allowBasic: true, ...only("user") }, ofBasic],
  ["signed: two keys", "authentication", "signature keyid", {}, signedRequest({ keyid: "other0000000" })],
  ["signed: another secret", "tokenSignature", "signature mac", {}, signedRequest({ secret: foreign })],
  ["signed: does not read", "authentication", "signature form", {}, signedRequest({ input: "?" })],
  [
    "signed: does not read, and no key else",
    "authentication",
    "key form",
    {},
    { ...signedRequest({ input: "?" }), apiKey: null },
  ],
  ["signed: an unknown key", "accessKey", "key unknown", {}, { ...signedRequest(), apiKey: null }, { key: null }],
  ["signed: no server tokens", "authentication", "policy allowed_kinds", only("user"), signedRequest()],
]

function tokenOf(claims: object, hmacKey: string, header: object = {}): string {
  const said = { user_id: "john", ...fresh, ...claims }
  return sign(base64url(JSON.stringify({ alg: "HS256", ...header })), base64url(JSON.stringify(said)), hmacKey)
}

describe("refusals", () => {
  for (const [name, kind, failed, key, credentials, world] of refusals) {
    test(name, async () => {
      const gate = stage(key, world)
      const error = await refusalOf(gate.ask(credentials))
      const { check, rule, detail, remedy } = error.why ?? {}
      expect([error.kind, `${check} ${rule}`]).toEqual([kind, failed])
      expect(authenticationChecks as readonly (string | undefined)[]).toContain(check)
      expect([detail, remedy].every((text) => text !== undefined && text !== "")).toBeTrue()
      // Neither audience is shown a secret or a token.
      const said = JSON.stringify([error.reason, error.internal, error.why])
      for (const hidden of [secret, retiring, foreign, credentials.authorization ?? usual.authorization]) {
        if (hidden && hidden.length > 10) expect(said).not.toContain(hidden)
      }
      expect(gate.sighted).toEqual([])
    })
  }

  test("the table has every check and every error that the stage knows", () => {
    const checks = new Set(refusals.map(([, , failed]) => failed.split(" ")[0]))
    expect([...checks].sort()).toEqual([...authenticationChecks].sort())
    const kinds = new Set(refusals.map(([, kind]) => kind))
    expect([...kinds].sort()).toEqual([
      "accessKey",
      "appSuspended",
      "authentication",
      "tokenBeforeIssuedAt",
      "tokenExpired",
      "tokenNotValidYet",
      "tokenSignature",
      "unavailable",
    ])
  })

  // An explanation says of each check before the one that failed that it passed.
  test("property: of several faults the one that comes first in the order of the checks is told", async () => {
    await fc.assert(
      fc.asyncProperty(fc.subarray([...authenticationChecks], { minLength: 1 }), async (broken) => {
        const has = (check: (typeof authenticationChecks)[number]) => broken.includes(check)
        const { ask } = stage(
          {
            disabled: has("key"),
            suspended: has("app"),
            policy: has("policy") ? parsePolicy({ iss: "me" }) : presets.compatible,
            revokeTokensIssuedBefore: has("revocation") ? (now + 3_600) * 1000 : null,
          },
          { hasLease: !has("lease"), user: { ...active, deactivatedAt: has("user") ? 1 : null } },
        )
        const token = tokenOf({ iat: has("times") ? now + 60 : now }, has("signature") ? foreign : secret)
        const error = await refusalOf(
          ask({ authType: has("kind") ? "other" : "jwt", authorization: has("token") ? null : token }),
        )
        expect(error.why?.check).toBe(broken[0] as string)
      }),
      { numRuns: 200 },
    )
  })

  test("skew is told in milliseconds", async () => {
    const skewOf = async (claims: object) =>
      (await refusalOf(stage().ask({ authorization: tokenOf(claims, secret) }))).why?.facts
    expect(await skewOf({ iat: now + 9.25 })).toEqual({ skew_ms: 9_250, leeway_ms: 5_000 })
    expect(await skewOf({ nbf: now + 60 })).toEqual({ skew_ms: 60_000, leeway_ms: 5_000 })
    expect(await skewOf({ exp: now - 1.5 })).toEqual({ expired_ms: 1_500 })
  })
})

describe("who is let in", () => {
  test("a user as they stand now, by either secret, with or without kid", async () => {
    const { ask, world } = stage()
    world.user = { ...active, role: "moderator", teams: ["red"] }
    for (const [hmacKey, header, kid] of [
      [secret, {}, "k1"],
      [secret, { kid: "k1" }, "k1"],
      [retiring, {}, "k0"],
      [retiring, { kid: "k0" }, "k0"],
    ] as const) {
      const text = tokenOf({ jti: "t1", device_id: "d1" }, hmacKey, header)
      const caller = await ask({ authorization: `Bearer ${text}` })
      expect(caller).toMatchObject({
        kind: "user",
        appId: 7,
        userId: "john",
        role: "moderator",
        teams: ["red"],
        issuedAt: fresh.iat,
        expiresAt: fresh.exp,
        calls: null,
        bans: null,
        scopes: null,
        proof: { method: "jwt", kid, issuedAt: fresh.iat, expiresAt: fresh.exp, jti: "t1", deviceId: "d1" },
      })
      expect(caller.proof?.sha256).toBe(createHash("sha256").update(text).digest("hex"))
    }
  })

  test("a user whom nobody has seen yet is a user, and a guest is a guest", async () => {
    const { ask, world } = stage()
    world.user = null
    expect(await ask({})).toMatchObject({ kind: "user", role: "user" })
    world.user = { ...active, role: "guest" }
    expect(await ask({})).toMatchObject({ kind: "guest", role: "guest" })
  })

  test("call tokens reach what they list", async () => {
    const claims = { user_id: "john", call_cids: ["default:a"], channel_cids: ["messaging:b"], role: "host" }
    const calls = { cids: ["default:a"], channelCids: ["messaging:b"], role: "host" }
    expect(await stage().ask({ authorization: mint(claims) })).toMatchObject({ kind: "user", calls })
    const onlyChannels = mint({ user_id: "john", channel_cids: ["messaging:b"], role: "host" })
    expect(await stage().ask({ authorization: onlyChannels })).toMatchObject({
      calls: { cids: [], channelCids: ["messaging:b"], role: null },
    })
    for (const authType of ["jwt", "anonymous"]) {
      const authorization = mint({ ...claims, user_id: "!anon" })
      expect(await stage().ask({ authType, authorization })).toMatchObject({ kind: "anonymous", calls })
    }
  })

  test("scopes go with users, servers and anonymous callers alike", async () => {
    const scopes = { "chat:messaging:*": ["read"] }
    for (const claims of [{ user_id: "john" }, { server: true }, { user_id: "!anon", call_cids: [] }]) {
      const caller = await stage().ask({ authorization: mint({ ...claims, scopes }) })
      expect(caller.scopes as object).toEqual(scopes)
    }
  })

  test("an anonymous caller brings nothing; what clients attach by habit is not read", async () => {
    for (const authorization of [
      null,
      "",
      "left over",
      "Bearer x.y",
      mint({ user_id: "john" }),
      mint({ server: true }),
    ]) {
      const caller = await stage().ask({ authType: "anonymous", authorization })
      expect(caller).toMatchObject({ kind: "anonymous", calls: null, scopes: null, proof: null })
    }
  })

  test("bans that stand are told, those that ran out are not", async () => {
    const { ask, world } = stage()
    const bans = { app: { expiresAt: nowMs + 1 }, channels: { "messaging:a": { expiresAt: nowMs } } }
    world.user = { ...active, bans }
    expect(await ask({})).toMatchObject({ bans: { app: { expiresAt: nowMs + 1 }, channels: {} } })
    expect(await ask({}, nowMs + 1)).toMatchObject({ bans: null })
  })
})

describe("what is remembered", () => {
  test("case 14: a token that one app has proved is nothing to another, whose secret has the same kid", async () => {
    const [a, b] = [stage({ appId: 1 }), stage({ appId: 2, verificationKeys: [keyOf(foreign, "k1")] })]
    const authorization = tokenOf({}, secret, { kid: "k1" })
    for (let n = 0; n < 3; n++) {
      expect((await a.ask({ authorization })).appId).toBe(1)
      expect((await refusalOf(b.ask({ authorization }))).kind).toBe("tokenSignature")
    }
  })

  test("a proof is made once, and everything after it is asked each time", async () => {
    const { ask, world, questions } = stage()
    const authorization = tokenOf({}, secret)
    const proofs = new Set<unknown>()
    for (let n = 0; n < 3; n++) proofs.add((await ask({ authorization })).proof)
    expect(proofs.size).toBe(1)
    expect(questions).toHaveLength(3)
    expect((await refusalOf(ask({ authorization }, fresh.exp * 1000))).why?.check).toBe("times")
    world.revoked = cutAt(nowMs)
    expect((await refusalOf(ask({ authorization }))).why?.check).toBe("revocation")
    world.revoked = () => null
    world.user = { ...active, deactivatedAt: 1 }
    expect((await refusalOf(ask({ authorization }))).why?.check).toBe("user")
    world.user = active
    world.hasLease = false
    expect((await refusalOf(ask({ authorization }))).why?.check).toBe("lease")
    world.hasLease = true
    expect((await ask({ authorization })).kind).toBe("user")
  })

  test("case 26: a clock that is set an hour on and back again ends a token for as long as it is wrong", async () => {
    const { ask } = stage()
    const authorization = tokenOf({}, secret)
    const hourMs = 3_600_000
    expect(await isLetIn(ask({ authorization }))).toBeTrue()
    expect((await refusalOf(ask({ authorization }, nowMs + hourMs))).kind).toBe("tokenExpired")
    expect(await isLetIn(ask({ authorization }))).toBeTrue()
    expect((await refusalOf(ask({ authorization }, nowMs - hourMs))).kind).toBe("tokenBeforeIssuedAt")
    expect(await isLetIn(ask({ authorization }))).toBeTrue()
  })

  test("a use is told at first and after a pause, and counted each time; questions that are no use are neither", async () => {
    const { ask, sighted, lookups, world } = stage()
    const text = tokenOf({ exp: now + 3_600 }, secret)
    for (const atMs of [0, 1, 60_000, 120_000, 120_001]) await ask({ authorization: text }, nowMs + atMs)
    expect(sighted).toEqual(["jwt user"])
    await ask({ authorization: text }, nowMs + 180_002)
    expect(sighted).toEqual(["jwt user", "jwt user"])
    const held = world.key?.verified.get(text)
    expect(held).toMatchObject({ firstSeenMs: nowMs, lastSeenMs: nowMs + 180_002, uses: 6 })
    await createAuthenticate(withoutTrace(lookups))({ ...usual, authorization: text }, nowMs + 900_000)
    expect([sighted.length, held?.uses]).toEqual([2, 6])
  })

  test("what a compatible policy lets pass is told by its rule", async () => {
    const { ask, warned } = stage()
    await ask({ authorization: mint({ user_id: "john" }) })
    expect(warned.splice(0)).toEqual(["require_exp", "require_iat"])
    await ask({ authorization: mint({ server: true }) })
    expect(warned.splice(0)).toEqual(["server_max_age"])
    await ask({ authorization: tokenOf({}, secret) })
    expect(warned).toEqual([])
  })
})

describe("cut-offs", () => {
  const cutoff = fc.option(fc.integer({ min: nowMs - 20_000, max: nowMs + 5_000 }))
  test("property, case 40: the latest cut-off of all levels counts, and it is the same for sockets", async () => {
    await fc.assert(
      fc.asyncProperty(
        cutoff,
        cutoff,
        cutoff,
        fc.option(fc.integer({ min: now - 20, max: now + 5 })),
        async (app, user, own, iat) => {
          // The own kind of revocation, with a cut-off of its own.
          const revoked = ({ proof }: RevocationQuestion): Revoked | null =>
            own !== null && (proof.issuedAt === null || proof.issuedAt < Math.floor(own / 1000))
              ? { level: "user", revocationId: "r1", beforeMs: own }
              : null
          const { ask, questions } = stage(
            { revokeTokensIssuedBefore: app },
            { user: { ...active, revokeTokensIssuedBefore: user }, revoked },
          )
          const letIn = await isLetIn(
            ask({ authorization: mint({ user_id: "john", ...(iat === null ? {} : { iat }) }) }),
          )
          const cutoffs = [app, user, own].filter((value) => value !== null)
          const latest = Math.floor(Math.max(...cutoffs) / 1000)
          expect(letIn).toBe(cutoffs.length === 0 || (iat !== null && iat >= latest))
          const [question] = questions as [RevocationQuestion]
          const bySockets = isCutOff(question.proof, app, user) || revoked(question) !== null
          expect(bySockets).toBe(!letIn)
        },
      ),
      { numRuns: 300 },
    )
  })

  test("case 41: taking a cut-off back restores what it ended, and nothing that another ends", async () => {
    const authorization = tokenOf({}, secret)
    const gate = stage({ revokeTokensIssuedBefore: nowMs }, { user: { ...active, revokeTokensIssuedBefore: nowMs } })
    expect((await refusalOf(gate.ask({ authorization }))).why?.facts?.level).toBe("app")
    gate.world.key = keyState()
    expect((await refusalOf(gate.ask({ authorization }))).why?.facts?.level).toBe("user")
    gate.world.user = active
    expect(await isLetIn(gate.ask({ authorization }))).toBeTrue()
  })

  test("cases 20 and 21: the same second is not before, a clock slightly ahead is fine, and no iat is always before", async () => {
    const letIn = (iat: number | null, cutoffMs: number) =>
      isLetIn(
        stage({ revokeTokensIssuedBefore: cutoffMs }).ask({
          authorization: mint({ user_id: "john", ...(iat === null ? {} : { iat }) }),
        }),
      )
    expect(await letIn(now, nowMs + 999)).toBeTrue()
    expect(await letIn(now - 1, nowMs)).toBeFalse()
    expect(await letIn(now + 5, nowMs)).toBeTrue()
    expect(await letIn(now + 5, nowMs + 6_000)).toBeFalse()
    expect(await letIn(null, 1)).toBeFalse()
  })

  test("the app's cut-off ends users, call tokens and anonymous callers, and leaves servers", async () => {
    const { ask, questions } = stage({ revokeTokensIssuedBefore: nowMs })
    const iat = now - 10
    for (const claims of [
      { user_id: "john" },
      { user_id: "john", call_cids: [] },
      { user_id: "!anon", call_cids: [] },
    ]) {
      expect(await isLetIn(ask({ authorization: mint({ ...claims, iat }) }))).toBeFalse()
    }
    expect(await isLetIn(ask({ authorization: mint({ server: true, iat }) }))).toBeTrue()
    expect(questions.map(({ isServer, userId }) => [isServer, userId])).toEqual([
      [false, "john"],
      [false, "john"],
      [false, null],
      [true, null],
    ])
  })

  test("a revoked token names both of its texts, so that one revocation ends the two", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const es256: VerificationKey = { kid: "e", alg: "ES256", key: pair.publicKey, state: "active" }
    const text = await new SignJWT({ user_id: "john" }).setProtectedHeader({ alg: "ES256" }).sign(pair.privateKey)
    const named = createHash("sha256").update(text).digest("hex")
    const { ask, world } = stage({ verificationKeys: [es256] })
    world.revoked = ({ proof }) => ([proof.sha256, proof.otherSha256].includes(named) ? cutAt(null, "token")() : null)
    for (const authorization of [text, otherSpelling(text)]) {
      expect((await refusalOf(ask({ authorization }))).why).toMatchObject({ check: "revocation", rule: "token" })
    }
  })
})

describe("development tokens", () => {
  const open = { disableAuthChecks: true }

  test("name a user where the app has switched authentication off", async () => {
    const text = devToken({ user_id: "john" })
    const caller = await stage(open).ask({ authorization: text })
    expect(caller).toMatchObject({ kind: "user", userId: "john", proof: { method: "devtoken", kid: null } })
    expect(caller.proof?.sha256).toBe(createHash("sha256").update(text).digest("hex"))
    // Signed ones are proved there all the same.
    expect((await refusalOf(stage(open).ask({ authorization: tokenOf({}, foreign) }))).kind).toBe("tokenSignature")
    expect(await stage(open).ask({})).toMatchObject({ proof: { method: "jwt", kid: "k1" } })
  })

  test("case 24: name nothing but a user, and are read as strictly as signed ones", async () => {
    const header = base64url('{"alg":"HS256","typ":"JWT"}')
    const bad = [
      devToken({}),
      devToken({ server: true }),
      devToken({ user_id: "john", call_cids: ["default:a"] }),
      devToken({ user_id: "!anon", call_cids: ["default:a"] }),
      devToken({ user_id: "john", resource: "*" }),
      devToken({ user_id: 7 }),
      devToken({ user_id: "john" }, { alg: "none" }),
      devToken({ user_id: "john" }, { alg: "HS256", crit: ["exp"] }),
      `${header}.${base64url('{"user_id":"john","user_id":"root"}')}.devtoken`,
      `${header}.${base64url('{"user_id":"john"}')}=.devtoken`,
      `${header}..devtoken`,
      ".devtoken",
      `x.${devToken({ user_id: "john" })}`,
    ]
    for (const authorization of bad) {
      const { kind, why } = await refusalOf(stage(open).ask({ authorization }))
      expect([kind, why?.check]).toEqual(["authentication", "token"])
    }
    const other = `${devToken({ user_id: "john" })}devtoken`
    expect((await refusalOf(stage(open).ask({ authorization: other }))).kind).toBe("tokenSignature")
  })

  test("end with times and cut-offs like others, and with the switch at once", async () => {
    const gate = stage(open)
    const authorization = devToken({ user_id: "john", exp: now + 60 })
    expect(await isLetIn(gate.ask({ authorization }))).toBeTrue()
    expect((await refusalOf(gate.ask({ authorization }, nowMs + 60_000))).kind).toBe("tokenExpired")
    gate.world.user = { ...active, revokeTokensIssuedBefore: 1_000 }
    expect((await refusalOf(gate.ask({ authorization }))).why?.rule).toBe("no-iat")
    gate.world.user = active
    gate.world.key = keyState()
    expect((await refusalOf(gate.ask({ authorization }))).kind).toBe("tokenSignature")
    const without = stage({ ...open, ...only("user") })
    expect((await refusalOf(without.ask({ authorization }))).why?.rule).toBe("allowed_kinds")
  })
})

describe("key and secret in Authorization: Basic", () => {
  const allowed = { allowBasic: true }

  test("make a server of whoever knows an active or a retiring secret; each use is told", async () => {
    const { ask, sighted } = stage(allowed)
    for (const [text, kid] of [
      [secret, "k1"],
      [retiring, "k0"],
      [secret, "k1"],
    ] as const) {
      for (const given of [apiKey, null]) {
        const caller = await ask({ ...ofBasic, apiKey: given, authorization: basic(`${apiKey}:${text}`) })
        expect(caller).toMatchObject({
          kind: "server",
          appId: 7,
          apiKey,
          scopes: null,
          proof: { method: "basic", kid },
        })
        expect(caller.proof?.sha256).toBe("")
      }
    }
    expect(sighted).toEqual(Array(6).fill("basic server"))
  })

  test("are whole: no part of a secret, nothing added, nothing empty, and no public key", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const es256: VerificationKey = { kid: "e", alg: "ES256", key: pair.publicKey, state: "active" }
    const pem = pair.publicKey.export({ type: "spki", format: "pem" }).toString()
    const keys = { ...allowed, verificationKeys: [keyOf(secret, "k1"), es256] }
    for (const text of ["", secret.slice(1), secret.slice(0, -1), `${secret}x`, `${secret}\0`, ` ${secret}`, pem]) {
      const authorization = basic(`${apiKey}:${text}`)
      expect((await refusalOf(stage(keys).ask({ ...ofBasic, authorization }))).kind).toBe("tokenSignature")
    }
    for (const authorization of [basic(""), basic(":"), basic(`:${secret}`), "Basic !!!"]) {
      expect((await refusalOf(stage(keys).ask({ ...ofBasic, apiKey: null, authorization }))).kind).toBe("accessKey")
    }
  })

  test("end with their secret and their key", async () => {
    for (const level of ["key", "kid"] as const) {
      const { ask, questions } = stage(allowed, { revoked: cutAt(null, level) })
      expect((await refusalOf(ask(ofBasic))).why).toMatchObject({ check: "revocation", rule: level })
      expect(questions).toMatchObject([{ isServer: true, userId: null, proof: { method: "basic", kid: "k1" } }])
    }
  })
})

describe("signed requests", () => {
  test("make a server, with the key in the query or in the signature alone; each use is told", async () => {
    const { ask, sighted } = stage()
    for (const [n, given] of [apiKey, null].entries()) {
      const caller = await ask({ ...signedRequest({ nonce: `0123456789abcde${n}` }), apiKey: given })
      expect(caller).toMatchObject({ kind: "server", apiKey, proof: { method: "signature", kid: "k1", sha256: "" } })
    }
    const named = await ask(signedRequest({ nonce: "another-nonce-00", keyid: `${apiKey}:k0`, secret: retiring }))
    expect(named.proof?.kid).toBe("k0")
    expect(sighted).toEqual(Array(3).fill("signature server"))
  })

  test("are found beside the signature of a proxy, where the request names its key", async () => {
    const { signed } = signedRequest()
    const proxy = {
      "signature-input": 'p=("@method");created=1;keyid="proxy";alg="hmac-sha256"',
      signature: "p=:AAAA:",
    }
    const both = (name: string): string | null => {
      const own = signed.header(name)
      return own === null ? null : `${proxy[name as keyof typeof proxy]}, ${own}`
    }
    const credentials = { signed: { ...signed, header: both }, authType: null, authorization: null }
    expect(await stage().ask(credentials)).toMatchObject({ kind: "server", proof: { method: "signature", kid: "k1" } })
  })

  test("count once; a nonce of a request that proves nothing is not used up", async () => {
    const { ask } = stage()
    expect((await refusalOf(ask(signedRequest({ secret: foreign })))).kind).toBe("tokenSignature")
    expect(await isLetIn(ask(signedRequest()))).toBeTrue()
    expect((await refusalOf(ask(signedRequest()))).why).toMatchObject({ check: "signature", rule: "replay" })
  })
})

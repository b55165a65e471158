// The numbers of cases are those of the project's list of security tests.

import { describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import type { ErrorName } from "@weir/protocol"
import fc from "fast-check"
import {
  authenticationChecks,
  type Credentials,
  createAuthenticate,
  type KeyState,
  withoutTrace,
} from "./authenticate.ts"
import { apiKey, keyOf, mint, secret } from "./mint-for-tests.ts"
import { parsePolicy, presets } from "./policy.ts"
import {
  active,
  basic,
  cutAt,
  devToken,
  foreign,
  fresh,
  isLetIn,
  now,
  nowMs,
  ofBasic,
  only,
  refusalOf,
  retiring,
  signedRequest,
  stage,
  tokenOf,
  usual,
  type World,
} from "./stage-for-tests.ts"

type Row = [
  name: string,
  kind: ErrorName,
  failed: string,
  key: Partial<KeyState>,
  credentials: Partial<Credentials>,
  world?: Partial<World>,
]
const strict = { policy: presets.strict }
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

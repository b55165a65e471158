// Question: what do many revocations cost those who are not revoked? `bun revocations.ts <entries>` builds the set with
// so many, then lets callers in one by one through the whole of authenticate, and prints one JSON line per row: {"name",
// "p50Ns", "p99Ns"}. Each process has one set, because a large one in the same heap would slow down the other row's
// garbage collection too. Every second caller was revoked once and comes with a newer token, so a large set is not only
// asked for what it does not have.

import { createHmac, randomBytes } from "node:crypto"
import type { KeyState, Lookups, UserState } from "../../packages/server/src/authenticate/authenticate.ts"
import { createAuthenticate } from "../../packages/server/src/authenticate/authenticate.ts"
import { presets } from "../../packages/server/src/authenticate/policy.ts"
import { importSecret } from "../../packages/server/src/authenticate/token.ts"
import { createLru } from "../../packages/server/src/base/lru.ts"
import { createTruth } from "../../packages/server/src/core/revocations/index.ts"

const entriesMax = 5_000_000
const tokenCount = 20_000
const warmupCount = 40_000
const newTokensTimed = 200_000
const knownTokensTimed = 400_000

const entries = Number(process.argv[2])
if (!Number.isInteger(entries) || entries < 0 || entries > entriesMax) {
  console.error(`bun revocations.ts <entries>, 0 to ${entriesMax}`)
  process.exit(2)
}

const appId = 1_000_001
const apiKey = "a1b2c3d4e5f6"
const secret = randomBytes(32).toString("hex")
const key = importSecret(secret)
const nowMs = Date.now()
const nowSeconds = Math.floor(nowMs / 1000)

const tokens = Array.from({ length: tokenCount }, (_, index) => {
  const iat = nowSeconds - (index % 60)
  const claims = {
    user_id: `user-${index}`,
    iat,
    exp: iat + 3600,
    jti: `session-${index}`,
    device_id: `phone-${index}`,
  }
  const input = `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url(claims)}`
  return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`
})

// Half of them name users, a quarter ids of tokens, a quarter hashes of tokens.
const truth = createTruth()
const hourMs = 3_600_000
for (let index = 0; index < entries; index++) {
  const level = index % 4 < 2 ? "user" : index % 4 === 2 ? "jti" : "token"
  const returns = level === "user" && index < tokenCount
  truth.add({
    id: `revocation-${index}`,
    seq: index + 1,
    app_id: appId,
    level,
    target:
      level === "token" ? Bun.hash(`${index}`).toString(16).padStart(64, "0") : `${returns ? "user" : "gone"}-${index}`,
    before_ms: level === "user" ? nowMs - hourMs : null,
    mode: "enforce",
    terminal: 0,
    reason: "",
    created_by: "bench",
    created_at: nowMs,
    undone_at: null,
    shadow_hits: 0,
    shadow_users: 0,
    receipt: null,
    expires_at: null,
  })
}
if (truth.size !== entries) throw new Error(`the set holds ${truth.size} entries instead of ${entries}`)

const state: UserState = {
  role: "user",
  teams: [],
  deactivatedAt: null,
  deletedAt: null,
  revokeTokensIssuedBefore: null,
  bans: null,
}
const keyState = (verified: KeyState["verified"]): KeyState => ({
  appId,
  apiKey,
  suspended: false,
  disabled: false,
  disableAuthChecks: false,
  allowBasic: false,
  policy: presets.strict,
  revokeTokensIssuedBefore: null,
  verificationKeys: [{ kid: null, alg: "HS256", key, state: "active" }],
  verified,
})
const gateFor = (verified: KeyState["verified"]) => {
  const known = keyState(verified)
  const lookups: Lookups = {
    key: () => known,
    user: () => state,
    requireLease: () => undefined,
    revoked: (question) => truth.check(question, null),
    isNonceFresh: async () => true,
    // Each new token is hashed once in any case, to be noted as seen; here at once, so that the sets differ and nothing else.
    sighted: (_, { proof }) => {
      if (proof.sha256.length !== 64) throw new Error("a token has no hash")
    },
    warned: () => undefined,
  }
  return createAuthenticate(lookups)
}
const forgetful = gateFor({ get: () => undefined, set: () => undefined })
const remembering = gateFor(createLru(2 * tokenCount))

for (const [name, authenticate, timed] of [
  ["token never seen before", forgetful, newTokensTimed],
  ["token seen before", remembering, knownTokensTimed],
] as const) {
  const nanoseconds = new Float64Array(timed)
  for (let turn = -warmupCount; turn < timed; turn++) {
    const credentials = credentialsOf(tokens[(turn + warmupCount) % tokenCount] as string)
    const startedAt = Bun.nanoseconds()
    const caller = authenticate(credentials, nowMs)
    const took = Bun.nanoseconds() - startedAt
    if (!("kind" in caller)) throw new Error("a caller who can be answered from memory was not answered at once")
    if (turn >= 0) nanoseconds[turn] = took
  }
  nanoseconds.sort()
  const [p50Ns, p99Ns] = [0.5, 0.99].map((quantile) =>
    Math.round(nanoseconds[Math.ceil(timed * quantile) - 1] as number),
  )
  console.log(JSON.stringify({ name, p50Ns, p99Ns }))
}

function credentialsOf(token: string) {
  return {
    apiKey,
    authType: "jwt",
    authorization: token,
    client: null,
    address: () => "203.0.113.7",
    isSecure: () => true,
    signed: null,
  }
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url")
}

// The stage on values, for this folder's tests: keys, users and revocations are plain objects that a test changes
// between requests.

import { createHmac, randomBytes } from "node:crypto"
import { ApiError, type AppCaller } from "@weir/protocol"
import {
  type Credentials,
  createAuthenticate,
  type KeyState,
  type Lookups,
  type RevocationQuestion,
  type Revoked,
  type UserState,
} from "./authenticate.ts"
import { apiKey, base64url, keyOf, mint, secret, sign } from "./mint-for-tests.ts"
import { parsePolicy, presets } from "./policy.ts"
import type { SignedRequest } from "./signed-request.ts"

export const now = 1_700_000_000
export const nowMs = now * 1000
export const retiring = randomBytes(32).toString("hex")
export const foreign = randomBytes(32).toString("hex")
export const active: UserState = {
  role: "user",
  teams: [],
  deactivatedAt: null,
  deletedAt: null,
  revokeTokensIssuedBefore: null,
  bans: null,
}

export interface World {
  key: KeyState | null
  user: UserState | null
  /** Answers the question of revocation. */
  revoked: (question: RevocationQuestion) => Revoked | null
  hasLease: boolean
}

export const keyState = (over: Partial<KeyState> = {}): KeyState => ({
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
export function stage(key: Partial<KeyState> = {}, over: Partial<World> = {}) {
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

export const usual: Credentials = {
  apiKey,
  authType: "jwt",
  authorization: mint({ user_id: "john", iat: now - 10 }),
  client: null,
  address: () => "192.0.2.1",
  isSecure: () => false,
  signed: null,
}

export async function refusalOf(asked: Promise<AppCaller>): Promise<ApiError> {
  try {
    await asked
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error("let in")
}
export const isLetIn = (asked: Promise<AppCaller>): Promise<boolean> =>
  asked.then(
    () => true,
    (error: unknown) => {
      if (error instanceof ApiError) return false
      throw error
    },
  )

export const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`
export const devToken = (claims: object, header: object = { alg: "HS256", typ: "JWT" }): string =>
  `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}.devtoken`

/** A signed request, made here from RFC 9421 alone. */
export function signedRequest(
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

export const fresh = { iat: now - 10, exp: now + 600 }
export const cutAt =
  (beforeMs: number | null, level: Revoked["level"] = "user") =>
  (): Revoked => ({
    level,
    revocationId: "r1",
    beforeMs,
  })

export const only = (kind: string) => ({ policy: parsePolicy({ allowed_kinds: [kind] }) })
export const ofBasic = { authorization: basic(`${apiKey}:${secret}`), isSecure: () => true, authType: null }
export function tokenOf(claims: object, hmacKey: string, header: object = {}): string {
  const said = { user_id: "john", ...fresh, ...claims }
  return sign(base64url(JSON.stringify({ alg: "HS256", ...header })), base64url(JSON.stringify(said)), hmacKey)
}

// From credentials to a principal, in the order of the checklist in contract/auth.md §12: key, app, kind of
// authentication, token, policy, times, revocation, the user's state. Look-ups are handed in, so this stage knows no
// table. What a token's signature proves does not change and is remembered; everything after it is asked each time.

import { ANONYMOUS_USER_ID, ApiError, type AppCaller, apiKeyPattern, type CallGrant } from "@weir/protocol"
import { type Awaitable, chain } from "../base/chain.ts"
import { standingBans } from "./bans.ts"
import { isBasicSecret, readBasic } from "./basic.ts"
import type { TokenClaims } from "./claims.ts"
import { refuseRevoked, revokedByField } from "./cut-offs.ts"
import type { Credentials, KeyState, Lookups, VerifiedToken } from "./lookups.ts"
import { checkPolicy, requireKind } from "./policy.ts"
import { createProof } from "./proof.ts"
import {
  type RequestSignature,
  readRequestSignature,
  type SignedRequest,
  signedRequestLimits,
  verifyRequestSignature,
} from "./signed-request.ts"
import { checkTimes, isDevToken, readDevToken, verifyToken } from "./token.ts"
import { why } from "./why.ts"

export type {
  Credentials,
  KeyState,
  Lookups,
  RevocationQuestion,
  Revoked,
  UserState,
  VerifiedToken,
} from "./lookups.ts"
export { withoutTrace } from "./lookups.ts"

/** The checks in their order, for explanations: those before the one that failed have passed. */
export const authenticationChecks = [
  "lease",
  "key",
  "app",
  "kind",
  "token",
  "signature",
  "policy",
  "times",
  "revocation",
  "user",
] as const

const apiKeys = new RegExp(apiKeyPattern)
/** A token that was silent for so long is told of again. */
const pauseMs = 60_000

export type Authenticate = (credentials: Credentials, nowMs: number) => Awaitable<AppCaller>

/** Builds the stage. Throws (or rejects with) ApiError: unavailable, accessKey, appSuspended, authentication, token*. */
export function createAuthenticate(lookups: Lookups): Authenticate {
  return (credentials, nowMs) => {
    lookups.requireLease()
    const { signed } = credentials
    if (signed !== null) return signedPrincipal(lookups, credentials, signed, nowMs)
    const basic = readBasic(credentials.authorization)
    if (basic !== null) {
      return chain(keyOf(lookups, credentials.apiKey ?? basic.apiKey), (key) =>
        basicPrincipal(lookups, key, credentials, basic, nowMs),
      )
    }
    return chain(keyOf(lookups, credentials.apiKey), (key) => {
      if (credentials.authType === "anonymous") return anonymousPrincipal(lookups, key, credentials, nowMs)
      if (credentials.authType !== "jwt") {
        throw new ApiError("accessKey", "stream-auth-type missing or invalid", {
          why: why(
            "kind",
            "stream-auth-type",
            "the header stream-auth-type is neither jwt nor anonymous",
            "send stream-auth-type: jwt",
          ),
        })
      }
      return tokenPrincipal(lookups, key, credentials, nowMs)
    })
  }
}

function keyOf(lookups: Lookups, apiKey: string | null): Awaitable<KeyState> {
  if (!apiKey) {
    throw new ApiError("accessKey", "api_key or app_id not provided", {
      why: why(
        "key",
        "missing",
        "the request names no API key",
        "send the app's public key as the query parameter api_key",
      ),
    })
  }
  // What cannot be a key is neither looked for nor remembered: strangers choose its length and its number.
  if (!apiKeys.test(apiKey)) throw unknownKey("form", "an API key has 12 characters of a-z0-9, this one does not")
  return chain(lookups.key(apiKey), (key) => {
    if (key === null) throw unknownKey("unknown", "no app of this deployment has this key")
    if (key.disabled) throw unknownKey("disabled", "the key is switched off")
    if (key.suspended) {
      throw new ApiError("appSuspended", "app is suspended", {
        why: why(
          "app",
          "suspended",
          "the app is suspended",
          "let the app run again: PATCH the app with suspended: false",
        ),
      })
    }
    return key
  })
}

const unknownKey = (rule: string, detail: string): ApiError =>
  new ApiError("accessKey", "api_key is invalid", {
    why: why("key", rule, detail, "send an API key of this deployment that is switched on"),
  })

function tokenPrincipal(
  lookups: Lookups,
  key: KeyState,
  credentials: Credentials,
  nowMs: number,
): Awaitable<AppCaller> {
  const token = provenToken(key, credentials.authorization, nowMs)
  const { claims } = token
  hold(lookups, key, token, credentials, nowMs)
  if (claims.kind === "feeds") {
    throw new ApiError("authentication", "a feed token is not accepted by this endpoint", {
      why: why("kind", "feeds", "tokens with resource, action or feed_id are for Feeds v2 paths", "send a user token"),
    })
  }
  if (claims.userId === ANONYMOUS_USER_ID) return anonymousWithCalls(lookups, key, token, credentials, nowMs)
  if (claims.userId === null) return serverPrincipal(lookups, key, token, credentials, nowMs)
  return userPrincipal(lookups, key, token, credentials, claims.userId, nowMs)
}

/** The proof of a token's signature, from memory where it is there. */
function provenToken(key: KeyState, authorization: string | null, nowMs: number): VerifiedToken {
  const text = bareToken(authorization)
  if (text === null) {
    throw new ApiError("authentication", "Authorization header is missing or empty", {
      why: why("token", "missing", "no token came along", "send the user's token in the header Authorization"),
    })
  }
  const known = key.verified.get(text)
  if (known !== undefined) return known
  const token =
    key.disableAuthChecks && isDevToken(text) ? developmentToken(text, nowMs) : signedToken(key, text, nowMs)
  key.verified.set(text, token)
  return token
}

function signedToken(key: KeyState, text: string, nowMs: number): VerifiedToken {
  const { claims, key: proving } = verifyToken(text, key.verificationKeys, key.apiKey)
  const proof = createProof("jwt", proving.kid, claims, text, proving.alg)
  return { claims, proof, firstSeenMs: nowMs, lastSeenMs: 0, uses: 0 }
}

function developmentToken(text: string, nowMs: number): VerifiedToken {
  const claims = readDevToken(text)
  return { claims, proof: createProof("devtoken", null, claims, text), firstSeenMs: nowMs, lastSeenMs: 0, uses: 0 }
}

function hold(lookups: Lookups, key: KeyState, token: VerifiedToken, credentials: Credentials, nowMs: number): void {
  const warnings = checkPolicy(key.policy, token.claims, nowMs / 1000)
  checkTimes(token.claims, nowMs / 1000, key.policy.leewaySeconds)
  for (const rule of warnings) lookups.warned(key, rule, token, credentials)
}

/** Counts a use that was let in; nothing of a refused one is kept as a use. */
function letIn(
  lookups: Lookups,
  key: KeyState,
  token: VerifiedToken,
  credentials: Credentials,
  principal: AppCaller,
  nowMs: number,
): AppCaller {
  if (lookups.sighted === null) return principal
  const isNews = nowMs - token.lastSeenMs > pauseMs
  token.lastSeenMs = nowMs
  token.uses += 1
  if (isNews) lookups.sighted(key, token, credentials, principal)
  return principal
}

/** Strips the optional `Bearer `, which many users add by habit (contract/auth.md §2.8). */
export function bareToken(authorization: string | null): string | null {
  if (!authorization) return null
  const token = /^bearer\s/i.test(authorization.slice(0, 7)) ? authorization.slice(7).trim() : authorization
  return token === "" ? null : token
}

// Server tokens are not bound by the app's cut-off: they are ended by key or secret (contract/auth.md §3.2).
function serverPrincipal(
  lookups: Lookups,
  key: KeyState,
  token: VerifiedToken,
  credentials: Credentials,
  nowMs: number,
): AppCaller {
  const { appId, apiKey } = key
  const { proof } = token
  refuseRevoked(lookups.revoked({ appId, apiKey, userId: null, isServer: true, proof }), proof)
  const principal: AppCaller = { kind: "server", appId, apiKey, scopes: token.claims.scopes, proof }
  return letIn(lookups, key, token, credentials, principal, nowMs)
}

function userPrincipal(
  lookups: Lookups,
  key: KeyState,
  token: VerifiedToken,
  credentials: Credentials,
  userId: string,
  nowMs: number,
): Awaitable<AppCaller> {
  const { appId, apiKey } = key
  const { claims, proof } = token
  return chain(lookups.user(appId, userId), (user) => {
    const cutoffs = [key.revokeTokensIssuedBefore, user?.revokeTokensIssuedBefore ?? null]
    refuseRevoked(
      lookups.revoked({ appId, apiKey, userId, isServer: false, proof }) ?? revokedByField(proof, cutoffs),
      proof,
    )
    const role = user?.role ?? "user"
    if (role === "guest") requireKind(key.policy, "guest")
    if (user?.deletedAt)
      throw shutOut(`User with id ${userId} was deleted`, "deleted", "make the user again under another id")
    if (user?.deactivatedAt)
      throw shutOut(`User with id ${userId} is deactivated`, "deactivated", "reactivate the user")
    const principal: AppCaller = {
      kind: role === "guest" ? "guest" : "user",
      appId,
      apiKey,
      userId,
      role,
      teams: user?.teams ?? [],
      issuedAt: claims.iat,
      expiresAt: claims.exp,
      calls: callGrantOf(claims),
      // A banned user is let in and may read (contract/auth.md §12, 11); what they may not is decided with the grants.
      bans: standingBans(user?.bans ?? null, nowMs),
      scopes: claims.scopes,
      proof,
    }
    return letIn(lookups, key, token, credentials, principal, nowMs)
  })
}

const shutOut = (reason: string, rule: string, remedy: string): ApiError =>
  new ApiError("authentication", reason, { why: why("user", rule, reason, remedy) })

// An anonymous caller brings no token, or one that lists calls (contract/auth.md §2.5); anything else that such
// a caller sends along is ignored, because clients are known to attach leftovers (contract/auth.md §1.8.1).
function anonymousPrincipal(lookups: Lookups, key: KeyState, credentials: Credentials, nowMs: number): AppCaller {
  const text = bareToken(credentials.authorization)
  if (text === null || text.split(".").length !== 3) {
    requireKind(key.policy, "anonymous")
    return anonymous(key, null, null)
  }
  const token = provenToken(key, text, nowMs)
  if (token.claims.kind !== "call") {
    requireKind(key.policy, "anonymous")
    return anonymous(key, null, null)
  }
  hold(lookups, key, token, credentials, nowMs)
  if (token.claims.userId !== ANONYMOUS_USER_ID) {
    throw new ApiError("authentication", "the token belongs to a user, but stream-auth-type is anonymous", {
      why: why(
        "kind",
        "anonymous",
        "a user's call token came with stream-auth-type: anonymous",
        "send stream-auth-type: jwt",
      ),
    })
  }
  return anonymousWithCalls(lookups, key, token, credentials, nowMs)
}

function anonymousWithCalls(
  lookups: Lookups,
  key: KeyState,
  token: VerifiedToken,
  credentials: Credentials,
  nowMs: number,
): AppCaller {
  const { appId, apiKey } = key
  const { proof, claims } = token
  requireKind(key.policy, "anonymous")
  const revoked =
    lookups.revoked({ appId, apiKey, userId: null, isServer: false, proof }) ??
    revokedByField(proof, [key.revokeTokensIssuedBefore])
  refuseRevoked(revoked, proof)
  return letIn(lookups, key, token, credentials, anonymous(key, token, callGrantOf(claims)), nowMs)
}

const anonymous = (key: KeyState, token: VerifiedToken | null, calls: CallGrant | null): AppCaller => ({
  kind: "anonymous",
  appId: key.appId,
  apiKey: key.apiKey,
  calls,
  scopes: token?.claims.scopes ?? null,
  proof: token?.proof ?? null,
})

const callGrantOf = ({ kind, callCids, channelCids, role }: TokenClaims): CallGrant | null =>
  kind === "call" ? { cids: callCids ?? [], channelCids: channelCids ?? [], role } : null

// Key and secret themselves, sent along: only where the app asked for it, and where nobody can read along.
function basicPrincipal(
  lookups: Lookups,
  key: KeyState,
  credentials: Credentials,
  basic: { readonly apiKey: string; readonly secret: string },
  nowMs: number,
): AppCaller {
  const refuse = (rule: string, detail: string, remedy: string): ApiError =>
    new ApiError("authentication", "key and secret in Authorization: Basic are not accepted", {
      why: why("kind", rule, detail, remedy),
    })
  if (!key.allowBasic) {
    throw refuse(
      "basic-off",
      "the app does not allow Authorization: Basic",
      "allow it: PATCH the app with allow_basic_auth: true, or send a server token",
    )
  }
  if (!credentials.isSecure()) {
    throw refuse(
      "basic-insecure",
      "the connection can be read on its way",
      "connect over TLS, and if TLS ends in a proxy, name it in WEIR_TRUST_PROXY",
    )
  }
  if (basic.apiKey !== key.apiKey)
    throw refuse("basic-key", "api_key and the user name of Basic differ", "send one key")
  const proving = key.verificationKeys.filter((candidate) => isBasicSecret(candidate, basic.secret))[0]
  if (proving === undefined) {
    throw new ApiError("tokenSignature", "the API secret is not valid", {
      why: why(
        "signature",
        "basic",
        "the secret is none of the key's active and retiring HS256 secrets",
        "send an active secret of this key",
      ),
    })
  }
  return serverByRequest(lookups, key, "basic", proving.kid, credentials, nowMs)
}

function signedPrincipal(
  lookups: Lookups,
  credentials: Credentials,
  request: SignedRequest,
  nowMs: number,
): Awaitable<AppCaller> {
  const { apiKey } = credentials
  if (apiKey === null) {
    const signature = onlyKeyOf(request)
    return chain(keyOf(lookups, signature.apiKey), (key) =>
      signedBy(lookups, key, credentials, request, signature, nowMs),
    )
  }
  return chain(keyOf(lookups, apiKey), (key) => {
    const signature = readRequestSignature(request, apiKey)
    if (apiKey !== signature.apiKey) {
      throw new ApiError("authentication", "request signature: keyid is not the api_key of the request", {
        why: why("signature", "keyid", "api_key and the signature's keyid differ", "send one key"),
      })
    }
    return signedBy(lookups, key, credentials, request, signature, nowMs)
  })
}

// Where only the signature says which key it is, one that does not read leaves the very first check without an answer.
function onlyKeyOf(request: SignedRequest): RequestSignature {
  try {
    return readRequestSignature(request)
  } catch (error) {
    if (!(error instanceof ApiError) || error.why === undefined) throw error
    throw new ApiError(error.kind, error.reason, { why: { ...error.why, check: "key" } })
  }
}

async function signedBy(
  lookups: Lookups,
  key: KeyState,
  credentials: Credentials,
  request: SignedRequest,
  signature: RequestSignature,
  nowMs: number,
): Promise<AppCaller> {
  const proving = verifyRequestSignature(request, signature, key.verificationKeys, nowMs / 1000)
  const expiresAtMs = (signature.createdSeconds + signedRequestLimits.createdSecondsMax) * 1000
  // After the proof, so that strangers cannot use nonces up or fill the table.
  if (!(await lookups.isNonceFresh(key.apiKey, signature.nonce, expiresAtMs))) {
    throw new ApiError("authentication", "request signature: this request came before", {
      why: why("signature", "replay", "the nonce was used already", "sign each request anew, a repeated one too"),
    })
  }
  return serverByRequest(lookups, key, "signature", proving.kid, credentials, nowMs)
}

function serverByRequest(
  lookups: Lookups,
  key: KeyState,
  method: "basic" | "signature",
  kid: string | null,
  credentials: Credentials,
  nowMs: number,
): AppCaller {
  const claims: TokenClaims = { ...serverClaims, iat: nowMs / 1000 }
  requireKind(key.policy, "server")
  const token: VerifiedToken = {
    claims,
    proof: createProof(method, kid, claims, ""),
    firstSeenMs: nowMs,
    lastSeenMs: 0,
    uses: 0,
  }
  return serverPrincipal(lookups, key, token, credentials, nowMs)
}

/** A request that proves itself is made by the app now, as if by a server token of this moment. */
const serverClaims: TokenClaims = {
  kind: "server",
  userId: null,
  exp: null,
  iat: null,
  nbf: null,
  callCids: null,
  channelCids: null,
  role: null,
  jti: null,
  deviceId: null,
  scopes: null,
  iss: null,
  aud: [],
}

// What an operator may have a token say, and for how long.

import {
  ANONYMOUS_USER_ID,
  ApiError,
  inputError,
  type OperatorAction,
  type OperatorRole,
  parseScopes,
  type Scopes,
  tokens as wire,
  limits as wireLimits,
} from "@weir/protocol"
import type { KeyState } from "../../authenticate/authenticate.ts"
import { checkPolicy, requireKind, type TokenKind, type TokenPolicy } from "../../authenticate/policy.ts"
import { checkTimes, verifyToken } from "../../authenticate/token.ts"
import { roleMay } from "../../authorize/operators.ts"

const { tokenLimits } = wire

export type MintedKind = "user" | "call" | "guest" | "server"

/** What an operator asks for, as it came in. */
export interface Wish {
  readonly kind: MintedKind
  readonly user_id?: string
  readonly name?: string
  readonly call_cids?: readonly string[]
  readonly channel_cids?: readonly string[]
  readonly role?: string
  readonly scopes?: Readonly<Record<string, readonly string[]>>
  readonly expires_in?: number
}

/** Throws inputError where the fields do not go with the kind of token. */
export function requireFitting(wish: Wish): void {
  const { kind } = wish
  if (kind === "user" && wish.user_id === undefined) throw wrong("user_id", "is needed for a user token")
  if (kind === "server" && wish.user_id !== undefined) throw wrong("user_id", "does not go with a server token")
  if (kind === "call" && wish.call_cids === undefined) throw wrong("call_cids", "is needed for a call token")
  if (kind !== "guest" && wish.name !== undefined) throw wrong("name", "goes with a guest token only")
  if (kind === "call") return
  for (const field of ["call_cids", "channel_cids", "role"] as const) {
    if (wish[field] !== undefined) throw wrong(field, "goes with a call token only")
  }
}

const wrong = (field: string, text: string): ApiError => inputError(`${field} ${text}`, { [field]: text })

/** The kinds of token and caller that the app's policy must allow for this one to be let in. */
export const kindsOf = ({ kind, user_id }: Wish, isGuest: boolean): readonly TokenKind[] => {
  switch (kind) {
    case "server":
      return ["server"]
    case "call":
      return user_id === undefined ? ["call", "anonymous"] : isGuest ? ["call", "guest"] : ["call"]
    default:
      return isGuest ? ["user", "guest"] : ["user"]
  }
}

/** Throws inputError when the policy allows no such token. */
export function requireAllowedKinds(policy: TokenPolicy, kinds: readonly TokenKind[]): void {
  for (const kind of kinds) asInput("kind", () => requireKind(policy, kind))
}

/**
 * For how many seconds the token will live: what was asked for, or the usual. Throws inputError when that is longer than
 * the app's policy or tokenLimits allow.
 */
export function lifetimeOf(policy: TokenPolicy, { kind, expires_in }: Wish): number {
  const isServer = kind === "server"
  const own = isServer ? tokenLimits.serverExpiresInSecondsMax : tokenLimits.userExpiresInSecondsMax
  const bound = isServer ? policy.serverMaxAgeSeconds : policy.maxLifetimeSeconds
  const max = Math.min(own, bound ?? own)
  const usual = isServer ? tokenLimits.serverExpiresInSecondsDefault : tokenLimits.userExpiresInSecondsDefault
  if (expires_in === undefined) return Math.min(usual, max)
  if (expires_in <= max) return expires_in
  const whose = max < own ? "the app's token policy allows" : `a ${kind} token has`
  throw inputError(`expires_in is ${expires_in}, ${whose} at most ${max} seconds`, {
    expires_in: `at most ${max} seconds`,
  })
}

/** The claims of the token. Times in milliseconds and seconds as named. Throws inputError for scopes that do not read. */
export function claimsOf(
  policy: TokenPolicy,
  wish: Wish,
  made: { readonly userId: string | null; readonly jti: string; readonly nowMs: number; readonly lifeSeconds: number },
): Record<string, unknown> {
  const iat = Math.floor(made.nowMs / 1000)
  return {
    ...(wish.kind === "server" ? { server: true } : { user_id: made.userId ?? ANONYMOUS_USER_ID }),
    ...(wish.call_cids === undefined ? {} : { call_cids: wish.call_cids }),
    ...(wish.channel_cids === undefined ? {} : { channel_cids: wish.channel_cids }),
    ...(wish.role === undefined ? {} : { role: wish.role }),
    ...(wish.scopes === undefined ? {} : { scopes: readScopes(wish.scopes) }),
    ...(policy.iss === null ? {} : { iss: policy.iss }),
    ...(policy.aud === null ? {} : { aud: policy.aud }),
    iat,
    exp: iat + made.lifeSeconds,
    jti: made.jti,
  }
}

function readScopes(scopes: unknown): Scopes {
  try {
    return parseScopes(scopes)
  } catch (error) {
    if (error instanceof RangeError) throw inputError(error.message, { scopes: error.message })
    throw error
  }
}

/**
 * Holds a token that was just signed against the very checks that it will meet, so that none is handed out which the
 * gate refuses by form, policy or time. Throws inputError.
 */
export function requireAcceptable(token: string, state: KeyState, nowMs: number): void {
  if (token.length > wireLimits.tokenBytesMax) {
    throw inputError(`the token would have more than ${wireLimits.tokenBytesMax} bytes`, {
      scopes: "fewer scopes or cids",
    })
  }
  asInput("kind", () => {
    const { claims } = verifyToken(token, state.verificationKeys, state.apiKey)
    checkPolicy(state.policy, claims, nowMs / 1000)
    checkTimes(claims, nowMs / 1000, state.policy.leewaySeconds)
  })
}

// What the gate would say to the token's bearer is said to the operator who is making it: 400, and what would help.
function asInput(field: string, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const detail = error.why?.detail ?? error.reason
    const remedy = error.why?.remedy
    throw inputError(`such a token would be refused: ${detail}${remedy === undefined ? "" : `; ${remedy}`}`, {
      [field]: detail,
    })
  }
}

/** What an explorer's token reaches: all that is read, and what may be changed by those who may change content. */
export function explorerScopes(role: OperatorRole): { readonly scopes: Scopes; readonly writes: boolean } {
  const writes = roleMay(role, "content.manage")
  const scopes: Scopes = writes
    ? // The app's own settings and its users' rights are no content: there it writes and does not manage.
      { "*:*:*": ["read", "write"], "chat:*:*": ["manage"], "feeds:*:*": ["manage"], "video:*:*": ["manage"] }
    : { "*:*:*": ["read"] }
  return { scopes, writes }
}

/** What whoever makes an explorer's token must hold: all that it reaches. */
export const explorerNeeds = (writes: boolean): readonly OperatorAction[] =>
  writes ? ["content.read", "content.manage"] : ["content.read"]

/** Whether an operator of this role could make a token for which these actions were needed, with spaces between. */
export const mayStillMint = (role: OperatorRole, { needs }: { readonly needs: string }): boolean =>
  needs.split(" ").every((action) => roleMay(role, action as OperatorAction))

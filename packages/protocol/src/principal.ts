// Who is calling. A discriminated union: each kind has exactly its fields, so no handler can read a user id that
// is not there. `operator` is the management API's caller; the others come through an app's API key.

/** A token limited to calls (claims `call_cids` and `role`; contract/auth.md §2.5). It reaches nothing else. */
export interface CallGrant {
  /** `type:id` of each call that the bearer may reach. */
  readonly cids: readonly string[]
  /** Role that the bearer has on those calls, instead of a membership. */
  readonly role: string | null
}

interface AppPrincipal {
  readonly appId: number
  /** The public key that the request named; its secret proved the token. */
  readonly apiKey: string
}

interface IdentifiedPrincipal extends AppPrincipal {
  readonly userId: string
  /** App-level role as it stands now, not as it was when the token was made. */
  readonly role: string
  readonly teams: readonly string[]
  /** Unix seconds; null when the token carries none. */
  readonly issuedAt: number | null
  readonly expiresAt: number | null
  readonly calls: CallGrant | null
}

export interface ServerPrincipal extends AppPrincipal {
  readonly kind: "server"
}
export interface UserPrincipal extends IdentifiedPrincipal {
  readonly kind: "user"
}
export interface GuestPrincipal extends IdentifiedPrincipal {
  readonly kind: "guest"
}
export interface AnonymousPrincipal extends AppPrincipal {
  readonly kind: "anonymous"
  readonly calls: CallGrant | null
}
export interface OperatorPrincipal {
  readonly kind: "operator"
  /** For the log: how the operator proved themselves. */
  readonly name: string
}

export type Principal = ServerPrincipal | UserPrincipal | GuestPrincipal | AnonymousPrincipal | OperatorPrincipal
export type PrincipalKind = Principal["kind"]
/** Callers that come through an app's key. */
export type AppCaller = Exclude<Principal, OperatorPrincipal>

/** Id of the anonymous user on the wire (contract/chat.md §1.13). */
export const ANONYMOUS_USER_ID = "!anon"

/** Id of the user behind a principal, or null for server and operator. */
export function userIdOf(principal: Principal): string | null {
  switch (principal.kind) {
    case "user":
    case "guest":
      return principal.userId
    case "anonymous":
      return ANONYMOUS_USER_ID
    default:
      return null
  }
}

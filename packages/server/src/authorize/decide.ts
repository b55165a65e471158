// May this principal do this to that? A pure function of what it is handed. An allowed call costs a few set
// look-ups and allocates nothing; a refusal is evaluated once more with its reasons written down (explain.ts).

import { ApiError, type AppCaller, userIdOf } from "@weir/protocol"
import { type CompiledGrants, isGranted } from "./grants.ts"

/** Something that can be done. `id` is the grant's stem in kebab-case, `name` the PascalCase of refusals. */
export interface Action {
  readonly id: string
  readonly name: string
}

/** What it is done to, with everything that the decision needs to know of it. */
export interface Resource {
  readonly kind: "app" | "user" | "channel" | "message" | "feed" | "activity" | "call"
  /** cid, feed id or user id. For a call, what a call token must list. */
  readonly id: string
  /** Named in refusals: the channel type, call type or feed group, or `.app`. */
  readonly scope: string
  readonly grants: CompiledGrants
  /** Roles that the principal has through its relation to the resource: member, follower, moderator. */
  readonly relationRoles: readonly string[]
  /** Who made it; grants that end in `-owner` count for that user. */
  readonly ownerId: string | null
  readonly team: string | null
}

/** One step of a decision. */
export interface Check {
  readonly check: "kind" | "call-token" | "team" | "grant"
  readonly passed: boolean
  readonly detail: string
}

export interface Allowed {
  readonly allowed: true
}
export interface Denied {
  readonly allowed: false
  readonly action: string
  readonly resource: string
  /** In the order they were made; the last one failed. */
  readonly checks: readonly Check[]
  /** What the caller is told. */
  readonly error: ApiError
}
export type Decision = Allowed | Denied

export const allowed: Allowed = { allowed: true }

/** A refusal with the decision behind it, for the log. */
export class DeniedError extends ApiError {
  constructor(readonly denied: Denied) {
    const { error } = denied
    super(error.kind, error.reason, { internal: `${denied.action} on ${denied.resource}` })
  }
}

/** Throws DeniedError, the refusal of the first decision that does not allow. */
export function requireAllowed(decisions: Decision | readonly Decision[]): void {
  for (const decision of "allowed" in decisions ? [decisions] : decisions) {
    if (!decision.allowed) throw new DeniedError(decision)
  }
}

/** Decides. Server callers bypass permission checks (contract/auth.md §6.1); everybody else needs a grant. */
export function can(principal: AppCaller, action: Action, resource: Resource): Decision {
  if (principal.kind === "server") return allowed
  return evaluate(principal, action, resource, null) ? allowed : deny(principal, action, resource)
}

/** Whether `can` would allow it, for lists and own capabilities. */
export const isAllowed = (principal: AppCaller, action: Action, resource: Resource): boolean =>
  principal.kind === "server" || evaluate(principal, action, resource, null)

/**
 * Turns a refusal into «does not exist» for callers who may not know that the thing is there. The error must be
 * the one that an absent thing gives.
 */
export const hide = (decision: Decision, absent: () => ApiError): Decision =>
  decision.allowed ? decision : { ...decision, error: absent() }

type Caller = Exclude<AppCaller, { kind: "server" }>

function evaluate(principal: Caller, action: Action, resource: Resource, trace: Check[] | null): boolean {
  if (principal.calls !== null) {
    const listed = resource.kind === "call" && principal.calls.cids.includes(resource.id)
    trace?.push({
      check: "call-token",
      passed: listed,
      detail: `token reaches only ${principal.calls.cids.join(", ")}`,
    })
    if (!listed) return false
  }
  const inTeam = resource.team === null || (principal.kind !== "anonymous" && principal.teams.includes(resource.team))
  trace?.push({ check: "team", passed: inTeam, detail: resource.team === null ? "no team" : `team ${resource.team}` })
  const owns = resource.ownerId !== null && resource.ownerId === userIdOf(principal)
  const granted = rolesOf(principal, resource).some(
    (role) =>
      isGranted(resource.grants, role, inTeam ? action.id : `${action.id}-any-team`) ||
      (owns && isGranted(resource.grants, role, inTeam ? `${action.id}-owner` : `${action.id}-owner-any-team`)),
  )
  trace?.push({
    check: "grant",
    passed: granted,
    detail: `${action.id}${owns ? ` or ${action.id}-owner` : ""} for ${rolesOf(principal, resource).join(", ")}`,
  })
  return granted
}

/** Every role that counts: the app's, and those of the relation (or the call token's role in their place). */
function rolesOf(principal: Caller, resource: Resource): string[] {
  const appRole = principal.kind === "anonymous" ? "anonymous" : principal.role
  if (principal.calls?.role) return [appRole, principal.calls.role]
  return resource.relationRoles.length === 0 ? [appRole] : [appRole, ...resource.relationRoles]
}

function deny(principal: Caller, action: Action, resource: Resource): Denied {
  const checks: Check[] = []
  evaluate(principal, action, resource, checks)
  return {
    allowed: false,
    action: action.id,
    resource: `${resource.kind}:${resource.id}`,
    checks,
    error: new ApiError("notAllowed", refusalText(principal, action, resource)),
  }
}

// The wording is the wire's (contract/chat.md §1.7): clients show it, tests compare it.
function refusalText(principal: Caller, action: Action, resource: Resource): string {
  const roles = rolesOf(principal, resource)
  const held = roles.length === 1 ? `role '${roles[0]}'` : `roles [${roles.map((role) => `'${role}'`).join(", ")}]`
  return `User '${userIdOf(principal)}' with ${held} is not allowed to perform action ${action.name} in scope '${resource.scope}'`
}

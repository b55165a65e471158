// May this principal do this to that? A pure function of what it is handed. An allowed call costs a few set
// look-ups and allocates nothing; a refusal is evaluated once more with its reasons written down.
//
// Two questions are asked, in this order. What does the token reach: its scopes, and the calls and channels that it
// lists? That holds for servers too. And what may its bearer do: are they banned, and what do the team and the grants of
// their roles say?

import { ApiError, type AppCaller, type Ban, type CallGrant, userIdOf } from "@weir/protocol"
import { type CompiledGrants, isGranted, rolesWith } from "./grants.ts"
import { coveredNames, isCovered, isMentioned, type NamePattern, type ScopedAction } from "./scopes.ts"

/** Something that can be done. `id` is the grant's stem in kebab-case, `name` the PascalCase of refusals. */
export interface Action extends ScopedAction {
  readonly name: string
}

/** What it is done to, with everything that the decision needs to know of it. */
export interface Resource {
  readonly kind: "app" | "user" | "channel" | "message" | "feed" | "activity" | "call"
  /** cid, feed id or user id. For a call, what a call token must list. */
  readonly id: string
  /** What a token's scopes call it: `product:type:id`; of a message its channel, of an activity its feed. */
  readonly name: string
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
  readonly check: "kind" | "scope" | "call-token" | "ban" | "team" | "grant"
  /** What of the check, where it has several. */
  readonly rule?: string
  readonly passed: boolean
  readonly detail: string
}

export interface Allowed {
  readonly allowed: true
  /**
   * What was asked: a resource; each item, later; only a condition beside other decisions; or nothing. For a caller
   * whose token is narrowed the last is not enough, and the third not alone (requireScoped).
   */
  readonly basis: "resource" | "items" | "condition" | "nothing"
}
export interface Denied {
  readonly allowed: false
  readonly action: string
  readonly resource: string
  /** In the order they were made; the last one failed. */
  readonly checks: readonly Check[]
  /** The smallest change that would have allowed it, one sentence for operators. */
  readonly remedy: string
  /** What the caller is told. */
  readonly error: ApiError
}
export type Decision = Allowed | Denied

/** Allowed without a look at anything: for operations whose access says all. Closed to narrowed tokens. */
export const allowed: Allowed = { allowed: true, basis: "nothing" }

/** Allowed because can() or isAllowed said so of a resource. */
export const granted: Allowed = { allowed: true, basis: "resource" }

/** Allowed, and each item is asked about later: by isAllowed, or by a condition in the query that says the same. */
export const allowedPerItem: Allowed = { allowed: true, basis: "items" }

/** A further condition that holds, beside decisions about the resource: the channel is not disabled. */
export const noObjection: Allowed = { allowed: true, basis: "condition" }

/** Whether the token reaches only some of what its bearer may: by scopes, or by a list of calls and channels. */
export const isNarrowed = (principal: AppCaller): boolean =>
  principal.scopes !== null || (principal.kind !== "server" && principal.calls !== null)

/** A refusal with the decision behind it, for the log and for whoever asks why. */
export class DeniedError extends ApiError {
  constructor(readonly denied: Denied) {
    const { error, action, resource, checks, remedy } = denied
    const failed = checks.findLast(({ passed }) => !passed)
    const { check, rule, detail } = failed ?? { check: "grant", detail: "refused" }
    super(error.kind, error.reason, {
      internal: `${action} on ${resource}`,
      why: { check, rule: rule ?? action, detail, remedy, facts: { action, resource } },
    })
  }
}

/** Throws DeniedError, the refusal of the first decision that does not allow. */
export function requireAllowed(decisions: Decision | readonly Decision[]): void {
  for (const decision of "allowed" in decisions ? [decisions] : decisions) {
    if (!decision.allowed) throw new DeniedError(decision)
  }
}

/**
 * Throws DeniedError when a narrowed token comes with an allowance that asked for no resource, or with nothing but
 * conditions: whatever nobody thought of is closed to it.
 */
export function requireScoped(
  principal: AppCaller,
  decisions: Decision | readonly Decision[],
  operation: string,
): void {
  if (!isNarrowed(principal)) return
  const all = ("allowed" in decisions ? [decisions] : decisions).filter((decision) => decision.allowed)
  const hasAsked = all.some(({ basis }) => basis === "resource" || basis === "items")
  if (!hasAsked || all.some(({ basis }) => basis === "nothing")) throw new DeniedError(outOfScope(principal, operation))
}

function outOfScope(principal: AppCaller, operation: string): Denied {
  return {
    allowed: false,
    action: operation,
    resource: `app:${principal.appId}`,
    checks: [
      {
        check: principal.scopes === null ? "call-token" : "scope",
        passed: false,
        detail: `${operation} asks for no resource that a narrowed token could name`,
      },
    ],
    remedy: "call it with a token that is not narrowed",
    error: new ApiError("notAllowed", `the token is narrowed, and ${operation} is not among what it reaches`),
  }
}

/** Decides. Server callers need no grant (contract/auth.md §6.1); everybody is held to what their token reaches. */
export const can = (principal: AppCaller, action: Action, resource: Resource): Decision =>
  isAllowed(principal, action, resource) ? granted : deny(principal, action, resource, evaluate)

/** As can, for where only the answer counts: lists and capabilities. */
export const isAllowed = (principal: AppCaller, action: Action, resource: Resource): boolean =>
  (principal.kind === "server" && principal.scopes === null) || evaluate(principal, action, resource, null)

/** What the token reaches and nothing else: for what needs no grant, such as to leave. */
export const withinReach = (principal: AppCaller, action: Action, resource: Resource): Decision =>
  reaches(principal, action, resource, "action", null) ? granted : deny(principal, action, resource, reachOnly)

/** As can, but what the scopes cover is asked of each item later. `resource` stands for all of them. */
export const canPerItem = (principal: AppCaller, action: Action, resource: Resource): Decision =>
  evaluateItems(principal, action, resource, null) ? allowedPerItem : deny(principal, action, resource, evaluateItems)

/**
 * May the caller know that it is there, as somebody who may see it does, when the token's scopes speak of it at all?
 * A token that only writes to a channel knows of the channel. For hide(), beside the decision about what is done.
 */
export const mayKnow = (principal: AppCaller, seeing: Action, resource: Resource): Decision =>
  evaluateKnowing(principal, seeing, resource, null) ? noObjection : deny(principal, seeing, resource, evaluateKnowing)

/**
 * Turns a refusal into «does not exist» for callers who may not know that the thing is there. The error must be
 * the one that an absent thing gives.
 */
export const hide = (decision: Decision, absent: () => ApiError): Decision =>
  decision.allowed ? decision : { ...decision, error: absent() }

/**
 * What the token reaches of one product for an action, for queries: a resource must match a pattern of every list.
 * No list: everything. Says the same as withinReach.
 */
export function reachOf(
  principal: AppCaller,
  action: Action,
  product: "chat" | "app",
): readonly (readonly NamePattern[])[] {
  const lists: (readonly NamePattern[])[] = []
  if (principal.scopes !== null) lists.push(coveredNames(principal.scopes, action, product))
  if (principal.kind !== "server" && principal.calls !== null) {
    lists.push(product === "chat" ? principal.calls.channelCids.map(namePatternOf) : [])
  }
  return lists
}

function namePatternOf(cid: string): NamePattern {
  const colon = cid.indexOf(":")
  const exactly = (text: string) => ({ exact: text, prefix: "", suffix: "" })
  return { type: exactly(cid.slice(0, colon)), id: exactly(cid.slice(colon + 1)) }
}

type Caller = Exclude<AppCaller, { kind: "server" }>
/** Whether it is allowed; into `trace` goes each check, in its order. */
type Evaluate = (principal: AppCaller, action: Action, resource: Resource, trace: Check[] | null) => boolean

const evaluate: Evaluate = (principal, action, resource, trace) =>
  reaches(principal, action, resource, "action", trace) && holds(principal, action, resource, trace)

const reachOnly: Evaluate = (principal, action, resource, trace) =>
  reaches(principal, action, resource, "action", trace)

const evaluateItems: Evaluate = (principal, action, resource, trace) =>
  reaches(principal, action, resource, "later", trace) && holds(principal, action, resource, trace)

const evaluateKnowing: Evaluate = (principal, action, resource, trace) =>
  reaches(principal, action, resource, "anything", trace) && holds(principal, action, resource, trace)

/** What of the scopes counts: this action, any action at all, or nothing yet. */
type ScopeQuestion = "action" | "anything" | "later"

function reaches(
  principal: AppCaller,
  action: Action,
  resource: Resource,
  question: ScopeQuestion,
  trace: Check[] | null,
): boolean {
  if (principal.scopes !== null && question !== "later") {
    const covered =
      question === "action"
        ? isCovered(principal.scopes, action, resource.name)
        : isMentioned(principal.scopes, resource.name)
    const what = question === "action" ? `${action.id} (${action.level})` : "anything"
    trace?.push({
      check: "scope",
      passed: covered,
      detail: `${covered ? "a" : "no"} scope of the token covers ${what} on ${resource.name}`,
    })
    if (!covered) return false
  }
  if (principal.kind === "server" || principal.calls === null) return true
  const listed = isListed(principal.calls, resource)
  trace?.push({
    check: "call-token",
    passed: listed,
    detail: `the token reaches only ${[...principal.calls.cids, ...principal.calls.channelCids].join(", ") || "nothing"}`,
  })
  return listed
}

/** Whether a token that is limited to calls and channels lists the one that this is, or is in. */
function isListed({ cids, channelCids }: CallGrant, { kind, id, name }: Resource): boolean {
  if (kind === "call") return cids.includes(id)
  return (kind === "channel" || kind === "message") && channelCids.some((cid) => name === `chat:${cid}`)
}

function holds(principal: AppCaller, action: Action, resource: Resource, trace: Check[] | null): boolean {
  if (principal.kind === "server") return true
  const inTeam = isInTeam(principal, resource)
  trace?.push({ check: "team", passed: inTeam, detail: resource.team === null ? "no team" : `team ${resource.team}` })
  const ban = banOf(principal, action, resource)
  if (ban !== null) {
    trace?.push({ check: "ban", rule: ban.rule, passed: false, detail: `banned from ${ban.from} ${untilOf(ban)}` })
    return false
  }
  const isHeld = holdsGrant(principal, action, resource, inTeam)
  trace?.push({
    check: "grant",
    passed: isHeld,
    detail: `${grantsFor(principal, action, resource, inTeam)} for ${rolesOf(principal, resource).join(", ")}`,
  })
  return isHeld
}

interface StandingBan extends Ban {
  readonly rule: "app" | "channel"
  readonly from: string
}

/**
 * The ban that keeps the caller from doing this, or null. Whoever is banned may read and nothing else (contract/auth.md
 * §3.8); a ban from a channel holds for whatever belongs to it.
 */
function banOf(principal: Caller, action: Action, { name }: Resource): StandingBan | null {
  if (action.level === "read" || principal.kind === "anonymous" || principal.bans === null) return null
  const { app, channels } = principal.bans
  if (app !== null) return { ...app, rule: "app", from: "the app" }
  // A cid always has a colon, so none is a name that every object inherits.
  const cid = name.startsWith("chat:") ? name.slice("chat:".length) : ""
  const ban = cid.includes(":") ? channels[cid] : undefined
  return ban === undefined ? null : { ...ban, rule: "channel", from: `channel ${cid}` }
}

const untilOf = ({ expiresAt }: Ban): string =>
  expiresAt === null ? "for ever" : `until ${new Date(expiresAt).toISOString()}`

function holdsGrant(principal: Caller, action: Action, resource: Resource, inTeam: boolean): boolean {
  const owns = ownsIt(principal, resource)
  return rolesOf(principal, resource).some(
    (role) =>
      isGranted(resource.grants, role, inTeam ? action.id : `${action.id}-any-team`) ||
      (owns && isGranted(resource.grants, role, inTeam ? `${action.id}-owner` : `${action.id}-owner-any-team`)),
  )
}

const grantsFor = (principal: Caller, action: Action, resource: Resource, inTeam: boolean): string =>
  [action.id, ...(ownsIt(principal, resource) ? [`${action.id}-owner`] : [])]
    .map((grant) => (inTeam ? grant : `${grant}-any-team`))
    .join(" or ")

const isInTeam = (principal: Caller, { team }: Resource): boolean =>
  team === null || (principal.kind !== "anonymous" && principal.teams.includes(team))

const ownsIt = (principal: Caller, { ownerId }: Resource): boolean =>
  ownerId !== null && ownerId === userIdOf(principal)

/** Every role that counts: the app's, and those of the relation (or on a call, a call token's role in their place). */
function rolesOf(principal: Caller, resource: Resource): string[] {
  const appRole = principal.kind === "anonymous" ? "anonymous" : principal.role
  if (principal.calls?.role && resource.kind === "call") return [appRole, principal.calls.role]
  return resource.relationRoles.length === 0 ? [appRole] : [appRole, ...resource.relationRoles]
}

function deny(principal: AppCaller, action: Action, resource: Resource, again: Evaluate): Denied {
  const checks: Check[] = []
  again(principal, action, resource, checks)
  const failed = checks.at(-1)?.check
  return {
    allowed: false,
    action: action.id,
    resource: `${resource.kind}:${resource.id}`,
    checks,
    remedy: remedyOf(failed, principal, action, resource),
    error: new ApiError(
      "notAllowed",
      failed === "scope" || principal.kind === "server"
        ? `The token's scopes do not allow ${action.name} on ${resource.name}`
        : failed === "ban"
          ? `User '${userIdOf(principal)}' is banned`
          : refusalText(principal, action, resource),
    ),
  }
}

function remedyOf(
  failed: Check["check"] | undefined,
  principal: AppCaller,
  action: Action,
  resource: Resource,
): string {
  if (failed === "scope" || principal.kind === "server") return `add "${action.level}" to scope "${resource.name}"`
  if (failed === "call-token") {
    if (resource.kind === "call") return `list "${resource.id}" in the token's call_cids`
    if (resource.kind !== "channel" && resource.kind !== "message") {
      return "use a token that is not limited to calls and channels"
    }
    return `list "${resource.name.slice("chat:".length)}" in the token's channel_cids`
  }
  const who = `user '${userIdOf(principal)}'`
  if (failed === "ban") {
    const from =
      banOf(principal, action, resource)?.rule === "channel" ? ` from ${resource.name.slice("chat:".length)}` : ""
    return `unban ${who}${from}, or wait until the ban has run out`
  }
  const inTeam = isInTeam(principal, resource)
  if (!inTeam && holdsGrant(principal, action, resource, true)) return `put ${who} into team "${resource.team}"`
  const grant = inTeam ? action.id : `${action.id}-any-team`
  const [role] = rolesOf(principal, resource).slice(-1)
  const holders = rolesWith(resource.grants, grant)
  const orRole = holders.length === 0 ? "" : `, or give ${who} a role that has it: ${holders.join(", ")}`
  return `grant "${grant}" to role '${role}' in scope '${resource.scope}'${orRole}`
}

// The wording is the wire's (contract/chat.md §1.7): clients show it, tests compare it.
function refusalText(principal: Caller, action: Action, resource: Resource): string {
  const roles = rolesOf(principal, resource)
  const held = roles.length === 1 ? `role '${roles[0]}'` : `roles [${roles.map((role) => `'${role}'`).join(", ")}]`
  return `User '${userIdOf(principal)}' with ${held} is not allowed to perform action ${action.name} in scope '${resource.scope}'`
}

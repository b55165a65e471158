// Takes a token through the gate's checks one by one, by the gate's own functions, and goes on after the first that
// fails: whoever looks for a fault wants to know of all of them. Whether it is let in is not decided here.

import { ANONYMOUS_USER_ID, ApiError } from "@weir/protocol"
import {
  authenticationChecks,
  type KeyState,
  type RevocationQuestion,
  type Revoked,
  type UserState,
} from "./authenticate.ts"
import { standingBans } from "./bans.ts"
import { checkClaims, claimNames, type TokenClaims } from "./claims.ts"
import { refuseRevoked, revokedByField } from "./cut-offs.ts"
import { inspectToken, type TokenInspection } from "./inspect.ts"
import { checkPolicy, type PolicyRule, requireKind } from "./policy.ts"
import { createProof } from "./proof.ts"
import { checkTimes, formProblem, isDevToken, readDevToken, type TokenAlgorithm, verifyToken } from "./token.ts"

/** One check: null where it could not be made. */
export interface MadeCheck {
  readonly check: string
  readonly passed: boolean | null
  readonly detail: string | null
}

/** A token taken apart, and what it stands for as far as it can be read. */
export interface Examined {
  readonly text: string
  readonly parts: TokenInspection
  /** Proved or not; null where they do not read. */
  readonly claims: TokenClaims | null
  /** The user that it names; null: none, or the anonymous one. */
  readonly userId: string | null
}

/** Takes a token apart. Never throws: garbage has problems. */
export function examine(text: string): Examined {
  const parts = inspectToken(text)
  const claims = claimsOf(text, parts)
  const userId = claims === null || claims.userId === ANONYMOUS_USER_ID ? null : claims.userId
  return { text, parts, claims, userId }
}

function claimsOf(text: string, { claims }: TokenInspection): TokenClaims | null {
  if (claims === null) return null
  const own = claimNames.names.map((name) => (Object.hasOwn(claims, name) ? claims[name] : undefined))
  try {
    const read = checkClaims(own)
    return isDevToken(text) ? { ...read, kind: "development" } : read
  } catch (error) {
    if (error instanceof ApiError) return null
    throw error
  }
}

/** The secret that a signature was made with, whether or not it still verifies. */
export interface Signer {
  readonly kid: string
  readonly alg: TokenAlgorithm
  readonly state: string
}

export interface Circumstances {
  /** Null: the app has no such key. */
  readonly state: KeyState | null
  /** Null: none of the app's. */
  readonly signer: Signer | null
  readonly user: UserState | null
  /** Throws while this node cannot know what has been revoked. */
  readonly requireLease: () => void
  readonly revokedBy: (question: RevocationQuestion) => Revoked | null
  readonly nowMs: number
}

/** The credential as a revocation would meet it; null where nothing can be read that one could name. */
export function questionOf(
  { text, claims, userId }: Examined,
  { state, signer }: Pick<Circumstances, "state" | "signer">,
): RevocationQuestion | null {
  if (claims === null || state === null) return null
  const method = claims.kind === "development" ? "devtoken" : "jwt"
  const proof = createProof(method, signer?.kid ?? null, claims, text, signer?.alg ?? null)
  return { appId: state.appId, apiKey: state.apiKey, userId, isServer: claims.kind === "server", proof }
}

export interface Examination {
  /** In the order of the gate. */
  readonly checks: readonly MadeCheck[]
  /** Rules of a strict policy that this app's lets pass. */
  readonly warnings: readonly PolicyRule[]
}

/** Makes every check that can be made. Never throws an ApiError: a refusal is what it reports. */
export function examination(examined: Examined, given: Circumstances): Examination {
  const { claims } = examined
  let warnings: readonly PolicyRule[] = []
  const steps: Record<(typeof authenticationChecks)[number], () => Step> = {
    lease: () => step(given.requireLease, null),
    key: () => step(() => requireKey(given.state), given.state === null ? null : `API key ${given.state.apiKey}`),
    app: () => ofKey(given, (state) => step(() => requireRunning(state), null)),
    kind: () => ofClaims(claims, (read) => step(() => refuseFeeds(read), `it is a ${read.kind} token`)),
    token: () => step(() => requireForm(examined, given.state), null),
    signature: () => ofKey(given, (state) => step(() => prove(examined, state), signatureDetail(examined, given))),
    policy: () =>
      ofKey(given, (state) =>
        ofClaims(claims, (read) =>
          step(() => {
            warnings = checkPolicy(state.policy, read, given.nowMs / 1000)
            for (const kind of callersOf(read, given.user)) requireKind(state.policy, kind)
          }, `the app's policy is ${state.policy.preset}`),
        ),
      ),
    times: () =>
      ofKey(given, (state) =>
        ofClaims(claims, (read) =>
          step(() => checkTimes(read, given.nowMs / 1000, state.policy.leewaySeconds), timesDetail(read, given.nowMs)),
        ),
      ),
    revocation: () => ofKey(given, (state) => revocationStep(examined, given, state)),
    user: () => userStep(examined, given),
  }
  const checks = authenticationChecks.map((check) => ({ check, ...steps[check]() }))
  return { checks, warnings }
}

type Step = Omit<MadeCheck, "check">
const notMade: Step = { passed: null, detail: null }

/** `detail` is what is said of a check that passes. */
function step(check: () => void, detail: string | null): Step {
  try {
    check()
    return { passed: true, detail }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { passed: false, detail: error.why?.detail ?? error.reason }
  }
}

const ofKey = ({ state }: Circumstances, make: (state: KeyState) => Step): Step =>
  state === null ? notMade : make(state)
const ofClaims = (claims: TokenClaims | null, make: (claims: TokenClaims) => Step): Step =>
  claims === null ? notMade : make(claims)

function requireKey(state: KeyState | null): void {
  if (state === null) throw new ApiError("accessKey", "the app has no such key")
  if (state.disabled) throw new ApiError("accessKey", "the key is switched off")
}

function requireRunning({ suspended }: KeyState): void {
  if (suspended) throw new ApiError("appSuspended", "the app is suspended")
}

function refuseFeeds({ kind }: TokenClaims): void {
  if (kind === "feeds") throw new ApiError("authentication", "tokens with resource, action or feed_id are not accepted")
}

function requireForm({ text, parts }: Examined, state: KeyState | null): void {
  if (state?.disableAuthChecks === true && isDevToken(text)) {
    readDevToken(text)
    return
  }
  const problem = parts.problems[0] ?? formProblem(text)
  if (problem !== null) throw new ApiError("authentication", problem)
}

function prove({ text }: Examined, state: KeyState): void {
  if (state.disableAuthChecks && isDevToken(text)) readDevToken(text)
  else verifyToken(text, state.verificationKeys, state.apiKey)
}

function signatureDetail({ text }: Examined, { state, signer }: Circumstances): string | null {
  if (state?.disableAuthChecks === true && isDevToken(text)) return "a development token, which this app takes unsigned"
  return signer === null ? null : `signed with secret ${signer.kid}, which is ${signer.state}`
}

/** What the policy must allow besides the kind of the token itself. */
function callersOf({ userId }: TokenClaims, user: UserState | null): readonly ("anonymous" | "guest")[] {
  if (userId === ANONYMOUS_USER_ID) return ["anonymous"]
  return user?.role === "guest" ? ["guest"] : []
}

function timesDetail({ exp }: TokenClaims, nowMs: number): string {
  return exp === null ? "it never expires" : `it expires in ${Math.floor(exp - nowMs / 1000)} s`
}

// The very two questions that the gate asks, of which servers are asked the first alone.
function revocationStep(examined: Examined, given: Circumstances, state: KeyState): Step {
  const question = questionOf(examined, given)
  if (question === null) return notMade
  const cutoffs = question.isServer
    ? []
    : [state.revokeTokensIssuedBefore, examined.userId === null ? null : (given.user?.revokeTokensIssuedBefore ?? null)]
  const revoked = given.revokedBy(question) ?? revokedByField(question.proof, cutoffs)
  return step(() => refuseRevoked(revoked, question.proof), "nothing has ended it")
}

function userStep({ claims, userId }: Examined, { user, nowMs }: Circumstances): Step {
  if (claims === null) return notMade
  if (userId === null) return { passed: true, detail: "it names no user" }
  if (user === null) return { passed: true, detail: "there is no such user yet; the first use makes one" }
  if (user.deletedAt !== null) return { passed: false, detail: "the user was deleted" }
  if (user.deactivatedAt !== null) return { passed: false, detail: "the user is deactivated" }
  const bans = standingBans(user.bans, nowMs)
  if (bans === null) return { passed: true, detail: `role ${user.role}` }
  const from = bans.app === null ? `from ${Object.keys(bans.channels).length} channels` : "from the app"
  return { passed: true, detail: `role ${user.role}; banned ${from}, which leaves reading` }
}

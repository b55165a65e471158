import {
  type AppCaller,
  inputError,
  notFoundError,
  decisions as operations,
  parseScopes,
  type Scopes,
} from "@weir/protocol"
import { authenticationChecks } from "../../authenticate/authenticate.ts"
import { type Action, can, type Resource } from "../../authorize/decide.ts"
import type { Awaitable } from "../../base/chain.ts"
import { type AdminRoute, adminRead } from "../../request/route.ts"
import type { Read } from "../../store/database.ts"
import { requireApp } from "../apps/index.ts"
import type { Decisions } from "./cache.ts"
import { limits } from "./limits.ts"
import type { Decision, DecisionCheck } from "./rules.ts"
import { type DecisionsPage, selectDecision, selectDecisions } from "./store.ts"

/** How a product lets its nouns be asked about: the very resource that its routes decide on. */
export interface Explainer {
  /** What can be done there. */
  readonly actions: readonly Action[]
  /** The thing with this id as this principal meets it; null when there is none. Throws inputError for an impossible id. */
  readonly resource: (principal: AppCaller, id: string) => Awaitable<Resource | null>
}

export type ExplainedType = "channel" | "call" | "feed" | "user" | "app"

/** What became of a token at the gate: who it makes the caller, or which check refused it. */
export type ProvedToken =
  | { readonly caller: AppCaller }
  | {
      readonly failed: { readonly check: string; readonly rule: string | null; readonly detail: string | null }
      readonly remedy: string
    }

export interface DecisionRouteParts {
  readonly decisions: Pick<Decisions, "recent" | "flush">
  readonly explainers: Readonly<Record<ExplainedType, Explainer>>
  /** The caller that a token for this user would make, with the user's rights as they stand. */
  readonly callerOf: (appId: number, userId: string, scopes: Scopes | null) => Awaitable<AppCaller>
  /** Asks the gate about a token without leaving a trace. Null when the key is not the app's. */
  readonly prove: (appId: number, apiKey: string | null, token: string) => Awaitable<ProvedToken | null>
}

export const decisionRoutes = (parts: DecisionRouteParts): AdminRoute[] => [
  adminRead(operations.getDecision, async ({ input, read }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    const decision = await find(parts, read, input.path.id)
    // Another app's decision is as absent as one that never was.
    if (decision === null || decision.app_id !== appId) throw notFoundError("decision", input.path.id)
    return { decision }
  }),
  adminRead(operations.findDecision, async ({ input, read }) => {
    const decision = await find(parts, read, input.path.id)
    if (decision === null) throw notFoundError("decision", input.path.id)
    return { decision }
  }),
  adminRead(operations.listDecisions, async ({ input, read, now }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    await parts.decisions.flush()
    const limit = input.query.limit ?? limits.pageSizeDefault
    const rows = await selectDecisions(read, {
      appId,
      userId: input.query.user_id ?? null,
      code: input.query.code ?? null,
      operation: input.query.operation ?? null,
      sinceMs: now - limits.keptMs,
      after: cursorOf(input.query.next),
      limit: limit + 1,
    })
    const shown = rows.slice(0, limit)
    const last = shown.at(-1)
    return {
      decisions: shown.map(({ body }) => JSON.parse(body) as Decision),
      next: rows.length > limit && last !== undefined ? `${last.at}.${last.id}` : null,
    }
  }),
  adminRead(operations.explain, async ({ input, read }) => {
    const { id: appId } = await requireApp(read, input.path.app)
    const { body } = input
    if ((body.user_id === undefined) === (body.token === undefined)) {
      throw inputError("name a user_id or a token, and not both", { user_id: "exactly one of user_id and token" })
    }
    const explainer = parts.explainers[body.resource.type]
    const action = explainer.actions.find(({ id, name }) => id === body.action || name === body.action)
    if (action === undefined) {
      const known = explainer.actions.map(({ id }) => id).join(", ")
      throw inputError(`nothing called ${body.action} can be done to a ${body.resource.type}; there is ${known}`, {
        action: `must be one of ${known}`,
      })
    }
    if (body.token === undefined) {
      const caller = await parts.callerOf(appId, body.user_id as string, scopesOf(body.scopes))
      return explained(caller, action, await explainer.resource(caller, body.resource.id), [])
    }
    const proved = await parts.prove(appId, body.api_key ?? null, body.token)
    if (proved === null) throw notFoundError("key", body.api_key ?? "")
    if ("failed" in proved) {
      const at = (authenticationChecks as readonly string[]).indexOf(proved.failed.check)
      const checks = authenticationChecks.map((check, index) => ({
        check,
        passed: index === at ? false : index < at ? true : null,
        detail: index === at ? proved.failed.detail : null,
      }))
      return { allowed: false, checks, failed: proved.failed, remedy: proved.remedy, roles: [] }
    }
    const passed = authenticationChecks.map((check) => ({ check, passed: true, detail: null }))
    return explained(proved.caller, action, await explainer.resource(proved.caller, body.resource.id), passed)
  }),
]

function explained(caller: AppCaller, action: Action, resource: Resource | null, before: readonly DecisionCheck[]) {
  if (resource === null) {
    const detail = "there is no such thing in this app"
    return {
      allowed: false,
      checks: [...before, { check: "existence", passed: false, detail }],
      failed: { check: "existence", rule: null, detail },
      remedy: "make it first, or ask about something that is there",
      roles: [],
    }
  }
  const decision = can(caller, action, resource)
  const roles = rolesOf(caller, resource)
  if (decision.allowed) {
    return {
      allowed: true,
      checks: [...before, { check: "grant", passed: true, detail: `${action.name} on ${resource.id} is allowed` }],
      failed: null,
      remedy: null,
      roles,
    }
  }
  const last = decision.checks.findLast(({ passed }) => !passed)
  return {
    allowed: false,
    checks: [...before, ...decision.checks.map(({ check, passed, detail }) => ({ check, passed, detail }))],
    failed: { check: last?.check ?? "grant", rule: last?.rule ?? null, detail: last?.detail ?? null },
    remedy: decision.remedy ?? `grant ${action.id} to one of the caller's roles in scope ${resource.scope}`,
    roles,
  }
}

function rolesOf(caller: AppCaller, resource: Resource): { role: string; from: string }[] {
  if (caller.kind === "server") return [{ role: "server", from: "a server token, which no grant binds" }]
  if (caller.kind === "anonymous") return [{ role: "anonymous", from: "a caller without a user" }]
  const roles = [{ role: caller.role, from: "the user" }]
  for (const role of resource.relationRoles) roles.push({ role, from: `the user's relation to ${resource.id}` })
  if (resource.ownerId === caller.userId) roles.push({ role: "owner", from: `${resource.id} is the user's own` })
  return roles
}

function scopesOf(scopes: unknown): Scopes | null {
  if (scopes === undefined) return null
  try {
    return parseScopes(scopes)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw inputError(error.message, { scopes: error.message })
  }
}

async function find(parts: DecisionRouteParts, read: Read, id: string): Promise<Decision | null> {
  const known = parts.decisions.recent(id)
  if (known !== undefined) return known
  const row = await selectDecision(read, id)
  return row === undefined ? null : (JSON.parse(row.body) as Decision)
}

/** `<at>.<id>` of the last row of a page. Throws inputError. */
function cursorOf(next: string | undefined): DecisionsPage["after"] {
  if (next === undefined) return null
  const [, at, id] = /^(\d{1,16})\.([0-9a-f-]{36})$/.exec(next) ?? []
  if (at === undefined || id === undefined) {
    throw inputError("next is not a cursor of this list", { next: "is not a cursor of this list" })
  }
  return { at: Number(at), id }
}

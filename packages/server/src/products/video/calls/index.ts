import type { Action } from "../../../authorize/decide.ts"
import type { Explainer } from "../../../core/decisions/index.ts"
import { actions, capabilities } from "./actions.ts"
import { type Calls, callKey } from "./cache.ts"
import { callResource } from "./rules.ts"

export { callTypes, grantsOf } from "./actions.ts"
export { type Calls, callKey, createCalls } from "./cache.ts"
export { migrations } from "./migrations.ts"
export { callRoutes } from "./routes.ts"
export { audienceOf } from "./rules.ts"

/** What can be done in a call, by operations and with media. */
export const callActions: readonly Action[] = [
  ...Object.values(actions),
  ...capabilities.filter(({ id }) => !Object.values(actions).some((own) => own.id === id)),
]

/** Lets operators ask who may do what in a call, by the resource that the routes decide on. */
export const callExplainer = (calls: Calls): Explainer => ({
  actions: callActions,
  async resource(principal, cid) {
    const colon = cid.indexOf(":")
    if (colon <= 0) return null
    const view = await calls.get(callKey(principal.appId, cid))
    return view === null ? null : callResource(principal, cid.slice(0, colon), cid, view)
  },
})

// Requests to the login's own endpoints that want a fresh login: the operator is asked for it once, as for operations.

import { ApiFailure, listeners, requestJson } from "../api/client.ts"

const base = "/dashboard/api/auth"

/** Asks an endpoint of the login. Throws ApiFailure. */
export async function askLogin(method: "GET" | "POST", path: string, body?: object): Promise<unknown> {
  return freshly(() => requestJson(method, `${base}${path}`, method === "POST" ? (body ?? {}) : undefined))
}

/** Runs a request, once more after a step-up when it wanted one. Throws what the request throws. */
export async function freshly<Result>(run: () => Promise<Result>): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof ApiFailure) || !error.needsStepUp || !(await listeners.stepUp())) throw error
    return run()
  }
}

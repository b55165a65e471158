// A token provider that asks an endpoint of the app's own backend, such as the ones that @weir/sdk-server makes.

import { WeirConnectionError } from "./errors.ts"
import type { TokenProvider } from "./tokens.ts"

/**
 * Asks `url` with POST for `{"token": "…"}`. `init` adds what the backend needs to know its user, such as
 * `credentials: "include"`; as a function it is asked anew each time. Rejects `token_refused`, which is final, when the
 * endpoint answers 401 or 403, and `token_provider`, which is tried again, for anything else.
 */
export function tokenEndpoint(url: string, init: RequestInit | (() => RequestInit) = {}): TokenProvider {
  return async (request) => {
    const settings = typeof init === "function" ? init() : init
    const response = await fetch(url, { method: "POST", cache: "no-store", ...settings, signal: request?.signal })
    if (!response.ok) {
      const isFinal = response.status === 401 || response.status === 403
      const message = `the token endpoint answered ${response.status}`
      throw new WeirConnectionError(isFinal ? "token_refused" : "token_provider", message)
    }
    const { token } = (await response.json()) as { token?: unknown }
    if (typeof token !== "string") {
      throw new WeirConnectionError("token_provider", "the token endpoint's answer has no token")
    }
    return token
  }
}

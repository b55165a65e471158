// How the app itself is authorised.

import type { RestAuth } from "../../sdk-client/src/rest.ts"
import type { Timers } from "../../sdk-client/src/timers.ts"
import { limits } from "./limits.ts"
import { createServerTokenAsync } from "./tokens.ts"

/**
 * Authorises REST calls with server tokens. One token serves many requests: signing is cheap, but a token that the
 * server knows already is cheaper there.
 */
export function serverAuth(apiSecret: string, timers: Timers): RestAuth {
  let held: { token: Promise<string>; untilMs: number } | null = null

  function mint(): Promise<string> {
    const nowMs = timers.now()
    const token = createServerTokenAsync(apiSecret, {
      expiresIn: limits.serverTokenLifeSeconds,
      issuedAt: nowMs / 1000 - limits.serverTokenBackdateSeconds,
    })
    held = { token, untilMs: nowMs + (limits.serverTokenLifeSeconds * 1000) / 2 }
    return token
  }

  return {
    kind: "jwt",
    token: () => (held !== null && timers.now() < held.untilMs ? held.token : mint()),
    replace: mint,
  }
}

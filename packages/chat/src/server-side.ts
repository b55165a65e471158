// What needs the API secret. This is the file for browsers and every other place but Node and Bun: there is none.

import type { RestAuth } from "../../sdk-client/src/rest.ts"

export interface ServerSide {
  /** Authorises REST calls as the app itself. Throws as checkSecret does. */
  serverAuth(apiSecret: string): RestAuth
  /** A token with exactly these claims. */
  signToken(apiSecret: string, claims: Record<string, unknown>): string
  verifyWebhook(body: string | Uint8Array, signature: string, apiSecret: string): boolean
}

export const serverSide: ServerSide | null = null as ServerSide | null

// What the demo asks its own server for, as an app asks its backend: names, tokens, and to revoke a user.

import { type TokenProvider, tokenEndpoint } from "@weir/sdk-client"

export interface DemoPlaces {
  readonly channelType: string
  readonly channelId: string
  readonly callType: string
  readonly callPrefix: string
}
export interface DemoUserFacts {
  readonly id: string
  readonly name: string
}
export interface DemoState {
  readonly app_id: number
  readonly api_key: string
  readonly users: readonly [DemoUserFacts, DemoUserFacts]
  readonly places: DemoPlaces
}
export type TokenKind = "full" | "short" | "narrow"

/** What a receipt says that the page shows. */
export interface DemoReceipt {
  readonly id: string
  readonly effective_at: string
  readonly sockets_closed: number
  readonly max_lag_ms: number
}

const base = "/demo/api"

/** Throws Error with the server's own sentence. */
export const readState = (): Promise<DemoState> => ask("GET", "state") as Promise<DemoState>

/** Asks for a token each time that the client needs one. */
export const tokenProvider = (user: string, kind: TokenKind): TokenProvider =>
  tokenEndpoint(`${base}/token`, {
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user, kind }),
  })

/** One token, as text. Throws Error. */
export async function readToken(user: string, kind: TokenKind): Promise<string> {
  const { token } = (await ask("POST", "token", { user, kind })) as { token: string }
  return token
}

/** Ends the user's tokens and sockets; answers the receipt once each node has confirmed. Throws Error. */
export async function revokeUser(user: string): Promise<DemoReceipt> {
  const { receipt } = (await ask("POST", "revoke", { user })) as { receipt: DemoReceipt }
  return receipt
}

async function ask(method: string, name: string, body?: object): Promise<unknown> {
  const response = await fetch(`${base}/${name}`, {
    method,
    cache: "no-store",
    ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  })
  const answer = (await response.json().catch(() => ({}))) as { message?: string }
  if (!response.ok) throw new Error(answer.message ?? `The server answered ${response.status}.`)
  return answer
}

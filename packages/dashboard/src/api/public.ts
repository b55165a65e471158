// Calls of an app's public API, as its own backend would make them: with a server token of ten minutes that reaches no
// further than the operator's role. The explorers read and change through it.

import type { chat, feeds, InputOf, Operation, OutputOf, users, video } from "@weir/protocol"
import { ApiFailure, addressFrom, call, failureOf } from "./client.ts"

export interface PublicOperations {
  DeleteActivity: typeof feeds.deleteActivity
  DeleteMessage: typeof chat.deleteMessage
  EndCall: typeof video.endCall
  GetActivity: typeof feeds.getActivity
  GetCall: typeof video.getCall
  GetMessage: typeof chat.getMessage
  GetOrCreateChannel: typeof chat.getOrCreateChannel
  GetOrCreateFeed: typeof feeds.getOrCreateFeed
  ListChannelTypes: typeof chat.listChannelTypes
  QueryCallMembers: typeof video.queryCallMembers
  QueryChannels: typeof chat.queryChannels
  QueryFollows: typeof feeds.queryFollows
  QueryUsers: typeof users.queryUsers
  UpdateFeedMembers: typeof feeds.updateFeedMembers
}
export type PublicName = keyof PublicOperations

type Op<Name extends PublicName> = PublicOperations[Name] extends Operation ? PublicOperations[Name] : never

/** What an operation takes: the parts that it has none of are left out. */
export interface PublicInput<Name extends PublicName> {
  readonly path?: InputOf<Op<Name>>["path"]
  readonly query?: InputOf<Op<Name>>["query"]
  readonly body?: InputOf<Op<Name>>["body"]
}
export type PublicOutput<Name extends PublicName> = OutputOf<Op<Name>>

const feed = "/api/v2/feeds/feed_groups/{feed_group_id}/feeds/{feed_id}"

/** Method and path of each; public.test.ts holds them against the protocol, which is too big to be sent to browsers. */
export const publicAddresses: Readonly<Record<PublicName, readonly [method: string, path: string]>> = {
  DeleteActivity: ["DELETE", "/api/v2/feeds/activities/{id}"],
  DeleteMessage: ["DELETE", "/api/v2/chat/messages/{id}"],
  EndCall: ["POST", "/api/v2/video/call/{type}/{id}/mark_ended"],
  GetActivity: ["GET", "/api/v2/feeds/activities/{id}"],
  GetCall: ["GET", "/api/v2/video/call/{type}/{id}"],
  GetMessage: ["GET", "/api/v2/chat/messages/{id}"],
  GetOrCreateChannel: ["POST", "/api/v2/chat/channels/{type}/{id}/query"],
  GetOrCreateFeed: ["POST", feed],
  ListChannelTypes: ["GET", "/api/v2/chat/channeltypes"],
  QueryCallMembers: ["POST", "/api/v2/video/call/members"],
  QueryChannels: ["POST", "/api/v2/chat/channels"],
  QueryFollows: ["POST", "/api/v2/feeds/follows/query"],
  QueryUsers: ["GET", "/api/v2/users"],
  UpdateFeedMembers: ["PATCH", `${feed}/members`],
}

export interface Explorer {
  readonly token: string
  readonly api_key: string
  /** Whether it also changes things. */
  readonly writes: boolean
  readonly expires_at: string
}

/** A token that is about to end is not used any more. */
const endsEarlyMs = 30_000
/** Trusted for no longer, whatever the clock of this machine says of its end. */
const trustedMsMax = 10 * 60_000 - endsEarlyMs
const timeoutMs = 30_000

interface Held {
  readonly token: Promise<Explorer>
  endsAtMs: number
}
// In memory only, so that it ends with the page.
const held = new Map<string, Held>()

/** The token of an app's explorers; the server is asked for another shortly before one ends. Throws ApiFailure. */
export function explorerToken(app: string, nowMs = Date.now()): Promise<Explorer> {
  const known = held.get(app)
  if (known !== undefined && known.endsAtMs > nowMs) return known.token
  const token = call("ExplorerToken", { path: { app } })
  const fresh: Held = { token, endsAtMs: nowMs + trustedMsMax }
  held.set(app, fresh)
  token.then(
    ({ expires_at }) => {
      fresh.endsAtMs = Math.min(fresh.endsAtMs, Date.parse(expires_at) - endsEarlyMs)
    },
    () => forget(app, fresh),
  )
  return token
}

function forget(app: string, which: Held | undefined): void {
  if (held.get(app) === which) held.delete(app)
}

export interface PublicRequest {
  readonly method: string
  /** Path and query, without what proves the caller. */
  readonly address: string
  readonly body?: unknown
  readonly signal?: AbortSignal
}

/**
 * Sends a request with the explorer's token and hands back whatever came of it. A token that is not taken any more, as
 * after a revocation, is replaced once. Throws ApiFailure when there is no token, and what fetch throws.
 */
export async function sendPublic(app: string, request: PublicRequest): Promise<Response> {
  const used = explorerToken(app)
  const which = held.get(app)
  const response = await sendWith(await used, request)
  if (response.status !== 401) return response
  forget(app, which)
  await response.body?.cancel()
  return sendWith(await explorerToken(app), request)
}

async function sendWith({ token, api_key }: Explorer, { method, address, body, signal }: PublicRequest) {
  const separator = address.includes("?") ? "&" : "?"
  return fetch(`${address}${separator}api_key=${api_key}`, {
    method,
    headers: {
      authorization: token,
      "stream-auth-type": "jwt",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    // The operator's session has no say here.
    credentials: "omit",
    signal: signal ?? AbortSignal.timeout(timeoutMs),
  })
}

/** Calls an operation of the public API by its name. Throws ApiFailure. */
export async function callPublic<Name extends PublicName>(
  app: string,
  name: Name,
  input: PublicInput<Name> = {},
): Promise<PublicOutput<Name>> {
  const [method, path] = publicAddresses[name]
  const address = addressFrom(path, input)
  let response: Response
  try {
    response = await sendPublic(app, { method, address, body: input.body })
  } catch (error) {
    if (error instanceof ApiFailure) throw error
    throw new ApiFailure(0, 0, "The server cannot be reached. Is it running, and are you online?", {}, null)
  }
  if (!response.ok) throw await failureOf(response)
  return (await response.json()) as PublicOutput<Name>
}

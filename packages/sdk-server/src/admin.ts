// The management API, for scripts of operators: a function for each of its operations.

import { baseUrlOf } from "../../sdk-client/src/base-url.ts"
import { createRest, type Fetch, type QueryValue } from "../../sdk-client/src/rest.ts"
import { systemTimers, type Timers } from "../../sdk-client/src/timers.ts"
import { adminEndpoints, type Endpoint } from "./admin-endpoints.ts"
import type {
  AdminOperations,
  AppUsersQuery,
  DecisionsQuery,
  DeliveriesQuery,
  PageQuery,
  RequestsQuery,
  TrafficQuery,
  UpdateSecretQuery,
} from "./admin-wire.ts"
import { limits } from "./limits.ts"
import { version } from "./version.ts"

export interface WeirAdminOptions {
  /** The server's WEIR_ADMIN_TOKEN. */
  adminToken: string
  /** Address of the server. Without it: the environment's WEIR_URL, else 127.0.0.1:3030. */
  baseUrl?: string
  timeoutMs?: number
  /** Parts that tests and unusual platforms replace. */
  fetch?: Fetch
  timers?: Timers
}

/** Names an app: its number, also as text. */
export type AppId = number | string

/** What an operation is called with; members that it does not have are left out. */
export interface AdminInput {
  path?: Readonly<Record<string, string>>
  query?: object
  body?: object
}

type Name = keyof AdminOperations
type BodyOf<N extends Name> = AdminOperations[N] extends { body: infer Body } ? Body : never

export type WeirAdmin = ReturnType<typeof createWeirAdmin>

/** A caller with the operator's token. Its calls reject with WeirApiError or WeirTransportError. Throws TypeError. */
export function createWeirAdmin(options: WeirAdminOptions) {
  const { adminToken } = options
  if (typeof adminToken !== "string" || adminToken === "") throw new TypeError("adminToken is missing")
  const rest = createRest({
    baseUrl: baseUrlOf(options.baseUrl),
    apiKey: null,
    clientTag: `weir-sdk-server-${version}`,
    timeoutMs: options.timeoutMs ?? limits.requestTimeoutMs,
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    timers: options.timers ?? systemTimers,
  })
  const auth = { kind: "jwt", token: async () => `Bearer ${adminToken}`, replace: null } as const

  async function call<Answer = unknown>(endpoint: Endpoint, { path = {}, query, body }: AdminInput = {}) {
    return rest.call<Answer>(
      {
        method: endpoint.method,
        path: pathOf(endpoint, path),
        query: { ...query } as Record<string, QueryValue>,
        ...(body === undefined ? {} : { body }),
      },
      auth,
    )
  }
  const send = <N extends Name>(name: N, input?: AdminInput): Promise<AdminOperations[N]["answer"]> =>
    call<AdminOperations[N]["answer"]>(adminEndpoints[name], input)
  const inApp = (app: AppId) => ({ app: String(app) })

  return {
    /** Calls any operation whose answer is JSON: for those of a newer server that have no function here. */
    call,

    apps: {
      list: () => send("listApps"),
      /** The answer holds the secret of the app's first key, this once. */
      create: (body: BodyOf<"createApp">) => send("createApp", { body }),
      get: (app: AppId) => send("readApp", { path: inApp(app) }),
      /** Name, environment, suspended, and the switches of authentication. */
      update: (app: AppId, body: BodyOf<"updateAppState">) => send("updateAppState", { path: inApp(app), body }),
    },

    tokenPolicy: {
      /** With what a strict policy would have refused so far. */
      get: (app: AppId) => send("getTokenPolicy", { path: inApp(app) }),
      update: (app: AppId, body: BodyOf<"updateTokenPolicy">) => send("updateTokenPolicy", { path: inApp(app), body }),
    },

    limits: {
      get: (app: AppId) => send("getLimits", { path: inApp(app) }),
      update: (app: AppId, body: BodyOf<"updateLimits">) => send("updateLimits", { path: inApp(app), body }),
    },

    keys: {
      list: (app: AppId) => send("listKeys", { path: inApp(app) }),
      get: (app: AppId, apiKey: string) => send("getKey", { path: { ...inApp(app), api_key: apiKey } }),
      /** The answer holds the secret of the key, this once. */
      create: (app: AppId, body: BodyOf<"createKey"> = {}) => send("createKey", { path: inApp(app), body }),
      update: (app: AppId, apiKey: string, body: BodyOf<"updateKey">) =>
        send("updateKey", { path: { ...inApp(app), api_key: apiKey }, body }),
    },

    secrets: {
      /** The answer's `value` is the secret or private key, this once. */
      create: (app: AppId, apiKey: string, body: BodyOf<"createSecret"> = {}) =>
        send("createSecret", { path: { ...inApp(app), api_key: apiKey }, body }),
      /** Moves a secret through its states; with `dry_run` only counts whom that would cut off. */
      update: (app: AppId, apiKey: string, kid: string, body: BodyOf<"updateSecret">, query: UpdateSecretQuery = {}) =>
        send("updateSecret", { path: { ...inApp(app), api_key: apiKey, kid }, query, body }),
    },

    revocations: {
      /** The answer holds the receipt; see verifyReceipt. With `dry_run` only counts whom it would end. */
      create: (app: AppId, body: BodyOf<"createRevocation">, query: { dry_run?: boolean } = {}) =>
        send("createRevocation", { path: inApp(app), query, body }),
      list: (app: AppId, query: PageQuery = {}) => send("listRevocations", { path: inApp(app), query }),
      get: (app: AppId, id: string) => send("getRevocation", { path: { ...inApp(app), id } }),
      undo: (app: AppId, id: string) => send("undoRevocation", { path: { ...inApp(app), id } }),
      /** Public keys to note somewhere else, so that receipts can be proved later without asking the server. */
      receiptKeys: () => send("listReceiptKeys"),
    },

    sessions: {
      list: (app: AppId, query: PageQuery & { user_id?: string } = {}) =>
        send("listSessions", { path: inApp(app), query }),
      /** Revokes the token of a session and closes its sockets on every node. */
      end: (app: AppId, id: string) => send("endSession", { path: { ...inApp(app), id } }),
    },

    users: {
      /** Newest first; or those whose id or name begins with `q`. */
      list: (app: AppId, query: AppUsersQuery = {}) => send("listAppUsers", { path: inApp(app), query }),
      /** With bans, open sockets on all nodes, recent tokens and what was revoked. */
      get: (app: AppId, user: string) => send("readAppUser", { path: { ...inApp(app), user } }),
    },

    tokens: {
      /** The server signs with a secret of the app. The answer holds the token, this once; createToken needs no call. */
      create: (app: AppId, body: BodyOf<"mintToken">) => send("mintToken", { path: inApp(app), body }),
      /** What a token is, which secret signed it, and whether it would be let in now. Changes nothing. */
      inspect: (app: AppId, body: BodyOf<"inspectToken">) => send("inspectToken", { path: inApp(app), body }),
      /** A server token of 10 minutes for the public API, narrowed to what the caller's role may see and change. */
      explorer: (app: AppId) => send("explorerToken", { path: inApp(app) }),
    },

    grants: {
      /** Roles and what they may do, in one scope or in all. */
      get: (app: AppId, query: { scope?: string } = {}) => send("readGrants", { path: inApp(app), query }),
    },

    decisions: {
      list: (app: AppId, query: DecisionsQuery = {}) => send("listDecisions", { path: inApp(app), query }),
      /** By a refusal's `X-Decision-Id`; without an app, of whichever app it is. */
      get: (id: string, app?: AppId) =>
        app === undefined
          ? send("findDecision", { path: { id } })
          : send("getDecision", { path: { ...inApp(app), id } }),
      /** Whether a user, or the bearer of a token, would be allowed to do something. Changes nothing. */
      explain: (app: AppId, body: BodyOf<"explain">) => send("explain", { path: inApp(app), body }),
    },

    hooks: {
      list: (app: AppId) => send("listHooks", { path: inApp(app) }),
      /** The answer holds the hook's secrets, this once. */
      create: (app: AppId, body: BodyOf<"createHook">) => send("createHook", { path: inApp(app), body }),
      get: (app: AppId, hook: string) => send("readHook", { path: { ...inApp(app), hook } }),
      update: (app: AppId, hook: string, body: BodyOf<"updateHook">) =>
        send("updateHook", { path: { ...inApp(app), hook }, body }),
      delete: (app: AppId, hook: string) => send("deleteHook", { path: { ...inApp(app), hook } }),
      secrets: (app: AppId, hook: string) => send("listHookSecrets", { path: { ...inApp(app), hook } }),
      /** The answer's `secret` holds its value, this once; older ones of its kind sign beside it for a while. */
      createSecret: (app: AppId, hook: string, body: BodyOf<"createHookSecret">) =>
        send("createHookSecret", { path: { ...inApp(app), hook }, body }),
      /** Nothing is signed with it any more, at once. */
      retireSecret: (app: AppId, hook: string, secret: string) =>
        send("retireHookSecret", { path: { ...inApp(app), hook, secret } }),
      /** Sends the hook a sample, or a body of your own. */
      test: (app: AppId, hook: string, body: BodyOf<"sendTestEvent"> = {}) =>
        send("sendTestEvent", { path: { ...inApp(app), hook }, body }),
      stats: (app: AppId) => send("getWebhookStats", { path: inApp(app) }),
      /** Of whoever reads the lines of ListenToHooks. */
      answer: (app: AppId, hook: string, body: BodyOf<"answerDelivery">) =>
        send("answerDelivery", { path: { ...inApp(app), hook }, body }),
    },

    deliveries: {
      /** Newest first. A page may hold few, or none, while `next` says that more follow. */
      list: (app: AppId, query: DeliveriesQuery = {}) => send("listDeliveries", { path: inApp(app), query }),
      /** By its webhook id: with body, attempts and a check of their signatures. */
      get: (app: AppId, delivery: string) => send("readDelivery", { path: { ...inApp(app), delivery } }),
      /** One call replays a bounded number; call again with `next` while the answer says that there are more. */
      replay: (app: AppId, body: BodyOf<"replayDeliveries"> = {}) =>
        send("replayDeliveries", { path: inApp(app), body }),
    },

    traffic: {
      /** The numbers of an app at a glance: the last hour, the last day and the one before. */
      overview: (app: AppId) => send("getOverview", { path: inApp(app) }),
      /** Requests, refusals, latency and sockets over time. */
      list: (app: AppId, query: TrafficQuery = {}) => send("listTraffic", { path: inApp(app), query }),
      /** The latest requests one by one, newest first; hand `after` back to hear what is newer. */
      requests: (app: AppId, query: RequestsQuery = {}) => send("listRequests", { path: inApp(app), query }),
    },

    nodes: {
      list: () => send("listNodes"),
      /** Of the node that answers; secrets are masked. */
      settings: () => send("readSettings"),
    },

    /** Who may log in to the dashboard. */
    team: {
      /** Who asks, and what their role allows. */
      me: () => send("readMe"),
      list: () => send("listOperators"),
      /** Another role, or shut out and let in again. */
      update: (operator: string, body: BodyOf<"updateOperator">) =>
        send("updateOperator", { path: { operator }, body }),
      remove: (operator: string) => send("removeOperator", { path: { operator } }),
      /** A one-time link to a new password; it takes the operator's second factors away. */
      resetLink: (operator: string) => send("createResetLink", { path: { operator } }),
      /** The answer holds the link, this once; no mail is sent. */
      invite: (body: BodyOf<"inviteOperator">) => send("inviteOperator", { body }),
      invites: () => send("listInvites"),
      withdrawInvite: (invite: string) => send("withdrawInvite", { path: { invite } }),
    },

    audit: {
      /** Of one app, or of the whole deployment; newest first. */
      list: (query: PageQuery = {}, app?: AppId) =>
        app === undefined ? send("listAudit", { query }) : send("listAppAudit", { path: inApp(app), query }),
      /** Whether the chain is whole, walked by the server. */
      verify: () => send("verifyAudit"),
    },
  }
}

/** Puts the values into the template, each escaped, so that an id can never reach into another segment. */
function pathOf({ name, path }: Endpoint, values: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, parameter: string) => {
    const value: unknown = values[parameter]
    if (typeof value !== "string" || value === "" || value === "." || value === "..") {
      throw new TypeError(`${name} needs ${parameter}`)
    }
    return encodeURIComponent(value)
  })
}

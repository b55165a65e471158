// The management API, for scripts of operators: a function for each of its operations, typed by the protocol.

import type * as protocol from "../../protocol/src/index.ts"
import type { Operation, OutputOf } from "../../protocol/src/operation.ts"
import { baseUrlOf } from "../../sdk-client/src/base-url.ts"
import { createRest, type Fetch, type QueryValue, type RestRequest } from "../../sdk-client/src/rest.ts"
import { systemTimers, type Timers } from "../../sdk-client/src/timers.ts"
import { type AdminInput, adminEndpoints, type Endpoint } from "./admin-endpoints.ts"
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

type BodyOf<Op extends Operation> = AdminInput<Op>["body"]
type QueryOf<Op extends Operation> = AdminInput<Op>["query"]

export type WeirAdmin = ReturnType<typeof createWeirAdmin>

/** A caller with the operator's token. Its calls reject with WeirApiError or WeirTransportError. Throws TypeError. */
export function createWeirAdmin(options: WeirAdminOptions) {
  const { adminToken } = options
  if (typeof adminToken !== "string" || adminToken === "") throw new TypeError("adminToken is missing")
  const rest = createRest({
    baseUrl: baseUrlOf(options.baseUrl),
    apiKey: "",
    clientTag: `weir-sdk-server-${version}`,
    timeoutMs: options.timeoutMs ?? limits.requestTimeoutMs,
    fetch: options.fetch ?? ((url, init) => fetch(url, init)),
    timers: options.timers ?? systemTimers,
  })
  const auth = { kind: "jwt", token: async () => `Bearer ${adminToken}`, replace: null } as const

  const send = async <Op extends Operation>(
    { name, method, path }: Endpoint<Op>,
    input: AdminInput<Op> = {},
  ): Promise<OutputOf<Op>> => {
    const request: RestRequest = {
      method,
      path: pathOf(name, path, (input.path ?? {}) as Record<string, unknown>),
      query: (input.query ?? {}) as Record<string, QueryValue>,
      ...(input.body === undefined ? {} : { body: input.body as object }),
    }
    return rest.call<OutputOf<Op>>(request, auth)
  }

  const at = adminEndpoints
  type Apps = typeof protocol.apps
  type Keys = typeof protocol.keys
  type Limits = typeof protocol.rateLimits
  type Revocations = typeof protocol.revocations
  type Sessions = typeof protocol.sessions
  type Decisions = typeof protocol.decisions
  type Audit = typeof protocol.audit
  const inApp = (app: AppId) => ({ app: String(app) })

  return {
    /**
     * Calls an operation of the protocol whose caller is an operator. Rejects with TypeError for another, and for one
     * whose answer is no JSON object: `ExportAudit` is `weir audit export`.
     */
    call: async <Op extends Operation>(operation: Op, input: AdminInput<Op> = {}): Promise<OutputOf<Op>> => {
      if (!operation.access.includes("operator")) throw new TypeError(`${operation.name} is not for operators`)
      if (operation.contentType !== undefined) {
        throw new TypeError(`${operation.name} answers ${operation.contentType} and not one JSON object`)
      }
      return send<Op>(operation, input)
    },

    apps: {
      list: () => send(at.listApps),
      /** The answer holds the secret of the app's first key, this once. */
      create: (body: BodyOf<Apps["createApp"]>) => send(at.createApp, { body }),
      get: (app: AppId) => send(at.readApp, { path: inApp(app) }),
      /** Name, environment, suspended, and the switches of authentication. */
      update: (app: AppId, body: BodyOf<Apps["updateAppState"]>) => send(at.updateAppState, { path: inApp(app), body }),
    },

    tokenPolicy: {
      /** With what a strict policy would have refused so far. */
      get: (app: AppId) => send(at.getTokenPolicy, { path: inApp(app) }),
      update: (app: AppId, body: BodyOf<Apps["updateTokenPolicy"]>) =>
        send(at.updateTokenPolicy, { path: inApp(app), body }),
    },

    limits: {
      get: (app: AppId) => send(at.getLimits, { path: inApp(app) }),
      update: (app: AppId, body: BodyOf<Limits["updateLimits"]>) => send(at.updateLimits, { path: inApp(app), body }),
    },

    keys: {
      list: (app: AppId) => send(at.listKeys, { path: inApp(app) }),
      get: (app: AppId, apiKey: string) => send(at.getKey, { path: { ...inApp(app), api_key: apiKey } }),
      /** The answer holds the secret of the key, this once. */
      create: (app: AppId, body: BodyOf<Keys["createKey"]> = {}) => send(at.createKey, { path: inApp(app), body }),
      update: (app: AppId, apiKey: string, body: BodyOf<Keys["updateKey"]>) =>
        send(at.updateKey, { path: { ...inApp(app), api_key: apiKey }, body }),
    },

    secrets: {
      /** The answer's `value` is the secret or private key, this once. */
      create: (app: AppId, apiKey: string, body: BodyOf<Keys["createSecret"]> = {}) =>
        send(at.createSecret, { path: { ...inApp(app), api_key: apiKey }, body }),
      /** Moves a secret through its states; with `dry_run` only counts whom that would cut off. */
      update: (
        app: AppId,
        apiKey: string,
        kid: string,
        body: BodyOf<Keys["updateSecret"]>,
        query: QueryOf<Keys["updateSecret"]> = {},
      ) => send(at.updateSecret, { path: { ...inApp(app), api_key: apiKey, kid }, query, body }),
    },

    revocations: {
      /** The answer holds the receipt; see verifyReceipt. */
      create: (
        app: AppId,
        body: BodyOf<Revocations["createRevocation"]>,
        query: QueryOf<Revocations["createRevocation"]> = {},
      ) => send(at.createRevocation, { path: inApp(app), query, body }),
      list: (app: AppId, query: QueryOf<Revocations["listRevocations"]> = {}) =>
        send(at.listRevocations, { path: inApp(app), query }),
      get: (app: AppId, id: string) => send(at.getRevocation, { path: { ...inApp(app), id } }),
      undo: (app: AppId, id: string) => send(at.undoRevocation, { path: { ...inApp(app), id } }),
      /** Public keys to note somewhere else, so that receipts can be proved later without asking the server. */
      receiptKeys: () => send(at.listReceiptKeys),
    },

    sessions: {
      list: (app: AppId, query: QueryOf<Sessions["listSessions"]> = {}) =>
        send(at.listSessions, { path: inApp(app), query }),
      /** Revokes the token of a session and closes its sockets on every node. */
      end: (app: AppId, id: string) => send(at.endSession, { path: { ...inApp(app), id } }),
    },

    decisions: {
      list: (app: AppId, query: QueryOf<Decisions["listDecisions"]> = {}) =>
        send(at.listDecisions, { path: inApp(app), query }),
      /** By a refusal's `X-Decision-Id`; without an app, of whichever app it is. */
      get: (id: string, app?: AppId) =>
        app === undefined
          ? send(at.findDecision, { path: { id } })
          : send(at.getDecision, { path: { ...inApp(app), id } }),
      /** Whether a user, or the bearer of a token, would be allowed to do something. Changes nothing. */
      explain: (app: AppId, body: BodyOf<Decisions["explain"]>) => send(at.explain, { path: inApp(app), body }),
    },

    audit: {
      /** Of one app, or of the whole deployment; newest first. */
      list: (query: QueryOf<Audit["listAudit"]> = {}, app?: AppId) =>
        app === undefined ? send(at.listAudit, { query }) : send(at.listAppAudit, { path: inApp(app), query }),
      /** Whether the chain is whole, walked by the server. */
      verify: () => send(at.verifyAudit),
    },
  }
}

/** Puts the values into the template, each escaped, so that an id can never reach into another segment. */
function pathOf(name: string, template: string, values: Record<string, unknown>): string {
  return template.replace(/\{(\w+)\}/g, (_, parameter: string) => {
    const value = values[parameter]
    if ((typeof value !== "string" && typeof value !== "number") || value === "" || value === "." || value === "..") {
      throw new TypeError(`${name} needs ${parameter}`)
    }
    return encodeURIComponent(value)
  })
}

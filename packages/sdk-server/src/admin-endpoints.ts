// Where each operation of the management API is. The types are the protocol's; method and path stand here once more,
// because the protocol's own values bring every schema along, ten times the size of this package. A test compares them.

import type * as protocol from "../../protocol/src/index.ts"
import type { InputOf, Method, Operation } from "../../protocol/src/operation.ts"

/** What an operation is called with; members that it does not have may be left out. */
export type AdminInput<Op extends Operation> = Partial<InputOf<Op>>

/** The part of an operation that a call needs. */
export interface Endpoint<Op extends Operation> {
  readonly name: string
  readonly method: Method
  readonly path: string
  /** Never there: it carries the types of the operation's input and output. */
  readonly types?: Op
}

const endpoint = <Op extends Operation>(name: string, method: Method, path: string): Endpoint<Op> => ({
  name,
  method,
  path: `/api/admin/v1${path}`,
})

type Apps = typeof protocol.apps
type Keys = typeof protocol.keys
type Limits = typeof protocol.rateLimits
type Revocations = typeof protocol.revocations
type Sessions = typeof protocol.sessions
type Decisions = typeof protocol.decisions
type Audit = typeof protocol.audit

const key = "/apps/{app}/keys/{api_key}"
const revocation = "/apps/{app}/revocations/{id}"

export const adminEndpoints = {
  createApp: endpoint<Apps["createApp"]>("CreateApp", "POST", "/apps"),
  listApps: endpoint<Apps["listApps"]>("ListApps", "GET", "/apps"),
  readApp: endpoint<Apps["readApp"]>("ReadApp", "GET", "/apps/{app}"),
  updateAppState: endpoint<Apps["updateAppState"]>("UpdateAppState", "PATCH", "/apps/{app}"),
  getTokenPolicy: endpoint<Apps["getTokenPolicy"]>("GetTokenPolicy", "GET", "/apps/{app}/token-policy"),
  updateTokenPolicy: endpoint<Apps["updateTokenPolicy"]>("UpdateTokenPolicy", "PATCH", "/apps/{app}/token-policy"),
  getLimits: endpoint<Limits["getLimits"]>("GetLimits", "GET", "/apps/{app}/limits"),
  updateLimits: endpoint<Limits["updateLimits"]>("UpdateLimits", "PATCH", "/apps/{app}/limits"),
  listKeys: endpoint<Keys["listKeys"]>("ListKeys", "GET", "/apps/{app}/keys"),
  getKey: endpoint<Keys["getKey"]>("GetKey", "GET", key),
  createKey: endpoint<Keys["createKey"]>("CreateKey", "POST", "/apps/{app}/keys"),
  updateKey: endpoint<Keys["updateKey"]>("UpdateKey", "PATCH", key),
  createSecret: endpoint<Keys["createSecret"]>("CreateSecret", "POST", `${key}/secrets`),
  updateSecret: endpoint<Keys["updateSecret"]>("UpdateSecret", "PATCH", `${key}/secrets/{kid}`),
  createRevocation: endpoint<Revocations["createRevocation"]>("CreateRevocation", "POST", "/apps/{app}/revocations"),
  listRevocations: endpoint<Revocations["listRevocations"]>("ListRevocations", "GET", "/apps/{app}/revocations"),
  getRevocation: endpoint<Revocations["getRevocation"]>("GetRevocation", "GET", revocation),
  undoRevocation: endpoint<Revocations["undoRevocation"]>("UndoRevocation", "DELETE", revocation),
  listReceiptKeys: endpoint<Revocations["listReceiptKeys"]>("ListReceiptKeys", "GET", "/receipt-keys"),
  listSessions: endpoint<Sessions["listSessions"]>("ListSessions", "GET", "/apps/{app}/sessions"),
  endSession: endpoint<Sessions["endSession"]>("EndSession", "DELETE", "/apps/{app}/sessions/{id}"),
  getDecision: endpoint<Decisions["getDecision"]>("GetDecision", "GET", "/apps/{app}/decisions/{id}"),
  findDecision: endpoint<Decisions["findDecision"]>("FindDecision", "GET", "/decisions/{id}"),
  listDecisions: endpoint<Decisions["listDecisions"]>("ListDecisions", "GET", "/apps/{app}/decisions"),
  explain: endpoint<Decisions["explain"]>("Explain", "POST", "/apps/{app}/explain"),
  listAppAudit: endpoint<Audit["listAppAudit"]>("ListAppAudit", "GET", "/apps/{app}/audit"),
  listAudit: endpoint<Audit["listAudit"]>("ListAudit", "GET", "/audit"),
  verifyAudit: endpoint<Audit["verifyAudit"]>("VerifyAudit", "GET", "/audit/verify"),
}

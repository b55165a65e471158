// Where each operation of the management API is. Method and path stand here once more, because the protocol's own values
// bring every schema along, several times the size of this package. A test compares them.

import type { RestRequest } from "../../sdk-client/src/rest.ts"
import type { AdminOperations } from "./admin-wire.ts"

/** The part of an operation that a call needs; every operation of the protocol is one, too. */
export interface Endpoint {
  /** Published name. */
  readonly name: string
  readonly method: RestRequest["method"]
  /** Template with `{parameters}`. */
  readonly path: string
}

const endpoint = (name: string, method: Endpoint["method"], path: string): Endpoint => ({
  name,
  method,
  path: `/api/admin/v1${path}`,
})

const key = "/apps/{app}/keys/{api_key}"
const revocation = "/apps/{app}/revocations/{id}"
const hook = "/apps/{app}/hooks/{hook}"

export const adminEndpoints: Readonly<Record<keyof AdminOperations, Endpoint>> = {
  createApp: endpoint("CreateApp", "POST", "/apps"),
  listApps: endpoint("ListApps", "GET", "/apps"),
  readApp: endpoint("ReadApp", "GET", "/apps/{app}"),
  updateAppState: endpoint("UpdateAppState", "PATCH", "/apps/{app}"),
  getTokenPolicy: endpoint("GetTokenPolicy", "GET", "/apps/{app}/token-policy"),
  updateTokenPolicy: endpoint("UpdateTokenPolicy", "PATCH", "/apps/{app}/token-policy"),
  getLimits: endpoint("GetLimits", "GET", "/apps/{app}/limits"),
  updateLimits: endpoint("UpdateLimits", "PATCH", "/apps/{app}/limits"),
  listKeys: endpoint("ListKeys", "GET", "/apps/{app}/keys"),
  getKey: endpoint("GetKey", "GET", key),
  createKey: endpoint("CreateKey", "POST", "/apps/{app}/keys"),
  updateKey: endpoint("UpdateKey", "PATCH", key),
  createSecret: endpoint("CreateSecret", "POST", `${key}/secrets`),
  updateSecret: endpoint("UpdateSecret", "PATCH", `${key}/secrets/{kid}`),
  createRevocation: endpoint("CreateRevocation", "POST", "/apps/{app}/revocations"),
  listRevocations: endpoint("ListRevocations", "GET", "/apps/{app}/revocations"),
  getRevocation: endpoint("GetRevocation", "GET", revocation),
  undoRevocation: endpoint("UndoRevocation", "DELETE", revocation),
  listReceiptKeys: endpoint("ListReceiptKeys", "GET", "/receipt-keys"),
  listSessions: endpoint("ListSessions", "GET", "/apps/{app}/sessions"),
  endSession: endpoint("EndSession", "DELETE", "/apps/{app}/sessions/{id}"),
  getDecision: endpoint("GetDecision", "GET", "/apps/{app}/decisions/{id}"),
  findDecision: endpoint("FindDecision", "GET", "/decisions/{id}"),
  listDecisions: endpoint("ListDecisions", "GET", "/apps/{app}/decisions"),
  explain: endpoint("Explain", "POST", "/apps/{app}/explain"),
  listAppAudit: endpoint("ListAppAudit", "GET", "/apps/{app}/audit"),
  listAudit: endpoint("ListAudit", "GET", "/audit"),
  verifyAudit: endpoint("VerifyAudit", "GET", "/audit/verify"),
  readMe: endpoint("ReadMe", "GET", "/me"),
  listOperators: endpoint("ListOperators", "GET", "/team"),
  updateOperator: endpoint("UpdateOperator", "PATCH", "/team/{operator}"),
  removeOperator: endpoint("RemoveOperator", "DELETE", "/team/{operator}"),
  createResetLink: endpoint("CreateResetLink", "POST", "/team/{operator}/reset-link"),
  inviteOperator: endpoint("InviteOperator", "POST", "/team/invites"),
  listInvites: endpoint("ListInvites", "GET", "/team/invites"),
  withdrawInvite: endpoint("WithdrawInvite", "DELETE", "/team/invites/{invite}"),
  listHooks: endpoint("ListHooks", "GET", "/apps/{app}/hooks"),
  createHook: endpoint("CreateHook", "POST", "/apps/{app}/hooks"),
  readHook: endpoint("ReadHook", "GET", hook),
  updateHook: endpoint("UpdateHook", "PATCH", hook),
  deleteHook: endpoint("DeleteHook", "DELETE", hook),
  listHookSecrets: endpoint("ListHookSecrets", "GET", `${hook}/secrets`),
  createHookSecret: endpoint("CreateHookSecret", "POST", `${hook}/secrets`),
  retireHookSecret: endpoint("RetireHookSecret", "DELETE", `${hook}/secrets/{secret}`),
  sendTestEvent: endpoint("SendTestEvent", "POST", `${hook}/test`),
  answerDelivery: endpoint("AnswerDelivery", "POST", `${hook}/answers`),
  listDeliveries: endpoint("ListDeliveries", "GET", "/apps/{app}/deliveries"),
  readDelivery: endpoint("ReadDelivery", "GET", "/apps/{app}/deliveries/{delivery}"),
  replayDeliveries: endpoint("ReplayDeliveries", "POST", "/apps/{app}/deliveries/replay"),
  getWebhookStats: endpoint("GetWebhookStats", "GET", "/apps/{app}/webhooks/stats"),
  listAppUsers: endpoint("ListAppUsers", "GET", "/apps/{app}/users"),
  readAppUser: endpoint("ReadAppUser", "GET", "/apps/{app}/users/{user}"),
  mintToken: endpoint("MintToken", "POST", "/apps/{app}/tokens"),
  inspectToken: endpoint("InspectToken", "POST", "/apps/{app}/tokens/inspect"),
  explorerToken: endpoint("ExplorerToken", "POST", "/apps/{app}/explorer-token"),
  readGrants: endpoint("ReadGrants", "GET", "/apps/{app}/grants"),
  getOverview: endpoint("GetOverview", "GET", "/apps/{app}/overview"),
  listTraffic: endpoint("ListTraffic", "GET", "/apps/{app}/traffic"),
  listRequests: endpoint("ListRequests", "GET", "/apps/{app}/requests"),
  listNodes: endpoint("ListNodes", "GET", "/nodes"),
  readSettings: endpoint("ReadSettings", "GET", "/settings"),
}

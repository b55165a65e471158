// The public surface of @weir/sdk-server.

export { WeirApiError, WeirTransportError } from "../../sdk-client/src/errors.ts"
export type { Operations } from "../../sdk-client/src/operations.ts"
export type * from "../../sdk-client/src/wire.ts"
export { type AdminInput, type AppId, createWeirAdmin, type WeirAdmin, type WeirAdminOptions } from "./admin.ts"
export type { Endpoint } from "./admin-endpoints.ts"
export type * from "./admin-wire.ts"
export type { HonoContext, NodeRequest, NodeResponse } from "./endpoint.ts"
export { limits } from "./limits.ts"
export { type Receipt, type ReceiptKey, verifyReceipt } from "./receipts.ts"
export { createWeirServer, type WeirServer, type WeirServerOptions, WeirTaskError } from "./server.ts"
export { type AuthMethod, type SignatureOptions, signRequest } from "./server-auth.ts"
export type { PrivateKeyObject, SigningKey, WebCryptoKey } from "./signing.ts"
export {
  expressTokenEndpoint,
  honoTokenEndpoint,
  nextTokenEndpoint,
  type TokenAnswer,
  type TokenEndpointOptions,
} from "./token-endpoint.ts"
export {
  type CallTokenOptions,
  createCallToken,
  createCallTokenAsync,
  createServerToken,
  createServerTokenAsync,
  createToken,
  createTokenAsync,
  type Duration,
  type TokenOptions,
} from "./tokens.ts"
export { version } from "./version.ts"
export { readWebhook, verifyWebhook, verifyWebhookAsync } from "./webhooks.ts"
export type { WebhookBody } from "./webhooks-body.ts"
export { type WebhookErrorCode, WeirWebhookError } from "./webhooks-error.ts"
export {
  expressWebhook,
  honoWebhook,
  type NodeWebhookRequest,
  nextWebhook,
  type WebhookAnswer,
  type WebhookOptions,
} from "./webhooks-middleware.ts"
export { createReplayCache, type ReplayCache, type ReplayCacheOptions, type ReplayState } from "./webhooks-replay.ts"
export {
  createWebhookVerifier,
  type WebhookEvent,
  type WebhookHeaders,
  type WebhookVerifier,
  type WebhookVerifierOptions,
} from "./webhooks-verifier.ts"

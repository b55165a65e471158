// The public surface of @weir/sdk-client.

export { baseUrlOf } from "./base-url.ts"
export type { Call } from "./call.ts"
export type { Channel } from "./channel.ts"
export { WeirClient, type WeirClientOptions } from "./client.ts"
export type { ConnectionState } from "./connection.ts"
export type { AnyEvent, EventOf, Listener } from "./emitter.ts"
export {
  type ConnectionFailure,
  type TransportReason,
  WeirApiError,
  WeirConnectionError,
  WeirTransportError,
} from "./errors.ts"
export type {
  ClockSkewedEvent,
  ConnectionChangedEvent,
  ConnectionFailedEvent,
  ConnectionOkEvent,
  ConnectionRecoveredEvent,
  ConnectionUnrecoveredEvent,
  WeirEvent,
} from "./events.ts"
export type { Feed } from "./feed.ts"
export { limits } from "./limits.ts"
export type { Operations } from "./operations.ts"
export type { Fetch, RestAuth } from "./rest.ts"
export type { OpenSocket, Socket } from "./socket.ts"
export type { TabChannel, TabLocks, TabParts } from "./tabs.ts"
export type { Timers } from "./timers.ts"
export { tokenEndpoint } from "./token-endpoint.ts"
export type { TokenOrProvider, TokenProvider, TokenRequest } from "./tokens.ts"
export { version } from "./version.ts"
export type * from "./wire.ts"

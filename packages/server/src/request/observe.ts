// What is told of requests and sockets to whoever counts them. The request stage makes these calls where it answers,
// in the same tick; core/traffic counts. Nothing here may throw, wait, or keep the request.

import type { ApiError, AppCaller } from "@weir/protocol"

/** A request at the moment of its answer, as the pipeline holds it. Good during the call only. */
export interface ObservedRequest {
  readonly request: Request
  readonly peer: { readonly address: string }
  /** Of performance.now(). */
  readonly startedMs: number
  /** Published name of the operation; `Request` where none was found. */
  readonly operation: string
  /** Null where nobody was known, and for operators. */
  readonly caller: AppCaller | null
  /** Null where it did not come to that. */
  readonly credentials: { readonly apiKey: string | null; readonly client: string | null } | null
}

/** A refusal's part: what was wrong, and the id under which the reasons are kept. */
export interface ObservedRefusal {
  readonly error: ApiError
  readonly decisionId: string | null
}

/** Told of each request once, with the status that it is answered with. */
export type ObserveRequest = (observed: ObservedRequest, status: number, refusal: ObservedRefusal | null) => void

/** A socket's handshake at its end. Good during the call only. */
export interface ObservedHandshake {
  readonly path: string
  /** Of performance.now(), when the first frame was there. */
  readonly startedMs: number
  readonly apiKey: string | null
  readonly client: string | null
  readonly address: string
  readonly caller: AppCaller | null
}

export interface ObserveSockets {
  /** The handshake is over: with a welcome (null), or with a refusal. */
  handshake(observed: ObservedHandshake, refusal: ObservedRefusal | null): void
  /** A socket was let in. Each of these is followed by one `closed`. */
  opened(appId: number): void
  closed(appId: number): void
}

// A refusal as a value: everything that an operator may want to know of it later. The request stage makes it, the
// module core/decisions keeps it; allowed requests never meet this file.

import type { ApiError, AppCaller } from "@weir/protocol"
import type { Denied } from "../authorize/decide.ts"

/** Where in the pipeline it was refused. */
export type RefusalStage = "authenticate" | "access" | "rate-limit" | "input" | "load" | "authorize" | "handle"

export interface Refusal {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Published name of the operation; `Connect` for sockets, `Request` where none was found. */
  readonly operation: string
  readonly stage: RefusalStage
  readonly error: ApiError
  /** Null when the caller could not be known. */
  readonly caller: AppCaller | null
  /** The decision, where one was made. */
  readonly denied: Denied | null
  /** As the request named it; it may name no app. */
  readonly apiKey: string | null
  /** What was sent along as a token, whole. Only for reading facts from; it must not be kept. */
  readonly authorization: string | null
  /** `X-Stream-Client`. */
  readonly client: string | null
  readonly address: string
}

/** Keeps a refusal and answers its id, for `X-Decision-Id`. Synchronous, bounded, never throws. */
export type RecordRefusal = (refusal: Refusal) => string

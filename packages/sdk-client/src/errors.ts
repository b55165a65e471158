// What can go wrong, as three classes: the server refused (WeirApiError), the answer never came
// (WeirTransportError), or there is no connection to speak over (WeirConnectionError).

/** The envelope on the wire (contract/auth.md §5.1). Everything may be missing when a proxy answered instead. */
interface Envelope {
  code?: unknown
  message?: unknown
  StatusCode?: unknown
  more_info?: unknown
  details?: unknown
  exception_fields?: unknown
  unrecoverable?: unknown
}

export interface WeirApiErrorFields {
  status: number
  code: number
  message: string
  retryAfterSeconds?: number | null
  moreInfo?: string | null
  decisionId?: string | null
  fields?: Record<string, string>
  details?: number[]
  unrecoverable?: boolean
}

/** Number of an expired or revoked token; the only refusal that a new token can cure. */
export const TOKEN_EXPIRED = 40
/** The gate cannot know the truth at the moment and lets nobody in. */
export const UNAVAILABLE = -3
/** The socket named in `connection_id` is gone. */
export const CONNECTION_NOT_FOUND = 46

/** The server answered with an error. Codes are listed in docs/errors. */
export class WeirApiError extends Error {
  override readonly name = "WeirApiError"
  /** HTTP status; for a socket's error frame the one that its envelope names. */
  readonly status: number
  /** Number in the catalogue; 0 when the body was not an error envelope. */
  readonly code: number
  /** The sentence inside `<Operation> failed with error: "…"`. */
  readonly reason: string
  /** Seconds to wait, from `Retry-After`; null when there was none. */
  readonly retryAfterSeconds: number | null
  /** Address of the page about this code. */
  readonly moreInfo: string | null
  /** What to ask an operator about (`weir why <id>`). */
  readonly decisionId: string | null
  /** Validation messages by field. */
  readonly fields: Readonly<Record<string, string>>
  readonly details: readonly number[]
  /** The same request will never succeed. */
  readonly unrecoverable: boolean

  constructor(fields: WeirApiErrorFields) {
    super(fields.message)
    this.status = fields.status
    this.code = fields.code
    this.reason = reasonOf(fields.message)
    this.retryAfterSeconds = fields.retryAfterSeconds ?? null
    this.moreInfo = fields.moreInfo ?? null
    this.decisionId = fields.decisionId ?? null
    this.fields = fields.fields ?? {}
    this.details = fields.details ?? []
    this.unrecoverable = fields.unrecoverable ?? false
  }
}

/** Why no answer came: out of time, or the network (which browsers do not explain further). */
export type TransportReason = "timeout" | "network"

/** A request went out, or could not, and no answer came back. */
export class WeirTransportError extends Error {
  override readonly name = "WeirTransportError"

  constructor(
    readonly reason: TransportReason,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options)
  }
}

export type ConnectionFailure =
  | "timeout"
  | "network"
  /** The server closed the socket and its close code says not to come back, or the first connect used up its attempts. */
  | "closed"
  /** `disconnect()` was called meanwhile. */
  | "disconnected"
  /** The app's token provider threw, hung or gave no string. */
  | "token_provider"
  /** The app's backend says that this user may have no token (401 or 403). */
  | "token_refused"
  /** The provider handed out a token that the server had already refused. */
  | "token_stale"
  /** The token cannot be read, or belongs to another user. */
  | "token_mismatch"
  /** Calls that need a user or a socket came before `connect()`, or another user is connected. */
  | "not_connected"
  | "already_connected"

/** There is no connection, and why. */
export class WeirConnectionError extends Error {
  override readonly name = "WeirConnectionError"

  constructor(
    readonly reason: ConnectionFailure,
    message: string,
    options?: { cause?: unknown; closeCode?: number },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.closeCode = options?.closeCode ?? null
  }

  /** WebSocket close code, when a close was the cause. */
  readonly closeCode: number | null
}

const reasonOf = (message: string): string => /failed with error: "([\s\S]*)"$/.exec(message)?.[1] ?? message

interface HeaderSource {
  get(name: string): string | null
}

/** Reads a 4xx or 5xx. `nowMs` turns a `Retry-After` date into seconds. Never throws. */
export function apiErrorOf(status: number, headers: HeaderSource, bodyText: string, nowMs: number): WeirApiError {
  const envelope = parsed(bodyText)
  const known = envelope !== null && typeof envelope.code === "number"
  return new WeirApiError({
    ...fieldsOf(envelope ?? {}),
    status,
    ...(known ? {} : { code: 0, message: `HTTP ${status} without an error envelope` }),
    retryAfterSeconds: retryAfterSecondsOf(headers.get("retry-after"), nowMs),
    decisionId: headers.get("x-decision-id"),
  })
}

/** Reads the `error` member of a `connection.error` frame. Never throws. */
export function frameErrorOf(envelope: unknown): WeirApiError {
  const fields = fieldsOf((typeof envelope === "object" && envelope !== null ? envelope : {}) as Envelope)
  return new WeirApiError(fields)
}

function fieldsOf(envelope: Envelope): WeirApiErrorFields {
  return {
    status: numberOf(envelope.StatusCode, 0),
    code: numberOf(envelope.code, 0),
    message: typeof envelope.message === "string" ? envelope.message : "the server refused without a reason",
    moreInfo: typeof envelope.more_info === "string" && envelope.more_info !== "" ? envelope.more_info : null,
    fields: stringsOf(envelope.exception_fields),
    details: Array.isArray(envelope.details) ? envelope.details.filter((detail) => typeof detail === "number") : [],
    unrecoverable: envelope.unrecoverable === true,
  }
}

/** Whole seconds, or an HTTP date (RFC 9110 §10.2.3); a past date is 0, anything else null. */
export function retryAfterSecondsOf(header: string | null, nowMs: number): number | null {
  if (header === null || header.trim() === "") return null
  if (/^\d+$/.test(header.trim())) return Number(header)
  const dateMs = Date.parse(header)
  return Number.isNaN(dateMs) ? null : Math.max(0, Math.ceil((dateMs - nowMs) / 1000))
}

const numberOf = (value: unknown, otherwise: number): number => (typeof value === "number" ? value : otherwise)

function stringsOf(value: unknown): Record<string, string> {
  if (typeof value !== "object" || value === null) return {}
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]))
}

function parsed(text: string): Envelope | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null ? value : null
  } catch {
    return null
  }
}

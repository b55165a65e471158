// One catalogue for the platform's errors: chat, video, feeds v3 and the management API share it. Everything
// else derives from it: classes, SDK types and the pages in docs/errors. Feeds v2 numbers its errors differently
// (there 3, 5, 6, 7, 18 and 22 mean other things), so its table is another type in feeds-v2-errors.ts.

/** What a caller should do after an error: give up, fix the request, get a new token, or come back later. */
export type RetryAdvice = "never" | "new-token" | "later"

export interface CatalogueEntry {
  /** Number on the wire, stable for ever. */
  readonly code: number
  /** HTTP status. */
  readonly status: number
  /** Published name of the error. */
  readonly title: string
  readonly retry: RetryAdvice
}

/** Source: contract/auth.md §5.2. */
export const errorCatalogue = {
  /** Weir's own: the gate fails closed while it cannot know what has been revoked. */
  unavailable: { code: -3, status: 503, title: "Temporarily Unavailable Error", retry: "later" },
  internal: { code: -1, status: 500, title: "Internal System Error", retry: "later" },
  accessKey: { code: 2, status: 401, title: "Access Key Error", retry: "never" },
  input: { code: 4, status: 400, title: "Input Error", retry: "never" },
  authentication: { code: 5, status: 401, title: "Authentication Error", retry: "never" },
  rateLimit: { code: 9, status: 429, title: "Rate Limit Error", retry: "later" },
  notFound: { code: 16, status: 404, title: "Does Not Exist Error", retry: "never" },
  notAllowed: { code: 17, status: 403, title: "Not Allowed Error", retry: "never" },
  eventNotSupported: { code: 18, status: 400, title: "Event Not Supported Error", retry: "never" },
  messageTooLong: { code: 20, status: 400, title: "Message Too Long Error", retry: "never" },
  nestingLevel: { code: 21, status: 400, title: "Multiple Nesting Level Error", retry: "never" },
  payloadTooBig: { code: 22, status: 413, title: "Payload Too Big Error", retry: "never" },
  tokenExpired: { code: 40, status: 401, title: "Authentication Token Expired", retry: "new-token" },
  tokenNotValidYet: { code: 41, status: 401, title: "Authentication Token Not Valid Yet", retry: "never" },
  tokenBeforeIssuedAt: { code: 42, status: 401, title: "Authentication Token Before Issued At", retry: "never" },
  tokenSignature: { code: 43, status: 401, title: "Authentication Token Signature Invalid", retry: "never" },
  connectionNotFound: { code: 46, status: 404, title: "Connection Id Not Found", retry: "never" },
  appSuspended: { code: 99, status: 403, title: "App Suspended Error", retry: "never" },
} as const satisfies Record<string, CatalogueEntry>

export type ErrorName = keyof typeof errorCatalogue

/** The JSON body of every 4xx and 5xx, and the `error` member of a socket's error frame (contract/auth.md §5.1). */
export interface ErrorEnvelope {
  code: number
  message: string
  /** HTTP status once more; the spelling is the wire's. */
  StatusCode: number
  /** Time the server spent, such as `0.42ms`. */
  duration: string
  more_info: string
  details: number[]
  exception_fields?: Record<string, string>
  unrecoverable?: boolean
}

/** Why a caller was refused, for operators: kept with the decision and logged, never sent. Holds no secret. */
export interface Why {
  /** The check that failed, such as `signature`, `policy`, `revocation`, `scope`, `grant`, `rate-limit`. */
  readonly check: string
  /** The rule within the check, such as `require_exp`. */
  readonly rule?: string
  /** One sentence. */
  readonly detail?: string
  /** The smallest change that would have allowed it, one sentence. */
  readonly remedy?: string
  readonly facts?: Readonly<Record<string, string | number | boolean | null>>
}

export interface ApiErrorOptions {
  /** Validation messages by field. */
  fields?: Record<string, string>
  /** For operators only: joined in the log, never sent. */
  internal?: string
  /** For operators only: what decided, and what would have helped. */
  why?: Why
  /** Whole seconds for the header `Retry-After`. */
  retryAfterSeconds?: number
  /** The cause, for the log. */
  cause?: unknown
}

/**
 * An error with two texts: `reason` is public and becomes `<Operation> failed with error: "<reason>"`;
 * `internal` is for the log alone. Pure rules throw it; the edge renders it.
 */
export class ApiError extends Error {
  override readonly name = "ApiError"
  readonly code: number
  readonly status: number
  readonly kind: ErrorName
  readonly reason: string
  readonly fields: Record<string, string> | undefined
  readonly internal: string | undefined
  readonly why: Why | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(kind: ErrorName, reason: string, options: ApiErrorOptions = {}) {
    super(reason, options.cause === undefined ? undefined : { cause: options.cause })
    const entry = errorCatalogue[kind]
    this.kind = kind
    this.code = entry.code
    this.status = entry.status
    this.reason = reason
    this.fields = options.fields
    this.internal = options.internal
    this.why = options.why
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** 400/4: the request's data is wrong; `fields` names the culprits. */
export const inputError = (reason: string, fields?: Record<string, string>): ApiError =>
  new ApiError("input", reason, fields ? { fields } : {})

/** 404/16: absent, or hidden from this caller; the text must be the same in both cases. */
export const notFoundError = (what: string, id: string): ApiError =>
  new ApiError("notFound", `Can't find ${what} with id ${id}`)

/** Renders an error for the wire. `operation` is the published operation name, e.g. `SendMessage`. */
export function errorEnvelope(error: ApiError, operation: string, duration: string, moreInfo: string): ErrorEnvelope {
  const envelope: ErrorEnvelope = {
    code: error.code,
    message: `${operation} failed with error: "${error.reason}"`,
    StatusCode: error.status,
    duration,
    more_info: moreInfo,
    details: [],
  }
  if (error.fields) envelope.exception_fields = error.fields
  if (errorCatalogue[error.kind].retry === "never") envelope.unrecoverable = true
  return envelope
}

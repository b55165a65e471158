// Requests and answers of the login as they travel: bodies that are taken apart member by member, cookies, and the
// library's refusals as ours.

import { ApiError, type ErrorName, errorCatalogue, inputError, type OperatorPrincipal } from "@weir/protocol"
import { parseBytes, readBytes } from "../../request/body.ts"
import type { Peer } from "../../request/http.ts"
import type { Tx } from "../../store/database.ts"
import { UniqueViolation } from "../../store/errors.ts"
import type { OperatorSession } from "./cache.ts"
import { limits } from "./limits.ts"
import { cookiePrefix, wrongLogin } from "./login.ts"
import { emailOf, sessionCookieName, sessionTokenIn } from "./rules.ts"

/** A request as its handler sees it. */
export interface Call {
  readonly request: Request
  readonly peer: Peer
  readonly body: Readonly<Record<string, unknown>>
  /** The caller's session and its token, when they have one that counts. */
  readonly session: OperatorSession | null
  readonly token: string | null
  readonly now: number
}
export type Handle = (call: Call) => Promise<Response>
export type FieldKind = "text" | "flag" | "credential"

/** An endpoint of the login's library: which members of the body go through, and what it asks besides. */
export interface Passed {
  readonly fields: Readonly<Record<string, FieldKind>>
  /** A login that this completes, as the audit log names it. */
  readonly logsIn?: string
  /** What it is called when somebody is logged in already. */
  readonly again?: string
  /** Counts as an attempt to guess, with the account that is attacked; null: no certain one. */
  readonly guesses?: (call: Call) => string | null
  /** What the proof is held against: when it is another at the end than at the beginning, nothing was proved. */
  readonly heldAgainst?: (call: Call) => Promise<string | null>
  /** Takes away what came of it besides a session, when nothing was proved. */
  readonly undo?: (tx: Tx, operatorId: string, call: Call) => Promise<unknown>
  /** The session must be fresh. */
  readonly isFresh?: boolean
  /** What it did to the operator's own account, for the audit log. */
  readonly audited?: string
  /** Devices that were trusted are asked for the second factor again, and half-finished logins lead nowhere. */
  readonly forgetsDevices?: boolean
  readonly guard?: (call: Call, session: OperatorSession) => Promise<void>
}

export const providerAway = (): ApiError =>
  new ApiError("unavailable", "the provider cannot be reached; log in with your password or a passkey", {
    retryAfterSeconds: Math.ceil(limits.ssoRetryMs / 1000),
  })
export const wrongLink = "this link opens nothing: it was used, withdrawn, or is too old"
export const notLoggedIn = (): ApiError =>
  new ApiError("authentication", "log in, or come with the admin token", {
    why: { check: "operator", rule: "session", detail: "there is no session, or it has ended", remedy: "log in" },
  })
export const tooLong = (field: string): ApiError => inputError(`${field} is too long`, { [field]: "is too long" })

export const principalOf = ({ id, operatorId, email, role, verifiedAtMs }: OperatorSession): OperatorPrincipal => ({
  kind: "operator",
  name: email,
  role,
  operatorId,
  sessionId: id,
  verifiedAtMs,
})

export function apiErrorOf(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown
  if (thrown instanceof UniqueViolation) return inputError("somebody was a moment faster, try again")
  return new ApiError("internal", "internal error", { internal: String(thrown), cause: thrown })
}

export async function bodyOf(request: Request): Promise<Readonly<Record<string, unknown>>> {
  if (!/^application\/json\b/i.test(request.headers.get("content-type") ?? "")) {
    throw inputError("send JSON, with content-type application/json")
  }
  const bytes = await readBytes(request)
  if (bytes.length > limits.bodyBytesMax) {
    throw new ApiError("payloadTooBig", `the request body is larger than ${limits.bodyBytesMax} bytes`)
  }
  const body = parseBytes(request, bytes)
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw inputError("the body is no JSON object")
  return body as Record<string, unknown>
}

/** Members of a body that must be texts. Throws inputError for others. */
export function texts<Name extends string>(
  body: Readonly<Record<string, unknown>>,
  ...names: Name[]
): Record<Name, string> {
  const found = {} as Record<Name, string>
  for (const name of names) {
    const value = Object.hasOwn(body, name) ? body[name] : undefined
    if (typeof value !== "string") throw inputError(`${name} must be a text`, { [name]: "must be a text" })
    if (value.length > limits.textCharsMax) throw tooLong(name)
    found[name] = value
  }
  return found
}

/** What of a body goes on to the library: the members that were named, each of its kind, and nothing else. */
export function pick(body: Readonly<Record<string, unknown>>, fields: Passed["fields"]): Record<string, unknown> {
  const picked: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(fields)) {
    const value = Object.hasOwn(body, name) ? body[name] : undefined
    if (value === undefined) continue
    const isRight =
      kind === "text"
        ? typeof value === "string" && value.length <= limits.textCharsMax
        : kind === "flag"
          ? typeof value === "boolean"
          : isCredential(value)
    if (!isRight) throw inputError(`${name} is not valid`, { [name]: "is not valid" })
    picked[name] = value
  }
  return picked
}

/** A browser's answer to a passkey's challenge, as far as it can be told before it is proved (WebAuthn §5.1). */
const isCredential = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return false
  const { id, response } = value as { id?: unknown; response?: unknown }
  return typeof id === "string" && id !== "" && typeof response === "object" && response !== null
}

export function pickTexts(query: URLSearchParams, { fields }: Passed): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const name of Object.keys(fields)) {
    const value = query.get(name)
    if (value !== null) picked[name] = value.slice(0, limits.textCharsMax)
  }
  return picked
}

export function requireEmail(given: string): string {
  const email = emailOf(given)
  if (email.length > limits.emailCharsMax || !/^[^\s@,;<>"]{1,64}@[^\s@,;<>"]{1,190}$/.test(email)) {
    throw inputError("email is no address", { email: "is no address" })
  }
  return email
}

export function requireName(name: string): void {
  const { nameCharsMax } = limits
  if (name.trim() === "") throw inputError("name is empty", { name: "is empty" })
  if (name.trim().length > nameCharsMax)
    throw inputError(`name is too long`, { name: `at most ${nameCharsMax} characters` })
}

/** The library's cookies among those of a request; the session's only while it counts. */
export const ownCookies = (header: string | null, hasSession: boolean): string =>
  (header ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(cookiePrefix) && (hasSession || !pair.startsWith(`${sessionCookieName}=`)))
    .join("; ")

export const cookieValue = ({ headers }: Request, name: string): string | null =>
  (headers.get("cookie") ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1) ?? null

/** Token of the session that an answer of the library sets; null when it sets none. */
export function tokenSet(cookies: readonly string[], secret: string): string | null {
  const set = cookies.findLast((cookie) => cookie.startsWith(`${sessionCookieName}=`))?.split(";")[0] ?? null
  return set === null || set === `${sessionCookieName}=` ? null : sessionTokenIn(set, secret)
}

/** The library's answers repeat the session's token, which pages have no use for. */
export function withoutTokens(value: unknown): object {
  const clean = (item: unknown): unknown => {
    if (Array.isArray(item)) return item.map(clean)
    if (typeof item !== "object" || item === null) return item
    return Object.fromEntries(
      Object.entries(item)
        .filter(([name]) => name !== "token")
        .map(([name, member]) => [name, clean(member)]),
    )
  }
  return (clean(value) ?? {}) as object
}

export const isGuess = (error: ApiError): boolean => error.kind === "authentication" || error.kind === "input"

const kinds: Readonly<Record<number, ErrorName>> = {
  400: "input",
  401: "authentication",
  403: "notAllowed",
  404: "notFound",
  409: "input",
  422: "input",
  429: "rateLimit",
  503: "unavailable",
}

/** A refusal of the library as one of ours. */
export async function failureOf(response: Response, { session }: Call): Promise<ApiError> {
  const said = (await response.json().catch(() => ({}))) as { code?: unknown; message?: unknown }
  const code = typeof said.code === "string" ? said.code : ""
  const known = kinds[response.status] ?? "internal"
  const reason = code === "INVALID_EMAIL_OR_PASSWORD" ? wrongLogin : plainReason(said.message)
  // The library calls whatever it cannot read of an authenticator's answer its own fault.
  if (code === "FAILED_TO_VERIFY_REGISTRATION") return inputError("this is no passkey that can be used here")
  if (known === "internal") return new ApiError("internal", errorCatalogue.internal.title, { internal: reason })
  // Whoever is logged in and mistypes a code is logged in still.
  const kind = known === "authentication" && session !== null ? "input" : known
  return new ApiError(kind, reason, {
    ...(code === "" ? {} : { fields: { reason: code.toLowerCase() } }),
    ...(kind === "unavailable" ? { retryAfterSeconds: 1 } : {}),
    ...(kind === "rateLimit" ? { retryAfterSeconds: limits.totpShutSeconds } : {}),
  })
}

const plainReason = (message: unknown): string =>
  typeof message === "string" && message !== "" ? message.slice(0, 200) : "this was refused"

const pageHeaders = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
} as const

export function json(body: object, status = 200, cookies: readonly string[] = []): Response {
  const response = new Response(JSON.stringify(body), {
    status,
    headers: { ...pageHeaders, "content-type": "application/json; charset=utf-8" },
  })
  for (const cookie of cookies) response.headers.append("set-cookie", cookie)
  return response
}

export function redirect(location: string, cookies: readonly string[]): Response {
  const response = new Response(null, { status: 302, headers: { ...pageHeaders, location } })
  for (const cookie of cookies) response.headers.append("set-cookie", cookie)
  return response
}

// Calls the management API as the operator whose session the browser holds. Types come from the operations themselves.

import type { InputOf, Operation, OutputOf } from "@weir/protocol"
import { addresses, type Operations } from "./operations.gen.ts"

export type OperationName = keyof Operations
type Op<Name extends OperationName> = Operations[Name] extends Operation ? Operations[Name] : never

/** What an operation takes: the parts that it has none of are left out. */
export type CallInput<Name extends OperationName> = Partial<Pick<InputOf<Op<Name>>, never>> & {
  path?: InputOf<Op<Name>>["path"]
  query?: InputOf<Op<Name>>["query"]
  body?: InputOf<Op<Name>>["body"]
}
export type CallOutput<Name extends OperationName> = OutputOf<Op<Name>>

/** A refusal, in the server's own words. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure"
  constructor(
    readonly status: number,
    /** Code of the catalogue; 0 when the server said none. */
    readonly code: number,
    message: string,
    readonly details: Readonly<Record<string, unknown>>,
    readonly decisionId: string | null,
  ) {
    super(message)
  }
  /** The operation wants a fresh login. */
  get needsStepUp(): boolean {
    return this.details.step_up === "required"
  }
}

const timeoutMs = 30_000
/** Who is logged in. */
export const meAddress = "/api/admin/v1/me"

/** What the page is told when a session has ended or a step-up is wanted; set by the session. */
export const listeners: {
  signedOut: () => void
  /** Resolves true once the operator has proved who they are, false when they gave up. */
  stepUp: () => Promise<boolean>
} = { signedOut: () => {}, stepUp: async () => false }

/**
 * Calls an operation by its name. When it wants a fresh login the operator is asked for it once and it is called again.
 * Throws ApiFailure.
 */
export async function call<Name extends OperationName>(
  name: Name,
  input: CallInput<Name> = {},
): Promise<CallOutput<Name>> {
  try {
    return (await send(name, input)) as CallOutput<Name>
  } catch (error) {
    if (!(error instanceof ApiFailure) || !error.needsStepUp || !(await listeners.stepUp())) throw error
    return (await send(name, input)) as CallOutput<Name>
  }
}

/** The address of an operation, with its path and query filled in. */
export const addressOf = <Name extends OperationName>(name: Name, input: CallInput<Name>): string =>
  addressFrom(addresses[name][1], input)

/** A template with `{parameters}`, filled in. An object in the query travels as one text of JSON. */
export function addressFrom(template: string, input: { readonly path?: unknown; readonly query?: unknown }): string {
  const parameters = (input.path ?? {}) as Record<string, unknown>
  const path = template.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(String(parameters[key])))
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries((input.query ?? {}) as object)) {
    if (value === undefined || value === null || value === "") continue
    for (const item of Array.isArray(value) ? value : [value]) {
      query.append(key, typeof item === "object" ? JSON.stringify(item) : String(item))
    }
  }
  return query.size === 0 ? path : `${path}?${query}`
}

async function send<Name extends OperationName>(name: Name, input: CallInput<Name>): Promise<unknown> {
  return requestJson(addresses[name][0], addressOf(name, input), input.body)
}

/** A JSON request to this server, marked as the dashboard's own. Throws ApiFailure. */
export async function requestJson(method: string, address: string, body?: unknown): Promise<unknown> {
  const response = await request(method, address, body)
  return response.json()
}

/** As requestJson, for answers of other forms. Throws ApiFailure for every status but 2xx. */
export async function request(method: string, address: string, body?: unknown): Promise<Response> {
  let response: Response
  try {
    response = await fetch(address, {
      method,
      headers: { "x-weir-dashboard": "1", ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? null : JSON.stringify(body),
      credentials: "same-origin",
      signal: AbortSignal.timeout(timeoutMs),
    })
  } catch {
    throw new ApiFailure(0, 0, "The server cannot be reached. Is it running, and are you online?", {}, null)
  }
  if (response.ok) return response
  const failure = await failureOf(response)
  // The question who one is has its own reader.
  if (failure.status === 401 && address !== meAddress) listeners.signedOut()
  throw failure
}

/** What an answer that is no success says. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const envelope = (await response.json().catch(() => ({}))) as {
    code?: number
    message?: string
    exception_fields?: Record<string, unknown>
  }
  return new ApiFailure(
    response.status,
    typeof envelope.code === "number" ? envelope.code : 0,
    envelope.message ?? `The server answered ${response.status}.`,
    envelope.exception_fields ?? {},
    response.headers.get("x-decision-id"),
  )
}

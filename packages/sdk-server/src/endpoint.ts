// What the endpoints that your own backend mounts have in common, for the ways in which backends are written.

/** What Express, Connect and node:http have in common. */
export interface NodeRequest {
  readonly method?: string | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}
export interface NodeResponse {
  readonly headersSent: boolean
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body?: string): unknown
}

/** The part of a Hono context that is used. */
export interface HonoContext {
  readonly req: { readonly raw: Request }
}

/** What is answered: as JSON, or without a body where it is null. */
export interface EndpointAnswer {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: object | null
}

/** An answer that no cache keeps: it is meant for one caller, at one time. */
export const answer = (
  status: number,
  body: object | null,
  headers: Readonly<Record<string, string>> = {},
): EndpointAnswer => ({
  status,
  headers: {
    ...(body === null ? {} : { "content-type": "application/json; charset=utf-8" }),
    "cache-control": "no-store",
    ...headers,
  },
  body,
})

/** Answers, unless that was done before: where the backend's own function answered by itself, that stands. */
export function answerNode(response: NodeResponse, { status, headers, body }: EndpointAnswer): void {
  if (response.headersSent) return
  response.statusCode = status
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  if (body === null) response.end()
  else response.end(JSON.stringify(body))
}

export const responseOf = ({ status, headers, body }: EndpointAnswer): Response =>
  new Response(body === null ? null : JSON.stringify(body), { status, headers })

/** The backend's own log, or console.error with `what` failed. Never throws: a log that fails changes no answer. */
export function logOf(onError: ((error: unknown) => void) | undefined, what: string): (error: unknown) => void {
  return (error) => {
    try {
      if (onError === undefined) console.error(`weir: ${what}:`, error)
      else onError(error)
    } catch {
      // There is nobody left to be told.
    }
  }
}

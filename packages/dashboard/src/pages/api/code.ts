// The same request as code: for a shell, and for Node. Pure.

export interface CodeRequest {
  readonly method: string
  /** Address of this server, without a path. */
  readonly origin: string
  /** Path and query. */
  readonly address: string
  /** Null: it is asked of the management API. */
  readonly apiKey: string | null
  /** Undefined: it has none. */
  readonly body: unknown
}

/** A word of a POSIX shell, whatever it holds. */
const quoted = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`

const urlOf = ({ origin, address, apiKey }: CodeRequest): string =>
  apiKey === null ? `${origin}${address}` : `${origin}${address}${address.includes("?") ? "&" : "?"}api_key=${apiKey}`

/** The token comes from the environment, so that it stands in no history. */
export function curlOf(request: CodeRequest): string {
  const { method, apiKey, body } = request
  const lines = [
    `curl${method === "GET" || (method === "POST" && body !== undefined) ? "" : ` -X ${method}`} ${quoted(urlOf(request))}`,
    ...(apiKey === null
      ? ['-H "authorization: Bearer $WEIR_ADMIN_TOKEN"']
      : ["-H 'stream-auth-type: jwt'", '-H "authorization: $WEIR_TOKEN"']),
    ...(body === undefined ? [] : ["-H 'content-type: application/json'", `-d ${quoted(JSON.stringify(body))}`]),
  ]
  return lines.join(" \\\n  ")
}

export function nodeOf(request: CodeRequest): string {
  const { method, apiKey, body } = request
  const text = body === undefined ? null : JSON.stringify(body, null, 2).replaceAll("\n", "\n  ")
  return [
    `const response = await fetch(${JSON.stringify(urlOf(request))}, {`,
    `  method: ${JSON.stringify(method)},`,
    "  headers: {",
    ...(apiKey === null
      ? ['    authorization: "Bearer " + process.env.WEIR_ADMIN_TOKEN,']
      : ["    authorization: process.env.WEIR_TOKEN,", '    "stream-auth-type": "jwt",']),
    ...(text === null ? [] : ['    "content-type": "application/json",']),
    "  },",
    ...(text === null ? [] : [`  body: JSON.stringify(${text}),`]),
    "})",
    "console.log(response.status, await response.json())",
  ].join("\n")
}

// How commands talk to a running server: through its management API, as any operator's script would.

import { type Arguments, CommandError, type Context, type Option } from "./command.ts"
import { cliLimits } from "./limits.ts"

/** Options of every command that asks a running server. */
export const adminOptions: Readonly<Record<string, Option>> = {
  url: { type: "string", value: "<url>", doc: "The server. Default: WEIR_URL, or http://127.0.0.1:3030." },
  json: { type: "boolean", doc: "Print the server's answer as JSON." },
}

export const adminNotes = ["The management API is asked with the token in WEIR_ADMIN_TOKEN."]

const defaultUrl = "http://127.0.0.1:3030"

/** Sends a request to the management API. Throws CommandError with what the server said. */
export async function askServer(
  args: Arguments,
  context: Context,
  method: string,
  path: string,
  body?: unknown,
  // biome-ignore lint/suspicious/noExplicitAny: commands show whatever the server answers
): Promise<any> {
  const { headers, urlOf } = serverOf(args, context)
  const target = urlOf(path)
  let response: Response
  try {
    response = await fetch(target, {
      method,
      headers: {
        ...headers,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(cliLimits.requestTimeoutMs),
      redirect: "error",
    })
  } catch (error) {
    throw new CommandError(`${target.origin} does not answer: ${(error as Error).message}`)
  }
  const answer = await response.json().catch(() => null)
  if (response.ok && answer !== null) return answer
  throw new CommandError(refusalText(response.status, answer))
}

/** What a server said that did not do what it was asked, as one line. `answer`: the JSON of its body, or null. */
export function refusalText(status: number, answer: { readonly message?: unknown } | null): string {
  return shown(typeof answer?.message === "string" ? answer.message : `HTTP ${status}`)
}

export interface AdminServer {
  /** What proves the operator. */
  readonly headers: Readonly<Record<string, string>>
  /** The address of a path below the management API. */
  urlOf(path: string): URL
}

/** The server that a command asks. Throws CommandError when it is not named rightly, or the token is missing. */
export function serverOf(args: Arguments, context: Context): AdminServer {
  const token = context.env.WEIR_ADMIN_TOKEN
  if (!token) throw new CommandError("WEIR_ADMIN_TOKEN is not set; the server's own is the one that opens it")
  const base = args.text("url") ?? context.env.WEIR_URL ?? defaultUrl
  if (!URL.canParse(base) || !/^https?:/.test(base)) {
    throw new CommandError(`${JSON.stringify(base.slice(0, 200))} is not the URL of a server`)
  }
  return {
    headers: { authorization: `Bearer ${token}` },
    urlOf: (path) => new URL(`/api/admin/v1${path}`, base),
  }
}

/** Text from elsewhere as one line that a terminal cannot be steered with. */
export const shown = (text: unknown): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that steer
  String(text ?? "").replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (char) =>
    JSON.stringify(char)
      .slice(1, -1)
      .replace(/^[^\\]$/, `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`),
  )

/** The app that a command means: the one it names, or the only one there is. */
export async function appOf(args: Arguments, context: Context): Promise<number> {
  const named = args.text("app")
  const { apps } = await askServer(args, context, "GET", "/apps")
  if (named === null) {
    if (apps.length === 1) return apps[0].id
    throw new CommandError(`name one of the ${apps.length} apps with --app; "weir apps list" lists them`)
  }
  const found = apps.find((app: { id: number; name: string }) => String(app.id) === named || app.name === named)
  if (found === undefined) throw new CommandError(`there is no app ${JSON.stringify(named.slice(0, 100))}`)
  return found.id
}

export const appOption: Option = {
  type: "string",
  value: "<app>",
  doc: "Id or name of the app; not needed where there is one.",
}

// Code that makes the same token on a backend, ready to be copied, and a request that uses it. Pure.

import type { CallInput } from "../../api/client.ts"

export type Wish = NonNullable<CallInput<"MintToken">["body"]>

export interface CodeFacts {
  readonly wish: Wish
  /** Address of this server, without a path. */
  readonly origin: string
  readonly apiKey: string
  /** The secret that signs; null: the key's own choice. */
  readonly kid: string | null
  /** Seconds. */
  readonly expiresIn: number
}

/** How the token is made by a backend in JavaScript. A guest is made by the server, which also names it. */
export function nodeCode({ wish, origin, apiKey, kid, expiresIn }: CodeFacts): string {
  if (wish.kind === "guest") {
    return [
      'import { WeirClient } from "@weir/sdk-client"',
      "",
      `const client = new WeirClient({ apiKey: ${text(apiKey)}, baseUrl: ${text(origin)} })`,
      "// Needs no secret: the server makes the guest and its token.",
      `const guest = await client.connectGuest(${inline({ id: wish.user_id ?? "visitor", ...(wish.name === undefined ? {} : { name: wish.name }) })})`,
      "console.log(guest.id)",
    ].join("\n")
  }
  const options = {
    ...(wish.kind === "call" && wish.call_cids !== undefined ? { callCids: wish.call_cids } : {}),
    ...(wish.kind === "call" && wish.user_id !== undefined ? { userId: wish.user_id } : {}),
    ...(wish.kind === "call" && wish.role !== undefined ? { role: wish.role } : {}),
    ...(wish.kind === "call" && wish.channel_cids !== undefined ? { channel_cids: wish.channel_cids } : {}),
    expiresIn,
    ...(kid === null ? {} : { kid }),
    ...(wish.scopes === undefined ? {} : { scopes: wish.scopes }),
  }
  const [name, first] = {
    user: ["createToken", `${text(wish.user_id ?? "")}, `],
    call: ["createCallToken", ""],
    server: ["createServerToken", ""],
  }[wish.kind] as [string, string]
  return [
    `import { ${name} } from "@weir/sdk-server"`,
    "",
    `const token = ${name}(process.env.WEIR_API_SECRET, ${first}${indented(options)})`,
    "console.log(token)",
  ].join("\n")
}

/** As nodeCode, in Python with nothing but its standard library. Signs with HS256. */
export function pythonCode(facts: CodeFacts): string {
  const { wish, kid, expiresIn } = facts
  if (wish.kind === "guest") return guestPython(facts)
  const header = { alg: "HS256", typ: "JWT", ...(kid === null ? {} : { kid }) }
  return [
    "import base64, hashlib, hmac, json, os, time",
    "",
    'secret = os.environ["WEIR_API_SECRET"].encode()',
    "now = int(time.time())",
    `header = ${python(header)}`,
    "claims = {",
    ...Object.entries(claimsOf(wish)).map(([name, value]) => `    ${text(name)}: ${python(value)},`),
    '    "iat": now,',
    `    "exp": now + ${expiresIn},`,
    "}",
    "",
    "",
    "def segment(data: bytes) -> bytes:",
    '    return base64.urlsafe_b64encode(data).rstrip(b"=")',
    "",
    "",
    'signed = b".".join(segment(json.dumps(part).encode()) for part in (header, claims))',
    'token = signed + b"." + segment(hmac.new(secret, signed, hashlib.sha256).digest())',
    "print(token.decode())",
  ].join("\n")
}

/** The claims of the wish that are no times. */
function claimsOf(wish: Wish): Record<string, unknown> {
  const narrowed = wish.scopes === undefined ? {} : { scopes: wish.scopes }
  if (wish.kind === "server") return { server: true, ...narrowed }
  if (wish.kind === "user") return { user_id: wish.user_id, ...narrowed }
  return {
    user_id: wish.user_id ?? "!anon",
    call_cids: wish.call_cids,
    ...(wish.channel_cids === undefined ? {} : { channel_cids: wish.channel_cids }),
    ...(wish.role === undefined ? {} : { role: wish.role }),
    ...narrowed,
  }
}

function guestPython({ wish, origin, apiKey }: CodeFacts): string {
  const user = { id: wish.user_id ?? "visitor", ...(wish.name === undefined ? {} : { name: wish.name }) }
  return [
    "import json, urllib.request",
    "",
    "request = urllib.request.Request(",
    `    ${text(`${origin}/api/v2/guest?api_key=${apiKey}`)},`,
    `    data=json.dumps(${python({ user })}).encode(),`,
    '    headers={"content-type": "application/json", "stream-auth-type": "anonymous"},',
    ")",
    "with urllib.request.urlopen(request) as answer:",
    "    guest = json.load(answer)",
    'print(guest["user"]["id"], guest["access_token"])',
  ].join("\n")
}

/** A request that shows the token at work; it reads the token from the environment. */
export function curlCode({ wish, origin, apiKey }: CodeFacts): string {
  if (wish.kind === "guest") {
    const user = { id: wish.user_id ?? "visitor", ...(wish.name === undefined ? {} : { name: wish.name }) }
    return [
      `curl ${quoted(`${origin}/api/v2/guest?api_key=${apiKey}`)} \\`,
      "  -H 'stream-auth-type: anonymous' -H 'content-type: application/json' \\",
      `  -d ${quoted(JSON.stringify({ user }))}`,
    ].join("\n")
  }
  const head = ["  -H 'stream-auth-type: jwt' \\", '  -H "authorization: $TOKEN"'].join("\n")
  const [call] = wish.call_cids ?? []
  if (wish.kind === "call" && call !== undefined) {
    return `curl ${quoted(`${origin}/api/v2/video/call/${call.replace(":", "/")}?api_key=${apiKey}`)} \\\n${head}`
  }
  if (wish.kind === "server") return `curl ${quoted(`${origin}/api/v2/app?api_key=${apiKey}`)} \\\n${head}`
  const body = { filter_conditions: { members: { $in: [wish.user_id] } }, limit: 10 }
  return [
    `curl ${quoted(`${origin}/api/v2/chat/channels?api_key=${apiKey}`)} \\`,
    `${head} \\`,
    "  -H 'content-type: application/json' \\",
    `  -d ${quoted(JSON.stringify(body))}`,
  ].join("\n")
}

/** A text in code of JavaScript, Python and JSON. */
const text = (value: string): string => JSON.stringify(value)
const inline = (value: object): string => `{ ${members(value).join(", ")} }`
const indented = (value: object): string =>
  `{\n${members(value)
    .map((member) => `  ${member},\n`)
    .join("")}}`
const members = (value: object): string[] =>
  Object.entries(value).map(([name, member]) => `${name}: ${JSON.stringify(member)}`)

/** A value in code of Python, which spells three words of JSON differently. */
function python(value: unknown): string {
  if (value === true) return "True"
  if (value === false) return "False"
  if (value === null || value === undefined) return "None"
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`
  if (typeof value === "object") {
    return `{${Object.entries(value)
      .map(([name, member]) => `${text(name)}: ${python(member)}`)
      .join(", ")}}`
  }
  return JSON.stringify(value)
}

/** A word of a POSIX shell, whatever it holds. */
const quoted = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`

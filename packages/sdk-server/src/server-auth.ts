// How the app itself is authorised: by a token, by a signature over each request, or by key and secret themselves.

import type { RestAuth, SignedParts } from "../../sdk-client/src/rest.ts"
import type { Timers } from "../../sdk-client/src/timers.ts"
import { base64 } from "./base64.ts"
import { limits } from "./limits.ts"
import { isPrivateKey } from "./private-key.ts"
import { hmacSha256Async } from "./secret.ts"
import type { SigningKey } from "./signing.ts"
import { createServerTokenAsync } from "./tokens.ts"

/** `basic` sends the secret itself: only over TLS, and only where the app allows it. */
export type AuthMethod = "token" | "signature" | "basic"

export interface ServerCredentials {
  readonly apiKey: string
  readonly apiSecret: SigningKey
  readonly kid: string | undefined
}
type SecretCredentials = ServerCredentials & { readonly apiSecret: string }

/** Authorises REST calls by this method. Throws TypeError when the secret does not fit it. */
export function serverAuth(method: AuthMethod, credentials: ServerCredentials, timers: Timers): RestAuth {
  if (method === "token") return tokenAuth(credentials, timers)
  const { apiSecret } = credentials
  if (typeof apiSecret !== "string" || isPrivateKey(apiSecret)) {
    throw new TypeError(`auth: "${method}" needs the text of an API secret, not a key`)
  }
  if (method === "signature") return signatureAuth({ ...credentials, apiSecret }, timers)
  if (method === "basic") return basicAuth({ ...credentials, apiSecret })
  throw new TypeError(`auth is token, signature or basic, got ${JSON.stringify(method)}`)
}

// One token serves many requests: signing is cheap, but a token that the server knows already is cheaper there.
function tokenAuth({ apiSecret, kid }: ServerCredentials, timers: Timers): RestAuth {
  let held: { token: Promise<string>; untilMs: number } | null = null

  function mint(): Promise<string> {
    const nowMs = timers.now()
    const token = createServerTokenAsync(apiSecret, {
      expiresIn: limits.serverTokenLifeSeconds,
      issuedAt: nowMs / 1000 - limits.serverTokenBackdateSeconds,
      ...(kid === undefined ? {} : { kid }),
    })
    const mine = { token, untilMs: nowMs + (limits.serverTokenLifeSeconds * 1000) / 2 }
    held = mine
    // What failed once may be mended by the next attempt, so it is not kept.
    token.catch(() => {
      if (held === mine) held = null
    })
    return token
  }

  return {
    kind: "jwt",
    token: () => (held !== null && timers.now() < held.untilMs ? held.token : mint()),
    // Of many calls that were refused together, the first makes the new token and the others take it.
    replace: async (refused) => {
      const before = held
      const token = await before?.token
      if (held !== null && held !== before) return held.token
      return token === undefined || token === refused ? mint() : token
    },
  }
}

/** Throws TypeError where key and secret themselves would travel in the clear. */
export function checkSafeForBasic(baseUrl: string): void {
  const { protocol, hostname } = new URL(baseUrl)
  const isLoopback = hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname)
  if (protocol !== "https:" && !isLoopback) {
    throw new TypeError(`auth: "basic" sends the secret itself, so it needs https; ${baseUrl} has none`)
  }
}

function basicAuth({ apiKey, apiSecret }: SecretCredentials): RestAuth {
  const pair = new TextEncoder().encode(`${apiKey}:${apiSecret}`)
  const header = `Basic ${base64(pair)}`
  return { kind: "jwt", token: async () => header, replace: null }
}

// HTTP Message Signatures (RFC 9421): method, path, query, body, time and a nonce, under the secret. Path and query and
// not the whole address, because a proxy in front may be called otherwise.
function signatureAuth({ apiKey, apiSecret, kid }: SecretCredentials, timers: Timers): RestAuth {
  return {
    kind: "jwt",
    token: async () => null,
    replace: null,
    sign: (request) =>
      signRequest(request, { apiKey, apiSecret, kid, createdSeconds: Math.floor(timers.now() / 1000) }),
  }
}

export interface SignatureOptions {
  readonly apiKey: string
  readonly apiSecret: string
  readonly kid?: string | undefined
  /** Unix seconds; the server takes 300 s to either side of its own clock. */
  readonly createdSeconds: number
  /** 16 to 128 characters that never come again; made unless given. */
  readonly nonce?: string
}

/** The headers `Signature-Input`, `Signature` and, with a body, `Content-Digest` (RFC 9530) of a request. */
export async function signRequest(request: SignedParts, options: SignatureOptions): Promise<Record<string, string>> {
  const { pathname, search } = new URL(request.url)
  const components: [name: string, value: string][] = [
    ["@method", request.method],
    ["@path", pathname],
    ["@query", search === "" ? "?" : search],
  ]
  const headers: Record<string, string> = {}
  if (request.body !== undefined && request.body !== "") {
    const bytes = new TextEncoder().encode(request.body)
    const digest = `sha-256=:${base64(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))}:`
    headers["Content-Digest"] = digest
    components.push(["content-digest", digest])
  }
  const keyId = options.kid === undefined ? options.apiKey : `${options.apiKey}:${options.kid}`
  const nonce = options.nonce ?? crypto.randomUUID()
  const list = components.map(([name]) => `"${name}"`).join(" ")
  const params = `(${list});created=${options.createdSeconds};nonce="${nonce}";keyid="${keyId}";alg="hmac-sha256"`
  const lines = [...components.map(([name, value]) => `"${name}": ${value}`), `"@signature-params": ${params}`]
  const signature = await hmacSha256Async(options.apiSecret, lines.join("\n"))
  headers["Signature-Input"] = `weir=${params}`
  headers.Signature = `weir=:${base64(signature)}:`
  return headers
}

// Signed requests: HTTP Message Signatures (RFC 9421) with hmac-sha256, by which a backend proves a request without a
// token. The signature covers method, target, body and the time, and a nonce that counts once, so that whoever reads a
// request on its way can neither change nor repeat it. Pure; whether a nonce is new is the caller's next step.
//
// Of the structured fields (RFC 8941) this reads what signatures are written in, and refuses the rest: two readers
// that understand a field differently would be two readers of who somebody is.

import { createHash, timingSafeEqual } from "node:crypto"
import { ApiError } from "@weir/protocol"
import { isHs256Mac, type VerificationKey } from "./token.ts"

/** A request as its signature covers it. */
export interface SignedRequest {
  readonly method: string
  /** Path and query as received, from the first slash on. */
  readonly targetUri: string
  /** The Host header. */
  readonly authority: string
  readonly header: (name: string) => string | null
  /** As it came, compressed or not (RFC 9530 §2). */
  readonly body: Uint8Array
}

/** What a signature says of itself; nothing of it is proved yet. */
export interface RequestSignature {
  /** Parameter `keyid` up to a colon: the API key. */
  readonly apiKey: string
  /** What follows the colon: the secret meant; null when all of the key's are. */
  readonly kid: string | null
  /** Unix seconds. */
  readonly createdSeconds: number
  readonly expiresSeconds: number | null
  readonly nonce: string
  readonly covered: readonly string[]
  /** The inner list with its parameters, as it stood in the field: the last line of what is signed. */
  readonly params: string
  readonly signature: Uint8Array
}

export const signedRequestLimits = {
  /** How far `created` may lie from the clock, either way. */
  createdSecondsMax: 300,
  fieldCharsMax: 4096,
  signaturesMax: 4,
  coveredMax: 16,
  nonceCharsMin: 16,
  nonceCharsMax: 128,
} as const

const bounds = signedRequestLimits

function refused(rule: string, text: string, remedy = "sign as the server SDKs do"): ApiError {
  return new ApiError("authentication", `request signature: ${text}`, {
    why: { check: "signature", rule, detail: text, remedy },
  })
}

const memberPattern = /^([a-z*][a-z0-9_.*-]*)=(.*)$/s
const innerListPattern = /^\(((?:"[^"\\]{1,200}"(?: +"[^"\\]{1,200}")*)?)\)((?:;[^"]*(?:"[^"\\]*"[^"]*)*)?)$/
const parameterPattern = /;([a-z*][a-z0-9_.*-]*)=(?:"([\x20-\x21\x23-\x5b\x5d-\x7e]*)"|(\d{1,15}))/gy
const binaryPattern = /^:([A-Za-z0-9+/]*={0,2}):$/

/**
 * Reads the signature of a request: the first of at most 4 that says `alg="hmac-sha256"`, and of several the first made
 * with this API key, because proxies on the way may have signed, too. Throws ApiError authentication (5) when there is
 * none or it lacks what Weir demands of one.
 */
export function readRequestSignature(request: SignedRequest, apiKey: string | null = null): RequestSignature {
  const input = membersOf(request.header("signature-input"), "Signature-Input")
  const signatures = membersOf(request.header("signature"), "Signature")
  let chosen: { label: string; value: string; params: Parameters } | null = null
  for (const [label, value] of input) {
    const params = parametersOf(value)
    if (params.text.get("alg") !== "hmac-sha256") continue
    const isOurs = apiKey === null || keyOf(params) === apiKey
    if (isOurs || chosen === null) chosen = { label, value, params }
    if (isOurs) break
  }
  if (chosen === null) throw refused("alg", 'no signature says alg="hmac-sha256"')
  const { label, value, params } = chosen
  const encoded = binaryPattern.exec(signatures.get(label) ?? "")?.[1]
  if (encoded === undefined) throw refused("signature", `there is no signature labelled ${label}`)
  return { ...checkedParameters(params), params: value, signature: Buffer.from(encoded, "base64") }
}

const keyOf = ({ text }: Parameters): string | undefined => text.get("keyid")?.split(":", 1)[0]

/** The members of a dictionary, at the commas outside of strings. */
function membersOf(field: string | null, name: string): Map<string, string> {
  if (field === null || field === "") throw refused("missing", `${name} is missing`)
  if (field.length > bounds.fieldCharsMax)
    throw refused("size", `${name} is longer than ${bounds.fieldCharsMax} characters`)
  const members = new Map<string, string>()
  for (const part of field.match(/(?:[^",]|"[^"]*")+/g) ?? []) {
    const [, label, value] = memberPattern.exec(part.trim()) ?? []
    if (label === undefined || value === undefined)
      throw refused("form", `${name} is not a dictionary of structured fields`)
    if (members.has(label)) throw refused("form", `${name} names ${label} twice`)
    members.set(label, value)
  }
  if (members.size === 0 || members.size > bounds.signaturesMax) {
    throw refused("form", `${name} must hold 1 to ${bounds.signaturesMax} signatures`)
  }
  return members
}

interface Parameters {
  readonly covered: readonly string[]
  readonly text: ReadonlyMap<string, string>
  readonly numbers: ReadonlyMap<string, number>
}

function parametersOf(value: string): Parameters {
  const [, list, tail] = innerListPattern.exec(value) ?? []
  if (list === undefined || tail === undefined) throw refused("form", "Signature-Input is not a list of components")
  const text = new Map<string, string>()
  const numbers = new Map<string, number>()
  let end = 0
  for (const [whole, name = "", string, digits] of tail.matchAll(parameterPattern)) {
    if (text.has(name) || numbers.has(name)) throw refused("form", `the parameter ${name} is repeated`)
    if (string === undefined) numbers.set(name, Number(digits))
    else text.set(name, string)
    end += whole.length
  }
  if (end !== tail.length) throw refused("form", "a parameter of Signature-Input does not read as text or number")
  return { covered: [...list.matchAll(/"([^"]*)"/g)].map(([, name]) => name as string), text, numbers }
}

function checkedParameters({ covered, text, numbers }: Parameters) {
  const known = ["alg", "keyid", "nonce", "created", "expires", "tag"]
  for (const name of [...text.keys(), ...numbers.keys()]) {
    if (!known.includes(name)) throw refused("parameter", `the parameter ${name.slice(0, 40)} is not known here`)
  }
  const createdSeconds = numbers.get("created")
  if (createdSeconds === undefined) throw refused("created", "the parameter created is missing")
  const nonce = text.get("nonce") ?? ""
  if (nonce.length < bounds.nonceCharsMin || nonce.length > bounds.nonceCharsMax) {
    throw refused(
      "nonce",
      `the parameter nonce must have ${bounds.nonceCharsMin} to ${bounds.nonceCharsMax} characters`,
    )
  }
  const [apiKey = "", kid = null, ...rest] = (text.get("keyid") ?? "").split(":")
  if (apiKey === "" || kid === "" || rest.length > 0) {
    throw refused("keyid", "the parameter keyid must be the API key, or API key and secret as key:kid")
  }
  if (covered.length > bounds.coveredMax)
    throw refused("covered", `more than ${bounds.coveredMax} components are covered`)
  if (new Set(covered).size !== covered.length) throw refused("covered", "a component is covered twice")
  const coversTarget = covered.includes("@target-uri") || (covered.includes("@path") && covered.includes("@query"))
  if (!covered.includes("@method") || !coversTarget) {
    throw refused("covered", 'the signature must cover "@method" and "@target-uri", or "@method", "@path" and "@query"')
  }
  return { apiKey, kid, createdSeconds, expiresSeconds: numbers.get("expires") ?? null, nonce, covered }
}

/**
 * Proves a request: time, digest of the body, and the MAC under one of the key's HS256 secrets, which is answered.
 * Throws ApiError authentication (5), tokenExpired (40), tokenBeforeIssuedAt (42), tokenSignature (43).
 */
export function verifyRequestSignature(
  request: SignedRequest,
  signature: RequestSignature,
  keys: readonly VerificationKey[],
  nowSeconds: number,
): VerificationKey {
  checkCreated(signature, nowSeconds)
  checkDigest(request, signature.covered)
  const secrets = keys.filter(({ alg, kid }) => alg === "HS256" && (signature.kid === null || kid === signature.kid))
  // Behind a proxy that ends TLS the gate sees http where the client signed https; which it was changes nothing here.
  for (const scheme of ["https", "http"]) {
    const base = Buffer.from(signatureBase(request, signature, scheme))
    for (const secret of secrets) if (isHs256Mac(secret.key, base, signature.signature)) return secret
    if (!signature.covered.some((name) => name === "@target-uri" || name === "@scheme")) break
  }
  throw new ApiError("tokenSignature", "request signature: the signature is not valid", {
    why: {
      check: "signature",
      rule: "mac",
      detail: `none of the key's ${secrets.length} usable secrets proves it, or the request was changed on its way`,
      remedy: "sign with an active HS256 secret of this key, over the very target and body that are sent",
    },
  })
}

function checkCreated({ createdSeconds, expiresSeconds }: RequestSignature, nowSeconds: number): void {
  const skewMs = Math.round((createdSeconds - nowSeconds) * 1000)
  const why = {
    check: "signature",
    rule: "created",
    detail: `created is ${Math.abs(skewMs)} ms ${skewMs < 0 ? "ago" : "ahead"}, ${bounds.createdSecondsMax} s are allowed`,
    remedy: "sign each request anew, and set the clock of the machine that signs by NTP",
    facts: { skew_ms: skewMs },
  }
  // Each condition asks for what is allowed, so that a clock without a value refuses.
  if (!(createdSeconds - nowSeconds <= bounds.createdSecondsMax)) {
    throw new ApiError("tokenBeforeIssuedAt", "request signature: created lies in the future", { why })
  }
  if (!(nowSeconds - createdSeconds <= bounds.createdSecondsMax)) {
    throw new ApiError("tokenExpired", "request signature: created is too long ago", { why })
  }
  if (expiresSeconds !== null && !(nowSeconds < expiresSeconds)) {
    throw new ApiError("tokenExpired", "request signature: it has expired", { why: { ...why, rule: "expires" } })
  }
}

// A map, because names come from outside: an object would also answer to those that it inherits, such as `constructor`.
const digestHashes: ReadonlyMap<string, string> = new Map([
  ["sha-256", "sha256"],
  ["sha-512", "sha512"],
])

// RFC 9530 §2. A body without a digest would be a body that nobody signed.
function checkDigest(request: SignedRequest, covered: readonly string[]): void {
  const field = request.header("content-digest")
  if (request.body.length === 0 && !covered.includes("content-digest")) return
  if (field === null || !covered.includes("content-digest")) {
    throw refused("content-digest", 'a request with a body must carry Content-Digest and cover "content-digest"')
  }
  const digests = membersOf(field, "Content-Digest")
  let proved = 0
  for (const [name, value] of digests) {
    const hash = digestHashes.get(name)
    if (hash === undefined) continue
    const sent = Buffer.from(binaryPattern.exec(value)?.[1] ?? "", "base64")
    const own = createHash(hash).update(request.body).digest()
    if (sent.length !== own.length || !timingSafeEqual(sent, own)) {
      throw refused("content-digest", "Content-Digest is not that of the body that came")
    }
    proved += 1
  }
  if (proved === 0) throw refused("content-digest", "Content-Digest must be sha-256 or sha-512")
}

/** What is signed (RFC 9421 §2.5). Throws ApiError authentication for a component that cannot be read. */
export function signatureBase(
  request: SignedRequest,
  { covered, params }: Pick<RequestSignature, "covered" | "params">,
  scheme: string,
): string {
  const lines = covered.map((name) => `"${name}": ${componentOf(request, name, scheme)}`)
  return [...lines, `"@signature-params": ${params}`].join("\n")
}

function componentOf(request: SignedRequest, name: string, scheme: string): string {
  const question = request.targetUri.indexOf("?")
  switch (name) {
    case "@method":
      return request.method
    case "@target-uri":
      return `${scheme}://${request.authority}${request.targetUri}`
    case "@authority":
      return request.authority.toLowerCase()
    case "@scheme":
      return scheme
    case "@request-target":
      return request.targetUri
    case "@path":
      return question === -1 ? request.targetUri : request.targetUri.slice(0, question)
    case "@query":
      return question === -1 ? "?" : request.targetUri.slice(question)
  }
  const value = /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name) ? request.header(name) : null
  if (value === null) throw refused("covered", `the component ${JSON.stringify(name.slice(0, 60))} is not there`)
  return value.trim()
}

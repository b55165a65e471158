// `weir token create` and `weir token inspect`. Both work without a server and send nothing anywhere.

import { createHmac, createPrivateKey, type KeyObject, randomUUID, sign } from "node:crypto"
import { ApiError, parseScopes, type Scopes, userIdPattern } from "@weir/protocol"
import { leewaySecondsDefault } from "@weir/server/authenticate/policy"
import { checkTimes, importSecret, verifyToken } from "@weir/server/authenticate/token"
import {
  type Arguments,
  type Command,
  CommandError,
  type Context,
  exitCodes,
  onlyPositional,
  UsageError,
} from "../command.ts"
import { formatDuration, parseDuration } from "../duration.ts"
import { cliLimits } from "../limits.ts"

const secretOption = {
  type: "string",
  value: "<secret>",
  doc: "API secret. Better in WEIR_API_SECRET: other users of the machine can see command lines.",
} as const

/** `weir token create <user_id>`: a user token, on standard output alone, so that it can be piped. */
export const createToken: Command = {
  name: "token create",
  usage: "<user_id>",
  summary: "Make a user token with the app's API secret.",
  options: {
    "expires-in": { type: "string", value: "<time>", doc: "90s, 30m, 24h, 7d, or never. Default 24h." },
    "api-secret": secretOption,
    "api-key": { type: "string", value: "<key>", doc: "API key that goes with the token; shown by --json." },
    calls: { type: "string", value: "<cids>", doc: "Limit the token to these calls: type:id, separated by commas." },
    role: { type: "string", value: "<role>", doc: "Role on those calls." },
    kid: { type: "string", value: "<kid>", doc: "Name of the secret, so that the server tries no other." },
    scope: { type: "string", value: "<scopes>", doc: "Narrow the token: pattern=action,action, separated by spaces." },
    jti: { type: "boolean", doc: "Give the token an id, by which it alone can be revoked." },
    device: { type: "string", value: "<id>", doc: "Device of the token, by which all of a device can be revoked." },
    json: { type: "boolean", doc: "Print the token with its claims as JSON." },
  },
  notes: [
    'A scope: --scope "chat:messaging:*=read,write video:default:standup=join-call". It only takes away.',
    "WEIR_API_SECRET may also hold the private key of a pair (PKCS #8 in PEM): ES256 or EdDSA follows from it.",
  ],
  async run(args, context) {
    const userId = onlyPositional(args, "<user_id>")
    if (!new RegExp(userIdPattern).test(userId) || userId.length > 255) {
      throw new UsageError(`"${userId.slice(0, 80)}" is not a user id: up to 255 letters, digits, @, _ and -`)
    }
    const lifetimeSeconds = lifetimeOf(args.text("expires-in"))
    const calls = callsOf(args)
    const secret = secretOf(args, context)
    if (secret === null) throw new CommandError("no API secret: set WEIR_API_SECRET or pass --api-secret")
    const signer = signerOf(secret)
    const kid = args.text("kid")
    if (kid !== null && !/^[\w.-]{1,64}$/.test(kid)) {
      throw new UsageError(
        `--kid "${kid.slice(0, 80)}" is not the name of a secret: up to 64 letters, digits, _ . and -`,
      )
    }
    const device = args.text("device")
    if (device !== null && (device === "" || device.length > cliLimits.deviceIdCharsMax)) {
      throw new UsageError(`--device needs 1 to ${cliLimits.deviceIdCharsMax} characters`)
    }
    const iat = Math.floor(context.now() / 1000)
    const claims = {
      user_id: userId,
      iat,
      ...(lifetimeSeconds === null ? {} : { exp: iat + lifetimeSeconds }),
      ...calls,
      ...scopesOf(args.text("scope")),
      ...(args.flag("jti") ? { jti: randomUUID() } : {}),
      ...(device === null ? {} : { device_id: device }),
    }
    const token = signToken(claims, signer, kid)
    const apiKey = args.text("api-key") ?? context.env.WEIR_API_KEY ?? null
    context.print(args.flag("json") ? JSON.stringify({ token, api_key: apiKey, claims }, null, 2) : token)
    return exitCodes.ok
  },
}

/** `weir token inspect <token>`: what a token says, and with the secret what the server would say to it. */
export const inspectToken: Command = {
  name: "token inspect",
  usage: "<token>",
  summary: "Show what a token says and, with the API secret, whether the server would take it.",
  options: {
    "api-secret": secretOption,
    "api-key": { type: "string", value: "<key>", doc: "API key, for the wording of errors." },
    json: { type: "boolean", doc: "Print JSON." },
  },
  notes: [
    "`-` instead of a token reads it from standard input. Nothing is sent anywhere.",
    "Exit code 1 when the token is malformed, its signature is wrong, or now is not its time.",
    "What only the server knows is not looked at: revocations, and whether the user is deactivated.",
  ],
  async run(args, context) {
    const argument = onlyPositional(args, "<token>")
    const input = argument === "-" ? await context.readInput(cliLimits.inputBytesMax) : argument
    const token = input.trim().replace(/^bearer\s+/i, "")
    const report = inspect(token, secretOf(args, context), apiKeyOf(args, context), context.now())
    for (const line of args.flag("json") ? [JSON.stringify(report, null, 2)] : reportLines(report)) context.print(line)
    return report.verdict === "refused" ? exitCodes.failed : exitCodes.ok
  },
}

interface Report {
  readonly header: unknown
  readonly claims: Readonly<Record<string, unknown>>
  readonly kind: string
  readonly signature: "valid" | "not valid" | "not checked"
  readonly times: readonly string[]
  /** `unknown`: nothing speaks against it, but without the secret nothing is proved. */
  readonly verdict: "accepted" | "refused" | "unknown"
  /** Why it was refused: number and public text of the error that a client would get. */
  readonly reason: { readonly code: number; readonly message: string } | null
}

// The reading for display is lenient, so that a broken token shows as much as it can; the verdict is the server's own.
function inspect(token: string, secret: string | null, apiKey: string, nowMs: number): Report {
  const [headerText, payloadText] = token.split(".")
  const header = decodePart(headerText)
  const claims = decodePart(payloadText)
  if (header === null || claims === null) {
    throw new CommandError("this is not a JWT: three parts of base64url with JSON in the first two, joined by dots")
  }
  const said = { header, claims, kind: kindOf(claims), times: timesOf(claims, nowMs / 1000) }
  const nowSeconds = nowMs / 1000
  if (secret === null) {
    const isOver = typeof claims.exp === "number" && nowSeconds >= claims.exp
    const reason = isOver ? { code: 40, message: "the token is expired" } : null
    return { ...said, signature: "not checked", verdict: isOver ? "refused" : "unknown", reason }
  }
  const kid = typeof header.kid === "string" ? header.kid : null
  const key = { kid, alg: "HS256", key: importSecretOrThrow(secret), state: "active" } as const
  let isProved = false
  try {
    const proved = verifyToken(token, [key], apiKey)
    isProved = true
    checkTimes(proved.claims, nowSeconds, leewaySecondsDefault)
    return { ...said, signature: "valid", verdict: "accepted", reason: null }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    const isForged = error.kind === "tokenSignature"
    const signature = isProved ? "valid" : isForged ? "not valid" : "not checked"
    return { ...said, signature, verdict: "refused", reason: { code: error.code, message: error.reason } }
  }
}

function reportLines(report: Report): string[] {
  const signature =
    report.signature === "not checked" && report.reason === null
      ? "not checked (set WEIR_API_SECRET or pass --api-secret)"
      : report.signature
  const reason = report.reason ? `: ${report.reason.message} (code ${report.reason.code})` : ""
  return [
    `header     ${JSON.stringify(report.header)}`,
    `claims     ${JSON.stringify(report.claims)}`,
    `kind       ${report.kind}`,
    ...report.times.map((line) => `time       ${line}`),
    `signature  ${signature}`,
    `verdict    ${report.verdict}${reason}`,
  ]
}

function kindOf(claims: Readonly<Record<string, unknown>>): string {
  if (Array.isArray(claims.call_cids)) return `call token for ${claims.call_cids.length} calls`
  if (typeof claims.user_id === "string") return `user token of ${claims.user_id}`
  if (claims.resource !== undefined || claims.action !== undefined) return "feed token (Feeds v2)"
  return "server token"
}

function timesOf(claims: Readonly<Record<string, unknown>>, nowSeconds: number): string[] {
  const words = { iat: "issued", nbf: "valid from", exp: "expires" } as const
  const lines: string[] = []
  for (const [claim, word] of Object.entries(words)) {
    const value = claims[claim]
    if (value === undefined) continue
    // Milliseconds instead of seconds is the mistake that people make, and it is 50,000 years off.
    const isDate = typeof value === "number" && Math.abs(value) <= 8.64e12
    if (!isDate) lines.push(`${claim} is ${JSON.stringify(value)}, which is not a time in seconds`)
    else lines.push(`${word} ${new Date(value * 1000).toISOString()} (${fromNow(value - nowSeconds)})`)
  }
  if (claims.exp === undefined) lines.push("never expires")
  return lines
}

const fromNow = (seconds: number): string =>
  seconds >= 0 ? `in ${formatDuration(seconds)}` : `${formatDuration(seconds)} ago`

/** A JSON object of one part of a token, or null. */
function decodePart(part: string | undefined): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? "", "base64url").toString("utf8"))
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : null
  } catch {
    return null
  }
}

interface Signer {
  readonly alg: "HS256" | "ES256" | "EdDSA"
  sign(input: string): Buffer
}

/** Signs with an API secret's text or with a private key in PEM. Throws CommandError when it is neither. */
function signerOf(secret: string): Signer {
  if (!secret.trimStart().startsWith("-----BEGIN")) {
    importSecretOrThrow(secret)
    return { alg: "HS256", sign: (input) => createHmac("sha256", secret).update(input).digest() }
  }
  const key = privateKeyOf(secret)
  if (key?.asymmetricKeyType === "ed25519") {
    return { alg: "EdDSA", sign: (input) => sign(null, Buffer.from(input), key) }
  }
  if (key?.asymmetricKeyType === "ec" && key.asymmetricKeyDetails?.namedCurve === "prime256v1") {
    // JWS wants r and s side by side (RFC 7518 §3.4).
    return {
      alg: "ES256",
      sign: (input) => sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" }),
    }
  }
  throw new CommandError("the API secret cannot be used: it is no private key in PEM on the curve P-256 or for Ed25519")
}

function privateKeyOf(pem: string): KeyObject | null {
  try {
    return createPrivateKey(pem)
  } catch {
    // The library's sentence could quote what it was given.
    return null
  }
}

/** JWS compact serialization (RFC 7515 §3.1). */
function signToken(claims: object, signer: Signer, kid: string | null): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const header = { alg: signer.alg, typ: "JWT", ...(kid === null ? {} : { kid }) }
  const signingInput = `${encode(header)}.${encode(claims)}`
  return `${signingInput}.${signer.sign(signingInput).toString("base64url")}`
}

const secretOf = (args: Arguments, { env }: Context): string | null =>
  args.text("api-secret") ?? env.WEIR_API_SECRET ?? null

const apiKeyOf = (args: Arguments, { env }: Context): string => args.text("api-key") ?? env.WEIR_API_KEY ?? "unknown"

function importSecretOrThrow(secret: string): ReturnType<typeof importSecret> {
  try {
    return importSecret(secret)
  } catch (error) {
    throw new CommandError(`the API secret cannot be used: ${(error as Error).message}`)
  }
}

function lifetimeOf(text: string | null): number | null {
  if (text === null) return cliLimits.tokenLifetimeSecondsDefault
  if (text === "never") return null
  const seconds = parseDuration(text)
  if (seconds !== null && seconds <= cliLimits.tokenLifetimeSecondsMax) return seconds
  throw new UsageError(`--expires-in "${text}" is not a time such as 90s, 30m, 24h, 7d (at most ten years) or never`)
}

function callsOf(args: Arguments): { call_cids?: string[]; role?: string } {
  const calls = args.text("calls")
  const role = args.text("role")
  if (calls === null && role !== null) throw new UsageError("--role says something only together with --calls")
  if (calls === null) return {}
  const cids = calls.split(",")
  const wrong = cids.find((cid) => !/^[\w-]{1,64}:[\w-]{1,64}$/.test(cid))
  if (wrong !== undefined) throw new UsageError(`"${wrong.slice(0, 80)}" is not a call such as default:standup`)
  if (cids.length > cliLimits.callsPerTokenMax) {
    throw new UsageError(`--calls names ${cids.length} calls, at most ${cliLimits.callsPerTokenMax} fit`)
  }
  return role === null ? { call_cids: cids } : { call_cids: cids, role }
}

/** `pattern=action,action` and so on, separated by spaces, as the claim. */
function scopesOf(text: string | null): { scopes?: Scopes } {
  if (text === null) return {}
  const scopes: [pattern: string, actions: string[]][] = []
  for (const part of text.split(" ").filter((word) => word !== "")) {
    const [pattern = "", actions, ...rest] = part.split("=")
    if (actions === undefined || rest.length > 0) {
      throw new UsageError(`--scope "${part.slice(0, 80)}" is not pattern=actions such as chat:messaging:*=read,write`)
    }
    if (scopes.some(([known]) => known === pattern)) throw new UsageError(`--scope names ${pattern.slice(0, 80)} twice`)
    scopes.push([pattern, actions.split(",")])
  }
  // Nothing in a scope would be a token that is good for nothing, which nobody asks for on purpose.
  if (scopes.length === 0) throw new UsageError("--scope names no pattern")
  try {
    return { scopes: { ...parseScopes(Object.fromEntries(scopes)) } }
  } catch (error) {
    throw new UsageError(`--scope: ${(error as Error).message}`)
  }
}

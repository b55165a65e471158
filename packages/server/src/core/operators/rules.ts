import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { inputError } from "@weir/protocol"
import { limits } from "./limits.ts"
import type { OperatorLinkRow, OperatorRow, OperatorSessionRow } from "./store.ts"

/** Email addresses are compared in lower case, as most mail systems do. */
export const emailOf = (text: string): string => text.trim().toLowerCase()

/** The first words that anybody tries, of those that are long enough; compared without case, digits and marks at the end. */
const commonPasswords: ReadonlySet<string> = new Set([
  "password",
  "passwordpassword",
  "passw0rdpassw0rd",
  "changeme",
  "changemeplease",
  "changemechangeme",
  "letmein",
  "letmeinplease",
  "letmeinletmein",
  "administrator",
  "adminadmin",
  "adminadminadmin",
  "adminpassword",
  "rootpassword",
  "qwertyuiop",
  "qwertyqwerty",
  "qwertyuiopasdf",
  "qwertyuiopasdfghjkl",
  "asdfghjkl",
  "asdfasdfasdf",
  "zxcvbnm",
  "iloveyou",
  "iloveyouiloveyou",
  "welcome",
  "welcomewelcome",
  "sunshine",
  "princess",
  "football",
  "baseball",
  "superman",
  "monkeymonkey",
  "dragondragon",
  "correct horse battery staple",
  "correcthorsebatterystaple",
  "thisisapassword",
  "thisismypassword",
  "mypassword",
  "secretsecret",
  "supersecret",
  "testtesttest",
  "weirweirweir",
  "1q2w3e4r5t6y",
  "q1w2e3r4t5y6",
  "1qaz2wsx3edc",
  "abcdefghijkl",
  "abcdefghijklmnop",
])

/**
 * Throws inputError for a password that somebody would guess: too short, too long, the same sign again and again, a row
 * of signs, a well-known one, or one that has the operator's address in it.
 */
export function requireGoodPassword(password: string, email: string): void {
  const refuse = (why: string) => inputError(`this password ${why}`, { password: why })
  const length = [...password].length
  const { passwordCharsMin: min, passwordCharsMax: max } = limits
  if (length < min) throw refuse(`is too short: ${min} characters are the least`)
  if (password.length > max) throw refuse(`is too long: ${max} characters are the most`)
  const lower = password.toLowerCase()
  const stem = lower.replace(/[\d\W_]+$/u, "")
  const isRow = (text: string): boolean =>
    [...text].every(
      (char, at, all) => at === 0 || (char.codePointAt(0) ?? 0) - (all[at - 1]?.codePointAt(0) ?? 0) === 1,
    )
  if (new Set(lower).size < 4 || /^\d+$/.test(lower) || isRow(lower) || commonPasswords.has(lower)) {
    throw refuse("is among the first that anybody tries")
  }
  if (commonPasswords.has(stem)) throw refuse("is a common one with something behind it")
  const [mailbox = "", domain = ""] = emailOf(email).split("@")
  const parts = [emailOf(email), mailbox, domain].filter((part) => part.length >= 4)
  const rest = parts.reduce((text, part) => text.replaceAll(part, ""), lower)
  if (lower.length - rest.length > 0 && rest.length < min) throw refuse("is made of your email address")
}

/** A password's hash: Argon2id in the PHC string format. */
export const hashPassword = (password: string): Promise<string> =>
  Bun.password.hash(password, {
    algorithm: "argon2id",
    memoryCost: limits.passwordMemoryKib,
    timeCost: limits.passwordPasses,
  })

/** False as well for a hash that is none. */
export const verifyPassword = async (hash: string, password: string): Promise<boolean> =>
  Bun.password.verify(password, hash).catch(() => false)

/** What a one-time link carries behind `#`, and what is kept of it: it is random, so one round of SHA-256 is enough. */
export const newLinkToken = (): { token: string; sha256: string } => {
  const token = randomBytes(limits.linkTokenBytes).toString("base64url")
  return { token, sha256: linkTokenSha256(token) }
}
export const linkTokenSha256 = (token: string): string => createHash("sha256").update(token).digest("hex")

/** Where a link leads. The token is behind `#`, which browsers do not send, so that it stands in no log. */
export const linkPath = (kind: OperatorLinkRow["kind"], token: string): string =>
  kind === "setup" ? `/dashboard/setup#${token}` : `/dashboard/invite#${token}`

/**
 * The time step that a code belongs to, of those that are good at `nowMs`; null when it belongs to none (RFC 6238, SHA-1
 * as all authenticator apps have it). The key is the secret's text, which the apps are given in base32.
 */
export function stepOfCode(secret: string, code: string, nowMs: number): number | null {
  if (!/^\d+$/.test(code) || code.length !== limits.totpDigits) return null
  const present = Math.floor(nowMs / 1000 / limits.totpStepSeconds)
  let found: number | null = null
  for (let step = present - limits.totpSkewSteps; step <= present + limits.totpSkewSteps; step++) {
    const isEqual = timingSafeEqual(Buffer.from(codeOfStep(secret, step)), Buffer.from(code))
    // The latest of them, so that a code which two steps share is used up for both.
    if (isEqual) found = step
  }
  return found
}

/** The code of a time step: HOTP with the step as counter (RFC 4226 §5.3). */
export function codeOfStep(secret: string, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac("sha1", secret).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 0xf
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff
  return String(number % 10 ** limits.totpDigits).padStart(limits.totpDigits, "0")
}

/**
 * How a recovery code is kept: keyed, because its 59 bits alone could be tried out by whoever has a copy of the
 * database. Spaces, and a missing dash, do not matter.
 */
export function recoveryCodeHash(secret: string, code: string): string {
  const plain = code.replace(/[^A-Za-z0-9]/g, "").slice(0, limits.linkTokenCharsMax)
  return `${recoveryHashPrefix}${createHmac("sha256", secret).update(`recovery code ${plain}`).digest("base64url")}`
}
/** No recovery code has it, so that hashes are told from codes. */
export const recoveryHashPrefix = "hmac:"

/**
 * When an ID token says that somebody authenticated, in seconds since 1970 (`auth_time`, OpenID Connect Core 1.0 §2);
 * null when it does not say, or there is none. Its signature must have been verified.
 */
export function authTimeOf(idToken: string | undefined): number | null {
  const [, payload = ""] = (idToken ?? "").split(".")
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString())
    const said = typeof claims === "object" && claims !== null ? (claims as { auth_time?: unknown }).auth_time : null
    return typeof said === "number" && Number.isFinite(said) ? said : null
  } catch {
    return null
  }
}

/**
 * Since when a login by single sign-on is proved, in milliseconds; null: it proves nothing afresh, because the provider
 * authenticated nobody of late, or does not say when (§3.1.2.1: where `max_age` was asked for, it must).
 */
export function ssoVerifiedAtMs(authTimeSeconds: number | null, nowMs: number): number | null {
  if (authTimeSeconds === null) return null
  const authenticatedMs = Math.floor(authTimeSeconds * 1000)
  const ageMs = nowMs - authenticatedMs
  const { ssoAuthAgeMsMax, ssoClockLeewayMs } = limits
  if (ageMs > ssoAuthAgeMsMax + ssoClockLeewayMs || ageMs < -ssoClockLeewayMs) return null
  return Math.min(authenticatedMs, nowMs)
}

/** Name of the session's cookie. The prefix makes browsers refuse it without Secure, with a domain or another path. */
export const sessionCookieName = "__Host-weir_session"

/** The token in a session's cookie, or null when the cookie is missing or its signature is not ours. */
export function sessionTokenIn(cookieHeader: string | null, secret: string): string | null {
  const value = cookieIn(cookieHeader, sessionCookieName)
  if (value === null) return null
  const dot = value.lastIndexOf(".")
  const token = value.slice(0, Math.max(0, dot))
  const given = Buffer.from(value.slice(dot + 1), "base64")
  const expected = createHmac("sha256", secret).update(token).digest()
  return token !== "" && given.length === expected.length && timingSafeEqual(given, expected) ? token : null
}

function cookieIn(header: string | null, name: string): string | null {
  const values = (header ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
  // Two of one name would be read in different ways by different readers.
  if (values.length !== 1) return null
  try {
    return decodeURIComponent((values[0] as string).slice(name.length + 1))
  } catch {
    return null
  }
}

export interface OperatorCounts {
  readonly passkeys: number
  readonly sessions: number
}

export const operatorResponse = (row: OperatorRow, { passkeys, sessions }: OperatorCounts) => ({
  id: row.id,
  name: row.name,
  email: row.email,
  role: row.role,
  disabled: row.disabled === 1,
  has_totp: row.two_factor_enabled === 1,
  passkeys,
  sessions,
  created_at: new Date(row.created_at).toISOString(),
  last_login_at: row.last_login_at === null ? null : new Date(row.last_login_at).toISOString(),
})

export const inviteResponse = (row: OperatorLinkRow) => ({
  id: row.id,
  email: row.email,
  role: row.role,
  invited_by: row.invited_by,
  created_at: new Date(row.created_at).toISOString(),
  expires_at: new Date(row.expires_at).toISOString(),
})

export const sessionResponse = (row: OperatorSessionRow, currentId: string) => ({
  id: row.id,
  current: row.id === currentId,
  address: row.address,
  user_agent: row.user_agent,
  created_at: new Date(row.created_at).toISOString(),
  verified_at: row.verified_at === null ? null : new Date(row.verified_at).toISOString(),
  expires_at: new Date(sessionEndMs(row)).toISOString(),
})

/** When a session ends: so long after its last renewal, and no later than so long after the login. */
export const sessionEndMs = ({
  expires_at,
  created_at,
}: Pick<OperatorSessionRow, "expires_at" | "created_at">): number =>
  Math.min(expires_at, created_at + limits.sessionMsMax)

import { createHash } from "node:crypto"
import { type CanonicalValue, canonicalJson } from "@weir/protocol"
import { parseStrictJson } from "../../authenticate/json.ts"
import type { AuditRecord } from "../../request/http.ts"
import { limits } from "./limits.ts"
import type { AuditRow } from "./store.ts"

/** A place in the chain: number and hash of its row. `{seq: 0, hash: ""}` is before the first. */
export interface ChainPlace {
  readonly seq: number
  readonly hash: string
}

type Members = Readonly<Record<string, unknown>>

/** A row as the management API and exports show it, and as its hash covers it. */
export interface AuditResponse {
  readonly seq: number
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string
  readonly app_id: number | null
  readonly action: string
  readonly actor: string
  readonly address: string | null
  readonly target: Members | null
  readonly before: Members | null
  readonly after: Members | null
  readonly hash: string
  readonly prev_hash: string
}

/** The row that follows this place. What an entry says is bounded, and secrets are taken out whatever the caller gave. */
export function nextRow(head: ChainPlace, record: AuditRecord): AuditRow {
  const row: Omit<AuditRow, "hash"> = {
    seq: head.seq + 1,
    at: record.at,
    app_id: record.appId ?? null,
    action: shownText(record.action),
    actor: shownText(record.actor),
    address: record.address === null ? null : shownText(record.address),
    target: membersOf(record.target),
    before: membersOf(record.before),
    after: membersOf(record.after),
    prev_hash: head.hash,
  }
  return { ...row, hash: hashOf(auditResponse({ ...row, hash: "" })) }
}

/**
 * SHA-256 in lower hex over the canonical JSON (RFC 8785) of all members but `hash`, the hash of the row before among
 * them. Throws RangeError for what has no canonical form.
 */
export function hashOf({ hash: _, ...members }: AuditResponse): string {
  return createHash("sha256")
    .update(canonicalJson(members as unknown as CanonicalValue))
    .digest("hex")
}

/** The row as it is shown. Throws when it holds what was never written here. */
export const auditResponse = (row: AuditRow): AuditResponse => ({
  seq: row.seq,
  at: new Date(row.at).toISOString(),
  app_id: row.app_id,
  action: row.action,
  actor: row.actor,
  address: row.address,
  target: parsed(row.target),
  before: parsed(row.before),
  after: parsed(row.after),
  hash: row.hash,
  prev_hash: row.prev_hash,
})

/** As auditResponse, and never throws: what does not read as JSON any more is shown as text. */
export function shownRow(row: AuditRow): AuditResponse {
  try {
    return auditResponse(row)
  } catch {
    const at = new Date(Number(row.at))
    return {
      ...row,
      at: Number.isNaN(at.getTime()) ? String(row.at) : at.toISOString(),
      target: { unreadable: row.target },
      before: { unreadable: row.before },
      after: { unreadable: row.after },
    }
  }
}

/** What is wrong with a chain at an entry that should follow `previous`; null when nothing is. */
export function faultOf(previous: ChainPlace, entry: AuditResponse): string | null {
  const expected = previous.seq + 1
  if (entry.seq !== expected) {
    const isLater = Number.isSafeInteger(entry.seq) && entry.seq > expected
    return isLater ? `row ${expected} is missing` : "a row was put in or moved"
  }
  // First whether it is itself what was written: then the blame for a break falls on the right row.
  if (ownHash(entry) !== entry.hash) return "it was changed"
  if (entry.prev_hash !== previous.hash) return `it does not follow row ${previous.seq}: one of them was exchanged`
  return null
}

function ownHash(entry: AuditResponse): string | null {
  try {
    return hashOf(entry)
  } catch {
    return null
  }
}

/** As faultOf, for a row of the database: other spellings of the same value count as changes too. */
export function faultOfRow(previous: ChainPlace, row: AuditRow): string | null {
  let entry: AuditResponse
  try {
    entry = auditResponse(row)
  } catch {
    return row.seq === previous.seq + 1 ? "it was changed" : "a row was put in or moved"
  }
  const isAsWritten =
    Number.isSafeInteger(row.at) &&
    (["target", "before", "after"] as const).every((name) => row[name] === textOf(entry[name]))
  return faultOf(previous, entry) ?? (isAsWritten ? null : "it was changed")
}

/**
 * Reads a line of an export. Throws JsonError for what is no JSON or can be read in two ways, TypeError for what is no
 * entry. Whether it is whole, its hash says.
 */
export function parseEntry(line: string): AuditResponse {
  const entry = parseStrictJson(line, limits.depthMax + 2) as AuditResponse | null
  const isEntry =
    typeof entry === "object" &&
    entry !== null &&
    Number.isSafeInteger(entry.seq) &&
    entry.seq > 0 &&
    typeof entry.hash === "string" &&
    typeof entry.prev_hash === "string" &&
    typeof entry.action === "string"
  if (!isEntry) throw new TypeError("it is no entry of an audit log")
  return entry
}

// Characters that a terminal acts on, or that change the order or the lines of what is read: JSON.stringify escapes
// those below a space, and leaves these.
const unshown = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

/** One line of JSON that shows on any terminal as what it is. */
export const jsonLine = (value: object): string =>
  JSON.stringify(value).replace(unshown, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Last words of names whose texts are secrets. */
const secretWords: ReadonlySet<string> = new Set([
  "secret",
  "secrets",
  "value",
  "values",
  "token",
  "tokens",
  "password",
  "passphrase",
  "credential",
  "credentials",
  "authorization",
  "cookie",
  "jwt",
  "pem",
  "seed",
])
/** Members of a JSON Web Key that are private (RFC 7518 §6, RFC 8037 §2). */
const privateJwkMembers: ReadonlySet<string> = new Set(["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
/** Texts that are secrets by their form, wherever they stand. */
const secretForms = /weir_sk_\w+|\beyJ[\w-]+\.[\w-]*\.[\w-]*|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*/g
const removed = "(removed)"

function membersOf(members: object | undefined): string | null {
  if (members === undefined) return null
  const json = canonicalJson(shown(members, limits.depthMax))
  return Buffer.byteLength(json) <= limits.membersBytesMax
    ? json
    : canonicalJson({ left_out: `more than ${limits.membersBytesMax} bytes` })
}

function shown(value: unknown, depthLeft: number): CanonicalValue {
  if (value === null || value === undefined) return null
  if (typeof value === "boolean") return value
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : String(value)
  if (typeof value === "bigint") return String(value)
  if (typeof value === "string") return shownText(value)
  if (typeof value !== "object") return removed
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return removed
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (depthLeft === 0) return "…"
  if (Array.isArray(value)) return value.slice(0, limits.membersMax).map((item) => shown(item, depthLeft - 1))
  const isJwk = Object.hasOwn(value, "kty")
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, member]) => !isSecret(name, member) && !(isJwk && privateJwkMembers.has(name)))
      .slice(0, limits.membersMax)
      .map(([name, member]) => [shownText(name), shown(member, depthLeft - 1)]),
  )
}

// Numbers and objects under such a name are counts and descriptions; an object's own members are looked at in turn.
function isSecret(name: string, member: unknown): boolean {
  if (/private|sealed|cipher/i.test(name)) return true
  const holdsText = (item: unknown): boolean => typeof item === "string" || ArrayBuffer.isView(item)
  if (!holdsText(member) && !(Array.isArray(member) && member.some(holdsText))) return false
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
  return secretWords.has(words.at(-1) ?? "")
}

function shownText(text: string): string {
  const { textCharsMax } = limits
  // Before it is cut: half a secret has not its form.
  const clean = text.slice(0, textCharsMax * 8).replace(secretForms, removed)
  const cut = clean.length > textCharsMax ? `${clean.slice(0, textCharsMax)}…` : clean
  // What Postgres or canonical JSON cannot hold.
  return cut.replace(/\p{Surrogate}/gu, "\ufffd").replaceAll("\0", "\ufffd")
}

const parsed = (json: string | null): Members | null => (json === null ? null : JSON.parse(json))
const textOf = (members: Members | null): string | null =>
  members === null ? null : canonicalJson(members as CanonicalValue)

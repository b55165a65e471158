import { createHash } from "node:crypto"
import { type CanonicalValue, canonicalJson } from "@weir/protocol"
import type { AuditRecord } from "../../request/http.ts"
import { limits } from "./limits.ts"
import type { AuditHeadRow, AuditRow } from "./store.ts"

/** The row that follows the head. What an entry says is bounded, and secrets are taken out whatever the caller gave. */
export function nextRow(head: Pick<AuditHeadRow, "seq" | "hash">, record: AuditRecord): AuditRow {
  const row: Omit<AuditRow, "hash"> = {
    seq: head.seq + 1,
    at: record.at,
    app_id: record.appId ?? null,
    action: record.action,
    actor: cut(record.actor),
    address: record.address === null ? null : cut(record.address),
    target: membersOf(record.target),
    before: membersOf(record.before),
    after: membersOf(record.after),
    prev_hash: head.hash,
  }
  return { ...row, hash: hashOf(row) }
}

/** SHA-256 in hex over everything that a row says, the hash of the row before among it. */
export function hashOf({ hash: _, ...row }: Omit<AuditRow, "hash"> & { readonly hash?: string }): string {
  return createHash("sha256").update(canonicalJson(row)).digest("hex")
}

/** What is wrong with a chain at this row; null when nothing is. */
export function faultOf(previous: Pick<AuditRow, "seq" | "hash"> | null, row: AuditRow): string | null {
  const expected = (previous?.seq ?? 0) + 1
  if (row.seq !== expected) return `row ${expected} is missing`
  if (row.prev_hash !== (previous?.hash ?? ""))
    return "it does not follow the row before: that one or this was exchanged"
  let own: string
  try {
    own = hashOf(row)
  } catch {
    return "it was changed"
  }
  return own === row.hash ? null : "it was changed"
}

const secretNames = /secret$|^value$|sealed|token$|private|password|authorization|^pem$/i

function membersOf(members: Readonly<Record<string, unknown>> | undefined): string | null {
  return members === undefined ? null : canonicalJson(shown(members, limits.depthMax))
}

function shown(value: unknown, depthLeft: number): CanonicalValue {
  if (value === null || value === undefined) return null
  if (typeof value === "boolean") return value
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : String(value)
  if (typeof value === "string") return cut(value)
  if (typeof value !== "object" || depthLeft === 0) return cut(String(value))
  if (Array.isArray(value)) return value.slice(0, limits.membersMax).map((item) => shown(item, depthLeft - 1))
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !secretNames.test(name))
      .slice(0, limits.membersMax)
      .map(([name, member]) => [cut(name), shown(member, depthLeft - 1)]),
  )
}

const cut = (text: string): string =>
  (text.length > limits.textCharsMax ? `${text.slice(0, limits.textCharsMax)}…` : text)
    .replace(/\p{Surrogate}/gu, "\uFFFD")
    .replaceAll("\0", "\uFFFD")

/** A row as the management API and the exports show it. */
export const auditResponse = (row: AuditRow) => ({
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

export type AuditResponse = ReturnType<typeof auditResponse>

/** The row that an exported entry came from, so that an export can be verified without the database. */
export const rowOfResponse = (entry: AuditResponse): AuditRow => ({
  seq: entry.seq,
  at: Date.parse(entry.at),
  app_id: entry.app_id,
  action: entry.action,
  actor: entry.actor,
  address: entry.address,
  target: textOf(entry.target),
  before: textOf(entry.before),
  after: textOf(entry.after),
  prev_hash: entry.prev_hash,
  hash: entry.hash,
})

const parsed = (json: string | null): Record<string, unknown> | null => (json === null ? null : JSON.parse(json))
const textOf = (members: Record<string, unknown> | null): string | null =>
  members === null ? null : canonicalJson(members as CanonicalValue)

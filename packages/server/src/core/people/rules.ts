// How a user is shown to operators, and what of a stored row leaves with an export.

import { inputError } from "@weir/protocol"
import { standingBans } from "../../authenticate/bans.ts"
import type { User } from "../users/index.ts"
import type { Cursor, PlaceRow, UserPlace } from "./store.ts"

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

/** A user with what decides about their rights (protocol, AppUser). */
export function appUser(user: User, online: boolean, now: number) {
  const bans = standingBans(user.bans, now)
  return {
    id: user.id,
    name: user.name,
    image: user.image,
    role: user.role,
    teams: [...user.teams],
    language: user.language,
    online,
    invisible: user.invisible,
    banned: bans !== null && bans.app !== null,
    ban_expires: iso(bans?.app?.expiresAt ?? null),
    banned_channels: Object.keys(bans?.channels ?? {}).length,
    created_at: new Date(user.createdAt).toISOString(),
    updated_at: new Date(user.updatedAt).toISOString(),
    last_active: iso(user.lastActive),
    deactivated_at: iso(user.deactivatedAt),
    deleted_at: iso(user.deletedAt),
    revoke_tokens_issued_before: iso(user.revokeTokensIssuedBefore),
  }
}

/** A cursor holds nothing that its bearer has not just seen, and is checked like any other input. */
export const cursorText = (cursor: Cursor): string => Buffer.from(JSON.stringify(cursor)).toString("base64url")

/** Reads a cursor that was made for such a list. Throws inputError. */
export function readCursor(text: string, isSearch: boolean): Cursor {
  const invalid = inputError("next is not a cursor of this list", { next: "is not a cursor of this list" })
  let value: Partial<Record<string, unknown>> | null
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString("utf8"))
  } catch {
    throw invalid
  }
  if (typeof value !== "object" || value === null) throw invalid
  const { by, id, folded, createdAt } = value
  if (!isStorable(id)) throw invalid
  if (isSearch && by === "id") return { by, id }
  if (isSearch && by === "name" && isStorable(folded)) return { by, folded, id }
  if (!isSearch && by === "created" && Number.isSafeInteger(createdAt)) {
    return { by, createdAt: createdAt as number, id }
  }
  throw invalid
}

/** A text that both databases can hold. */
const isStorable = (value: unknown): value is string =>
  typeof value === "string" && !value.includes("\0") && value.isWellFormed()

/** One stored row as a line of an export shows it: times as RFC 3339, JSON as what it says, flags as true and false. */
export function exportedRow(place: UserPlace, row: PlaceRow): Record<string, unknown> {
  const { json = [], times = [], seconds = [], flags = [], without = [] } = place
  const shown: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(row)) {
    if (name === "app_id" || without.includes(name)) continue
    if (value === null) shown[name] = null
    else if (json.includes(name)) shown[name] = JSON.parse(String(value))
    else if (flags.includes(name)) shown[name] = value === 1
    else if (times.includes(name)) shown[name] = dateOf(Number(value))
    else if (seconds.includes(name)) shown[name] = dateOf(Number(value) * 1000)
    else shown[name] = value
  }
  return shown
}

// A token may name a time that no date can hold.
function dateOf(ms: number): string | number {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? ms : date.toISOString()
}

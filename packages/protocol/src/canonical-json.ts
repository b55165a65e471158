// One text for one value, for whatever is signed or hashed: JSON with sorted members and no spaces (RFC 8785).
// Only values whose text is the same everywhere: no fractions and no numbers beyond 2^53.

/** What canonicalJson writes. */
export type CanonicalValue =
  | null
  | boolean
  | number
  | string
  | readonly CanonicalValue[]
  | { readonly [member: string]: CanonicalValue | undefined }

/**
 * Writes a value in its one form. Members that are undefined are left out. Throws RangeError for a number that is not a
 * whole one up to 2^53 - 1, and for text that is not well-formed Unicode.
 */
export function canonicalJson(value: CanonicalValue): string {
  if (value === null || typeof value === "boolean") return String(value)
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new RangeError("canonical JSON holds whole numbers up to 2^53 - 1")
    // Minus zero is zero.
    return String(value === 0 ? 0 : value)
  }
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value)) throw new RangeError("canonical JSON holds well-formed Unicode text")
    return JSON.stringify(value)
  }
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item as CanonicalValue)).join(",")}]`
  // By UTF-16 code units, which is how strings compare here (RFC 8785 §3.2.3).
  const members = Object.entries(value as { readonly [member: string]: CanonicalValue | undefined })
    .filter((member): member is [string, CanonicalValue] => member[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member)}`).join(",")}}`
}

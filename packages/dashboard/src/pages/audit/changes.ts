// Compares what an entry says of before and after, field by field.

export interface Change {
  readonly field: string
  /** Null: the field was not there. */
  readonly before: string | null
  readonly after: string | null
  readonly kind: "added" | "removed" | "changed" | "same"
}

type Members = Readonly<Record<string, unknown>>

/** Every field of either side, in the order of before and then of after; objects within are compared by their fields. */
export function changesOf(before: Members | null, after: Members | null): Change[] {
  const old = flattened(before)
  const now = flattened(after)
  return [...new Set([...old.keys(), ...now.keys()])].map((field) => {
    const was = old.get(field) ?? null
    const is = now.get(field) ?? null
    const kind = was === null ? "added" : is === null ? "removed" : was === is ? "same" : "changed"
    return { field, before: was, after: is, kind }
  })
}

const depthMax = 4

function flattened(members: Members | null, prefix = "", depth = 0): Map<string, string> {
  return new Map(
    Object.entries(members ?? {}).flatMap(([name, value]): [string, string][] => {
      const field = `${prefix}${name}`
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value)
      if (!isObject || depth >= depthMax || Object.keys(value).length === 0) return [[field, shownValue(value)]]
      return [...flattened(value as Members, `${field}.`, depth + 1)]
    }),
  )
}

/** A value as people read it; JSON where it is more than one word. */
export function shownValue(value: unknown): string {
  if (value === null || value === undefined) return "none"
  if (typeof value === "string") return value === "" ? "empty" : value
  return typeof value === "object" ? JSON.stringify(value) : String(value)
}

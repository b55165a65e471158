// A state that is read and events that are heard overlap: the socket hears before the state is read, so either may bring
// what the other has brought already, and the answer may arrive after newer events.

export interface Dated {
  readonly id: string
  /** RFC 3339 in UTC with milliseconds, which sorts as text. */
  readonly created_at: string
}

/** Both lists as one, each id once and in the order of their times: the newest `max`. */
export function merge<T extends Dated>(shown: readonly T[], more: readonly T[], max: number): readonly T[] {
  const byId = new Map([...shown, ...more].map((each) => [each.id, each]))
  return [...byId.values()]
    .sort((a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0))
    .slice(-max)
}

/** The later of two such times; an empty one is before all others. */
export const later = (one: string, other: string): string => (one > other ? one : other)

// A bounded map that forgets what has not been used for long. Two generations instead of one ordered list: a hit
// then only reads, which matters because every authenticated request hits. (Moving an entry to the end of a Map by
// delete and set costs JavaScriptCore up to tens of microseconds when one key is hot, since the places of deleted
// entries stay in the key's chain until the next rehash.)

export interface Lru<V> {
  /** At most the bound given at creation. */
  readonly size: number
  /** Counts as a use. */
  get(key: string): V | undefined
  /** Counts as a use. */
  set(key: string, value: V): void
  /** Whether the key was there. */
  delete(key: string): boolean
  clear(): void
}

/**
 * Holds at most `entriesMax` entries (2 or more, else RangeError). An entry stays at least until half as many other
 * keys were set or found after its last use.
 */
export function createLru<V extends NonNullable<unknown> | null>(entriesMax: number): Lru<V> {
  if (!Number.isInteger(entriesMax) || entriesMax < 2) {
    throw new RangeError(`a cache holds a whole number of entries, 2 or more, not ${entriesMax}`)
  }
  const generationMax = Math.floor(entriesMax / 2)
  let young = new Map<string, V>()
  let old = new Map<string, V>()

  const put = (key: string, value: V): void => {
    if (young.size >= generationMax && !young.has(key)) {
      old = young
      young = new Map()
    }
    young.set(key, value)
  }

  return {
    get size() {
      return young.size + old.size
    },
    get(key) {
      const value = young.get(key)
      if (value !== undefined) return value
      const older = old.get(key)
      if (older === undefined) return undefined
      old.delete(key)
      put(key, older)
      return older
    },
    set(key, value) {
      old.delete(key)
      put(key, value)
    },
    delete: (key) => young.delete(key) || old.delete(key),
    clear() {
      young = new Map()
      old = new Map()
    },
  }
}

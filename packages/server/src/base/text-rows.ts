// Rows under texts, for millions of them: kept as bytes and numbers in typed arrays, which the garbage collector does not
// walk. As many objects in a Map would lengthen its every round, for everybody. A row is a whole number, the same for as
// long as the row lives, so that callers keep what else belongs to it in typed arrays of their own.

import { limits } from "./limits.ts"

export interface TextRows {
  /** Rows that live. */
  readonly count: number
  /** Every row is below this, those that are free too. */
  readonly end: number
  /** The first row under this text of this space (a whole number from 0 to 2^31 - 1), or -1. */
  first(space: number, text: string): number
  /** The next row under the same text, or -1. */
  next(row: number): number
  /**
   * Puts a row under a text: behind `after`, which must be under the same text, or as the first with -1. Throws RangeError
   * for a text or label that is longer than limits.rowTextCharsMax.
   */
  add(space: number, text: string, label: string, after: number): number
  remove(row: number): void
  isLive(row: number): boolean
  spaceOf(row: number): number
  textOf(row: number): string
  labelOf(row: number): string
  hasLabel(row: number, label: string): boolean
}

const none = -1
/** Slots are pairs: the hash of the text, and the first row under it plus one (0: free). */
const slotNumbers = 2
const slotsMin = 64
const rowsMin = 64

export function createTextRows(): TextRows {
  const texts = createTexts()
  // Differs between processes, so that nobody can choose texts that meet.
  const seed = crypto.getRandomValues(new Int32Array(1))[0] ?? 0
  let slots = new Int32Array(slotsMin * slotNumbers)
  let used = 0
  let rows = newRows(rowsMin)
  let end = 0
  let count = 0
  let free = none

  const hashOf = (space: number, text: string): number => {
    let hash = seed ^ Math.imul(space, 0x9e3779b1)
    const { length } = text
    for (let at = 0; at < length; at += 2) {
      let pair = text.charCodeAt(at) | (at + 1 < length ? text.charCodeAt(at + 1) << 16 : 0)
      pair = Math.imul(pair, 0xcc9e2d51)
      pair = (pair << 15) | (pair >>> 17)
      hash ^= Math.imul(pair, 0x1b873593)
      hash = (hash << 13) | (hash >>> 19)
      hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
    }
    hash ^= length
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    return hash ^ (hash >>> 16)
  }

  /** The slot of a text, or the free one where it would be. Half of the slots are free, so the walk is short. */
  const slotOf = (space: number, text: string, hash: number): number => {
    const mask = slots.length / slotNumbers - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const row = (slots[slot * slotNumbers + 1] as number) - 1
      if (row === none) return slot
      if (
        slots[slot * slotNumbers] === hash &&
        rows.space[row] === space &&
        texts.equals(rows.text[row] as number, text)
      ) {
        return slot
      }
    }
  }

  const fill = (slot: number, hash: number, row: number): void => {
    slots[slot * slotNumbers] = hash
    slots[slot * slotNumbers + 1] = row + 1
  }

  const growSlots = (): void => {
    const before = slots
    slots = new Int32Array(before.length * 2)
    const mask = slots.length / slotNumbers - 1
    for (let at = 0; at < before.length; at += slotNumbers) {
      const row = (before[at + 1] as number) - 1
      if (row === none) continue
      const hash = before[at] as number
      let slot = hash & mask
      while (slots[slot * slotNumbers + 1] !== 0) slot = (slot + 1) & mask
      fill(slot, hash, row)
    }
  }

  /** Frees a slot and moves those behind it up, so that no walk ends before what it looks for. */
  const freeSlot = (freed: number): void => {
    const mask = slots.length / slotNumbers - 1
    let hole = freed
    for (let slot = (hole + 1) & mask; slots[slot * slotNumbers + 1] !== 0; slot = (slot + 1) & mask) {
      const hash = slots[slot * slotNumbers] as number
      // It may move unless its own place lies between the hole and here.
      if (((slot - (hash & mask)) & mask) >= ((slot - hole) & mask)) {
        fill(hole, hash, (slots[slot * slotNumbers + 1] as number) - 1)
        hole = slot
      }
    }
    fill(hole, 0, none)
    used -= 1
  }

  const takeRow = (): number => {
    if (free !== none) {
      const row = free
      free = rows.next[row] as number
      return row
    }
    if (end === rows.space.length) rows = grownRows(rows)
    end += 1
    return end - 1
  }

  const isLive = (row: number): boolean => row >= 0 && row < end && rows.space[row] !== none

  return {
    get count() {
      return count
    },
    get end() {
      return end
    },
    first: (space, text) => (slots[slotOf(space, text, hashOf(space, text)) * slotNumbers + 1] as number) - 1,
    next: (row) => rows.next[row] as number,
    add(space, text, label, after) {
      if (text.length > limits.rowTextCharsMax || label.length > limits.rowTextCharsMax) {
        throw new RangeError(`a text has at most ${limits.rowTextCharsMax} characters`)
      }
      const hash = hashOf(space, text)
      if (after === none && (used + 1) * 2 > slots.length / slotNumbers) growSlots()
      const row = takeRow()
      rows.text[row] = texts.put(text)
      rows.label[row] = texts.put(label)
      // Not before the slot is found: until then the row is under no text.
      rows.space[row] = none
      if (after === none) {
        const slot = slotOf(space, text, hash)
        const first = (slots[slot * slotNumbers + 1] as number) - 1
        if (first === none) used += 1
        rows.next[row] = first
        fill(slot, hash, row)
      } else {
        rows.next[row] = rows.next[after] as number
        rows.next[after] = row
      }
      rows.space[row] = space
      count += 1
      return row
    },
    remove(row) {
      if (!isLive(row)) return
      const space = rows.space[row] as number
      const text = texts.read(rows.text[row] as number)
      const slot = slotOf(space, text, hashOf(space, text))
      const next = rows.next[row] as number
      const first = (slots[slot * slotNumbers + 1] as number) - 1
      if (first !== row) {
        let before = first
        while (rows.next[before] !== row) before = rows.next[before] as number
        rows.next[before] = next
      } else if (next === none) freeSlot(slot)
      else slots[slot * slotNumbers + 1] = next + 1
      texts.free(rows.text[row] as number)
      texts.free(rows.label[row] as number)
      rows.space[row] = none
      rows.next[row] = free
      free = row
      count -= 1
    },
    isLive,
    spaceOf: (row) => rows.space[row] as number,
    textOf: (row) => texts.read(rows.text[row] as number),
    labelOf: (row) => texts.read(rows.label[row] as number),
    hasLabel: (row, label) => texts.equals(rows.label[row] as number, label),
  }
}

interface Rows {
  /** -1: the row is free. */
  readonly space: Int32Array
  /** The next under the same text; of a free row the next free one. */
  readonly next: Int32Array
  readonly text: Int32Array
  readonly label: Int32Array
}

const newRows = (length: number): Rows => ({
  space: new Int32Array(length),
  next: new Int32Array(length),
  text: new Int32Array(length),
  label: new Int32Array(length),
})

function grownRows(rows: Rows): Rows {
  const grown = newRows(rows.space.length * 2)
  grown.space.set(rows.space)
  grown.next.set(rows.next)
  grown.text.set(rows.text)
  grown.label.set(rows.label)
  return grown
}

/** A place is this many bytes, and a text takes as many places as it needs. */
const placeBytes = 16
const chunkPlacesBits = 16
const chunkPlaces = 1 << chunkPlacesBits
/** The first chunk begins small and grows, because many tables hold a few rows only. */
const firstChunkBytes = 1024
/** Two bytes: twice the length, and one more where a character takes two bytes. */
const headBytes = 2

/** Texts as bytes. What is freed is used again by texts of the same size. */
function createTexts() {
  const chunks: Uint8Array[] = []
  /** By size in places: the first free text of that size; the next one stands in it. */
  const freeOf: number[] = []
  let next = 0

  const chunkOf = (at: number): Uint8Array => chunks[at >>> chunkPlacesBits] as Uint8Array
  const byteOf = (at: number): number => (at & (chunkPlaces - 1)) * placeBytes
  const placesFor = (length: number, isWide: boolean): number =>
    Math.ceil((headBytes + (isWide ? 2 * length : length)) / placeBytes)

  const take = (places: number): number => {
    const freed = freeOf[places] ?? none
    if (freed !== none) {
      freeOf[places] = new DataView(chunkOf(freed).buffer).getInt32(byteOf(freed))
      return freed
    }
    // No text lies across the end of a chunk.
    if ((next & (chunkPlaces - 1)) + places > chunkPlaces) next = chunks.length * chunkPlaces
    const at = next
    next += places
    const index = at >>> chunkPlacesBits
    const chunk = chunks[index] ?? new Uint8Array(index === 0 ? firstChunkBytes : chunkPlaces * placeBytes)
    const needed = byteOf(at) + places * placeBytes
    if (needed <= chunk.length) chunks[index] = chunk
    else {
      const grown = new Uint8Array(Math.min(chunkPlaces * placeBytes, Math.max(needed, 2 * chunk.length)))
      grown.set(chunk)
      chunks[index] = grown
    }
    return at
  }
  const headOf = (at: number): number => {
    const byte = byteOf(at)
    const chunk = chunkOf(at)
    return ((chunk[byte] as number) << 8) | (chunk[byte + 1] as number)
  }

  return {
    put(text: string): number {
      const { length } = text
      let isWide = false
      for (let i = 0; i < length && !isWide; i++) isWide = text.charCodeAt(i) > 255
      const at = take(placesFor(length, isWide))
      const chunk = chunkOf(at)
      let byte = byteOf(at)
      const head = length * 2 + (isWide ? 1 : 0)
      chunk[byte++] = head >>> 8
      chunk[byte++] = head & 255
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i)
        if (isWide) chunk[byte++] = code >>> 8
        chunk[byte++] = code & 255
      }
      return at
    },
    equals(at: number, text: string): boolean {
      const head = headOf(at)
      const { length } = text
      if (head >>> 1 !== length) return false
      const chunk = chunkOf(at)
      let byte = byteOf(at) + headBytes
      if ((head & 1) === 0) {
        for (let i = 0; i < length; i++) if (chunk[byte++] !== text.charCodeAt(i)) return false
        return true
      }
      for (let i = 0; i < length; i++) {
        if ((((chunk[byte++] as number) << 8) | (chunk[byte++] as number)) !== text.charCodeAt(i)) return false
      }
      return true
    },
    read(at: number): string {
      const head = headOf(at)
      const chunk = chunkOf(at)
      let byte = byteOf(at) + headBytes
      let text = ""
      for (let i = 0; i < head >>> 1; i++) {
        const high = (head & 1) === 0 ? 0 : (chunk[byte++] as number) << 8
        text += String.fromCharCode(high | (chunk[byte++] as number))
      }
      return text
    },
    free(at: number): void {
      const head = headOf(at)
      const places = placesFor(head >>> 1, (head & 1) === 1)
      new DataView(chunkOf(at).buffer).setInt32(byteOf(at), freeOf[places] ?? none)
      freeOf[places] = at
    },
  }
}

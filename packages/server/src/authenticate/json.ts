// JSON without its ambiguities, for texts that decide who somebody is (RFC 8725 §2.4, RFC 7493). RFC 8259 leaves it to
// the reader which of two equal members counts; a text that two readers understand differently is refused instead.
//
// There are two readers here. `parseStrictJson` is short, complete and the judge of every doubt. `scanPlain` reads the
// plain objects that minting libraries write, in a third of the time and without making anything that nobody asked for;
// at the first byte that is not plain it hands the text over. It never refuses, and json.test.ts holds the two together.

/** The text is not JSON, or is JSON that readers may disagree about. The message says which; it quotes nothing. */
export class JsonError extends Error {
  override readonly name = "JsonError"
}

/** Names that a reader looks for, prepared once by `memberNames`. */
export interface MemberNames {
  readonly names: readonly string[]
  readonly bytes: readonly Uint8Array[]
  readonly hashes: Int32Array
  readonly absent: readonly undefined[]
}

/** Prepares names, in ASCII, for readMembers. */
export function memberNames(names: readonly string[]): MemberNames {
  const bytes = names.map((name) => Uint8Array.from(Buffer.from(name, "latin1")))
  const hashes = Int32Array.from(bytes, (name) => name.reduce(hashNext, 0))
  return { names, bytes, hashes, absent: names.map(() => undefined) }
}

/**
 * Reads one JSON object, strictly as parseStrictJson does, from the UTF-8 in the first `length` bytes. Returns the
 * values of the wanted members in the order of their names, undefined for those that are absent. Throws JsonError.
 */
export function readMembers(bytes: Buffer, length: number, wanted: MemberNames, depthMax: number): unknown[] {
  const plain = scanPlain(bytes, length, wanted)
  if (plain !== null) return plain
  const value = parseStrictJson(decodeUtf8(bytes.subarray(0, length)), depthMax)
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new JsonError("it is not an object")
  // Own members only: nothing that a prototype holds is ever taken for a member.
  return wanted.names.map((name) => (Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined))
}

/**
 * Parses JSON (RFC 8259) and refuses repeated member names at any depth, nesting deeper than `depthMax` levels of
 * objects and arrays, and lone surrogates. Names compare after their escapes are resolved. Objects come as JSON.parse
 * makes them: `__proto__` is an ordinary own member. Throws JsonError.
 */
export function parseStrictJson(text: string, depthMax: number): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new JsonError("it is not valid JSON")
  }
  // JSON.parse keeps the last of equal members, so a repeated name shows as a member of the text that the value lacks.
  if (countMembers(value, depthMax) !== countMembersOfText(text)) throw new JsonError("a member name is repeated")
  return value
}

// Members of all objects in the value; on the way it refuses what is too deep or no Unicode text.
function countMembers(value: unknown, depthLeft: number): number {
  if (typeof value === "string") refuseLoneSurrogates(value)
  if (typeof value !== "object" || value === null) return 0
  if (depthLeft === 0) throw new JsonError("it is nested too deeply")
  if (Array.isArray(value)) return value.reduce((count: number, item) => count + countMembers(item, depthLeft - 1), 0)
  let count = 0
  for (const [name, member] of Object.entries(value)) {
    refuseLoneSurrogates(name)
    count += 1 + countMembers(member, depthLeft - 1)
  }
  return count
}

function refuseLoneSurrogates(text: string): void {
  if (/\p{Surrogate}/u.test(text)) throw new JsonError("a string holds half a surrogate pair")
}

// In a text that is known to be valid JSON, each member has exactly one colon outside strings.
function countMembersOfText(text: string): number {
  let count = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === colon) count++
    else if (char === quote) {
      for (at++; text.charCodeAt(at) !== quote; at++) if (text.charCodeAt(at) === backslash) at++
    }
  }
  return count
}

// Left alone, TextDecoder would drop a byte order mark, and two spellings would mean one text.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new JsonError("it is not valid UTF-8")
  }
}

/** Members that a plain object may have; one with more goes to the other reader. */
const plainMembersMax = 24
/** Digits of an integer that a double surely holds. */
const plainDigitsMax = 15

// Plain is: one object without white space; names and strings of printable ASCII without escapes; values that are
// strings, true, or integers of up to 15 digits without sign. Names are told apart by a hash: different hashes prove
// different names, equal ones are a doubt, so a repeated name never gets past here. Returns null in every doubt. What
// lies behind the text may be read but never counts, because the closing brace has to be the last of its bytes.
function scanPlain(bytes: Buffer, length: number, wanted: MemberNames): unknown[] | null {
  const values: unknown[] = wanted.absent.slice()
  let at = 0
  if (bytes[at++] !== braceOpen) return null
  if (bytes[at] === braceClose) return at + 1 === length ? values : null
  for (let members = 0; members < plainMembersMax; members++) {
    if (bytes[at++] !== quote) return null
    const nameStart = at
    let hash = 0
    let byte = bytes[at] as number
    while (isPlain[byte] === 1) {
      hash = hashNext(hash, byte)
      byte = bytes[++at] as number
    }
    if (byte !== quote || bytes[at + 1] !== colon) return null
    for (let earlier = 0; earlier < members; earlier++) if (seenHashes[earlier] === hash) return null
    seenHashes[members] = hash
    let position = wanted.hashes.length - 1
    while (position !== -1 && wanted.hashes[position] !== hash) position--
    if (position !== -1 && !matchesAt(bytes, nameStart, at, wanted.bytes[position] as Uint8Array)) return null
    at += 2

    const valueStart = at
    byte = bytes[at] as number
    let value: unknown
    if (byte === quote) {
      do byte = bytes[++at] as number
      while (isPlain[byte] === 1)
      if (byte !== quote) return null
      if (position !== -1) value = bytes.toString("latin1", valueStart + 1, at)
      at++
    } else if (isDigit(byte)) {
      let number = 0
      while (isDigit(byte)) {
        number = number * 10 + (byte - zero)
        byte = bytes[++at] as number
      }
      const digits = at - valueStart
      if (digits > plainDigitsMax || (digits > 1 && bytes[valueStart] === zero)) return null
      value = number
    } else if (matchesAt(bytes, at, at + 4, trueBytes)) {
      at += 4
      value = true
    } else {
      return null
    }
    if (position !== -1) values[position] = value

    byte = bytes[at++] as number
    if (byte === braceClose) return at === length ? values : null
    if (byte !== comma) return null
  }
  return null
}

/** 1 for bytes that stand for themselves in a string: printable ASCII but quote and backslash. */
const isPlain = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte <= 0x7e && byte !== 0x22 && byte !== 0x5c ? 1 : 0,
)

const seenHashes = new Int32Array(plainMembersMax)

const hashNext = (hash: number, byte: number): number => (Math.imul(hash, 31) + byte) | 0

const isDigit = (byte: number): boolean => byte >= zero && byte <= nine

function matchesAt(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length) return false
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false
  return true
}

const trueBytes = Uint8Array.from(Buffer.from("true"))
const quote = 0x22
const comma = 0x2c
const zero = 0x30
const nine = 0x39
const colon = 0x3a
const backslash = 0x5c
const braceOpen = 0x7b
const braceClose = 0x7d

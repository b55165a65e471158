// Random ids and secrets. All of them come from the operating system's generator; a pool makes the single call cheap.

import { randomFillSync, randomInt as randomIntBelow } from "node:crypto"
import { limits } from "./limits.ts"

/** What keys, secrets and handles of the gate are written in. */
export const lowercaseAlphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789"

const pool = new Uint8Array(limits.randomPoolBytes)
let poolOffset = pool.length

/**
 * `length` characters, each drawn evenly from `alphabet` (2 to 256 different characters of one UTF-16 unit).
 * Throws RangeError when length or alphabet are out of bounds.
 */
export function randomId(length: number, alphabet: string = lowercaseAlphanumeric): string {
  if (!Number.isInteger(length) || length < 1 || length > limits.randomIdCharsMax) {
    throw new RangeError(`an id has 1 to ${limits.randomIdCharsMax} characters, not ${length}`)
  }
  if (alphabet.length < 2 || alphabet.length > 256) {
    throw new RangeError(`an alphabet has 2 to 256 characters, not ${alphabet.length}`)
  }
  // Bytes at or above the largest multiple of the alphabet's length would favour its first characters.
  const evenBelow = 256 - (256 % alphabet.length)
  let id = ""
  while (id.length < length) {
    const byte = nextByte()
    if (byte < evenBelow) id += alphabet[byte % alphabet.length]
  }
  return id
}

/** A secret of 64 characters of a-z0-9: 330 bits. */
export const secret64 = (): string => randomId(64)

/** UUID version 7 (RFC 9562 §5.7): sorts by the time it was made, and within one process by the order. */
export const uuid = (): string => Bun.randomUUIDv7()

/** An evenly drawn integer n with min ≤ n < max. Throws RangeError when there is none, or 2^48 or more of them. */
export const randomInt = (min: number, max: number): number => randomIntBelow(min, max)

function nextByte(): number {
  if (poolOffset === pool.length) {
    randomFillSync(pool)
    poolOffset = 0
  }
  const byte = pool[poolOffset] as number
  // A byte that has become part of a secret must not stay behind in memory.
  pool[poolOffset] = 0
  poolOffset += 1
  return byte
}

import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { generatePrefixedSecret, isPrefixedSecret, secretPrefix } from "./secret-format.ts"

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// CRC-32 of ISO 3309 bit by bit, so that the table of the library is not judged by itself.
function crc32Of(text: string): number {
  let crc = 0xffffffff
  for (const byte of Buffer.from(text)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

describe("secrets with a prefix", () => {
  test("case 53: what is made is recognised, offline, by its form and its checksum", () => {
    const seen = new Set<string>()
    for (let round = 0; round < 200; round++) {
      const secret = generatePrefixedSecret()
      expect(secret).toMatch(/^weir_sk_[0-9A-Za-z]{49}$/)
      expect(isPrefixedSecret(secret)).toBe(true)
      seen.add(secret)
    }
    expect(seen.size).toBe(200)
  })

  test("case 53: the checksum is the CRC-32 of the random part in base 62, so that any scanner can compute it", () => {
    expect(crc32Of("123456789")).toBe(0xcbf43926)
    for (let round = 0; round < 50; round++) {
      const secret = generatePrefixedSecret()
      const checksum = [...secret.slice(-6)].reduce((number, digit) => number * 62 + alphabet.indexOf(digit), 0)
      expect(checksum).toBe(crc32Of(secret.slice(secretPrefix.length, -6)))
    }
  })

  test("case 53: one wrong character anywhere behind the prefix is noticed", () => {
    fc.assert(
      fc.property(fc.integer({ min: secretPrefix.length, max: 56 }), fc.constantFrom(...alphabet), (at, other) => {
        const secret = generatePrefixedSecret()
        fc.pre(secret[at] !== other)
        expect(isPrefixedSecret(secret.slice(0, at) + other + secret.slice(at + 1))).toBe(false)
      }),
    )
  })

  test("what only looks like one is none", () => {
    const secret = generatePrefixedSecret()
    const others = ["", secretPrefix, secret.slice(1), secret.slice(0, -1), `${secret}0`, `${secret}\n`, ` ${secret}`]
    for (const text of [...others, secret.toUpperCase(), secretPrefix + "0".repeat(49), "a".repeat(64)]) {
      // Zeros have a checksum that is not zero.
      expect({ text, is: isPrefixedSecret(text) }).toEqual({ text, is: false })
    }
  })
})

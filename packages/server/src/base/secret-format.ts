// Secrets that scanners recognise: a prefix that nothing else has, and a checksum by which a scanner can tell, without
// asking anybody, a secret from a text that looks like one. `weir_sk_`, 43 characters at random (256 bits and a
// little), and 6 characters of their CRC-32, all in base 62.

import { randomInt } from "node:crypto"
import { crc32 } from "node:zlib"

export const secretPrefix = "weir_sk_"
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
const randomChars = 43
const checksumChars = 6

/** A new secret with prefix and checksum. */
export function generatePrefixedSecret(): string {
  const random = Array.from({ length: randomChars }, () => alphabet[randomInt(alphabet.length)]).join("")
  return secretPrefix + random + checksumOf(random)
}

/** Whether a text is such a secret: its form and its checksum agree. Says nothing of whether anybody uses it. */
export function isPrefixedSecret(text: string): boolean {
  if (!/^weir_sk_[0-9A-Za-z]{49}$/.test(text)) return false
  const random = text.slice(secretPrefix.length, -checksumChars)
  return checksumOf(random) === text.slice(-checksumChars)
}

function checksumOf(random: string): string {
  let rest = crc32(random)
  let text = ""
  for (let place = 0; place < checksumChars; place++) {
    text = alphabet[rest % alphabet.length] + text
    rest = Math.floor(rest / alphabet.length)
  }
  return text
}

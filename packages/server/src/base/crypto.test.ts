import { describe, expect, test } from "bun:test"
import { createDecipheriv, createHmac } from "node:crypto"
import fc from "fast-check"
import {
  generateMasterKeyText,
  importMasterKey,
  keyCheckValue,
  type MasterKey,
  masterKeyBytes,
  open,
  parseMasterKey,
  SealError,
  seal,
  sealContext,
  sealedTextBytesMax,
} from "./crypto.ts"

const newKey = (): MasterKey => parseMasterKey(generateMasterKeyText()) as MasterKey
const context = sealContext("api-secret", 1, "abcdefghijkl")
const opens = (key: MasterKey, sealed: string, aad: string): boolean => {
  try {
    open(key, sealed, aad)
    return true
  } catch (error) {
    // Anything but a SealError is a crash, which a caller would not expect from a damaged row.
    expect(error).toBeInstanceOf(SealError)
    return false
  }
}

describe("seal and open", () => {
  test("every text comes back as it was", () => {
    const key = newKey()
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), fc.string(), (text, aad) => {
        expect(open(key, seal(key, text, aad), aad)).toBe(text)
      }),
      { numRuns: 200 },
    )
  })

  test("the longest text is sealed, one byte more is refused", () => {
    const key = newKey()
    const longest = "x".repeat(sealedTextBytesMax)
    expect(open(key, seal(key, longest, context), context)).toBe(longest)
    expect(() => seal(key, `${longest}x`, context)).toThrow(RangeError)
  })

  // A nonce that came twice would give away both texts.
  test("no two values share a nonce, and the text does not show", () => {
    const key = newKey()
    const sealed = Array.from({ length: 1000 }, () => seal(key, "the secret", context))
    expect(new Set(sealed.map((value) => value.split(".")[1])).size).toBe(1000)
    expect(sealed.some((value) => Buffer.from(value.split(".")[2] as string, "base64url").includes("secret"))).toBe(
      false,
    )
  })

  // Someone who can write to the database must not be able to move a secret into another app's row.
  test("a value moved to another row does not open", () => {
    const key = newKey()
    const sealed = seal(key, "secret of app 1", sealContext("api-secret", 1, "abcdefghijkl"))
    expect(opens(key, sealed, sealContext("api-secret", 1, "abcdefghijkl"))).toBe(true)
    expect(opens(key, sealed, sealContext("api-secret", 2, "abcdefghijkl"))).toBe(false)
    expect(opens(key, sealed, sealContext("api-secret", 1, "abcdefghijkm"))).toBe(false)
    expect(opens(key, sealed, sealContext("webhook-secret", 1, "abcdefghijkl"))).toBe(false)
    expect(opens(key, sealed, "")).toBe(false)
  })

  test("another master key does not open it", () => {
    expect(opens(newKey(), seal(newKey(), "secret", context), context)).toBe(false)
  })

  test("no single changed bit opens", () => {
    const key = newKey()
    const [version, nonce, body] = seal(key, "secret", context).split(".") as [string, string, string]
    for (const [part, other, join] of [
      [nonce, body, (changed: string) => `${version}.${changed}.${body}`],
      [body, nonce, (changed: string) => `${version}.${nonce}.${changed}`],
    ] as const) {
      expect(other.length).toBeGreaterThan(0)
      const bytes = Buffer.from(part, "base64url")
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const changed = Buffer.from(bytes)
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(opens(key, join(changed.toString("base64url")), context)).toBe(false)
      }
    }
  })

  test("malformed values are refused as such", () => {
    const key = newKey()
    const sealed = seal(key, "secret", context)
    const [, nonce, body] = sealed.split(".") as [string, string, string]
    const malformed = [
      "",
      ".",
      "..",
      "v1..",
      "secret",
      `v2.${nonce}.${body}`,
      `${nonce}.${body}`,
      `v1.${nonce}`,
      `v1.${nonce}.`,
      `v1.${nonce}.${body}.`,
      `v1.${nonce}.${body.slice(0, 20)}`,
      // A shortened tag would be easier to guess, so its length is fixed.
      `v1.${nonce}.${Buffer.from(body, "base64url").subarray(0, -1).toString("base64url")}`,
      `v1.${nonce.slice(0, 8)}.${body}`,
      `v1.${nonce}AAAA.${body}`,
      `v1.${nonce}.${"A".repeat(200_000)}`,
    ]
    for (const value of malformed) expect(opens(key, value, context)).toBe(false)
  })

  // The stored form is a promise to later versions: an independent reading of it must give the text.
  test("the form is AES-256-GCM under an HKDF-Expand key", () => {
    const bytes = Buffer.alloc(masterKeyBytes, 7)
    const [version, nonce, body] = seal(importMasterKey(bytes), "secret", "row").split(".") as [string, string, string]
    expect(version).toBe("v1")
    const key = createHmac("sha256", bytes).update("weir seal v1\x01", "latin1").digest()
    const raw = Buffer.from(body, "base64url")
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64url"))
    decipher.setAAD(Buffer.from("row"))
    decipher.setAuthTag(raw.subarray(-16))
    expect(Buffer.concat([decipher.update(raw.subarray(0, -16)), decipher.final()]).toString()).toBe("secret")
  })

  test("a value sealed by an earlier build still opens", () => {
    const key = importMasterKey(Buffer.alloc(masterKeyBytes, 7))
    expect(
      open(
        key,
        "v1.M5ThzhW2luyVj-EA.d3cIqb7V6JvMNOV2p6jGAoEJYn8SzfOPdxtk7_I",
        sealContext("api-secret", 1, "abcdefghijkl"),
      ),
    ).toBe("kept for ever")
  })
})

describe("master keys", () => {
  test("hex and base64url spell the same key", () => {
    const bytes = Buffer.from(generateMasterKeyText(), "hex")
    const spellings = [
      bytes.toString("hex"),
      bytes.toString("hex").toUpperCase(),
      bytes.toString("base64url"),
      `${bytes.toString("base64url")}=`,
    ]
    for (const text of spellings) {
      const key = parseMasterKey(text)
      expect(key).not.toBeNull()
      expect(keyCheckValue(key as MasterKey)).toBe(keyCheckValue(importMasterKey(bytes)))
    }
  })

  test("anything else is not a key", () => {
    const hex = generateMasterKeyText()
    const base64url = Buffer.from(hex, "hex").toString("base64url")
    const texts = ["", "secret", hex.slice(1), `${hex}0`, ` ${hex}`, `${hex}\n`, `${hex.slice(1)}g`, `${base64url}==`]
    texts.push(base64url.slice(1), `${base64url}A`, `${"+".repeat(43)}`, `${"A".repeat(42)}B`)
    for (const text of texts) expect(parseMasterKey(text)).toBeNull()
    expect(() => importMasterKey(Buffer.alloc(31))).toThrow(RangeError)
  })

  test("the check value tells keys apart and is stable", () => {
    expect(keyCheckValue(newKey())).not.toBe(keyCheckValue(newKey()))
    expect(keyCheckValue(importMasterKey(Buffer.alloc(masterKeyBytes, 7)))).toBe("d_HeBeKQxb-AlKkfb1jgjw")
    expect(keyCheckValue(newKey())).toMatch(/^[\w-]{22}$/)
  })

  test("printing a key shows none of its bytes", () => {
    const hex = generateMasterKeyText()
    const key = parseMasterKey(hex) as MasterKey
    const printed = `${Bun.inspect(key)} ${JSON.stringify(key)} ${String(key)}`
    expect(printed).not.toContain(hex)
    expect(printed).not.toContain(Buffer.from(hex, "hex").toString("base64url"))
  })
})

test("the parts of a context cannot be shifted into each other", () => {
  expect(sealContext("a", "bc")).not.toBe(sealContext("ab", "c"))
  expect(sealContext("a", 1)).not.toBe(sealContext("a", "1"))
})

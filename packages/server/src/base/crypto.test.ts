import { describe, expect, test } from "bun:test"
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto"
import fc from "fast-check"
import {
  createReloadingMasterKey,
  generateMasterKeyText,
  importMasterKey,
  keyCheckValue,
  type MasterKey,
  masterKeyBytes,
  masterKeysMax,
  open,
  parseMasterKey,
  reloadMasterKey,
  SealError,
  seal,
  sealContext,
  sealedKeyId,
  sealedPrefix,
  sealedTextBytesMax,
  unnamedKeyId,
} from "./crypto.ts"

const newKey = (): MasterKey => parseMasterKey(generateMasterKeyText()) as MasterKey
const ring = (...texts: string[]): MasterKey => parseMasterKey(texts.join(",")) as MasterKey
const context = sealContext("api-secret", 1, "abcdefghijkl")
/** A value as it was sealed before values named their keys. */
const sealFirstForm = (text: string, plaintext: string, aad: string): string => {
  const key = createHmac("sha256", Buffer.from(text, "hex")).update("weir seal v1\x01", "latin1").digest()
  const nonce = randomBytes(12)
  const cipher = createCipheriv("aes-256-gcm", key, nonce)
  cipher.setAAD(Buffer.from(aad))
  const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
  return `v1.${nonce.toString("base64url")}.${body.toString("base64url")}`
}
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
  test("case 50: no two of 10,000 values share a nonce, and the text does not show", () => {
    const key = newKey()
    const sealed = Array.from({ length: 10_000 }, () => seal(key, "the secret", context))
    expect(new Set(sealed.map((value) => value.split(".")[2])).size).toBe(10_000)
    expect(sealed.some((value) => Buffer.from(value.split(".")[3] as string, "base64url").includes("secret"))).toBe(
      false,
    )
  })

  // Someone who can write to the database must not be able to move a secret into another app's row.
  test("case 50: a value moved to another row does not open", () => {
    const key = newKey()
    const sealed = seal(key, "secret of app 1", sealContext("api-secret", 1, "abcdefghijkl"))
    expect(opens(key, sealed, sealContext("api-secret", 1, "abcdefghijkl"))).toBe(true)
    expect(opens(key, sealed, sealContext("api-secret", 2, "abcdefghijkl"))).toBe(false)
    expect(opens(key, sealed, sealContext("api-secret", 1, "abcdefghijkm"))).toBe(false)
    expect(opens(key, sealed, sealContext("webhook-secret", 1, "abcdefghijkl"))).toBe(false)
    expect(opens(key, sealed, "")).toBe(false)
  })

  test("case 50: of the values of many rows each opens in its own row alone", () => {
    const row = fc.record({ app: fc.integer({ min: 1, max: 3 }), key: fc.string({ maxLength: 3 }) })
    const keys = [generateMasterKeyText(), generateMasterKeyText()]
    fc.assert(
      fc.property(fc.array(row, { minLength: 2, maxLength: 5 }), fc.nat({ max: 1 }), (rows, first) => {
        const key = ring(keys[first] as string, keys[1 - first] as string)
        const contexts = rows.map(({ app, key: name }) => sealContext("api-secret", app, name))
        const sealed = contexts.map((aad, index) => seal(key, `secret ${index}`, aad))
        for (const [index, value] of sealed.entries())
          for (const aad of contexts) expect(opens(key, value, aad)).toBe(aad === contexts[index])
      }),
      { numRuns: 100 },
    )
  })

  test("another master key does not open it", () => {
    expect(opens(newKey(), seal(newKey(), "secret", context), context)).toBe(false)
  })

  test("no single changed bit opens", () => {
    const key = newKey()
    const [version, keyId, nonce, body] = seal(key, "secret", context).split(".") as [string, string, string, string]
    for (const [part, join] of [
      [keyId, (changed: string) => `${version}.${changed}.${nonce}.${body}`],
      [nonce, (changed: string) => `${version}.${keyId}.${changed}.${body}`],
      [body, (changed: string) => `${version}.${keyId}.${nonce}.${changed}`],
    ] as const) {
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
    const [, id, nonce, body] = sealed.split(".") as [string, string, string, string]
    const malformed = [
      "",
      ".",
      "..",
      "v1..",
      "secret",
      `v3.${nonce}.${body}`,
      `v1.${id}.${nonce}.${body}`,
      `v2.${nonce}.${body}`,
      `v3.${id}.${nonce}.${body}`,
      `${id}.${nonce}.${body}`,
      `v2.${id}.${nonce}`,
      `v2.${id}.${nonce}.`,
      `v2.${id}.${nonce}.${body}.`,
      `v2.${id}.${nonce}.${body}\n`,
      `v2..${nonce}.${body}`,
      `v2.${id.slice(1)}.${nonce}.${body}`,
      `v2.${id}A.${nonce}.${body}`,
      `v2.${id}.${nonce}.${body.slice(0, 20)}`,
      // A shortened tag would be easier to guess, so its length is fixed.
      `v2.${id}.${nonce}.${Buffer.from(body, "base64url").subarray(0, -1).toString("base64url")}`,
      `v2.${id}.${nonce.slice(0, 8)}.${body}`,
      `v2.${id}.${nonce}AAAA.${body}`,
      `v2.${id}.${nonce}.${"A".repeat(200_000)}`,
    ]
    expect(opens(key, sealed, context)).toBe(true)
    for (const value of malformed) expect(opens(key, value, context)).toBe(false)
  })

  // The stored form is a promise to later versions: an independent reading of it must give the text.
  test("the form is AES-256-GCM under an HKDF-Expand key", () => {
    const bytes = Buffer.alloc(masterKeyBytes, 7)
    const [version, keyId, nonce, body] = seal(importMasterKey(bytes), "secret", "row").split(".") as string[]
    expect([version, keyId]).toEqual(["v2", "d_HeBeKQxb-AlKkfb1jgjw"])
    const key = createHmac("sha256", bytes).update("weir seal v1\x01", "latin1").digest()
    const raw = Buffer.from(body ?? "", "base64url")
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce ?? "", "base64url"))
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

describe("a ring of master keys", () => {
  const [a, b, c] = [generateMasterKeyText(), generateMasterKeyText(), generateMasterKeyText()]
  const idOf = (text: string): string => ring(text).currentId

  test("seals with its first key and says so; opens what any of its keys has sealed", () => {
    const both = ring(b, a)
    expect(both.ids).toEqual([idOf(b), idOf(a)])
    expect(both.currentId).toBe(idOf(b))
    const sealed = seal(both, "secret", context)
    expect(sealed).toStartWith(sealedPrefix(idOf(b)))
    expect(sealedKeyId(sealed)).toBe(idOf(b))
    for (const key of [a, b]) expect(open(both, seal(ring(key), "secret", context), context)).toBe("secret")
    expect(opens(both, seal(ring(c), "secret", context), context)).toBe(false)
    expect(opens(ring(a), sealed, context)).toBe(false)
  })

  test("a value that names no key is tried with each", () => {
    for (const key of [a, b]) {
      const sealed = sealFirstForm(key, "secret", context)
      expect(sealedKeyId(sealed)).toBe(unnamedKeyId)
      expect(open(ring(b, a), sealed, context)).toBe("secret")
      expect(opens(ring(b, a), sealed, sealContext("api-secret", 2, "abcdefghijkl"))).toBe(false)
      expect(opens(ring(c), sealed, context)).toBe(false)
    }
  })

  test("whatever the order of rotations, what was sealed opens exactly while its key is in the ring", () => {
    const texts = Array.from({ length: 4 }, generateMasterKeyText)
    const orders = fc.shuffledSubarray(texts, { minLength: 1 })
    fc.assert(
      fc.property(orders, orders, fc.string({ maxLength: 20 }), (before, after, text) => {
        const sealed = seal(ring(...before), text, context)
        expect(opens(ring(...after), sealed, context)).toBe(after.includes(before[0] as string))
      }),
      { numRuns: 100 },
    )
  })

  test("spaces after commas are fine; a key twice, an empty one or too many are none", () => {
    expect(ring(`${a}, ${b}`).ids).toEqual([idOf(a), idOf(b)])
    const many = Array.from({ length: masterKeysMax + 1 }, generateMasterKeyText)
    expect(ring(...many.slice(1)).ids).toHaveLength(masterKeysMax)
    for (const text of [
      `${a},${a}`,
      `${a},${a.toUpperCase()}`,
      `${a},`,
      `,${a}`,
      `${a},,${b}`,
      `${a} ${b}`,
      many.join(),
    ])
      expect(parseMasterKey(text)).toBeNull()
  })

  test("printing it shows ids and no key", () => {
    const both = ring(a, b)
    for (const made of [both, createReloadingMasterKey(both, () => both)]) {
      const printed = `${Bun.inspect(made, { depth: 9 })} ${JSON.stringify(made)} ${String(made)}`
      expect(printed).toContain(idOf(a))
      for (const text of [a, b])
        for (const shown of [
          text,
          Buffer.from(text, "hex").toString("base64url"),
          Buffer.from(text, "hex").toString("base64"),
        ])
          expect(printed).not.toContain(shown)
    }
    expect(() => seal({ currentId: idOf(a), ids: [idOf(a)] }, "secret", context)).toThrow(TypeError)
  })
})

describe("a ring that follows its source", () => {
  const [a, b, c] = [generateMasterKeyText(), generateMasterKeyText(), generateMasterKeyText()]
  const following = (first: MasterKey) => {
    const made = { source: first as MasterKey | null, reads: 0, nowMs: 0 }
    const read = (): MasterKey | null => {
      made.reads++
      return made.source
    }
    return Object.assign(made, { key: createReloadingMasterKey(first, read, () => made.nowMs) })
  }

  test("learns of a key when a value names it", () => {
    const node = following(ring(a))
    node.source = ring(a, b)
    expect(open(node.key, seal(ring(b), "secret", context), context)).toBe("secret")
    expect(node.key.ids).toEqual(ring(a, b).ids)
    expect(node.key.currentId).toBe(ring(a).currentId)
  })

  // A damaged row must not make a node read its file for each request.
  test("is read at most once a second, however many values name unknown keys", () => {
    const node = following(ring(a))
    const unknown = seal(ring(c), "secret", context)
    for (let n = 0; n < 100; n++) expect(opens(node.key, unknown, context)).toBe(false)
    expect(node.reads).toBe(1)
    node.nowMs = 999
    expect(reloadMasterKey(node.key)).toBe("early")
    node.nowMs = 1_000
    expect(opens(node.key, unknown, context)).toBe(false)
    expect(node.reads).toBe(2)
    open(node.key, seal(ring(a), "secret", context), context)
    expect(node.reads).toBe(2)
  })

  test("says what a reload found, and keeps its keys while the source is unreadable", () => {
    const node = following(ring(a))
    expect(reloadMasterKey(node.key)).toBe("same")
    node.source = null
    node.nowMs += 1_000
    expect(reloadMasterKey(node.key)).toBe("unreadable")
    expect(node.key.ids).toEqual(ring(a).ids)
    node.source = ring(b, a)
    node.nowMs += 1_000
    expect(reloadMasterKey(node.key)).toBe("changed")
    expect(sealedKeyId(seal(node.key, "secret", context))).toBe(ring(b).currentId)
    expect(reloadMasterKey(ring(a))).toBe("fixed")
  })

  // A row may be read, sealed anew by another process, and its old key dropped, all before it is opened here.
  test("opens with a key that has left for a minute more, and does not seal or show it", () => {
    const node = following(ring(a))
    const sealed = seal(node.key, "secret", context)
    const unnamed = sealFirstForm(a, "secret", context)
    node.source = ring(b)
    expect(reloadMasterKey(node.key)).toBe("changed")
    expect(node.key.ids).toEqual(ring(b).ids)
    node.nowMs = 59_999
    for (const value of [sealed, unnamed]) expect(opens(node.key, value, context)).toBe(true)
    node.nowMs = 60_000
    for (const value of [sealed, unnamed]) expect(opens(node.key, value, context)).toBe(false)
  })
})

test("the parts of a context cannot be shifted into each other", () => {
  expect(sealContext("a", "bc")).not.toBe(sealContext("ab", "c"))
  expect(sealContext("a", 1)).not.toBe(sealContext("a", "1"))
})

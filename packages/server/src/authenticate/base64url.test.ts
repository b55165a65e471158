import { expect, test } from "bun:test"
import fc from "fast-check"
import { decodeBase64url } from "./base64url.ts"

const decode = (text: string): Buffer | null => {
  const source = Buffer.from(text, "latin1")
  const target = Buffer.alloc(source.length + 3)
  const length = decodeBase64url(source, 0, source.length, target)
  return length === -1 ? null : target.subarray(0, length)
}

test("bytes come back from their base64url", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(decode(Buffer.from(bytes).toString("base64url"))).toEqual(Buffer.from(bytes))
    }),
  )
})

// The guarantee behind «a token has one spelling»: what is accepted is exactly what an encoder writes.
test("a text is accepted if and only if encoding the result gives the text again", () => {
  const character = fc.constantFrom(..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n.\0\xff")
  const random = fc.string({ unit: character, maxLength: 9 })
  const nearlyRight = fc
    .tuple(fc.base64String({ maxLength: 12 }), character, fc.nat(12))
    .map(([text, char, at]) => text.slice(0, at) + char + text.slice(at + 1))
  fc.assert(
    fc.property(fc.oneof(random, nearlyRight), (text) => {
      const bytes = decode(text)
      const isCanonical = Buffer.from(text, "base64url").toString("base64url") === text
      expect(bytes === null ? null : bytes.toString("base64url")).toBe(isCanonical ? text : null)
    }),
    { numRuns: 3000 },
  )
})

test("every last character: only those without bits left over are accepted", () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  const accepted = (prefix: string) => [...alphabet].filter((last) => decode(prefix + last) !== null).join("")
  expect(accepted("")).toBe("")
  expect(accepted("A")).toBe("AQgw")
  expect(accepted("AA")).toBe("AEIMQUYcgkosw048")
  expect(accepted("AAA")).toBe(alphabet)
})

test("only the named part of the source is read", () => {
  const target = Buffer.alloc(8)
  expect(decodeBase64url(Buffer.from("=.Zm9v.="), 2, 6, target)).toBe(3)
  expect(target.toString("latin1", 0, 3)).toBe("foo")
})

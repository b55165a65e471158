import { describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { gzipSync } from "node:zlib"
import { limits, readWebhook, verifyWebhook, verifyWebhookAsync } from "../src/index.ts"

const secret = "0123456789abcdefghijklmnopqrstuv".repeat(2)
const body = '{"type":"message.new","created_at":"2030-01-01T00:00:00Z","text":"grüezi"}'
const signatureOf = (plain: string | Uint8Array) => createHmac("sha256", secret).update(plain).digest("hex")

/** Both forms must agree. */
async function verdict(given: string | Uint8Array, signature: string): Promise<boolean> {
  const isGenuine = verifyWebhook(given, signature, secret)
  expect(await verifyWebhookAsync(given, signature, secret)).toBe(isGenuine)
  return isGenuine
}

describe("a webhook is genuine", () => {
  test("as text, as bytes and packed with gzip, always signed over the plain body", async () => {
    const signature = signatureOf(body)
    expect(await verdict(body, signature)).toBe(true)
    expect(await verdict(Buffer.from(body), signature)).toBe(true)
    expect(await verdict(gzipSync(body), signature)).toBe(true)
    expect(await verdict(gzipSync(body, { level: 9 }), signature)).toBe(true)
  })

  test("when another implementation made the digest", async () => {
    const digest = new Bun.CryptoHasher("sha256", secret).update(body).digest("hex")
    expect(await verdict(body, digest)).toBe(true)
  })
})

describe("a webhook is refused", () => {
  test.each([
    ["a changed body", body.replace("grüezi", "hello"), signatureOf(body)],
    ["another secret", body, createHmac("sha256", "x".repeat(64)).update(body).digest("hex")],
    ["a signature over the packed bytes", gzipSync(body), signatureOf(gzipSync(body))],
    ["broken gzip", gzipSync(body).subarray(0, 20), signatureOf(body)],
    [
      "broken gzip that is signed as it is",
      gzipSync(body).subarray(0, 20),
      signatureOf(gzipSync(body).subarray(0, 20)),
    ],
    ["a cut signature", body, signatureOf(body).slice(0, 63)],
    ["a longer signature", body, `${signatureOf(body)}0`],
    ["an upper-case signature", body, signatureOf(body).toUpperCase()],
    ["no signature", body, ""],
    ["a missing signature", body, undefined as unknown as string],
    ["a body that is written again", JSON.stringify(JSON.parse(body), null, 1), signatureOf(body)],
  ])("with %s", async (_, given, signature) => {
    expect(await verdict(given, signature)).toBe(false)
  })

  test("when it unpacks beyond the bound", async () => {
    const big = Buffer.alloc(limits.webhookBytesMax + 1, 32)
    const packed = gzipSync(big)
    expect(packed.length).toBeLessThan(20_000)
    expect(await verdict(packed, signatureOf(big))).toBe(false)
    expect(await verdict(big, signatureOf(big))).toBe(false)
  })
})

describe("reading a webhook", () => {
  test("gives the event, unpacked", async () => {
    expect(await readWebhook(gzipSync(body), signatureOf(body), secret)).toEqual(JSON.parse(body))
  })

  test.each([
    ["signature mismatch", body, signatureOf("other")],
    ["invalid JSON payload", "{", signatureOf("{")],
    ["the payload has no type", "{}", signatureOf("{}")],
    ["the payload has no type", "null", signatureOf("null")],
    ["the payload has no type", '{"type":""}', signatureOf('{"type":""}')],
  ])("says %s", async (reason, given, signature) => {
    await expect(readWebhook(given, signature, secret)).rejects.toMatchObject({
      name: "WeirWebhookError",
      message: reason,
    })
  })
})

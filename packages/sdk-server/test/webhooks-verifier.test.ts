// What a receiver must not be talked into: an old delivery, the same one twice, or one without its time; and what it
// must not lose: an event whose handler failed. The signatures are made by the standardwebhooks library.

import { describe, expect, test } from "bun:test"
import { createHash, createHmac } from "node:crypto"
import { Webhook } from "standardwebhooks"
import {
  createReplayCache,
  createWebhookVerifier,
  limits,
  type ReplayCache,
  verifyWebhook,
  type WebhookHeaders,
  type WebhookVerifierOptions,
  WeirWebhookError,
} from "../src/index.ts"

const secret = `whsec_${createHash("sha256").update("secret").digest("base64")}`
const other = `whsec_${createHash("sha256").update("other").digest("base64")}`
const apiSecret = "0123456789abcdefghijklmnopqrstuv".repeat(2)
const body = '{"type":"message.new","text":"grüezi"}'
const startMs = 1_893_456_000_000
const id = "msg_1-018f6a5e"

function signed(atMs: number, given: { id?: string; body?: string; secret?: string } = {}): Record<string, string> {
  const { id: webhookId = id, body: signedBody = body, secret: key = secret } = given
  return {
    "webhook-id": webhookId,
    "webhook-timestamp": String(Math.floor(atMs / 1000)),
    "webhook-signature": new Webhook(key).sign(webhookId, new Date(atMs), signedBody),
  }
}
const documented = (given: { id?: string; body?: string } = {}): Record<string, string> => ({
  "x-webhook-id": given.id ?? id,
  "x-signature": createHmac("sha256", apiSecret)
    .update(given.body ?? body)
    .digest("hex"),
})

/** A receiver, its clock, and what it says: null for accepted, else a code. */
function receiver(options: WebhookVerifierOptions = { secrets: [secret] }) {
  const clock = { nowMs: startMs }
  const verifier = createWebhookVerifier({ now: () => clock.nowMs, ...options })
  const codeOf = async (act: Promise<unknown>): Promise<string | null> => {
    try {
      await act
      return null
    } catch (error) {
      if (error instanceof WeirWebhookError) return error.code
      throw error
    }
  }
  const verify = (headers: WebhookHeaders, given: string | Uint8Array = body) => codeOf(verifier.verify(given, headers))
  return { clock, verifier, verify, codeOf }
}

/** A delivery whose handler is at work until `working` is settled, and what handling it ends with. */
async function handling({ verifier }: ReturnType<typeof receiver>) {
  const working = Promise.withResolvers<void>()
  const started = Promise.withResolvers<void>()
  const handled = verifier.handle(body, signed(startMs), () => {
    started.resolve()
    return working.promise
  })
  await started.promise
  return { working, handled }
}

describe("case 60: a delivery is read", () => {
  test("as the event, from the headers of any framework", async () => {
    const headers = signed(startMs)
    const forms: WebhookHeaders[] = [
      headers,
      new Headers(headers),
      {
        "Webhook-Id": headers["webhook-id"],
        "WEBHOOK-TIMESTAMP": headers["webhook-timestamp"],
        "Webhook-Signature": headers["webhook-signature"],
      },
      {
        ...headers,
        "webhook-signature": [
          new Webhook(other).sign(id, new Date(startMs), body),
          headers["webhook-signature"] as string,
        ],
      },
    ]
    for (const form of forms) expect(await receiver().verifier.verify(body, form)).toEqual(JSON.parse(body))
  })

  test("from a queue that carries text: base64 of the body or of its gzip, signed before both", async () => {
    const packed = Buffer.from(Bun.gzipSync(body))
    const pretty = JSON.stringify(JSON.parse(body), null, 1)
    for (const text of [packed.toString("base64"), Buffer.from(body).toString("base64")]) {
      expect(await receiver().verifier.verify(text, signed(startMs))).toEqual(JSON.parse(body))
      expect(await receiver().verifier.verify(Buffer.from(text), signed(startMs))).toEqual(JSON.parse(body))
      expect(verifyWebhook(text, documented()["x-signature"] as string, apiSecret)).toBe(true)
      expect(await receiver().verify(signed(startMs, { body: text }), text)).toBe("signature-mismatch")
    }
    const spaced = Buffer.from(pretty).toString("base64")
    expect(await receiver().verify(signed(startMs, { body: pretty }), spaced)).toBeNull()
    expect(await receiver().verify(signed(startMs), "H4 is no base64")).toBe("signature-mismatch")
    const cut = packed.subarray(0, 24).toString("base64")
    expect(await receiver().verify(signed(startMs), cut)).toBe("invalid-gzip")
  })

  test("during a rotation of either side, with a space and with a comma and a space between signatures", async () => {
    const [mine, theirs] = [signed(startMs), signed(startMs, { secret: other })].map(
      (headers) => headers["webhook-signature"],
    )
    for (const list of [`${mine} ${theirs}`, `${theirs} ${mine}`, `${theirs}, ${mine}`, `${mine}, ${theirs}`]) {
      for (const secrets of [[secret], [other], [other, secret]]) {
        const { verify } = receiver({ secrets })
        expect(await verify({ ...signed(startMs), "webhook-signature": list })).toBeNull()
      }
    }
    const stranger = `whsec_${createHash("sha256").update("stranger").digest("base64")}`
    const { verify } = receiver({ secrets: [stranger] })
    expect(await verify({ ...signed(startMs), "webhook-signature": `${mine}, ${theirs}` })).toBe("signature-mismatch")
  })
})

describe("case 61: the signed time", () => {
  test("is within the tolerance to the millisecond, to either side", async () => {
    for (const toleranceSeconds of [1, 300]) {
      const at = async (offsetMs: number) => {
        const { clock, verify } = receiver({ secrets: [secret], toleranceSeconds })
        clock.nowMs = startMs + offsetMs
        return verify(signed(startMs))
      }
      const toleranceMs = toleranceSeconds * 1000
      expect([await at(toleranceMs), await at(toleranceMs + 1)]).toEqual([null, "timestamp-too-old"])
      expect([await at(-toleranceMs), await at(-toleranceMs - 1)]).toEqual([null, "timestamp-too-new"])
    }
  })

  test("cannot be changed, and nor can the id", async () => {
    const headers = signed(startMs - 3_600_000)
    const { verify } = receiver()
    expect(await verify({ ...headers, "webhook-timestamp": String(startMs / 1000) })).toBe("signature-mismatch")
    expect(await verify({ ...signed(startMs), "webhook-id": "msg_2" })).toBe("signature-mismatch")
  })
})

describe("case 61: the same id is refused", () => {
  test("from the first delivery to the end of the tolerance, with no time in between", async () => {
    for (const firstMs of [startMs - 300_000, startMs, startMs + 299_999]) {
      const { clock, verify } = receiver()
      clock.nowMs = firstMs
      expect(await verify(signed(startMs))).toBeNull()
      for (const laterMs of [firstMs, startMs + 300_000]) {
        clock.nowMs = laterMs
        expect(await verify(signed(startMs))).toBe("replayed")
      }
      clock.nowMs = startMs + 300_001
      expect(await verify(signed(startMs))).toBe("timestamp-too-old")
    }
  })

  test("of several at the same time exactly one is accepted", async () => {
    const { verify } = receiver()
    const found = await Promise.all(Array.from({ length: 20 }, () => verify(signed(startMs))))
    expect(found.filter((code) => code === null)).toHaveLength(1)
    expect(found.filter((code) => code === "replayed")).toHaveLength(19)
  })

  test("also when a retry carries a later time: that one is remembered for its own time", async () => {
    const { clock, verify } = receiver()
    expect(await verify(signed(startMs))).toBeNull()
    const retry = signed(startMs + 250_000)
    clock.nowMs = startMs + 250_000
    expect(await verify(retry)).toBe("replayed")
    clock.nowMs = startMs + 550_000
    expect(await verify(retry)).toBe("replayed")
  })

  test("also when that retry came while the first was being handled", async () => {
    const given = receiver()
    const { clock, verifier, verify, codeOf } = given
    const { working, handled } = await handling(given)
    const retry = signed(startMs + 6_000)
    clock.nowMs = startMs + 6_000
    expect(await codeOf(verifier.handle(body, retry, () => {}))).toBe("being-handled")
    working.resolve()
    await handled
    clock.nowMs = startMs + 306_000
    expect(await verify(retry)).toBe("replayed")
  })

  test("for longer when that is wanted", async () => {
    const { clock, verify } = receiver({ secrets: [secret], rememberSeconds: 3 * 24 * 3_600 })
    expect(await verify(signed(startMs))).toBeNull()
    clock.nowMs = startMs + 3 * 24 * 3_600_000
    expect(await verify(signed(clock.nowMs))).toBe("replayed")
    const { clock: shortClock, verify: shortVerify } = receiver()
    expect(await shortVerify(signed(startMs))).toBeNull()
    shortClock.nowMs = startMs + 3 * 24 * 3_600_000
    expect(await shortVerify(signed(shortClock.nowMs))).toBeNull()
  })

  // Otherwise every retry of the schedule would be turned away, and the event be lost.
  test("but the claim of a process that died ends with the tolerance, however long ids are remembered", async () => {
    const given = receiver({ secrets: [secret], rememberSeconds: 3 * 24 * 3_600 })
    const { clock, verifier, codeOf } = given
    await handling(given)
    const retry = () => codeOf(verifier.handle(body, signed(clock.nowMs), () => {}))
    clock.nowMs = startMs + 300_000
    expect(await retry()).toBe("being-handled")
    clock.nowMs = startMs + 301_000
    expect(await retry()).toBeNull()
    clock.nowMs = startMs + 301_000 + 3 * 24 * 3_600_000
    expect(await verifier.handle(body, signed(clock.nowMs), () => expect.unreachable())).toBe("duplicate")
  })

  test("but not because of what was refused itself", async () => {
    const { verify } = receiver()
    expect(await verify(signed(startMs, { secret: other }))).toBe("signature-mismatch")
    expect(await verify(signed(startMs, { body: "{" }), "{")).toBe("invalid-json")
    expect(await verify(signed(startMs))).toBeNull()
  })

  test("unless ids are not to be remembered", async () => {
    const { verify, verifier } = receiver({ secrets: [secret], replayCache: null })
    expect([await verify(signed(startMs)), await verify(signed(startMs))]).toEqual([null, null])
    expect(await verifier.handle(body, signed(startMs), () => {})).toBe("handled")
  })
})

describe("case 61: no downgrade", () => {
  const both = { ...documented(), ...signed(startMs) }

  test("where the hook's secrets are known, X-Signature alone is nothing", async () => {
    for (const options of [
      { secrets: [secret], apiSecret },
      { secrets: [secret], apiSecret, requireTimestamp: true },
      { secrets: [secret] },
      { secrets: [secret], requireTimestamp: false },
    ]) {
      expect(await receiver(options).verify(both)).toBeNull()
      expect(await receiver(options).verify(documented())).toBe("missing-header")
    }
  })

  test("unless that is said, and then never instead of a signature that is there", async () => {
    const options = { secrets: [secret], apiSecret, requireTimestamp: false }
    expect(await receiver(options).verify(documented())).toBeNull()
    expect(await receiver(options).verify({ ...both, "webhook-signature": "v1,AAAA" })).toBe("signature-mismatch")
    expect(await receiver(options).verify({ ...both, ...signed(startMs - 400_000) })).toBe("timestamp-too-old")
  })

  test("with the API secret alone both headers may come, and X-Signature is asked for", async () => {
    expect(await receiver({ apiSecret }).verify(both)).toBeNull()
    expect(await receiver({ apiSecret }).verify(signed(startMs))).toBe("missing-header")
    expect(await receiver({ apiSecret: ["x".repeat(32), apiSecret] }).verify(both)).toBeNull()
  })

  // X-Webhook-Id is not signed: whoever replays an old body under the id of a coming event must not keep that away.
  test("an id that is not signed keeps no other event away", async () => {
    const { verify } = receiver({ apiSecret })
    const next = '{"type":"message.new","text":"next"}'
    expect(await verify(documented())).toBeNull()
    expect(await verify(documented())).toBe("replayed")
    expect(await verify(documented({ id: "msg_2" }))).toBeNull()
    expect(await verify(documented({ id: "msg_2", body: next }), next)).toBeNull()
  })
})

describe("handling", () => {
  test("hands over the event, once", async () => {
    const { verifier } = receiver()
    const events: unknown[] = []
    const handle = () => verifier.handle(body, signed(startMs), (event) => events.push(event))
    expect([await handle(), await handle()]).toEqual(["handled", "duplicate"])
    expect(events).toEqual([JSON.parse(body)])
  })

  test("a handler that fails gets the event again", async () => {
    const { verifier } = receiver()
    const failure = new Error("the database is down")
    const failing = () => verifier.handle(body, signed(startMs), () => Promise.reject(failure))
    await expect(failing()).rejects.toBe(failure)
    await expect(failing()).rejects.toBe(failure)
    expect(await verifier.handle(body, signed(startMs), () => {})).toBe("handled")
  })

  // Answered with success, the retry would never come again, although the first may still fail.
  test("a retry while the first is at work is neither handled nor a duplicate", async () => {
    const given = receiver()
    const { verifier, codeOf } = given
    const { working, handled } = await handling(given)
    expect(await codeOf(verifier.handle(body, signed(startMs), () => {}))).toBe("being-handled")
    working.reject(new Error("failed after all"))
    await expect(handled).rejects.toThrow("failed after all")
    expect(await verifier.handle(body, signed(startMs), () => {})).toBe("handled")
  })

  test("what cannot be believed does not reach the handler", async () => {
    const { verifier, codeOf } = receiver()
    let calls = 0
    const count = () => {
      calls += 1
    }
    expect(await codeOf(verifier.handle(`${body} `, signed(startMs), count))).toBe("signature-mismatch")
    expect(await codeOf(verifier.handle(body, {}, count))).toBe("missing-header")
    expect(calls).toBe(0)
  })

  test("without its memory nothing is accepted; what fails afterwards changes no answer", async () => {
    const heard: unknown[] = []
    const memory = (broken: keyof ReplayCache): ReplayCache => ({
      ...createReplayCache({ now: () => startMs }),
      [broken]: () => Promise.reject(new Error(`${broken} failed`)),
    })
    const verifierWith = (broken: keyof ReplayCache) =>
      receiver({ secrets: [secret], replayCache: memory(broken), onError: (error) => heard.push(error) }).verifier
    const handle = (broken: keyof ReplayCache, handler: () => unknown) =>
      verifierWith(broken).handle(body, signed(startMs), handler)

    await expect(handle("claim", () => expect.unreachable())).rejects.toThrow("claim failed")
    expect(heard).toEqual([])
    expect(await handle("confirm", () => {})).toBe("handled")
    await expect(handle("forget", () => Promise.reject(new Error("handler failed")))).rejects.toThrow("handler failed")
    expect(heard.map(String)).toEqual(["Error: confirm failed", "Error: forget failed"])
  })

  test("nor does a log that fails as well", async () => {
    const replayCache = { ...createReplayCache(), confirm: () => Promise.reject(new Error("the memory is down")) }
    const onError = () => {
      throw new Error("the log is full")
    }
    const { verifier } = receiver({ secrets: [secret], replayCache, onError })
    expect(await verifier.handle(body, signed(startMs), () => {})).toBe("handled")
  })
})

describe("the memory of ids", () => {
  function memory(entriesMax?: number) {
    const clock = { nowMs: startMs }
    return {
      clock,
      cache: createReplayCache({ now: () => clock.nowMs, ...(entriesMax === undefined ? {} : { entriesMax }) }),
    }
  }

  test("knows an id up to and with its end", () => {
    const { clock, cache } = memory()
    expect(cache.claim("a", startMs + 10)).toBe("new")
    cache.confirm("a", startMs + 10)
    clock.nowMs = startMs + 10
    expect(cache.claim("a", 0)).toBe("handled")
    clock.nowMs = startMs + 11
    expect(cache.claim("a", startMs + 20)).toBe("new")
  })

  test("the claim of a process that died ends although retries come", () => {
    const { clock, cache } = memory()
    expect(cache.claim("a", startMs + 10)).toBe("new")
    clock.nowMs = startMs + 9
    expect(cache.claim("a", startMs + 100)).toBe("handling")
    clock.nowMs = startMs + 11
    expect(cache.claim("a", startMs + 100)).toBe("new")
  })

  test("is bounded, forgets no id early, and has room again when ids end", () => {
    const { clock, cache } = memory(3)
    for (const [index, name] of ["a", "b", "c"].entries())
      expect(cache.claim(name, startMs + 1_000 * (index + 1))).toBe("new")
    const full = () => cache.claim("d", startMs + 9_000)
    expect(full).toThrow(WeirWebhookError)
    expect(full).toThrow("3 webhooks are remembered")
    expect(cache.claim("a", startMs + 1_000)).toBe("handling")
    cache.forget("c")
    expect(full()).toBe("new")
    clock.nowMs = startMs + 2_001
    expect(cache.claim("e", startMs + 9_000)).toBe("new")
    expect(cache.claim("f", startMs + 9_000)).toBe("new")
    expect(() => cache.claim("g", startMs + 9_000)).toThrow(WeirWebhookError)
  })

  test("lets go of what has ended without being full", () => {
    const { clock, cache } = memory(limits.replayEntriesMax)
    const claimed = 50_000
    for (let index = 0; index < claimed; index += 1) cache.claim(`a${index}`, clock.nowMs)
    clock.nowMs += limits.replaySweepMs
    let taken = 0
    for (let index = 0; index < limits.replayEntriesMax; index += 1) {
      if (cache.claim(`b${index}`, clock.nowMs) === "new") taken += 1
    }
    expect(taken).toBe(limits.replayEntriesMax)
    expect(() => cache.claim("c", clock.nowMs)).toThrow(WeirWebhookError)
  })

  test.each([0, 1.5, Number.NaN, -1])("refuses %d entries", (entriesMax) => {
    expect(() => createReplayCache({ entriesMax })).toThrow(RangeError)
  })
})

describe("options that cannot be right are refused at the start", () => {
  const bytes = (length: number) => Buffer.alloc(length, 1).toString("base64")
  const key = `whpk_${bytes(32)}`
  test.each<[string, WebhookVerifierOptions]>([
    ["no secret", {}],
    ["an empty list", { secrets: [] }],
    // What a variable gives that is not set; taken for nothing it would switch off the signed time.
    ["an empty list beside an API secret", { secrets: [], apiSecret }],
    ["an empty text", { secrets: [""] }],
    ["a text instead of a list", { secrets: secret as unknown as string[] }],
    ["a secret without its prefix", { secrets: [secret.slice("whsec_".length)] }],
    ["an API secret in the place of a secret", { secrets: [apiSecret] }],
    ["the sender's private key", { secrets: [`whsk_${bytes(64)}`] }],
    ["a public key in the place of a secret", { secrets: [key] }],
    ["a secret in the place of a public key", { publicKeys: [secret] }],
    ["a secret that is too short", { secrets: [`whsec_${bytes(23)}`] }],
    ["a secret that is too long", { secrets: [`whsec_${bytes(65)}`] }],
    ["a public key that is too long", { publicKeys: [`whpk_${bytes(33)}`] }],
    ["too many secrets", { secrets: Array.from({ length: limits.webhookSecretsMax + 1 }, () => secret) }],
    ["an API secret that is too short", { apiSecret: "short" }],
    ["a signed time that no secret signs", { apiSecret, requireTimestamp: true }],
    ["no tolerance", { secrets: [secret], toleranceSeconds: 0 }],
    ["half a second", { secrets: [secret], toleranceSeconds: 0.5 }],
    ["a tolerance without end", { secrets: [secret], toleranceSeconds: Number.POSITIVE_INFINITY }],
    ["a tolerance of a day", { secrets: [secret], toleranceSeconds: limits.webhookToleranceSecondsMax + 1 }],
    ["a memory without end", { secrets: [secret], rememberSeconds: limits.webhookRememberSecondsMax + 1 }],
  ])("%s", (_, options) => {
    let message = ""
    try {
      createWebhookVerifier(options)
    } catch (error) {
      expect(error).toBeInstanceOf(TypeError)
      message = (error as Error).message
    }
    expect(message).not.toBe("")
    expect(message).not.toContain(secret.slice("whsec_".length))
  })
})

test("a body beyond the bound is refused, packed or not", async () => {
  const { verify } = receiver()
  const big = new Uint8Array(limits.webhookBytesMax + 1).fill(32)
  expect(await verify(signed(startMs), big)).toBe("too-big")
  expect(await verify(signed(startMs), Bun.gzipSync(big))).toBe("too-big")
})

// contract/vectors/webhooks, asked of everybody who signs or verifies: the server, this SDK, the standardwebhooks
// library, and the few lines of Python beside the vectors. What one of them signs the others must accept.

import { afterAll, afterEach, beforeAll, describe, expect, setSystemTime, test } from "bun:test"
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { Webhook } from "standardwebhooks"
import {
  type Arrival,
  type Receiver,
  type ReplayVector,
  replayVectors,
  type SignVector,
  signVectors,
  type VerifyVector,
  vectorsFolder,
  verifyVectors,
} from "../../../tools/webhook-vectors.ts"
import type { HookSecret } from "../../server/src/events/webhooks/hook.ts"
import { signatureHeaders } from "../../server/src/events/webhooks/sign.ts"
import { createWebhookVerifier, verifyWebhook, WeirWebhookError } from "../src/index.ts"
import { bodyOf, optionsOf } from "./webhook-vectors.ts"

const load = async (file: string) => JSON.parse(await readFile(join(vectorsFolder, file), "utf8"))
const signing: SignVector[] = await load("sign.json")
const verifying: VerifyVector[] = await load("verify.json")
const replaying: ReplayVector[] = await load("replay.json")

/** A receiver with a clock that each delivery sets. */
function receiverOf(receiver: Receiver): (arrival: Arrival) => Promise<string | null> {
  let nowMs = 0
  const verifier = createWebhookVerifier({ ...optionsOf(receiver), now: () => nowMs })
  return async (arrival) => {
    nowMs = arrival.now * 1000
    try {
      await verifier.verify(bodyOf(arrival), arrival.headers)
      return null
    } catch (error) {
      if (error instanceof WeirWebhookError) return error.code
      throw error
    }
  }
}

test("the files are what their recipe makes", () => {
  expect(signing).toEqual(signVectors())
  expect(verifying).toEqual(verifyVectors())
  expect(replaying).toEqual(replayVectors())
})

describe("the server signs", () => {
  test.each(signing.map((vector) => [vector.name, vector] as const))("%s", async (_, vector) => {
    const own = vector.secrets.map(
      (secret): HookSecret => ({ id: secret, alg: secret.startsWith("whsec_") ? "hmac" : "ed25519", secret }),
    )
    const api = vector.api === null ? null : { apiKey: vector.api.key, secret: vector.api.secret }
    const { id: webhookId, attempt, body } = vector
    const delivery = { webhookId, attempt, body, signer: { api, own } }
    // Any time within the second.
    expect(await signatureHeaders(delivery, vector.timestamp * 1000 + 999)).toEqual(vector.headers)
  })
})

describe("the SDK", () => {
  // The reference vectors are no events of Weir's, so their payloads have no type; it is looked at last.
  test.each(signing.map((vector) => [vector.name, vector] as const))(
    "accepts what is signed: %s",
    async (_, vector) => {
      const arrival: Arrival = { now: vector.timestamp, headers: vector.headers, body: vector.body, error: null }
      const accepted = vector.name.endsWith("reference") ? "no-type" : null
      for (const secret of vector.secrets.filter((text) => text.startsWith("whsec_"))) {
        expect(await receiverOf({ secrets: [secret], tolerance_seconds: 300 })(arrival)).toBe(accepted)
      }
      for (const secret of vector.secrets.filter((text) => text.startsWith("whsk_"))) {
        const publicKey = Buffer.from(secret.slice("whsk_".length), "base64").subarray(32).toString("base64")
        const receiver = { public_keys: [`whpk_${publicKey}`], tolerance_seconds: 300 }
        expect(await receiverOf(receiver)(arrival)).toBe(accepted)
      }
      if (vector.api !== null) {
        expect(await receiverOf({ api_secret: vector.api.secret, tolerance_seconds: 300 })(arrival)).toBe(accepted)
        expect(verifyWebhook(vector.body, vector.headers["x-signature"] as string, vector.api.secret)).toBe(true)
      }
    },
  )

  test.each(verifying.map((vector) => [vector.name, vector] as const))("%s", async (_, vector) => {
    expect(await receiverOf(vector.receiver)(vector)).toBe(vector.error)
  })

  test.each(replaying.map((vector) => [vector.name, vector] as const))("case 61: %s", async (_, vector) => {
    const verify = receiverOf(vector.receiver)
    const found: (string | null)[] = []
    for (const step of vector.steps) found.push(await verify(step))
    expect(found).toEqual(vector.steps.map(({ error }) => error))
  })
})

// It knows HMAC only, no replays and no gzip, and leaves open what is marked `stricter`.
describe("the standardwebhooks library agrees", () => {
  afterEach(() => {
    setSystemTime()
  })

  function isAccepted(secret: string, arrival: Arrival): boolean {
    setSystemTime(arrival.now * 1000)
    const body = bodyOf(arrival)
    try {
      const plain = typeof body === "string" ? body : gunzipSync(body).toString("utf8")
      new Webhook(secret).verify(plain, arrival.headers)
      return true
    } catch {
      return false
    }
  }

  test.each(signing.map((vector) => [vector.name, vector] as const))("accepts what is signed: %s", (_, vector) => {
    const hmacs = vector.secrets.filter((secret) => secret.startsWith("whsec_"))
    for (const secret of hmacs) {
      expect(
        isAccepted(secret, { now: vector.timestamp, headers: vector.headers, body: vector.body, error: null }),
      ).toBe(true)
    }
  })

  const asked = verifying.filter(({ scheme, stricter }) => scheme === "v1" && !stricter)
  test.each(asked.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    const accepted = vector.receiver.secrets?.some((secret) => isAccepted(secret, vector))
    expect(accepted).toBe(vector.error === null)
  })
})

const python = Bun.which("python3")
if (python === null) console.log("Webhook vectors in Python: skipped, install python3")

describe.skipIf(python === null)("Python's standard library", () => {
  let copy: string
  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), "weir-webhook-vectors-"))
    await cp(vectorsFolder, copy, { recursive: true })
  })
  afterAll(() => rm(copy, { recursive: true, force: true }))

  function check(folder: string): { exitCode: number; output: string } {
    const { exitCode, stdout, stderr } = Bun.spawnSync([python as string, join(folder, "check.py")])
    return { exitCode, output: `${stdout}${stderr}` }
  }

  test("accepts and refuses as the vectors say", () => {
    const { exitCode, output } = check(vectorsFolder)
    expect(output).toMatch(/^[1-9]\d* passed, 0 failed\n$/)
    expect(exitCode).toBe(0)
  })

  test("notices a vector that is wrong", async () => {
    const [first, ...rest] = verifying as [VerifyVector, ...VerifyVector[]]
    await writeFile(join(copy, "verify.json"), JSON.stringify([{ ...first, body: `${first.body} ` }, ...rest]))
    const { exitCode, output } = check(copy)
    expect(output).toContain(`${first.name}: False, and not True`)
    expect(exitCode).toBe(1)
  })
})

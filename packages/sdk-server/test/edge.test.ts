// The build for edge platforms: without a module of Node, without the schemas of the API, and working.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { jwtVerify } from "jose"
import type { VerifyVector } from "../../../tools/webhook-vectors.ts"

const secret = "0123456789abcdefghijklmnopqrstuv".repeat(2)
const bundleBytesMax = 80_000

let folder: string
let file: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-edge-"))
  const entry = join(import.meta.dir, "../src/index.ts")
  const result = await Bun.build({ entrypoints: [entry], outdir: folder, format: "esm", target: "browser" })
  expect(result.success).toBe(true)
  file = join(folder, "index.js")
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test("it imports nothing, and no schema came along", async () => {
  const text = await readFile(file, "utf8")
  expect(new Bun.Transpiler({ loader: "js" }).scanImports(text)).toEqual([])
  expect(text.length).toBeLessThan(bundleBytesMax)
})

test("its token endpoint and its Async forms work, and the others say what to use", async () => {
  const edge = (await import(file)) as typeof import("../src/index.ts")
  const endpoint = edge.nextTokenEndpoint({ apiKey: "a1b2c3d4e5f6", apiSecret: secret, authenticate: () => "ann" })
  const answer = await endpoint(new Request("https://backend.example.com/token", { method: "POST" }))
  const { token } = (await answer.json()) as { token: string }
  expect((await jwtVerify(token, new TextEncoder().encode(secret))).payload.user_id).toBe("ann")
  expect(() => edge.createToken(secret, "ann")).toThrow("Async")
})

test("case 60: its webhook endpoint takes what is signed by either algorithm, packed too, and nothing else", async () => {
  const edge = (await import(file)) as typeof import("../src/index.ts")
  const vectors = join(import.meta.dir, "../../../contract/vectors/webhooks/verify.json")
  for (const vector of JSON.parse(await readFile(vectors, "utf8")) as VerifyVector[]) {
    const { receiver, headers, body, body_base64, error } = vector
    const endpoint = edge.nextWebhook({
      secrets: receiver.secrets,
      publicKeys: receiver.public_keys,
      apiSecret: receiver.api_secret,
      requireTimestamp: receiver.require_timestamp,
      toleranceSeconds: receiver.tolerance_seconds,
      now: () => vector.now * 1000,
      onEvent: () => {},
    })
    const sent = body ?? Uint8Array.fromBase64(body_base64 as string)
    const request = new Request("https://backend.example.com/hook", { method: "POST", headers, body: sent })
    const answer = await endpoint(request)
    expect([vector.name, ((await answer.json()) as { code?: string }).code ?? null]).toEqual([vector.name, error])
    expect(answer.ok).toBe(error === null)
  }
})

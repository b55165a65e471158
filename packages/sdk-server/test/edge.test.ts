// The build for edge platforms: without a module of Node, without the schemas of the API, and working.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { jwtVerify } from "jose"
import { type VerifyVector, vectorsFolder } from "../../../tools/webhook-vectors.ts"
import { bodyOf, optionsOf } from "./webhook-vectors.ts"

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
  const vectors = await readFile(join(vectorsFolder, "verify.json"), "utf8")
  for (const vector of JSON.parse(vectors) as VerifyVector[]) {
    const { receiver, headers, error } = vector
    const endpoint = edge.nextWebhook({ ...optionsOf(receiver), now: () => vector.now * 1000, onEvent: () => {} })
    const init = { method: "POST", headers, body: bodyOf(vector) }
    const answer = await endpoint(new Request("https://backend.example.com/hook", init))
    expect([vector.name, ((await answer.json()) as { code?: string }).code ?? null]).toEqual([vector.name, error])
    expect(answer.ok).toBe(error === null)
  }
})

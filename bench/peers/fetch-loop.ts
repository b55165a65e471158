// The least that somebody does who sends webhooks from Bun: a loop of `fetch`, with the same bytes, the same headers and
// as many requests on their way as Weir has. It reads no table, signs nothing, writes down no outcome and tries nothing
// again. With `signs` it makes the three signatures of a hook anew for each, which is most of what Weir computes. POST
// /run with a FetchLoopJob as its body answers when all of them were answered with 200.

import { createHmac, createSecretKey, generateKeyPairSync, randomBytes, sign } from "node:crypto"
import { limits } from "../limits.ts"
import type { SampleRequest } from "../load/receiver.ts"

export interface FetchLoopJob {
  readonly url: string
  readonly sample: SampleRequest
  readonly count: number
  readonly inFlight: number
  readonly signs: boolean
}

/** The client sets these itself. */
const ownHeaders = new Set(["host", "content-length", "connection"])

const apiSecret = randomBytes(32).toString("hex")
const hmacKey = createSecretKey(randomBytes(32))
const { privateKey } = generateKeyPairSync("ed25519")

/** `X-Signature`, and `v1` and `v1a` of Standard Webhooks. */
function signatures(id: string, body: string): Record<string, string> {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const signed = Buffer.from(`${id}.${timestamp}.${body}`)
  const v1 = createHmac("sha256", hmacKey).update(signed).digest("base64")
  const v1a = sign(null, signed, privateKey).toString("base64")
  return {
    "x-signature": createHmac("sha256", apiSecret).update(body).digest("hex"),
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${v1} v1a,${v1a}`,
  }
}

async function run({ url, sample, count, inFlight, signs }: FetchLoopJob): Promise<void> {
  const headers = Object.fromEntries(Object.entries(sample.headers).filter(([name]) => !ownHeaders.has(name)))
  const idLength = headers["webhook-id"]?.length ?? 0
  let next = 0
  const sendNext = async (): Promise<void> => {
    while (next < count) {
      // Ids that differ, so that the receiver can count them, and are as long as the real ones.
      const id = String(next++).padStart(idLength, "0")
      const response = await fetch(url, {
        method: "POST",
        headers: { ...headers, "webhook-id": id, "x-webhook-id": id, ...(signs ? signatures(id, sample.body) : {}) },
        body: sample.body,
      })
      if (response.status !== 200) throw new Error(`the receiver answered ${response.status}`)
      await response.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: inFlight }, sendNext))
}

const control = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  idleTimeout: limits.controlIdleSeconds,
  async fetch(request) {
    try {
      await run((await request.json()) as FetchLoopJob)
      return Response.json({})
    } catch (error) {
      return new Response(error instanceof Error ? error.message : String(error), { status: 500 })
    }
  },
})

console.log(JSON.stringify({ control: control.port }))

// Question: what does it cost to verify a user token that was never seen before, beside the bare HMAC that nobody can
// avoid, and beside the usual library? Every token is distinct, so no cache can answer. Prints one JSON line per row:
// {"name", "opsPerSecond"}. The three take turns in rounds of about two milliseconds and the quarter of fast rounds
// decides, so that other load on the machine hits them alike and does not count, while collecting garbage does.

import { createHmac, createSecretKey, randomBytes } from "node:crypto"
import { jwtVerify } from "jose"
import {
  checkTimes,
  importSecret,
  type VerificationKey,
  verifyToken,
} from "../../packages/server/src/authenticate/token.ts"

const tokenCount = 10_000
const tokensPerRound = 1_000
/** jose is slower by an order, so that a round of as long holds fewer. */
const joseTokensPerRound = 50
const rounds = 300

const secret = randomBytes(32).toString("hex")
const key = importSecret(secret)
const keys: readonly VerificationKey[] = [{ kid: null, alg: "HS256", key, state: "active" }]
const apiKey = "a1b2c3d4e5f6"
const nowSeconds = Date.now() / 1000

// About 300 bytes: what a backend adds to the minimum is part of what has to be read.
const tokens = Array.from({ length: tokenCount }, (_, index) => {
  const iat = Math.floor(nowSeconds) - (index % 60)
  const claims = {
    user_id: `user-${index}`,
    iat,
    exp: iat + 3600,
    iss: "https://backend.example.com",
    sub: `user/user-${index}`,
    validity_in_seconds: 3600,
    session: randomBytes(12).toString("hex"),
  }
  const input = `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url(claims)}`
  return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`
})
const signingInputs = tokens.map((token) => token.slice(0, token.lastIndexOf(".")))
const joseKey = createSecretKey(Buffer.from(secret))

const rows = [
  {
    name: "bare createHmac",
    count: tokensPerRound,
    run: (from: number) => {
      for (let i = from; i < from + tokensPerRound; i++) {
        createHmac("sha256", key)
          .update(signingInputs[i] as string)
          .digest()
      }
    },
  },
  {
    name: "weir verifyToken and checkTimes",
    count: tokensPerRound,
    run: (from: number) => {
      for (let i = from; i < from + tokensPerRound; i++) {
        checkTimes(verifyToken(tokens[i] as string, keys, apiKey).claims, nowSeconds, 5)
      }
    },
  },
  {
    name: "jose jwtVerify",
    count: joseTokensPerRound,
    run: async (from: number) => {
      for (let i = from; i < from + joseTokensPerRound; i++) {
        await jwtVerify(tokens[i] as string, joseKey, { algorithms: ["HS256"] })
      }
    },
  },
]

const seconds = rows.map((): number[] => [])
for (let round = 0; round < rounds; round++) {
  const from = (round * tokensPerRound) % tokenCount
  for (const [index, row] of rows.entries()) {
    const startedAt = performance.now()
    await row.run(from)
    seconds[index]?.push((performance.now() - startedAt) / 1000)
  }
}
for (const [index, row] of rows.entries()) {
  const sorted = (seconds[index] as number[]).sort((a, b) => a - b)
  const fast = sorted[Math.floor(rounds / 4)] as number
  console.log(JSON.stringify({ name: row.name, opsPerSecond: Math.round(row.count / fast) }))
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url")
}

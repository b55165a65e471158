// Question: what does it cost to verify a token that a key pair signed, beside the signature's own check and beside the
// usual library? Prints one JSON line per row: {"name", "opsPerSecond"}. As in verify.ts every token is distinct, the
// rows take turns in short rounds, and the quarter of fast rounds decides.

import { generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto"
import { jwtVerify } from "jose"
import { checkTimes, type VerificationKey, verifyToken } from "../../packages/server/src/authenticate/token.ts"

const tokenCount = 1_000
const tokensPerRound = 25
const rounds = 120
const apiKey = "a1b2c3d4e5f6"
const nowSeconds = Math.floor(Date.now() / 1000)

interface Scheme {
  readonly alg: "ES256" | "EdDSA"
  readonly publicKey: KeyObject
  readonly tokens: readonly string[]
  /** The same in the parts that the signature's own check takes. */
  readonly parts: readonly { readonly input: Buffer; readonly signature: Buffer }[]
  isSigned(part: { readonly input: Buffer; readonly signature: Buffer }): boolean
}

const schemes = [ecdsa(), eddsa()]
let refused = 0
const rows = schemes.flatMap(({ alg, publicKey, tokens, parts, isSigned }) => {
  const keys: readonly VerificationKey[] = [{ kid: null, alg, key: publicKey, state: "active" }]
  return [
    {
      name: `bare ${alg} signature`,
      run: (from: number) => {
        for (let i = from; i < from + tokensPerRound; i++) if (!isSigned(parts[i] as Scheme["parts"][number])) refused++
      },
    },
    {
      name: `weir ${alg} verifyToken and checkTimes`,
      run: (from: number) => {
        for (let i = from; i < from + tokensPerRound; i++) {
          checkTimes(verifyToken(tokens[i] as string, keys, apiKey).claims, nowSeconds, 5)
        }
      },
    },
    {
      name: `jose ${alg} jwtVerify`,
      run: async (from: number) => {
        for (let i = from; i < from + tokensPerRound; i++) {
          await jwtVerify(tokens[i] as string, publicKey, { algorithms: [alg] })
        }
      },
    },
  ]
})

const seconds = rows.map((): number[] => [])
for (let round = 0; round < rounds; round++) {
  const from = (round * tokensPerRound) % tokenCount
  for (const [index, row] of rows.entries()) {
    const startedAt = performance.now()
    await row.run(from)
    seconds[index]?.push((performance.now() - startedAt) / 1000)
  }
}
if (refused > 0) throw new Error(`${refused} good signatures were refused`)
for (const [index, row] of rows.entries()) {
  const sorted = (seconds[index] as number[]).sort((a, b) => a - b)
  const fast = sorted[Math.floor(rounds / 4)] as number
  console.log(JSON.stringify({ name: row.name, opsPerSecond: Math.round(tokensPerRound / fast) }))
}

function ecdsa(): Scheme {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const dsaEncoding = "ieee-p1363" as const
  return schemeOf("ES256", publicKey, (input) => sign("sha256", input, { key: privateKey, dsaEncoding }), {
    isSigned: ({ input, signature }) => verify("sha256", input, { key: publicKey, dsaEncoding }, signature),
  })
}

function eddsa(): Scheme {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519")
  return schemeOf("EdDSA", publicKey, (input) => sign(null, input, privateKey), {
    isSigned: ({ input, signature }) => verify(null, input, publicKey, signature),
  })
}

function schemeOf(
  alg: Scheme["alg"],
  publicKey: KeyObject,
  signed: (input: Buffer) => Buffer,
  { isSigned }: Pick<Scheme, "isSigned">,
): Scheme {
  const parts = Array.from({ length: tokenCount }, (_, index) => {
    const iat = nowSeconds - (index % 60)
    const claims = { user_id: `user-${index}`, iat, exp: iat + 3600, sub: `user/user-${index}` }
    const input = Buffer.from(`${base64url({ alg, typ: "JWT" })}.${base64url(claims)}`)
    return { input, signature: signed(input) }
  })
  const tokens = parts.map(({ input, signature }) => `${input}.${signature.toString("base64url")}`)
  return { alg, publicKey, tokens, parts, isSigned }
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url")
}

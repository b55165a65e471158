// What `weir token create` can put into a token beyond the user, proved with an independent implementation of JWS.

import { describe, expect, test } from "bun:test"
import { generateKeyPairSync } from "node:crypto"
import { decodeProtectedHeader, jwtVerify } from "jose"
import { run } from "../src/main.ts"

const secret = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr"
const key = new TextEncoder().encode(secret)

async function create(words: string[], apiSecret = secret) {
  const out: string[] = []
  const err: string[] = []
  const code = await run(["token", "create", "ann", ...words], {
    env: { WEIR_API_SECRET: apiSecret },
    print: (line) => out.push(line),
    complain: (line) => err.push(line),
    readInput: async () => "",
    now: Date.now,
  })
  return { code, token: out.join("\n"), err: err.join("\n") }
}

test("without options there is nothing but user, time and end", async () => {
  const { token } = await create([])
  expect(decodeProtectedHeader(token)).toEqual({ alg: "HS256", typ: "JWT" })
  const { payload } = await jwtVerify(token, key)
  expect(Object.keys(payload).sort()).toEqual(["exp", "iat", "user_id"])
  expect((payload.exp as number) - (payload.iat as number)).toBe(86_400)
})

test("secret, scopes, id and device stand where the server reads them", async () => {
  const scope = "chat:messaging:*=read,write  video:default:standup=join-call"
  const { code, token } = await create(["--kid", "k1", "--scope", scope, "--jti", "--device", "phone 1"])
  expect(code).toBe(0)
  expect(decodeProtectedHeader(token)).toEqual({ alg: "HS256", typ: "JWT", kid: "k1" })
  const { payload } = await jwtVerify(token, key)
  expect(payload.scopes).toEqual({ "chat:messaging:*": ["read", "write"], "video:default:standup": ["join-call"] })
  expect(payload.device_id).toBe("phone 1")
  expect(payload.jti).toMatch(/^[0-9a-f-]{36}$/)
  expect((await jwtVerify((await create(["--jti"])).token, key)).payload.jti).not.toBe(payload.jti)
})

for (const [alg, pair] of [
  ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
  ["EdDSA", generateKeyPairSync("ed25519")],
] as const) {
  test(`a private key in PEM signs with ${alg}`, async () => {
    const pem = pair.privateKey.export({ format: "pem", type: "pkcs8" }).toString()
    const { token } = await create(["--kid", "pair-1"], pem)
    expect(decodeProtectedHeader(token)).toEqual({ alg, typ: "JWT", kid: "pair-1" })
    expect((await jwtVerify(token, pair.publicKey)).payload.user_id).toBe("ann")
  })
}

describe("what is refused", () => {
  test.each([
    [["--kid", "a b"], "is not the name of a secret"],
    [["--kid", ""], "is not the name of a secret"],
    [["--scope", ""], "names no pattern"],
    [["--scope", "chat:messaging:*"], "is not pattern=actions"],
    [["--scope", "chat:messaging:*=read=write"], "is not pattern=actions"],
    [["--scope", "chat:messaging:*="], "the actions of scope"],
    [["--scope", "chat:*=read"], "three segments"],
    [["--scope", "mail:a:b=read"], "--scope:"],
    [["--scope", "chat:a:b=read chat:a:b=write"], "twice"],
    [["--device", ""], "--device needs"],
    [["--device", "x".repeat(129)], "--device needs"],
  ])("%p", async (words, said) => {
    const { code, token, err } = await create(words)
    expect({ code, token }).toEqual({ code: 2, token: "" })
    expect(err).toContain(said)
  })

  test.each([
    ["another curve", generateKeyPairSync("ec", { namedCurve: "P-384" })],
    ["RSA", generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ])("a private key of %s", async (_name, { privateKey }) => {
    const { code, err } = await create([], privateKey.export({ format: "pem", type: "pkcs8" }).toString())
    expect(code).toBe(1)
    expect(err).toContain("cannot be used")
  })

  test("a broken private key, without a word of it", async () => {
    const { code, err } = await create([], "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n")
    expect(code).toBe(1)
    expect(err).not.toContain("canary")
  })
})

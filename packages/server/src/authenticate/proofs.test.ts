// The ways to prove oneself besides a signed token.
// The numbers of cases are those of the project's list of security tests.

import { describe, expect, test } from "bun:test"
import { createHash, generateKeyPairSync } from "node:crypto"
import { apiKey, base64url, keyOf, secret } from "./mint-for-tests.ts"
import {
  active,
  basic,
  cutAt,
  devToken,
  foreign,
  isLetIn,
  keyState,
  now,
  nowMs,
  ofBasic,
  only,
  refusalOf,
  retiring,
  signedRequest,
  stage,
  tokenOf,
} from "./stage-for-tests.ts"
import type { VerificationKey } from "./token.ts"

describe("development tokens", () => {
  const open = { disableAuthChecks: true }

  test("name a user where the app has switched authentication off", async () => {
    const text = devToken({ user_id: "john" })
    const caller = await stage(open).ask({ authorization: text })
    expect(caller).toMatchObject({ kind: "user", userId: "john", proof: { method: "devtoken", kid: null } })
    expect(caller.proof?.sha256).toBe(createHash("sha256").update(text).digest("hex"))
    // Signed ones are proved there all the same.
    expect((await refusalOf(stage(open).ask({ authorization: tokenOf({}, foreign) }))).kind).toBe("tokenSignature")
    expect(await stage(open).ask({})).toMatchObject({ proof: { method: "jwt", kid: "k1" } })
  })

  test("case 24: name nothing but a user, and are read as strictly as signed ones", async () => {
    const header = base64url('{"alg":"HS256","typ":"JWT"}')
    const bad = [
      devToken({}),
      devToken({ server: true }),
      devToken({ user_id: "john", call_cids: ["default:a"] }),
      devToken({ user_id: "!anon", call_cids: ["default:a"] }),
      devToken({ user_id: "john", resource: "*" }),
      devToken({ user_id: 7 }),
      devToken({ user_id: "john" }, { alg: "none" }),
      devToken({ user_id: "john" }, { alg: "HS256", crit: ["exp"] }),
      `${header}.${base64url('{"user_id":"john","user_id":"root"}')}.devtoken`,
      `${header}.${base64url('{"user_id":"john"}')}=.devtoken`,
      `${header}..devtoken`,
      ".devtoken",
      `x.${devToken({ user_id: "john" })}`,
    ]
    for (const authorization of bad) {
      const { kind, why } = await refusalOf(stage(open).ask({ authorization }))
      expect([kind, why?.check]).toEqual(["authentication", "token"])
    }
    const other = `${devToken({ user_id: "john" })}devtoken`
    expect((await refusalOf(stage(open).ask({ authorization: other }))).kind).toBe("tokenSignature")
  })

  test("end with times and cut-offs like others, and with the switch at once", async () => {
    const gate = stage(open)
    const authorization = devToken({ user_id: "john", exp: now + 60 })
    expect(await isLetIn(gate.ask({ authorization }))).toBeTrue()
    expect((await refusalOf(gate.ask({ authorization }, nowMs + 60_000))).kind).toBe("tokenExpired")
    gate.world.user = { ...active, revokeTokensIssuedBefore: 1_000 }
    expect((await refusalOf(gate.ask({ authorization }))).why?.rule).toBe("no-iat")
    gate.world.user = active
    gate.world.key = keyState()
    expect((await refusalOf(gate.ask({ authorization }))).kind).toBe("tokenSignature")
    const without = stage({ ...open, ...only("user") })
    expect((await refusalOf(without.ask({ authorization }))).why?.rule).toBe("allowed_kinds")
  })
})

describe("key and secret in Authorization: Basic", () => {
  const allowed = { allowBasic: true }

  test("make a server of whoever knows an active or a retiring secret; each use is told", async () => {
    const { ask, sighted } = stage(allowed)
    for (const [text, kid] of [
      [secret, "k1"],
      [retiring, "k0"],
      [secret, "k1"],
    ] as const) {
      for (const given of [apiKey, null]) {
        const caller = await ask({ ...ofBasic, apiKey: given, authorization: basic(`${apiKey}:${text}`) })
        expect(caller).toMatchObject({
          kind: "server",
          appId: 7,
          apiKey,
          scopes: null,
          proof: { method: "basic", kid },
        })
        expect(caller.proof?.sha256).toBe("")
      }
    }
    expect(sighted).toEqual(Array(6).fill("basic server"))
  })

  test("are whole: no part of a secret, nothing added, nothing empty, and no public key", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const es256: VerificationKey = { kid: "e", alg: "ES256", key: pair.publicKey, state: "active" }
    const pem = pair.publicKey.export({ type: "spki", format: "pem" }).toString()
    const keys = { ...allowed, verificationKeys: [keyOf(secret, "k1"), es256] }
    for (const text of ["", secret.slice(1), secret.slice(0, -1), `${secret}x`, `${secret}\0`, ` ${secret}`, pem]) {
      const authorization = basic(`${apiKey}:${text}`)
      expect((await refusalOf(stage(keys).ask({ ...ofBasic, authorization }))).kind).toBe("tokenSignature")
    }
    for (const authorization of [basic(""), basic(":"), basic(`:${secret}`), "Basic !!!"]) {
      expect((await refusalOf(stage(keys).ask({ ...ofBasic, apiKey: null, authorization }))).kind).toBe("accessKey")
    }
  })

  test("end with their secret and their key", async () => {
    for (const level of ["key", "kid"] as const) {
      const { ask, questions } = stage(allowed, { revoked: cutAt(null, level) })
      expect((await refusalOf(ask(ofBasic))).why).toMatchObject({ check: "revocation", rule: level })
      expect(questions).toMatchObject([{ isServer: true, userId: null, proof: { method: "basic", kid: "k1" } }])
    }
  })
})

describe("signed requests", () => {
  test("make a server, with the key in the query or in the signature alone; each use is told", async () => {
    const { ask, sighted } = stage()
    for (const [n, given] of [apiKey, null].entries()) {
      const caller = await ask({ ...signedRequest({ nonce: `0123456789abcde${n}` }), apiKey: given })
      expect(caller).toMatchObject({ kind: "server", apiKey, proof: { method: "signature", kid: "k1", sha256: "" } })
    }
    const named = await ask(signedRequest({ nonce: "another-nonce-00", keyid: `${apiKey}:k0`, secret: retiring }))
    expect(named.proof?.kid).toBe("k0")
    expect(sighted).toEqual(Array(3).fill("signature server"))
  })

  test("are found beside the signature of a proxy, where the request names its key", async () => {
    const { signed } = signedRequest()
    const proxy = {
      "signature-input": 'p=("@method");created=1;keyid="proxy";alg="hmac-sha256"',
      signature: "p=:AAAA:",
    }
    const both = (name: string): string | null => {
      const own = signed.header(name)
      return own === null ? null : `${proxy[name as keyof typeof proxy]}, ${own}`
    }
    const credentials = { signed: { ...signed, header: both }, authType: null, authorization: null }
    expect(await stage().ask(credentials)).toMatchObject({ kind: "server", proof: { method: "signature", kid: "k1" } })
  })

  test("count once; a nonce of a request that proves nothing is not used up", async () => {
    const { ask } = stage()
    expect((await refusalOf(ask(signedRequest({ secret: foreign })))).kind).toBe("tokenSignature")
    expect(await isLetIn(ask(signedRequest()))).toBeTrue()
    expect((await refusalOf(ask(signedRequest()))).why).toMatchObject({ check: "signature", rule: "replay" })
  })
})

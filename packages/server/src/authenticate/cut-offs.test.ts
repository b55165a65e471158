// The numbers of cases are those of the project's list of security tests.

import { describe, expect, test } from "bun:test"
import { createHash, generateKeyPairSync } from "node:crypto"
import fc from "fast-check"
import { SignJWT } from "jose"
import { revokedByField } from "./cut-offs.ts"
import type { RevocationQuestion, Revoked } from "./lookups.ts"
import { mint, secret } from "./mint-for-tests.ts"
import { active, cutAt, isLetIn, keyState, now, nowMs, refusalOf, stage, tokenOf } from "./stage-for-tests.ts"
import { otherSpelling, type VerificationKey } from "./token.ts"

describe("cut-offs", () => {
  const cutoff = fc.option(fc.integer({ min: nowMs - 20_000, max: nowMs + 5_000 }))
  test("property, case 40: the latest cut-off of all levels counts, and it is the same for sockets", async () => {
    await fc.assert(
      fc.asyncProperty(
        cutoff,
        cutoff,
        cutoff,
        fc.option(fc.integer({ min: now - 20, max: now + 5 })),
        async (app, user, own, iat) => {
          // The own kind of revocation, with a cut-off of its own.
          const revoked = ({ proof }: RevocationQuestion): Revoked | null =>
            own !== null && (proof.issuedAt === null || proof.issuedAt < Math.floor(own / 1000))
              ? { level: "user", revocationId: "r1", beforeMs: own }
              : null
          const { ask, questions } = stage(
            { revokeTokensIssuedBefore: app },
            { user: { ...active, revokeTokensIssuedBefore: user }, revoked },
          )
          const letIn = await isLetIn(
            ask({ authorization: mint({ user_id: "john", ...(iat === null ? {} : { iat }) }) }),
          )
          const cutoffs = [app, user, own].filter((value) => value !== null)
          const latest = Math.floor(Math.max(...cutoffs) / 1000)
          expect(letIn).toBe(cutoffs.length === 0 || (iat !== null && iat >= latest))
          const [question] = questions as [RevocationQuestion]
          const bySockets = revokedByField(question.proof, [app, user]) !== null || revoked(question) !== null
          expect(bySockets).toBe(!letIn)
        },
      ),
      { numRuns: 300 },
    )
  })

  test("case 41: taking a cut-off back restores what it ended, and nothing that another ends", async () => {
    const authorization = tokenOf({}, secret)
    const gate = stage({ revokeTokensIssuedBefore: nowMs }, { user: { ...active, revokeTokensIssuedBefore: nowMs } })
    expect((await refusalOf(gate.ask({ authorization }))).why?.facts?.level).toBe("app")
    gate.world.key = keyState()
    expect((await refusalOf(gate.ask({ authorization }))).why?.facts?.level).toBe("user")
    gate.world.user = active
    expect(await isLetIn(gate.ask({ authorization }))).toBeTrue()
  })

  test("cases 20 and 21: the same second is not before, a clock slightly ahead is fine, and no iat is always before", async () => {
    const letIn = (iat: number | null, cutoffMs: number) =>
      isLetIn(
        stage({ revokeTokensIssuedBefore: cutoffMs }).ask({
          authorization: mint({ user_id: "john", ...(iat === null ? {} : { iat }) }),
        }),
      )
    expect(await letIn(now, nowMs + 999)).toBeTrue()
    expect(await letIn(now - 1, nowMs)).toBeFalse()
    expect(await letIn(now + 5, nowMs)).toBeTrue()
    expect(await letIn(now + 5, nowMs + 6_000)).toBeFalse()
    expect(await letIn(null, 1)).toBeFalse()
  })

  test("the app's cut-off ends users, call tokens and anonymous callers, and leaves servers", async () => {
    const { ask, questions } = stage({ revokeTokensIssuedBefore: nowMs })
    const iat = now - 10
    for (const claims of [
      { user_id: "john" },
      { user_id: "john", call_cids: [] },
      { user_id: "!anon", call_cids: [] },
    ]) {
      expect(await isLetIn(ask({ authorization: mint({ ...claims, iat }) }))).toBeFalse()
    }
    expect(await isLetIn(ask({ authorization: mint({ server: true, iat }) }))).toBeTrue()
    expect(questions.map(({ isServer, userId }) => [isServer, userId])).toEqual([
      [false, "john"],
      [false, "john"],
      [false, null],
      [true, null],
    ])
  })

  test("a revoked token names both of its texts, so that one revocation ends the two", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const es256: VerificationKey = { kid: "e", alg: "ES256", key: pair.publicKey, state: "active" }
    const text = await new SignJWT({ user_id: "john" }).setProtectedHeader({ alg: "ES256" }).sign(pair.privateKey)
    const named = createHash("sha256").update(text).digest("hex")
    const { ask, world } = stage({ verificationKeys: [es256] })
    world.revoked = ({ proof }) => ([proof.sha256, proof.otherSha256].includes(named) ? cutAt(null, "token")() : null)
    for (const authorization of [text, otherSpelling(text)]) {
      expect((await refusalOf(ask({ authorization }))).why).toMatchObject({ check: "revocation", rule: "token" })
    }
  })
})

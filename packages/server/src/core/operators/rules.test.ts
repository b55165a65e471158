import { expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { limits } from "./limits.ts"
import {
  authTimeOf,
  codeOfStep,
  hashPassword,
  linkPath,
  linkTokenSha256,
  newLinkToken,
  recoveryCodeHash,
  recoveryHashPrefix,
  requireGoodPassword,
  sessionEndMs,
  sessionTokenIn,
  ssoVerifiedAtMs,
  stepOfCode,
  verifyPassword,
} from "./rules.ts"

// RFC 6238 Appendix B, SHA-1, cut to the last six of its eight digits.
test("case 55: codes are those of RFC 6238", () => {
  const secret = "12345678901234567890"
  for (const [seconds, code] of [
    [59, "287082"],
    [1_111_111_109, "081804"],
    [1_111_111_111, "050471"],
    [1_234_567_890, "005924"],
    [2_000_000_000, "279037"],
    [20_000_000_000, "353130"],
  ] as const) {
    expect(codeOfStep(secret, Math.floor(seconds / 30))).toBe(code)
    expect(stepOfCode(secret, code, seconds * 1000)).toBe(Math.floor(seconds / 30))
  }
})

test("case 55: a code is good in its step and its neighbours, to the millisecond", () => {
  const secret = "a secret of thirty-two signs ...."
  const step = 59_000_000
  const startMs = step * limits.totpStepSeconds * 1000
  const lengthMs = limits.totpStepSeconds * 1000
  const code = codeOfStep(secret, step)
  for (const [atMs, expected] of [
    [startMs - lengthMs - 1, null],
    [startMs - lengthMs, step],
    [startMs, step],
    [startMs + 2 * lengthMs - 1, step],
    [startMs + 2 * lengthMs, null],
  ] as const) {
    expect({ atMs, step: stepOfCode(secret, code, atMs) }).toEqual({ atMs, step: expected })
  }
  for (const other of ["", code.slice(1), `${code}0`, ` ${code}`, "١٢٣٤٥٦", "-12345", "1e5000"]) {
    expect(stepOfCode(secret, other, startMs)).toBeNull()
  }
})

test("passwords that are guessed first are refused, and sentences are not", () => {
  const email = "olga.petrova@example.com"
  const isGood = (password: string): boolean => {
    try {
      requireGoodPassword(password, email)
      return true
    } catch (error) {
      expect(error).toBeInstanceOf(ApiError)
      expect((error as ApiError).fields).toHaveProperty("password")
      return false
    }
  }
  for (const bad of [
    "",
    "x".repeat(limits.passwordCharsMin - 1),
    "a1b2c3".repeat(30),
    "aaaaaaaaaaaaaaaaaaaa",
    "abababababababab",
    "1234567890123456",
    "abcdefghijklmnop",
    "passwordpassword",
    "PasswordPassword!",
    "Administrator2026",
    "iloveyou!!!!!!!!",
    "olga.petrova@example.com",
    "olga.petrova!!!1",
    "xolga.petrovax",
    "example.com2026",
    // Twelve signs by their number in UTF-16, six for whoever types them.
    "😀😃😄😁😆😅",
  ]) {
    expect({ bad, isGood: isGood(bad) }).toEqual({ bad, isGood: false })
  }
  for (const good of [
    "seven green boats on a lake",
    "пять синих лодок на озере",
    "x9!Kq2#mZr7w",
    "olga.petrova knits at the window",
    "😀😃😄😁😆😅😀😃😄😁😆😅",
  ]) {
    expect({ good, isGood: isGood(good) }).toEqual({ good, isGood: true })
  }
})

test("a password's hash is Argon2id with OWASP's numbers, and a broken one verifies nothing", async () => {
  const hash = await hashPassword("seven green boats on a lake")
  expect(hash).toStartWith("$argon2id$v=19$m=19456,t=2,p=1$")
  expect(await verifyPassword(hash, "seven green boats on a lake")).toBe(true)
  expect(await verifyPassword(hash, "seven green boats on a lakE")).toBe(false)
  for (const broken of ["", "x", hash.slice(0, -5), "$argon2id$v=19$m=19456,t=2,p=1$"]) {
    expect(await verifyPassword(broken, "")).toBe(false)
  }
})

test("links carry what is not kept, behind the sign that no browser sends", () => {
  const { token, sha256 } = newLinkToken()
  expect(token).toMatch(/^[\w-]{43}$/)
  expect(sha256).toBe(linkTokenSha256(token))
  expect(sha256).not.toContain(token)
  expect(linkPath("setup", token)).toBe(`/dashboard/setup#${token}`)
  expect(linkPath("invite", token)).toBe(`/dashboard/invite#${token}`)
  expect(linkPath("reset", token)).toBe(`/dashboard/invite#${token}`)
})

test("recovery codes are hashed with a key, whatever spaces and dashes they are typed with", () => {
  const hash = recoveryCodeHash("secret", "aBcDe-fGhIj")
  expect(hash).toStartWith(recoveryHashPrefix)
  for (const same of ["aBcDefGhIj", " aBcDe fGhIj ", "aBcDe–fGhIj"]) expect(recoveryCodeHash("secret", same)).toBe(hash)
  for (const other of ["abcde-fghij", "aBcDe-fGhI", ""]) expect(recoveryCodeHash("secret", other)).not.toBe(hash)
  expect(recoveryCodeHash("another", "aBcDe-fGhIj")).not.toBe(hash)
  // A hash that somebody read is no code.
  expect(recoveryCodeHash("secret", hash)).not.toBe(hash)
})

test("no cookie, an empty one or one without a signature is no session", () => {
  for (const header of [
    null,
    "",
    "a=b",
    "__Host-weir_session",
    "__Host-weir_session=",
    "__Host-weir_session=x",
    "x__Host-weir_session=a.b",
  ]) {
    expect(sessionTokenIn(header, "secret")).toBeNull()
  }
})

test("a session ends a month after its login, however often it was renewed", () => {
  const created_at = 1_000_000
  expect(sessionEndMs({ created_at, expires_at: created_at + 5 })).toBe(created_at + 5)
  expect(sessionEndMs({ created_at, expires_at: created_at + 10 * limits.sessionMsMax })).toBe(
    created_at + limits.sessionMsMax,
  )
})

test("case 58: single sign-on proves who it is only by a time of authentication that is near the clock", () => {
  const idToken = (payload: string): string => `e30.${Buffer.from(payload).toString("base64url")}.c2ln`
  expect(authTimeOf(idToken(`{"auth_time":1700000000}`))).toBe(1_700_000_000)
  for (const payload of ["", "{}", "null", "[1]", `{"auth_time":"1700000000"}`, `{"auth_time":null}`, "no json"]) {
    expect([payload, authTimeOf(idToken(payload))]).toEqual([payload, null])
  }
  for (const text of [undefined, "", "no token"]) expect([text, authTimeOf(text)]).toEqual([text, null])

  const nowMs = 1_700_000_000_000
  const { ssoAuthAgeMsMax, ssoClockLeewayMs } = limits
  const verified = (atMs: number) => ssoVerifiedAtMs(atMs / 1000, nowMs)
  const oldestMs = nowMs - ssoAuthAgeMsMax - ssoClockLeewayMs
  expect(ssoVerifiedAtMs(null, nowMs)).toBeNull()
  expect([verified(oldestMs), verified(oldestMs - 1000)]).toEqual([oldestMs, null])
  // A proof is never younger than now.
  expect([verified(nowMs + ssoClockLeewayMs), verified(nowMs + ssoClockLeewayMs + 1000)]).toEqual([nowMs, null])
})

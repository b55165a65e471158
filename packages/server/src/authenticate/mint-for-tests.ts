// Tokens for this folder's tests, made with node:crypto alone, and the checks that the tests share.

import { expect } from "bun:test"
import { createHmac, randomBytes } from "node:crypto"
import { ApiError } from "@weir/protocol"
import type { TokenClaims } from "./claims.ts"
import { importSecret, type VerificationKey, verifyToken } from "./token.ts"

export const secret = randomBytes(32).toString("hex")
export const apiKey = "a1b2c3d4e5f6"
export const keyOf = (value: string, kid: string | null = null): VerificationKey => ({
  kid,
  alg: "HS256",
  key: importSecret(value),
  state: "active",
})
export const keys: readonly VerificationKey[] = [keyOf(secret)]

export const base64url = (value: string | Uint8Array): string => Buffer.from(value).toString("base64url")
export const commonHeader = base64url('{"alg":"HS256","typ":"JWT"}')
export const commonPayload = base64url('{"user_id":"john"}')

/** Signs two segments exactly as they are given, so that only the thing under test can be the reason of a refusal. */
export const sign = (header: string, payload: string, hmacKey: string | Uint8Array = secret): string =>
  `${header}.${payload}.${createHmac("sha256", hmacKey).update(`${header}.${payload}`).digest("base64url")}`
export const withHeader = (json: string): string => sign(base64url(json), commonPayload)
export const withPayload = (json: string | Uint8Array): string => sign(commonHeader, base64url(json))
export const mint = (claims: object): string => withPayload(JSON.stringify(claims))

export const verify = (token: string, given: readonly VerificationKey[] = keys): TokenClaims =>
  verifyToken(token, given, apiKey).claims

/** The error that a token is refused with. Fails when the token is accepted, or on any error but the catalogue's. */
export function refusal(token: string, given: readonly VerificationKey[] = keys): ApiError {
  try {
    verify(token, given)
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError)
    return error as ApiError
  }
  throw new Error(`accepted: ${token.slice(0, 200)}`)
}

export function expectMalformed(token: string, reason: string | RegExp = /./): void {
  const error = refusal(token)
  expect([error.code, error.status]).toEqual([5, 401])
  expect(error.reason).toStartWith("JWTAuth error: ")
  expect(error.reason).toMatch(reason)
}

export function expectUnproved(token: string, given: readonly VerificationKey[] = keys): void {
  const error = refusal(token, given)
  expect([error.code, error.status]).toEqual([43, 401])
}

// Key and secret in `Authorization: Basic` (RFC 7617).

import { timingSafeEqual } from "node:crypto"
import type { VerificationKey } from "./token.ts"

const credentialsCharsMax = 1024

/** Takes the header apart; null when it is of another scheme, or does not read. */
export function readBasic(authorization: string | null): { readonly apiKey: string; readonly secret: string } | null {
  if (authorization === null || !/^basic\s/i.test(authorization) || authorization.length > credentialsCharsMax)
    return null
  const pair = Buffer.from(authorization.slice(6).trim(), "base64").toString("utf8")
  const colon = pair.indexOf(":")
  return colon === -1 ? { apiKey: pair, secret: "" } : { apiKey: pair.slice(0, colon), secret: pair.slice(colon + 1) }
}

/** Whether this is the key's secret. Takes the same time wherever the first difference is. */
export function isBasicSecret({ alg, key }: VerificationKey, secret: string): boolean {
  if (alg !== "HS256") return false
  const own = key.export()
  const sent = Buffer.from(secret)
  // Of different lengths: still one comparison, so that the length alone is not answered faster.
  const padded = Buffer.alloc(own.length)
  sent.copy(padded)
  return timingSafeEqual(padded, own) && sent.length === own.length
}

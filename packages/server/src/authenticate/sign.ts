// Signing, for the tokens that the server itself gives out (guests). Backends sign theirs with the server SDK.

import { createHmac, type KeyObject } from "node:crypto"

/** A compact HS256 JWT (RFC 7515 §3.1) of these claims; times in `claims` are Unix seconds. */
export function signToken(key: KeyObject, kid: string | null, claims: Record<string, unknown>): string {
  const header = { alg: "HS256", typ: "JWT", ...(kid === null ? {} : { kid }) }
  const input = `${segment(header)}.${segment(claims)}`
  return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`
}

const segment = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url")

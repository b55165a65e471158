// User tokens as an application's backend makes them: HS256 (RFC 7515, RFC 7519) over `user_id`, `iat`, `exp`.

import { createHmac, createSecretKey } from "node:crypto"

export interface TokenPlan {
  readonly secret: string
  readonly userIds: readonly string[]
  /** How many different tokens. */
  readonly count: number
  /** Two plans with different series share no token, so a server cannot know one of them from an earlier run. */
  readonly series: number
}

/** A function from 0 … count-1 to tokens that all differ. The signature covers claims that a strict verifier accepts. */
export function tokenMaker({ secret, userIds, series }: TokenPlan, nowMs = Date.now()): (index: number) => string {
  const key = createSecretKey(Buffer.from(secret))
  const nowSeconds = Math.floor(nowMs / 1000)
  return (index) => {
    // The users take turns, and after each turn the time of issue is one second earlier: that is what makes the next
    // token of the same user another one.
    const userId = userIds[index % userIds.length] as string
    const issuedAt = nowSeconds - 60 - Math.floor(index / userIds.length)
    return sign(key, { user_id: userId, iat: issuedAt, exp: nowSeconds + daySeconds + series })
  }
}

/** A server token: `server: true` and `iat`, no `exp`. */
export const serverToken = (secret: string): string =>
  sign(createSecretKey(Buffer.from(secret)), { server: true, iat: Math.floor(Date.now() / 1000) })

function sign(key: ReturnType<typeof createSecretKey>, claims: object): string {
  const input = `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}`
  return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`
}

const header = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString("base64url")
const daySeconds = 86_400

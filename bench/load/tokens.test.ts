// The load must be made of tokens that a strict verifier accepts, and no token may come twice: a cache would answer.

import { expect, test } from "bun:test"
import { jwtVerify } from "jose"
import { serverToken, tokenMaker } from "./tokens.ts"

const secret = "s".repeat(64)
const userIds = ["a", "b", "c"]

test("tokens verify, name their user, and all differ, between series too", async () => {
  const seen = new Set<string>()
  for (const series of [0, 1, 2]) {
    const tokenAt = tokenMaker({ secret, userIds, count: 30, series })
    for (let index = 0; index < 30; index++) {
      const token = tokenAt(index)
      seen.add(token)
      const { payload } = await jwtVerify(token, Buffer.from(secret), { algorithms: ["HS256"] })
      expect(payload.user_id).toBe(userIds[index % 3])
    }
  }
  expect(seen.size).toBe(90)
})

test("a server token has no user and no end", async () => {
  const { payload } = await jwtVerify(serverToken(secret), Buffer.from(secret), { algorithms: ["HS256"] })
  expect(payload.server).toBe(true)
  expect(Object.keys(payload).sort()).toEqual(["iat", "server"])
})

// Every operation of a running server with what its schemas accept and with what they nearly accept, as a server, a user
// and an operator, one after the other on one database, so that each meets what the others have left.

import { afterAll, beforeAll, expect, test } from "bun:test"
import type { Operation } from "@weir/protocol"
import fc from "fast-check"
import { serverToken, userToken } from "../../src/testing.ts"
import {
  asAdmin,
  createApp,
  createUsers,
  expectEnvelope,
  type OtherApp,
  startWatched,
  type WatchedServer,
} from "../fixtures.ts"
import { fuzzAsync, fuzzSeconds, fuzzTimeoutMs } from "./fuzz.ts"
import { inputOf, type OperationInput } from "./operation-input.ts"

let t: WatchedServer
/** Operators try everything on this one, so that the callers of the first keep their key and their secret. */
let other: OtherApp
beforeAll(async () => {
  t = await startWatched()
  await createUsers(t, "jessica", "bob")
  other = await createApp(t, "fuzzed")
  const channel = await t.call("POST", "/api/v2/chat/channels/messaging/general/query", {
    body: { data: { created_by_id: "jessica", members: ["jessica", "bob"] } },
  })
  expect(channel.status).toBe(201)
  const message = { message: { id: "m1", text: "hello", user_id: "jessica" } }
  expect((await t.call("POST", "/api/v2/chat/channels/messaging/general/message", { body: message })).status).toBe(201)
})
afterAll(() => t.close())

interface Attempt extends OperationInput {
  readonly operation: Operation
  readonly caller: "server" | "user" | "operator"
}

test(
  "case 66: no operation answers a valid or a damaged input with a fault of the server",
  async () => {
    const secrets = (await t.call("GET", `/api/admin/v1/apps/${other.id}/keys`, asAdmin)).body.keys[0].secrets
    const known = [
      ...["jessica", "bob", "carol", "messaging", "general", "messaging:general", "m1", "default", "default:standup"],
      ...["user", "timeline", "user:jessica", "timeline:jessica", "2020-01-01T00:00:00Z", "read", "chat:messaging:*"],
      ...[
        String(other.id),
        other.apiKey,
        secrets[0].kid,
        "0".repeat(64),
        "00000000-0000-4000-8000-000000000000",
        "web",
      ],
    ]
    const attempts = t.server.operations.flatMap((operation): fc.Arbitrary<Attempt>[] => {
      const callers = operation.access.includes("operator") ? (["operator"] as const) : (["server", "user"] as const)
      return [false, true].map((damaged) =>
        fc
          .tuple(inputOf(operation, known, damaged), fc.constantFrom(...callers))
          .map(([input, caller]) => ({ ...input, operation, caller })),
      )
    })
    const statuses = new Map<number, number>()
    const reached = new Set<string>()
    let user = "jessica"
    let users = 0
    await fuzzAsync("operations", fc.oneof(...attempts), async ({ operation, caller, target, body }) => {
      const credentials =
        caller === "operator" ? asAdmin : caller === "server" ? { as: serverToken() } : { as: userToken(user) }
      const answer = await t.call(operation.method, target, {
        ...credentials,
        ...(operation.method === "GET" ? {} : { body }),
      })
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      const what = `${operation.name} as ${caller}: ${operation.method} ${target}`
      expect({ what, body, answer: answer.body, isFault: answer.status >= 500 }).toMatchObject({ isFault: false })
      if (answer.status >= 300) expectEnvelope(answer.body)
      else reached.add(operation.name)
      // Whoever was deleted, deactivated or revoked by what was tried leaves their place to somebody new.
      if (answer.status === 401 && caller === "user") {
        await t.call("PATCH", "/api/v2/app", { body: { revoke_tokens_issued_before: null } })
        user = `caller-${users++}`
        await createUsers(t, user)
      }
    })
    console.log("answers by status:", Object.fromEntries([...statuses].sort(([a], [b]) => a - b)))
    console.log(`operations that did their work: ${reached.size} of ${t.server.operations.length}`)
    expect(t.log.filter((line) => line.includes('"level":"error"'))).toEqual([])
    // It would show little if everything were turned away at the door.
    expect(reached.size).toBeGreaterThan(Math.min(10, fuzzSeconds * 5))
  },
  fuzzTimeoutMs,
)

import { expect, test } from "bun:test"
import { clientName, clientUses } from "./clients.ts"
import type { Secret } from "./wire.ts"

test("a client's words are taken apart into name and version, and stay whole where they have none", () => {
  expect(clientName("weir-sdk-client-0.1.0")).toEqual({ name: "weir-sdk-client", version: "0.1.0" })
  expect(clientName("shop/2.4")).toEqual({ name: "shop", version: "2.4" })
  expect(clientName("some-client-v1.2.0-beta.1")).toEqual({ name: "some-client", version: "1.2.0-beta.1" })
  expect(clientName("phone-3.0.1|os=somewhere 17.1")).toEqual({ name: "phone", version: "3.0.1" })
  expect(clientName("curl")).toEqual({ name: "curl", version: null })
  expect(clientName("| x")).toEqual({ name: "| x", version: null })
})

test("clients of all secrets, most tokens first; what is not told one by one is still counted", () => {
  const last_seen_at = "2026-01-01T00:00:00.000Z"
  const secret = (kid: string, tokens: number, counts: readonly number[]): Secret => ({
    kid,
    state: "active",
    alg: "HS256",
    label: "",
    imported: false,
    created_by: "",
    created_at: last_seen_at,
    state_since: last_seen_at,
    last_used_at: last_seen_at,
    last_client: null,
    last_address: null,
    usage: {
      tokens,
      users: 1,
      clients: [],
      by_client: counts.map((count, index) => ({ client: `${kid}-${index}`, tokens: count, users: 1, last_seen_at })),
    },
  })
  const secrets = [secret("old", 20, [9, 4]), secret("new", 6, [6]), secret("idle", 0, [])]
  const names = (max: number) => clientUses(secrets, max).uses.map(({ secret, client }) => [secret.kid, client])
  expect(names(10)).toEqual([
    ["old", "old-0"],
    ["new", "new-0"],
    ["old", "old-1"],
  ])
  expect(clientUses(secrets, 10).rest).toBe(7)
  expect(names(1)).toEqual([["old", "old-0"]])
  expect(clientUses(secrets, 1).rest).toBe(17)
  expect(clientUses([], 1)).toEqual({ uses: [], rest: 0 })
})

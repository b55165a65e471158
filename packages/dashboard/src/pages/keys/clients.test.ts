import { expect, test } from "bun:test"
import { byClient, clientName } from "./clients.ts"

test("a client's words are taken apart into name and version, and stay whole where they have none", () => {
  expect(clientName("weir-sdk-client-0.1.0")).toEqual({ name: "weir-sdk-client", version: "0.1.0" })
  expect(clientName("shop/2.4")).toEqual({ name: "shop", version: "2.4" })
  expect(clientName("some-client-v1.2.0-beta.1")).toEqual({ name: "some-client", version: "1.2.0-beta.1" })
  expect(clientName("phone-3.0.1|os=somewhere 17.1")).toEqual({ name: "phone", version: "3.0.1" })
  expect(clientName("curl")).toEqual({ name: "curl", version: null })
  expect(clientName("| x")).toEqual({ name: "| x", version: null })
})

test("tokens are added up by client: users count once, the latest time stays", () => {
  const tokens = [
    { client: "a-1.0", user_id: "u1", uses: 2, last_seen: "2026-01-01T00:00:00.000Z" },
    { client: "a-1.0", user_id: "u1", uses: 3, last_seen: "2026-01-03T00:00:00.000Z" },
    { client: null, user_id: "u2", uses: 1, last_seen: "2026-01-02T00:00:00.000Z" },
  ]
  expect(byClient(tokens, "unnamed")).toEqual([
    {
      client: "a-1.0",
      name: "a",
      version: "1.0",
      tokens: 2,
      users: 1,
      uses: 5,
      lastSeen: "2026-01-03T00:00:00.000Z",
    },
    {
      client: "unnamed",
      name: "unnamed",
      version: null,
      tokens: 1,
      users: 1,
      uses: 1,
      lastSeen: "2026-01-02T00:00:00.000Z",
    },
  ])
})

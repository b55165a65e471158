import { describe, expect, test } from "bun:test"
import { type ApiError, operatorRoles } from "@weir/protocol"
import { presets, type TokenPolicy } from "../../authenticate/policy.ts"
import { isCovered } from "../../authorize/scopes.ts"
import { claimsOf, explorerScopes, kindsOf, lifetimeOf, requireAllowedKinds } from "./rules.ts"

const { strict, compatible } = presets
const fieldsOf = (work: () => unknown): Record<string, string> | undefined => {
  try {
    work()
  } catch (error) {
    return (error as ApiError).fields
  }
  return undefined
}

describe("how long a token lives", () => {
  const cases: [string, TokenPolicy, Parameters<typeof lifetimeOf>[1], number | null][] = [
    ["an hour for a user", compatible, { kind: "user" }, 3600],
    ["ten minutes for a server", compatible, { kind: "server" }, 600],
    ["a month at most where no policy says so", compatible, { kind: "guest", expires_in: 2_592_000 }, 2_592_000],
    ["and not a second more", compatible, { kind: "guest", expires_in: 2_592_001 }, null],
    ["what the policy allows", strict, { kind: "user", expires_in: 86_400 }, 86_400],
    ["and not a second more", strict, { kind: "user", expires_in: 86_401 }, null],
    [
      "an hour at most for a server, whatever the policy allows",
      { ...strict, serverMaxAgeSeconds: 7200 },
      { kind: "server", expires_in: 3601 },
      null,
    ],
    ["the policy's bound where the usual is longer", { ...strict, maxLifetimeSeconds: 60 }, { kind: "call" }, 60],
    ["the same for a server", { ...strict, serverMaxAgeSeconds: 60 }, { kind: "server" }, 60],
  ]
  for (const [name, policy, wish, seconds] of cases) {
    test(`${name}: ${wish.kind} ${wish.expires_in ?? ""}`, () => {
      if (seconds === null) expect(fieldsOf(() => lifetimeOf(policy, wish))).toHaveProperty("expires_in")
      else expect(lifetimeOf(policy, wish)).toBe(seconds)
    })
  }
})

test("claims have whole seconds, and what the policy demands by name", () => {
  const made = { userId: "jessica", jti: "one", nowMs: 1_700_000_000_999, lifeSeconds: 60 }
  expect(claimsOf({ ...strict, iss: "us", aud: "them" }, { kind: "user", user_id: "jessica" }, made)).toEqual({
    user_id: "jessica",
    iss: "us",
    aud: "them",
    iat: 1_700_000_000,
    exp: 1_700_000_060,
    jti: "one",
  })
})

test("a kind that the policy does not take is named, for guests and callers without a user as well", () => {
  const only = (...allowedKinds: TokenPolicy["allowedKinds"][number][]): TokenPolicy => ({
    ...compatible,
    allowedKinds,
  })
  const refused = (policy: TokenPolicy, kinds: Parameters<typeof requireAllowedKinds>[1]) =>
    fieldsOf(() => requireAllowedKinds(policy, kinds))
  expect(refused(only("user"), kindsOf({ kind: "user", user_id: "a" }, false))).toBeUndefined()
  expect(refused(only("user"), kindsOf({ kind: "user", user_id: "a" }, true))?.kind).toContain("guest")
  expect(refused(only("call"), kindsOf({ kind: "call", user_id: "a" }, false))).toBeUndefined()
  expect(refused(only("call"), kindsOf({ kind: "call" }, false))?.kind).toContain("anonymous")
  expect(refused(only("user", "guest"), kindsOf({ kind: "server" }, false))?.kind).toContain("server")
})

// Whoever may only look gets a token that only looks: what stops them is the gate and not a hidden button.
test("case 57: an explorer's token writes for those alone whose role manages content, and never manages the app", () => {
  const write = { id: "create-message", level: "write" } as const
  const manage = { id: "update-channel", level: "manage" } as const
  const writers = operatorRoles.filter((role) => explorerScopes(role).writes)
  expect(writers).toEqual(["owner", "admin", "developer"])
  for (const role of operatorRoles) {
    const { scopes, writes } = explorerScopes(role)
    expect(isCovered(scopes, { id: "read-channel", level: "read" }, "chat:messaging:general")).toBe(true)
    expect(isCovered(scopes, write, "chat:messaging:general")).toBe(writes)
    expect(isCovered(scopes, manage, "feeds:user:jessica")).toBe(writes)
    expect(isCovered(scopes, { id: "update-app", level: "manage" }, "app:app:1")).toBe(false)
    expect(isCovered(scopes, { id: "delete-user", level: "manage" }, "app:user:jessica")).toBe(false)
  }
})

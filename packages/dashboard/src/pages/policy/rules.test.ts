import { describe, expect, test } from "bun:test"
import { policyResponse, presets as serverPresets } from "../../../../server/src/authenticate/policy.ts"
import { changeOf, contradiction, differences, impactOf, type Policy, presets, type Session } from "./rules.ts"

const { strict, compatible } = presets

test("the page's presets are the server's", () => {
  expect(strict).toEqual(policyResponse(serverPresets.strict))
  expect(compatible).toEqual(policyResponse(serverPresets.compatible))
})

describe("a change", () => {
  test("names the rules that differ, whatever the order of kinds", () => {
    expect(differences(strict, compatible)).toEqual([
      "require_exp",
      "require_iat",
      "max_lifetime_seconds",
      "server_max_age_seconds",
    ])
    expect(differences(strict, { ...strict, allowed_kinds: strict.allowed_kinds.toReversed() })).toEqual([])
  })

  test("of single rules sends them alone; of the preset everything, so that nothing falls back", () => {
    expect(changeOf(compatible, { ...compatible, require_exp: true })).toEqual({ require_exp: true })
    expect(changeOf(compatible, { ...strict, iss: "shop" })).toEqual({ ...strict, iss: "shop" } as Policy as never)
    expect(changeOf(strict, strict)).toEqual({})
  })

  test("that contradicts itself says so", () => {
    expect(contradiction({ ...compatible, max_lifetime_seconds: 60 })).toContain("needs both exp and iat")
    expect(contradiction({ ...strict, allowed_kinds: [] })).toContain("nobody could do anything")
    expect(contradiction(strict)).toBeNull()
    expect(contradiction(compatible)).toBeNull()
  })
})

const session = (of: Partial<Session>): Session => ({
  id: "0".repeat(64),
  kind: "user",
  user_id: "u1",
  api_key: "k",
  kid: "a",
  jti: null,
  device_id: null,
  issued_at: "2026-01-01T00:00:00.000Z",
  expires_at: "2026-01-01T01:00:00.000Z",
  first_seen: "2026-01-01T00:00:00.000Z",
  last_seen: "2026-01-01T00:30:00.000Z",
  uses: 1,
  address: "::1",
  client: "shop-1.0",
  state: "recent",
  sockets: [],
  ...of,
})

describe("what a change would refuse", () => {
  const sessions = [
    session({}),
    session({ expires_at: null, user_id: "u2", client: "old-0.1", last_seen: "2026-01-02T00:00:00.000Z" }),
    session({ expires_at: null, state: "revoked" }),
    session({ expires_at: "2026-01-03T00:00:00.000Z", user_id: "u3" }),
    session({ kind: "guest", user_id: "g" }),
  ]
  const warnings = [
    {
      rule: "require_exp",
      count: 12,
      first_seen: "2025-12-01T00:00:00.000Z",
      last_seen: "2026-01-01T00:00:00.000Z",
      kid: "a",
      client: "curl",
    },
  ]

  test("strict over compatible: tokens that would be let in now, with what was warned of", () => {
    const found = impactOf(compatible, strict, sessions, warnings)
    expect(found.map(({ key, tokens, count }) => [key, tokens, count])).toEqual([
      ["require_exp", 1, 12],
      ["require_iat", 0, 0],
      ["max_lifetime", 1, 0],
      ["server_max_age", null, 0],
    ])
    expect(found[0]).toMatchObject({ users: 1, lastSeen: "2026-01-02T00:00:00.000Z", clients: ["old-0.1", "curl"] })
  })

  test("a kind that goes takes its tokens; an issuer cannot be told from what is known", () => {
    const after = {
      ...compatible,
      allowed_kinds: compatible.allowed_kinds.filter((kind) => kind !== "guest"),
      iss: "x",
    }
    expect(impactOf(compatible, after, sessions, []).map(({ key, tokens }) => [key, tokens])).toEqual([
      ["kind:guest", 1],
      ["iss", null],
    ])
  })

  test("what becomes looser refuses nothing more", () => {
    expect(impactOf(strict, compatible, sessions, warnings)).toEqual([])
    expect(impactOf(strict, { ...strict, max_lifetime_seconds: 90_000 }, sessions, warnings)).toEqual([])
  })
})

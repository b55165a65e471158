import { describe, expect, test } from "bun:test"
import { ApiError, type AppCaller, parseScopes, type Scopes, userIdOf } from "@weir/protocol"
import fc from "fast-check"
import {
  type Action,
  allowed,
  allowedPerItem,
  can,
  canPerItem,
  type Decision,
  DeniedError,
  granted,
  hide,
  isAllowed,
  mayKnow,
  noObjection,
  type Resource,
  reachOf,
  requireAllowed,
  requireScoped,
  withinReach,
} from "./decide.ts"
import { compileGrants, rolesWith } from "./grants.ts"
import { matchesSegment } from "./scopes.ts"

const read: Action = { id: "read-channel", name: "ReadChannel", level: "read" }
const update: Action = { id: "update-message", name: "UpdateMessage", level: "write" }
const join: Action = { id: "join-call", name: "JoinCall", level: "write" }

const grants = compileGrants({
  channel_member: ["read-channel", "update-message-owner"],
  channel_moderator: ["read-channel", "update-message"],
  global_moderator: ["read-channel-any-team"],
  anonymous: ["join-call"],
  viewer: ["join-call"],
})

const base = { appId: 1, apiKey: "k", scopes: null, proof: null }
const user = (over: object = {}): AppCaller => ({
  ...base,
  kind: "user",
  userId: "jessica",
  role: "user",
  teams: [],
  issuedAt: null,
  expiresAt: null,
  calls: null,
  bans: null,
  ...over,
})
const resource = (over: Partial<Resource> = {}): Resource => ({
  kind: "channel",
  id: "messaging:general",
  name: over.kind === "call" ? `video:${over.id}` : "chat:messaging:general",
  scope: "messaging",
  grants,
  relationRoles: [],
  ownerId: null,
  team: null,
  ...over,
})

/** The table of the permission rules: who, what, on what, and whether it is allowed. */
const table: [string, AppCaller, Action, Resource, boolean][] = [
  ["a server call bypasses every check", { ...base, kind: "server" }, update, resource({ team: "red" }), true],
  ["what is not granted is refused", user(), read, resource(), false],
  ["a relation's role counts", user(), read, resource({ relationRoles: ["channel_member"] }), true],
  [
    "an owner grant needs ownership",
    user(),
    update,
    resource({ relationRoles: ["channel_member"], ownerId: "john" }),
    false,
  ],
  [
    "an owner grant serves the owner",
    user(),
    update,
    resource({ relationRoles: ["channel_member"], ownerId: "jessica" }),
    true,
  ],
  [
    "a grant without suffix serves any owner",
    user(),
    update,
    resource({ relationRoles: ["channel_moderator"], ownerId: "john" }),
    true,
  ],
  [
    "owning nothing is not owning",
    user(),
    update,
    resource({ relationRoles: ["channel_member"], ownerId: null }),
    false,
  ],
  [
    "another team's thing is refused",
    user({ teams: ["blue"] }),
    read,
    resource({ team: "red", relationRoles: ["channel_member"] }),
    false,
  ],
  [
    "the own team's thing is allowed",
    user({ teams: ["red"] }),
    read,
    resource({ team: "red", relationRoles: ["channel_member"] }),
    true,
  ],
  ["-any-team crosses teams", user({ role: "global_moderator" }), read, resource({ team: "red" }), true],
  [
    "-any-team alone grants nothing within reach of the plain grant",
    user({ role: "global_moderator" }),
    read,
    resource(),
    false,
  ],
  [
    "a call token reaches a listed call",
    user({ calls: { cids: ["default:a"], channelCids: [], role: "viewer" } }),
    join,
    resource({ kind: "call", id: "default:a" }),
    true,
  ],
  [
    "a call token does not reach another call",
    user({ calls: { cids: ["default:a"], channelCids: [], role: "viewer" } }),
    join,
    resource({ kind: "call", id: "default:b" }),
    false,
  ],
  [
    "a call token does not reach a channel of that name",
    user({ calls: { cids: ["messaging:general"], channelCids: [], role: "channel_member" } }),
    read,
    resource(),
    false,
  ],
  [
    "a call token's role takes the place of the membership",
    user({ calls: { cids: ["default:a"], channelCids: [], role: "nobody" } }),
    join,
    resource({ kind: "call", id: "default:a", relationRoles: ["viewer"] }),
    false,
  ],
  [
    "an anonymous caller has the role anonymous",
    { ...base, kind: "anonymous", calls: null },
    join,
    resource({ kind: "call", id: "default:a" }),
    true,
  ],
  [
    "an anonymous caller is in no team",
    { ...base, kind: "anonymous", calls: null },
    join,
    resource({ kind: "call", id: "default:a", team: "red" }),
    false,
  ],
  [
    "a token that lists a channel reaches it with the user's own rights",
    user({ calls: { cids: [], channelCids: ["messaging:general"], role: null } }),
    read,
    resource({ relationRoles: ["channel_member"] }),
    true,
  ],
  [
    "it gives none there that the user has not",
    user({ calls: { cids: [], channelCids: ["messaging:general"], role: null } }),
    read,
    resource(),
    false,
  ],
  [
    "its role counts on calls alone",
    user({ calls: { cids: [], channelCids: ["messaging:general"], role: "channel_moderator" } }),
    update,
    resource({ relationRoles: ["channel_member"], ownerId: "john" }),
    false,
  ],
  [
    "messages of a listed channel belong to it",
    user({ calls: { cids: [], channelCids: ["messaging:general"], role: null } }),
    update,
    resource({ kind: "message", id: "m1", relationRoles: ["channel_member"], ownerId: "jessica" }),
    true,
  ],
  [
    "a message named like a listed channel does not",
    user({ calls: { cids: [], channelCids: ["messaging:other"], role: null } }),
    update,
    resource({ kind: "message", id: "messaging:other", relationRoles: ["channel_member"], ownerId: "jessica" }),
    false,
  ],
  [
    "a token that lists a channel reaches no call of that name",
    user({ calls: { cids: [], channelCids: ["default:a"], role: "viewer" } }),
    join,
    resource({ kind: "call", id: "default:a" }),
    false,
  ],
  ["a role named like a member of objects grants nothing", user({ role: "constructor" }), read, resource(), false],
]

describe("can", () => {
  for (const [name, principal, action, target, expected] of table) {
    test(name, () => {
      expect(can(principal, action, target).allowed).toBe(expected)
      expect(isAllowed(principal, action, target)).toBe(expected)
    })
  }

  test("a refusal names roles, action and scope as clients know it, and its reasons in order", () => {
    const decision = can(user(), update, resource({ relationRoles: ["channel_member"], ownerId: "john" }))
    if (decision.allowed) throw new Error("should be refused")
    expect(decision.error.reason).toBe(
      "User 'jessica' with roles ['user', 'channel_member'] is not allowed to perform action UpdateMessage in scope 'messaging'",
    )
    expect(decision.error.code).toBe(17)
    expect(decision.checks.map(({ check, passed }) => [check, passed])).toEqual([
      ["team", true],
      ["grant", false],
    ])
  })

  test("one role is named in the singular", () => {
    const decision = can(user(), read, resource())
    expect(decision.allowed ? "" : decision.error.reason).toContain("with role 'user' is not allowed")
  })

  test("hide gives the error of an absent thing and keeps the reasons", () => {
    const absent = () => new ApiError("notFound", "Can't find message with id 1")
    const decision = hide(can(user(), read, resource()), absent)
    if (decision.allowed) throw new Error("should be refused")
    expect(decision.error.code).toBe(16)
    expect(decision.checks.length).toBeGreaterThan(0)
    expect(decision.remedy).toContain("read-channel")
    expect(hide(granted, absent)).toBe(granted)
  })
})

const scopes = (actions: string[], name = "chat:messaging:general"): Scopes => parseScopes({ [name]: actions })
const member = (over: Partial<Resource> = {}) => resource({ relationRoles: ["channel_member"], ...over })
const server = (claim: Scopes | null = null): AppCaller => ({ ...base, kind: "server", scopes: claim })

/** What narrows a token, what is asked, and whether it is allowed. Without scopes each of them would be. */
const narrowed: [string, AppCaller, Action, Resource, boolean][] = [
  ["a scope that names level and resource", user({ scopes: scopes(["read"]) }), read, member(), true],
  ["a scope that names the action", user({ scopes: scopes(["read-channel"]) }), read, member(), true],
  ["a scope with a wildcard", user({ scopes: scopes(["read"], "chat:*:gen*") }), read, member(), true],
  ["a scope of another level", user({ scopes: scopes(["write", "manage"]) }), read, member(), false],
  ["a scope of another resource", user({ scopes: scopes(["read"], "chat:messaging:other") }), read, member(), false],
  ["a scope of another product", user({ scopes: scopes(["read"], "video:messaging:general") }), read, member(), false],
  ["no scope at all", user({ scopes: parseScopes({}) }), read, member(), false],
  ["a scope does not grant", user({ scopes: scopes(["read"]) }), read, resource(), false],
  [
    "messages belong to their channel",
    user({ scopes: scopes(["write"]) }),
    update,
    member({ kind: "message", id: "m1", ownerId: "jessica" }),
    true,
  ],
  ["a server is held to its scopes", server(scopes(["read"], "chat:messaging:other")), read, resource(), false],
  ["and within them needs no grant", server(scopes(["read"])), read, resource({ team: "red" }), true],
  [
    "an anonymous caller is held to them",
    {
      ...base,
      kind: "anonymous",
      calls: { cids: ["default:a"], channelCids: [], role: null },
      scopes: scopes(["read"], "video:default:a"),
    },
    join,
    resource({ kind: "call", id: "default:a" }),
    false,
  ],
  [
    "scopes and a list of calls both count",
    user({
      calls: { cids: ["default:a"], channelCids: [], role: "viewer" },
      scopes: scopes(["write"], "video:default:*"),
    }),
    join,
    resource({ kind: "call", id: "default:b" }),
    false,
  ],
]

describe("a narrowed token", () => {
  for (const [name, principal, action, target, expected] of narrowed) {
    test(`case 28: ${name}`, () => {
      expect(can(principal, action, target).allowed).toBe(expected)
      expect(isAllowed(principal, action, target)).toBe(expected)
    })
  }

  test("is told what it lacks, and operators what to add", () => {
    for (const principal of [user({ scopes: scopes(["read"]) }), server(scopes(["read"]))]) {
      const decision = refused(can(principal, update, member({ ownerId: "jessica" })))
      expect(decision.error.code).toBe(17)
      expect(decision.error.reason).toBe("The token's scopes do not allow UpdateMessage on chat:messaging:general")
      expect(decision.checks).toEqual([
        {
          check: "scope",
          passed: false,
          detail: "no scope of the token covers update-message (write) on chat:messaging:general",
        },
      ])
      expect(decision.remedy).toBe('add "write" to scope "chat:messaging:general"')
    }
  })

  test("may know of what its scopes speak of and its user may see, and of nothing else", () => {
    const writer = user({ scopes: scopes(["write"]) })
    expect(mayKnow(writer, read, member())).toBe(noObjection)
    expect(can(writer, read, member()).allowed).toBe(false)
    expect(mayKnow(writer, read, resource()).allowed).toBe(false)
    expect(mayKnow(user({ scopes: scopes([]) }), read, member()).allowed).toBe(false)
    expect(mayKnow(user({ scopes: scopes(["write"], "chat:messaging:x") }), read, member()).allowed).toBe(false)
    expect(mayKnow(server(scopes(["write"])), read, resource()).allowed).toBe(true)
    expect(mayKnow(server(scopes(["write"], "chat:team:*")), read, resource()).allowed).toBe(false)
  })

  describe("bans", () => {
    const forever = { expiresAt: null }
    const soon = { expiresAt: Date.UTC(2026, 0, 1) }
    const ofApp = { app: forever, channels: {} }
    const here = { app: null, channels: { "messaging:general": soon } }
    const member = resource({ relationRoles: ["channel_moderator"] })
    const message = resource({ kind: "message", id: "m1", relationRoles: ["channel_moderator"] })
    const elsewhere = resource({ name: "chat:messaging:other", relationRoles: ["channel_moderator"] })
    const call = resource({ kind: "call", id: "default:a", relationRoles: ["viewer"] })
    const rows: [string, AppCaller, Action, Resource, boolean][] = [
      ["a ban from the app leaves reading", user({ bans: ofApp }), read, member, true],
      ["a ban from the app ends writing in channels", user({ bans: ofApp }), update, member, false],
      ["a ban from the app ends writing in calls", user({ bans: ofApp }), join, call, false],
      ["a ban from a channel leaves reading there", user({ bans: here }), read, member, true],
      ["a ban from a channel ends writing there", user({ bans: here }), update, member, false],
      ["a ban from a channel ends writing to its messages", user({ bans: here }), update, message, false],
      ["a ban from a channel leaves the others", user({ bans: here }), update, elsewhere, true],
      ["a ban from a channel leaves calls", user({ bans: here }), join, call, true],
      ["a guest is banned as a user is", user({ kind: "guest", bans: ofApp }), update, member, false],
      ["an inherited name is no channel", user({ bans: here }), update, { ...member, name: "chat:constructor" }, true],
    ]
    for (const [what, principal, action, target, expected] of rows) {
      test(what, () => {
        expect(can(principal, action, target).allowed).toBe(expected)
        expect(isAllowed(principal, action, target)).toBe(expected)
      })
    }

    test("a refusal tells the caller that they are banned, and operators from what and until when", () => {
      const denied = can(user({ bans: here }), update, member)
      if (denied.allowed) throw new Error("should be refused")
      expect(denied.error.reason).toBe("User 'jessica' is banned")
      expect(denied.checks.map(({ check, passed }) => [check, passed])).toEqual([
        ["team", true],
        ["ban", false],
      ])
      expect(denied.remedy).toBe("unban user 'jessica' from messaging:general, or wait until the ban has run out")
      expect(new DeniedError(denied).why).toMatchObject({
        check: "ban",
        rule: "channel",
        detail: "banned from channel messaging:general until 2026-01-01T00:00:00.000Z",
      })
      const app = can(user({ bans: { ...here, app: forever } }), update, member)
      if (app.allowed) throw new Error("should be refused")
      expect(new DeniedError(app).why).toMatchObject({ rule: "app", detail: "banned from the app for ever" })
      expect(app.remedy).toBe("unban user 'jessica', or wait until the ban has run out")
    })

    test("a ban takes away only: whoever may not without it may not with it", () => {
      const noGrant = can(user({ bans: here }), read, resource())
      expect(noGrant.allowed).toBe(false)
      expect(can(user({ bans: ofApp, scopes: scopes([]) }), update, member).allowed).toBe(false)
    })
  })

  test("withinReach asks for no grant, canPerItem for no scope; both hold a call token to its list", () => {
    const calls = { cids: ["default:a"], channelCids: [], role: "viewer" }
    expect(withinReach(user({ scopes: scopes(["read"]) }), read, resource())).toBe(granted)
    expect(withinReach(user({ scopes: scopes(["write"]) }), read, resource()).allowed).toBe(false)
    expect(withinReach(user({ calls }), read, resource()).allowed).toBe(false)
    expect(canPerItem(user({ scopes: parseScopes({}) }), read, member())).toBe(allowedPerItem)
    expect(canPerItem(user({ scopes: scopes(["read"]) }), read, resource()).allowed).toBe(false)
    expect(canPerItem(user({ calls }), read, member()).allowed).toBe(false)
    expect(canPerItem(server(parseScopes({})), read, resource())).toBe(allowedPerItem)
  })
})

describe("requireScoped", () => {
  const closed = (principal: AppCaller, decisions: Decision | readonly Decision[]): boolean => {
    try {
      requireScoped(principal, decisions, "DoThis")
      return false
    } catch (error) {
      expect(error).toBeInstanceOf(DeniedError)
      expect((error as DeniedError).code).toBe(17)
      expect((error as DeniedError).why).toMatchObject({ rule: "DoThis" })
      return true
    }
  }
  const calls = { cids: [], channelCids: [], role: null }

  test("case 28: whatever asked for no resource is closed to every narrowed token", () => {
    const limited = [
      user({ scopes: scopes(["read"]) }),
      user({ calls }),
      { ...base, kind: "anonymous" as const, calls },
      server(scopes(["read"])),
    ]
    for (const principal of limited) {
      for (const decisions of [allowed, [allowed], [granted, allowed], noObjection, [noObjection, noObjection], []]) {
        expect(closed(principal, decisions)).toBe(true)
      }
      for (const decisions of [granted, allowedPerItem, [noObjection, granted], [granted, allowedPerItem]]) {
        expect(closed(principal, decisions)).toBe(false)
      }
    }
  })

  test("other callers do not meet it", () => {
    for (const principal of [user(), server(), { ...base, kind: "anonymous" as const, calls: null }]) {
      for (const decisions of [allowed, noObjection, granted]) expect(closed(principal, decisions)).toBe(false)
    }
  })
})

/** Who is refused what, the check that failed, and the change that would help. */
const remedies: [AppCaller, Action, Resource, string, string][] = [
  [
    user(),
    read,
    resource(),
    "grant",
    "grant \"read-channel\" to role 'user' in scope 'messaging', or give user 'jessica' a role that has it: channel_member, channel_moderator",
  ],
  [
    user(),
    update,
    member({ ownerId: "john" }),
    "grant",
    "grant \"update-message\" to role 'channel_member' in scope 'messaging', or give user 'jessica' a role that has it: channel_moderator",
  ],
  [user({ teams: ["blue"] }), read, member({ team: "red" }), "grant", "put user 'jessica' into team \"red\""],
  [
    user({ teams: ["blue"] }),
    read,
    resource({ team: "red" }),
    "grant",
    "grant \"read-channel-any-team\" to role 'user' in scope 'messaging', or give user 'jessica' a role that has it: global_moderator",
  ],
  [
    user({ calls: { cids: [], channelCids: [], role: null } }),
    join,
    resource({ kind: "call", id: "default:b" }),
    "call-token",
    'list "default:b" in the token\'s call_cids',
  ],
  [
    user({ calls: { cids: [], channelCids: [], role: null } }),
    read,
    resource({ kind: "message", id: "m1" }),
    "call-token",
    'list "messaging:general" in the token\'s channel_cids',
  ],
  [
    user({ calls: { cids: [], channelCids: [], role: null } }),
    read,
    resource({ kind: "user", id: "john", name: "app:user:john" }),
    "call-token",
    "use a token that is not limited to calls and channels",
  ],
  [user({ scopes: scopes([]) }), update, member(), "scope", 'add "write" to scope "chat:messaging:general"'],
]

describe("a refusal", () => {
  for (const [principal, action, target, check, remedy] of remedies) {
    test(`carries its check and what helps: ${remedy}`, () => {
      const decision = refused(can(principal, action, target))
      expect(decision.checks.at(-1)).toMatchObject({ check, passed: false })
      expect(decision.remedy).toBe(remedy)
      const error = thrownBy(() => requireAllowed([granted, decision, granted]))
      expect(error.denied).toBe(decision)
      expect(error.why).toMatchObject({
        check,
        rule: action.id,
        remedy,
        facts: { action: action.id, resource: `${target.kind}:${target.id}` },
      })
    })
  }

  test("says in public nothing of what would help", () => {
    const error = thrownBy(() => requireAllowed(can(user(), read, resource())))
    expect(error.reason).not.toContain("grant")
  })
})

describe("properties", () => {
  const ids = fc.constantFrom("a", "b", "ab")
  const segment = fc.oneof(ids, fc.constantFrom("*", "a*", "*b", "a*b"))
  const claim = fc
    .dictionary(
      fc.tuple(fc.constantFrom("chat", "video", "*"), segment, segment).map((parts) => parts.join(":")),
      fc.array(fc.constantFrom("read", "write", "manage", "read-channel", "join-call", "join"), { maxLength: 3 }),
      { maxKeys: 4, noNullPrototype: true },
    )
    .map(parseScopes)
  const roles = ["user", "channel_member", "channel_moderator", "global_moderator", "anonymous", "viewer", "nobody"]
  const cids = fc.array(
    fc.tuple(ids, ids).map((parts) => parts.join(":")),
    { maxLength: 2 },
  )
  const calls = fc.option(fc.record({ cids, channelCids: cids, role: fc.option(fc.constantFrom(...roles)) }), {
    freq: 2,
  })
  const caller: fc.Arbitrary<AppCaller> = fc.oneof(
    fc.constant(server()),
    calls.map((calls) => ({ ...base, kind: "anonymous" as const, calls })),
    fc
      .record({ role: fc.constantFrom(...roles), teams: fc.subarray(["red", "blue"]), calls })
      .map((over) => user(over)),
  )
  const target: fc.Arbitrary<Resource> = fc
    .record({
      kind: fc.constantFrom("channel" as const, "message" as const, "call" as const),
      type: ids,
      id: ids,
      relationRoles: fc.subarray(["channel_member", "channel_moderator", "viewer"]),
      ownerId: fc.option(fc.constantFrom("jessica", "john")),
      team: fc.option(fc.constantFrom("red", "green")),
    })
    .map(({ kind, type, id, ...over }) => ({
      ...resource(over),
      kind,
      id: kind === "message" ? "m1" : `${type}:${id}`,
      name: `${kind === "call" ? "video" : "chat"}:${type}:${id}`,
    }))
  const action = fc.constantFrom(read, update, join)
  const answers = [can, withinReach, canPerItem, mayKnow]

  // The promise of narrowed tokens: whatever is in the claim, it opens nothing.
  test("case 28: a narrowed token is never allowed what the same token without scopes is refused", () => {
    fc.assert(
      fc.property(caller, claim, action, target, (principal, scopes, action, target) => {
        for (const answer of answers) {
          const narrow = answer({ ...principal, scopes }, action, target).allowed
          if (narrow) expect(answer(principal, action, target).allowed).toBe(true)
        }
        expect(isAllowed({ ...principal, scopes }, action, target)).toBe(
          can({ ...principal, scopes }, action, target).allowed,
        )
      }),
      { numRuns: 3000 },
    )
  })

  test("case 28: nor is a token limited to calls and channels, but for the role that it brings to a call", () => {
    fc.assert(
      fc.property(caller, action, target, (principal, action, target) => {
        if (principal.kind === "server" || (target.kind === "call" && principal.calls?.role)) return
        for (const answer of answers) {
          const free = answer({ ...principal, calls: null }, action, target).allowed
          if (answer(principal, action, target).allowed) expect(free).toBe(true)
        }
      }),
      { numRuns: 3000 },
    )
  })

  test("what a query reaches is what a check of each resource reaches", () => {
    fc.assert(
      fc.property(caller, fc.option(claim), action, target, (principal, scopes, action, target) => {
        if (target.kind === "call") return
        const narrow = { ...principal, scopes }
        const [, type = "", id = ""] = target.name.split(":")
        const inQuery = reachOf(narrow, action, "chat").every((patterns) =>
          patterns.some((pattern) => matchesSegment(pattern.type, type) && matchesSegment(pattern.id, id)),
        )
        expect(inQuery).toBe(withinReach(narrow, action, target).allowed)
      }),
      { numRuns: 3000 },
    )
  })

  test("every refusal names its caller's failed check last and what would help", () => {
    fc.assert(
      fc.property(caller, fc.option(claim), action, target, (principal, scopes, action, target) => {
        for (const answer of answers) {
          const decision = answer({ ...principal, scopes }, action, target)
          if (decision.allowed) continue
          expect(decision.checks.at(-1)?.passed).toBe(false)
          expect(decision.remedy).not.toBe("")
          expect(decision.error.code).toBe(17)
          if (userIdOf(principal) === null) expect(decision.checks.at(-1)?.check).toBe("scope")
        }
      }),
      { numRuns: 1000 },
    )
  })
})

function refused(decision: Decision) {
  if (decision.allowed) throw new Error("should be refused")
  return decision
}

function thrownBy(act: () => void): DeniedError {
  try {
    act()
  } catch (error) {
    if (error instanceof DeniedError) return error
    throw error
  }
  throw new Error("should be refused")
}

test("rolesWith lists the holders of a grant", () => {
  expect(rolesWith(grants, "read-channel").sort()).toEqual(["channel_member", "channel_moderator"])
  expect(rolesWith(grants, "no-such-grant")).toEqual([])
})

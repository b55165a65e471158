import { describe, expect, test } from "bun:test"
import type { AppCaller } from "@weir/protocol"
import { ApiError } from "@weir/protocol"
import { type Action, can, hide, isAllowed, type Resource } from "./decide.ts"
import { compileGrants, rolesWith } from "./grants.ts"

const read: Action = { id: "read-channel", name: "ReadChannel" }
const update: Action = { id: "update-message", name: "UpdateMessage" }
const join: Action = { id: "join-call", name: "JoinCall" }

const grants = compileGrants({
  channel_member: ["read-channel", "update-message-owner"],
  channel_moderator: ["read-channel", "update-message"],
  global_moderator: ["read-channel-any-team"],
  anonymous: ["join-call"],
  viewer: ["join-call"],
})

const base = { appId: 1, apiKey: "k" }
const user = (over: object = {}): AppCaller => ({
  ...base,
  kind: "user",
  userId: "jessica",
  role: "user",
  teams: [],
  issuedAt: null,
  expiresAt: null,
  calls: null,
  ...over,
})
const resource = (over: Partial<Resource> = {}): Resource => ({
  kind: "channel",
  id: "messaging:general",
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
    user({ calls: { cids: ["default:a"], role: "viewer" } }),
    join,
    resource({ kind: "call", id: "default:a" }),
    true,
  ],
  [
    "a call token does not reach another call",
    user({ calls: { cids: ["default:a"], role: "viewer" } }),
    join,
    resource({ kind: "call", id: "default:b" }),
    false,
  ],
  [
    "a call token does not reach a channel of that name",
    user({ calls: { cids: ["messaging:general"], role: "channel_member" } }),
    read,
    resource(),
    false,
  ],
  [
    "a call token's role takes the place of the membership",
    user({ calls: { cids: ["default:a"], role: "nobody" } }),
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
    expect(hide({ allowed: true }, absent).allowed).toBe(true)
  })
})

test("rolesWith lists the holders of a grant", () => {
  expect(rolesWith(grants, "read-channel").sort()).toEqual(["channel_member", "channel_moderator"])
  expect(rolesWith(grants, "no-such-grant")).toEqual([])
})

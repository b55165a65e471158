import { describe, expect, test } from "bun:test"
import { createHash } from "node:crypto"
import type { AppCaller, UserPrincipal } from "@weir/protocol"
import fc from "fast-check"
import { can } from "../../../authorize/decide.ts"
import { isReservedEventType } from "./events.ts"
import {
  actions,
  type Channel,
  canRead,
  canReadHidden,
  channelAccess,
  channelType,
  channelTypes,
  distinctId,
  type Membership,
  messageResource,
  ownCapabilities,
  requireEnabled,
} from "./index.ts"

const channelOfType = (type: string, more: Partial<Channel> = {}): Channel => ({
  appId: 1,
  cid: `${type}:x`,
  type: channelType(type),
  id: "x",
  createdById: "creator",
  team: null,
  frozen: false,
  disabled: false,
  custom: {},
  createdAt: 0,
  updatedAt: 0,
  deletedAt: null,
  clearedSeq: 0,
  ...more,
})

const user = (userId: string, role = "user", teams: string[] = []): UserPrincipal => ({
  kind: "user",
  appId: 1,
  apiKey: "k",
  userId,
  role,
  teams,
  issuedAt: null,
  expiresAt: null,
  calls: null,
  bans: null,
  scopes: null,
  proof: null,
})
const anonymous: AppCaller = { kind: "anonymous", appId: 1, apiKey: "k", calls: null, scopes: null, proof: null }
const server: AppCaller = { kind: "server", appId: 1, apiKey: "k", scopes: null, proof: null }
const member: Membership = { role: "channel_member", historyAfterSeq: 0 }

describe("default grants", () => {
  // Who may do what, row by row: the promise that SECURITY.md makes of each type.
  const cases: [
    what: string,
    type: string,
    caller: AppCaller,
    of: Membership | null,
    action: keyof typeof actions,
    allowed: boolean,
  ][] = [
    ["a stranger reads no conversation", "messaging", user("eve"), null, "readChannel", false],
    ["a member reads", "messaging", user("eve"), member, "readChannel", true],
    ["whoever made it reads", "messaging", user("creator"), null, "readChannel", true],
    ["a stranger sends nothing", "messaging", user("eve"), null, "createMessage", false],
    ["a guest makes no conversation", "messaging", user("g", "guest"), null, "createChannel", false],
    ["a guest who is a member writes", "messaging", user("g", "guest"), member, "createMessage", true],
    ["a visitor opens a support case", "commerce", user("g", "guest"), null, "createChannel", true],
    ["a user makes a team channel", "team", user("eve"), null, "createChannel", true],
    ["a stranger reads no team channel", "team", user("eve"), null, "readChannel", false],
    ["everybody reads a livestream", "livestream", anonymous, null, "readChannel", true],
    ["nobody unknown writes there", "livestream", anonymous, null, "createMessage", false],
    ["a user writes there", "livestream", user("eve"), null, "createMessage", true],
    ["a guest brings no links", "livestream", user("g", "guest"), null, "addLinks", false],
    ["a user opens no livestream", "livestream", user("eve"), null, "createChannel", false],
    ["strangers stay out of gaming", "gaming", anonymous, null, "readChannel", false],
    ["a user opens a gaming room", "gaming", user("eve"), null, "createChannel", true],
    ["a member does not manage members", "messaging", user("eve"), member, "updateChannelMembers", false],
    [
      "a channel moderator does",
      "messaging",
      user("m"),
      { role: "channel_moderator", historyAfterSeq: 0 },
      "updateChannelMembers",
      true,
    ],
    ["a member sends no system messages", "messaging", user("eve"), member, "createSystemMessage", false],
    ["an admin does", "messaging", user("a", "admin"), null, "createSystemMessage", true],
    ["nobody uses a frozen channel by default", "messaging", user("a", "admin"), null, "useFrozenChannel", false],
    ["a server does anything", "messaging", server, null, "useFrozenChannel", true],
    ["an unknown role does nothing", "livestream", user("eve", "stranger"), null, "readChannel", false],
  ]
  test.each(cases)("%s", (_, type, caller, of, action, allowed) => {
    expect(can(caller, actions[action], channelAccess(channelOfType(type), of).resource).allowed).toBe(allowed)
  })

  test("one changes one's own messages, moderators those of others", () => {
    const access = channelAccess(channelOfType("messaging"), member)
    const of = (author: string) => messageResource(access, "m", author)
    expect(can(user("eve"), actions.updateMessage, of("eve")).allowed).toBe(true)
    expect(can(user("eve"), actions.updateMessage, of("bob")).allowed).toBe(false)
    // The creator of the channel owns the channel, not what others say in it.
    expect(can(user("creator"), actions.deleteMessage, of("bob")).allowed).toBe(false)
    expect(can(user("m", "moderator"), actions.deleteMessage, of("bob")).allowed).toBe(true)
  })

  test("teams shut each other out, except for global roles", () => {
    const access = channelAccess(channelOfType("team", { team: "red" }), member)
    expect(canRead(user("eve", "user", ["red"]), access).allowed).toBe(true)
    expect(canRead(user("eve", "user", ["blue"]), access).allowed).toBe(false)
    expect(canRead(user("a", "admin"), access).allowed).toBe(false)
    expect(canRead(user("a", "global_admin"), access).allowed).toBe(true)
  })

  test("a token for calls reaches no channel", () => {
    const caller = { ...user("eve"), calls: { cids: ["default:x"], channelCids: [], role: "admin" } }
    for (const type of channelTypes.keys()) {
      expect(canRead(caller, channelAccess(channelOfType(type), member)).allowed).toBe(false)
    }
  })

  test("a token that lists a channel reaches it with the rights that its user has there", () => {
    const caller = (cid: string) => ({ ...user("eve"), calls: { cids: [], channelCids: [cid], role: "admin" } })
    for (const type of channelTypes.keys()) {
      const access = channelAccess(channelOfType(type), member)
      expect(canRead(caller(`${type}:x`), access).allowed).toBe(true)
      expect(canRead(caller(`${type}:y`), access).allowed).toBe(false)
      const mayUpdate = (who: AppCaller) => can(who, actions.updateChannel, access.resource).allowed
      expect(mayUpdate(caller(`${type}:x`))).toBe(mayUpdate(user("eve")))
    }
  })
})

describe("refusals", () => {
  test("hidden reading gives the error of an absent channel", () => {
    const decision = canReadHidden(user("eve"), channelAccess(channelOfType("messaging"), null))
    expect(decision.allowed).toBe(false)
    if (!decision.allowed) expect(decision.error.reason).toBe("Can't find channel with id messaging:x")
  })
  test("the refusal names roles, action and type as the wire does", () => {
    const moderator: Membership = { role: "banned_role", historyAfterSeq: 0 }
    const decision = canRead(user("eve"), channelAccess(channelOfType("messaging"), moderator))
    if (decision.allowed) throw new Error("allowed")
    expect(decision.error.reason).toBe(
      "User 'eve' with roles ['user', 'banned_role'] is not allowed to perform action ReadChannel in scope 'messaging'",
    )
  })
  test("a disabled channel is closed to clients and open to servers", () => {
    const channel = channelOfType("messaging", { disabled: true })
    expect(requireEnabled(user("a", "admin"), channel).allowed).toBe(false)
    expect(requireEnabled(server, channel).allowed).toBe(true)
    expect(ownCapabilities(user("a", "admin"), channelAccess(channel, null))).toEqual([])
  })
})

describe("own capabilities", () => {
  test("follow grants, switches of the type, and the frozen flag", () => {
    const of = (type: string, more: Partial<Channel> = {}) =>
      ownCapabilities(user("eve"), channelAccess(channelOfType(type, more), member))
    expect(of("messaging")).toContain("send-message")
    expect(of("messaging")).toContain("send-typing-events")
    expect(of("messaging")).not.toContain("update-any-message")
    expect(of("livestream")).not.toContain("typing-events")
    expect(of("livestream")).not.toContain("read-events")
    expect(of("messaging", { frozen: true })).not.toContain("send-message")
    expect(of("messaging", { frozen: true })).toContain("leave-channel")
  })
})

describe("distinct ids", () => {
  const ids = fc.uniqueArray(fc.stringMatching(/^[\w@-]{1,20}$/), { minLength: 1, maxLength: 10 })

  test("have the published form and depend on the set alone", () => {
    fc.assert(
      fc.property(ids, fc.integer({ min: 0, max: 9 }), (members, turn) => {
        const id = distinctId(1, "messaging", members)
        expect(id).toMatch(/^!members-[\w-]{43}$/)
        const turned = [...members.slice(turn % members.length), ...members.slice(0, turn % members.length)]
        expect(distinctId(1, "messaging", [...turned, ...members])).toBe(id)
      }),
    )
  })
  test("differ by app, type and members", () => {
    const id = distinctId(1, "messaging", ["a", "b"])
    expect(distinctId(2, "messaging", ["a", "b"])).not.toBe(id)
    expect(distinctId(1, "team", ["a", "b"])).not.toBe(id)
    expect(distinctId(1, "messaging", ["a", "b", "c"])).not.toBe(id)
    // A separator inside an id must not make two sets alike.
    expect(distinctId(1, "messaging", ["a,b"])).not.toBe(id)
  })
  // Ids must survive upgrades, or every conversation of two would be lost: this one is computed independently.
  test("stay what they are", () => {
    const digest = createHash("sha256").update('[7,"messaging",["alice","bob"]]').digest("base64url")
    expect(distinctId(7, "messaging", ["bob", "alice"])).toBe(`!members-${digest}`)
  })
})

test("event types of the server are not for clients", () => {
  for (const type of ["message.new", "notification.mark_read", "typing.start", "user.updated", "call.ring", "custom"]) {
    expect(isReservedEventType(type)).toBe(true)
  }
  for (const type of ["friendship_request", "messages.counted", "my.message.new", "customer.ready"]) {
    expect(isReservedEventType(type)).toBe(false)
  }
})

test("built-in types have the flags that the contract documents", () => {
  expect([...channelTypes.keys()].sort()).toEqual(["commerce", "gaming", "livestream", "messaging", "team"])
  const livestream = channelType("livestream").config
  expect([livestream.typing_events, livestream.read_events, livestream.url_enrichment]).toEqual([false, false, false])
  expect(channelType("messaging").config.max_message_length).toBe(5000)
  expect(() => channelType("nothing")).toThrow("Can't find channel type with id nothing")
})

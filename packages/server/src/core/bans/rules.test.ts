import { describe, expect, test } from "bun:test"
import { ApiError, type AppCaller } from "@weir/protocol"
import fc from "fast-check"
import { standingBans } from "../../authenticate/bans.ts"
import type { Action, Resource } from "../../authorize/decide.ts"
import { compileGrants } from "../../authorize/grants.ts"
import { newUser } from "../users/index.ts"
import { limits } from "./limits.ts"
import {
  type BanCase,
  expiryOf,
  mayBan,
  placeOf,
  rankOf,
  requireOffered,
  wholeApp,
  withBan,
  withoutBan,
} from "./rules.ts"

const channelAction: Action = { id: "ban-channel-member", name: "BanChannelMember", level: "manage" }
const forever = { expiresAt: null }

const caller = (over: object = {}): AppCaller => ({
  kind: "user",
  appId: 1,
  apiKey: "k",
  userId: "mod",
  role: "moderator",
  teams: [],
  issuedAt: null,
  expiresAt: null,
  calls: null,
  bans: null,
  scopes: null,
  proof: null,
  ...over,
})
const server: AppCaller = { kind: "server", appId: 1, apiKey: "k", scopes: null, proof: null }
const target = (over: object = {}) => ({ ...newUser(1, "john", 0), ...over })
const banCase = (over: Partial<BanCase> = {}): BanCase => ({
  principal: caller(),
  actor: "mod",
  targetId: "john",
  target: target(),
  channel: null,
  callerMemberRole: null,
  targetMemberRole: null,
  channelAction,
  ...over,
})

/** The first refusal's status, or 200. */
const outcome = (given: BanCase): number => {
  const denied = mayBan(given).find(({ allowed }) => !allowed)
  return denied === undefined || denied.allowed ? 200 : denied.error.status
}

const inChannel = (memberRole: string, creatorId = "maker"): Partial<BanCase> => {
  const resource: Resource = {
    kind: "channel",
    id: "messaging:general",
    name: "chat:messaging:general",
    scope: "messaging",
    grants: compileGrants({
      channel_moderator: ["ban-channel-member"],
      moderator: ["ban-channel-member"],
      user: ["ban-channel-member-owner"],
    }),
    relationRoles: [memberRole],
    ownerId: creatorId,
    team: null,
  }
  const at = new Date(0).toISOString()
  const picture = {
    id: "general",
    type: "messaging",
    cid: "messaging:general",
    created_at: at,
    updated_at: at,
    frozen: false,
    disabled: false,
    custom: {},
  }
  return { channel: { resource, picture, creatorId }, callerMemberRole: memberRole }
}

describe("who bans whom", () => {
  const rows: [string, Partial<BanCase>, number][] = [
    ["a moderator bans a user", {}, 200],
    ["an admin bans a moderator", { principal: caller({ role: "admin" }), target: target({ role: "moderator" }) }, 200],
    ["a moderator bans no admin", { target: target({ role: "admin" }) }, 403],
    ["a moderator bans no global admin", { target: target({ role: "global_admin" }) }, 403],
    ["a moderator bans no other moderator", { target: target({ role: "moderator" }) }, 403],
    ["a user bans nobody", { principal: caller({ role: "user" }) }, 403],
    ["a user learns nothing of who exists", { principal: caller({ role: "user" }), target: null }, 403],
    ["a guest bans nobody", { principal: caller({ kind: "guest", role: "guest" }) }, 403],
    ["nobody bans themselves", { targetId: "mod" }, 403],
    ["a server that acts for somebody does not ban them", { principal: server, actor: "john" }, 403],
    ["a server bans an admin", { principal: server, actor: null, target: target({ role: "admin" }) }, 200],
    ["who is not there is not found", { target: null }, 404],
    ["who was deleted is not found", { target: target({ deletedAt: 1 }) }, 404],
    ["a user of another team is not found", { target: target({ teams: ["red"] }) }, 404],
    ["a user of the same team is", { principal: caller({ teams: ["red"] }), target: target({ teams: ["red"] }) }, 200],
    ["a user without a team is not found by a team", { principal: caller({ teams: ["red"] }) }, 404],
    [
      "a global moderator sees all teams",
      { principal: caller({ role: "global_moderator" }), target: target({ teams: ["red"] }) },
      200,
    ],
    ["a banned moderator bans nobody", { principal: caller({ bans: { app: forever, channels: {} } }) }, 403],
    [
      "a channel's moderator bans a member",
      { principal: caller({ role: "user" }), targetMemberRole: "channel_member", ...inChannel("channel_moderator") },
      200,
    ],
    [
      "a channel's moderator bans no app moderator",
      { principal: caller({ role: "user" }), target: target({ role: "moderator" }), ...inChannel("channel_moderator") },
      403,
    ],
    [
      "a channel's moderator does not ban who made it",
      { principal: caller({ role: "user" }), ...inChannel("channel_moderator", "john") },
      403,
    ],
    [
      "who made a channel bans its moderator",
      {
        principal: caller({ role: "user" }),
        targetMemberRole: "channel_moderator",
        ...inChannel("channel_member", "mod"),
      },
      200,
    ],
    ["a member bans nobody", { principal: caller({ role: "user" }), ...inChannel("channel_member") }, 403],
    [
      "somebody of another team who is a member is known",
      {
        principal: caller({ role: "user" }),
        target: target({ teams: ["red"] }),
        targetMemberRole: "channel_member",
        ...inChannel("channel_moderator"),
      },
      200,
    ],
  ]
  for (const [what, over, status] of rows) test(what, () => expect(outcome(banCase(over))).toBe(status))

  test("nobody of a rank bans somebody of the same or a higher one, whoever they are", () => {
    const standing = fc.record({
      appRole: fc.constantFrom("user", "guest", "moderator", "admin", "global_admin", "king"),
      memberRole: fc.constantFrom(null, "channel_member", "channel_moderator"),
      isCreator: fc.boolean(),
    })
    fc.assert(
      fc.property(standing, standing, (own, theirs) => {
        const base = inChannel(own.memberRole ?? "none", own.isCreator ? "mod" : theirs.isCreator ? "john" : "maker")
        const principal = caller({ role: own.appRole })
        const over = { ...base, principal, callerMemberRole: own.memberRole, targetMemberRole: theirs.memberRole }
        const isTheirs = theirs.isCreator && !own.isCreator
        const status = outcome(banCase({ ...over, target: target({ role: theirs.appRole }) }))
        if (rankOf(own) <= rankOf({ ...theirs, isCreator: isTheirs })) expect(status).toBe(403)
      }),
    )
  })
})

describe("what a request says", () => {
  test("a channel is named in either way, and as one channel", () => {
    expect(placeOf({})).toBe(wholeApp)
    expect(placeOf({ channel_cid: "messaging:general" })).toBe("messaging:general")
    expect(placeOf({ type: "messaging", id: "general" })).toBe("messaging:general")
    expect(placeOf({ type: "messaging", id: "general", channel_cid: "messaging:general" })).toBe("messaging:general")
    for (const wrong of [
      { type: "messaging" },
      { id: "general" },
      { type: "messaging", id: "general", channel_cid: "messaging:other" },
      { channel_cid: `messaging:${"x".repeat(65)}` },
      { channel_cid: "general" },
    ]) {
      expect(() => placeOf(wrong)).toThrow(ApiError)
    }
  })

  test("what is not offered is refused, never done in another way", () => {
    const body = { target_user_id: "john" }
    expect(requireOffered({ ...body, shadow: false, ip_ban: false, delete_messages: "" })).toBeUndefined()
    for (const more of [
      { shadow: true },
      { ip_ban: true },
      { delete_messages: "soft" },
      { ban_from_future_channels: true },
    ]) {
      expect(() => requireOffered({ ...body, ...more })).toThrow(/is not offered/)
    }
  })

  test("a timeout is in minutes, and none is for ever", () => {
    expect(expiryOf(60, 1_000)).toBe(3_601_000)
    expect(expiryOf(undefined, 1_000)).toBeNull()
    expect(expiryOf(0, 1_000)).toBeNull()
  })
})

describe("what the gate knows", () => {
  test("bans of app and channels come and go by themselves", () => {
    const one = withBan(null, wholeApp, { expiresAt: 100 }, 0)
    const two = withBan(one, "messaging:a", forever, 0)
    expect(two).toEqual({ app: { expiresAt: 100 }, channels: { "messaging:a": forever } })
    expect(withoutBan(two, wholeApp, 0)).toEqual({ app: null, channels: { "messaging:a": forever } })
    expect(withoutBan(two, "messaging:a", 0)).toEqual({ app: { expiresAt: 100 }, channels: {} })
    expect(withoutBan(one, wholeApp, 0)).toBeNull()
    expect(withoutBan(two, "messaging:b", 0)).toEqual(two)
  })

  test("a ban counts until its moment and not in it", () => {
    const bans = { app: { expiresAt: 100 }, channels: { "messaging:a": { expiresAt: 200 } } }
    expect(standingBans(bans, 99)).toEqual(bans)
    expect(standingBans(bans, 100)).toEqual({ app: null, channels: bans.channels })
    expect(standingBans(bans, 200)).toBeNull()
    expect(withBan(bans, "messaging:b", forever, 200)).toEqual({ app: null, channels: { "messaging:b": forever } })
  })

  test("one user's channel bans are bounded, and those that ran out make room", () => {
    let bans = withBan(null, "messaging:0", { expiresAt: 10 }, 0)
    for (let index = 1; index < limits.channelBansPerUserMax; index++)
      bans = withBan(bans, `messaging:${index}`, forever, 0)
    expect(() => withBan(bans, "messaging:more", forever, 0)).toThrow(/already/)
    expect(withBan(bans, "messaging:1", { expiresAt: 5 }, 0).channels["messaging:1"]).toEqual({ expiresAt: 5 })
    expect(withBan(bans, wholeApp, forever, 0).app).toEqual(forever)
    expect(Object.keys(withBan(bans, "messaging:more", forever, 10).channels).length).toBe(limits.channelBansPerUserMax)
  })
})

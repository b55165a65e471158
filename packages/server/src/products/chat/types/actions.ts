// What can be done in a channel, and who may do it by default. Actions: contract/auth.md §6.5; the grants follow the
// matrix proposed in §6.6, and depart from it only where a comment says so.

import type { Action } from "../../../authorize/decide.ts"
import { type CompiledGrants, compileGrants, type GrantTable } from "../../../authorize/grants.ts"

export const actions = {
  readChannelType: { id: "read-channel-type", name: "ReadChannelType", level: "read" },
  createChannel: { id: "create-channel", name: "CreateChannel", level: "write" },
  recreateChannel: { id: "recreate-channel", name: "RecreateChannel", level: "write" },
  createDistinctChannelForOthers: {
    id: "create-distinct-channel-for-others",
    name: "CreateDistinctChannelForOthers",
    level: "manage",
  },
  readChannel: { id: "read-channel", name: "ReadChannel", level: "read" },
  readChannelMembers: { id: "read-channel-members", name: "ReadChannelMembers", level: "read" },
  updateChannel: { id: "update-channel", name: "UpdateChannel", level: "manage" },
  updateChannelFrozen: { id: "update-channel-frozen", name: "UpdateChannelFrozen", level: "manage" },
  updateChannelMembers: { id: "update-channel-members", name: "UpdateChannelMembers", level: "manage" },
  addOwnChannelMembership: { id: "add-own-channel-membership", name: "AddOwnChannelMembership", level: "write" },
  removeOwnChannelMembership: {
    id: "remove-own-channel-membership",
    name: "RemoveOwnChannelMembership",
    level: "write",
  },
  useFrozenChannel: { id: "use-frozen-channel", name: "UseFrozenChannel", level: "write" },
  createMessage: { id: "create-message", name: "CreateMessage", level: "write" },
  createReply: { id: "create-reply", name: "CreateReply", level: "write" },
  createSystemMessage: { id: "create-system-message", name: "CreateSystemMessage", level: "manage" },
  createAttachment: { id: "create-attachment", name: "CreateAttachment", level: "write" },
  createMention: { id: "create-mention", name: "CreateMention", level: "write" },
  addLinks: { id: "add-links", name: "AddLinks", level: "write" },
  updateMessage: { id: "update-message", name: "UpdateMessage", level: "write" },
  deleteMessage: { id: "delete-message", name: "DeleteMessage", level: "write" },
  banChannelMember: { id: "ban-channel-member", name: "BanChannelMember", level: "manage" },
  sendCustomEvent: { id: "send-custom-event", name: "SendCustomEvent", level: "write" },
  // What only servers do: no role has these.
  disableChannel: { id: "disable-channel", name: "DisableChannel", level: "manage" },
  updateChannelTeam: { id: "update-channel-team", name: "UpdateChannelTeam", level: "manage" },
  updateChannelRoles: { id: "update-channel-roles", name: "UpdateChannelRoles", level: "manage" },
  deleteMessageForGood: { id: "delete-message-for-good", name: "DeleteMessageForGood", level: "manage" },
} as const satisfies Record<string, Action>

/** Reading and taking part; what a member of a channel has. */
const participation = [
  "read-channel",
  "read-channel-members",
  "create-message",
  "create-reply",
  "create-attachment",
  "create-mention",
  "add-links",
  "send-custom-event",
]
const ownMessages = ["update-message-owner", "delete-message-owner"]
const keeping = ["update-channel", "update-channel-frozen", "update-channel-members", "ban-channel-member"]
const joining = ["add-own-channel-membership", "remove-own-channel-membership"]
const anyMessages = ["update-message", "delete-message"]

const owned = (grants: readonly string[]): string[] => grants.map((grant) => `${grant}-owner`)
const anyTeam = (grants: readonly string[]): string[] => [...grants, ...grants.map((grant) => `${grant}-any-team`)]

const moderator = [...participation, ...keeping, ...joining, ...anyMessages, "create-channel", "recreate-channel"]
const admin = [...moderator, "delete-channel", "create-system-message", "create-distinct-channel-for-others"]

/** Roles that count the same in every type. Nobody has `use-frozen-channel` unless an app grants it. */
const everywhere: GrantTable = {
  channel_member: [...participation, ...ownMessages, ...joining],
  channel_moderator: [...participation, ...keeping, ...joining, ...anyMessages],
  moderator,
  admin,
  global_moderator: anyTeam(moderator),
  global_admin: anyTeam(admin),
}

/** Whoever made a channel keeps it, even without being a member. */
const creator = [...owned([...participation, ...keeping, "recreate-channel", "delete-channel"]), ...ownMessages]
/** A member may leave; asked of the app's role because it is about oneself. */
const leaving = "remove-own-channel-membership"

const membersOnly: GrantTable = {
  ...everywhere,
  user: [...creator, "create-channel", leaving],
  guest: [...ownMessages, leaving],
}

/** Support desks: a visitor without an account opens a conversation, and must then be able to hold it. */
const commerce: GrantTable = {
  ...membersOnly,
  // A visitor keeps the conversation that they opened, but sends nobody away.
  guest: [...creator.filter((grant) => grant !== "ban-channel-member-owner"), "create-channel", leaving],
}

const open = [...participation, ...joining, ...ownMessages]

/** Everybody who is signed in takes part; only staff and servers open channels. */
const livestream: GrantTable = {
  ...everywhere,
  user: [...open, ...creator],
  guest: open.filter((grant) => grant !== "add-links"),
  anonymous: ["read-channel", "read-channel-members"],
}

/** Open like a livestream, but users make their own rooms and strangers stay outside. */
const gaming: GrantTable = {
  ...everywhere,
  user: [...open, ...creator, "create-channel"],
  guest: livestream.guest ?? [],
}

/** Grant tables of the built-in channel types. */
export const grantTables = { messaging: membersOnly, team: membersOnly, commerce, livestream, gaming } as const

export const compiledGrants: Readonly<Record<keyof typeof grantTables, CompiledGrants>> = {
  messaging: compileGrants(grantTables.messaging),
  team: compileGrants(grantTables.team),
  commerce: compileGrants(grantTables.commerce),
  livestream: compileGrants(grantTables.livestream),
  gaming: compileGrants(grantTables.gaming),
}

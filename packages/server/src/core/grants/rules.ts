// Grants as a matrix: which role may do what in a scope, read from the very tables that decisions are made by.

import type { Action } from "../../authorize/decide.ts"
import type { CompiledGrants } from "../../authorize/grants.ts"

/** Where roles hold grants, and what can be done there. */
export interface GrantScopeSource {
  readonly id: string
  readonly product: "app" | "chat" | "feeds" | "video"
  readonly title: string
  readonly actions: readonly Action[]
  readonly grants: CompiledGrants
}

interface Grant {
  readonly role: string
  readonly extent: "all" | "own"
  readonly any_team: boolean
}

/** A scope as the management API shows it (protocol, GrantScope). */
export function grantScope({ id, product, title, actions, grants }: GrantScopeSource) {
  const shown = actions.map((action) => ({
    id: action.id,
    name: action.name,
    title: titleOf(action.id),
    level: action.level,
    grants: [...grants.byRole].flatMap(([role, held]): Grant[] => {
      const grant = grantOf(role, held, action.id)
      return grant === null ? [] : [grant]
    }),
  }))
  const holding = new Set(shown.flatMap((action) => action.grants.map(({ role }) => role)))
  return { id, product, title, roles: [...grants.byRole.keys()].filter((role) => holding.has(role)), actions: shown }
}

/** What a role may of an action: the widest of its grants, as decisions read them (contract/auth.md §6.4). */
function grantOf(role: string, held: ReadonlySet<string>, action: string): Grant | null {
  if (held.has(action) || held.has(`${action}-any-team`)) {
    return { role, extent: "all", any_team: held.has(`${action}-any-team`) }
  }
  if (held.has(`${action}-owner`) || held.has(`${action}-owner-any-team`)) {
    return { role, extent: "own", any_team: held.has(`${action}-owner-any-team`) }
  }
  return null
}

/** What an action is called among people. */
export function titleOf(id: string): string {
  const words = titles[id] ?? id.replaceAll("-", " ")
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** Where the id's own words would mislead or say too little. */
const titles: Readonly<Record<string, string>> = {
  "read-channel-type": "read the settings of a channel type",
  "recreate-channel": "open a deleted channel again",
  "create-distinct-channel-for-others": "open a direct channel between others",
  "read-channel": "read a channel and its messages",
  "read-channel-members": "see who is in a channel",
  "update-channel": "change a channel's data",
  "update-channel-frozen": "freeze a channel and thaw it",
  "update-channel-members": "add and remove members of a channel",
  "add-own-channel-membership": "join a channel",
  "remove-own-channel-membership": "leave a channel",
  "use-frozen-channel": "write in a frozen channel",
  "create-message": "send messages",
  "create-reply": "reply in threads",
  "create-system-message": "send system messages",
  "create-attachment": "send attachments",
  "create-mention": "mention users",
  "add-links": "send links",
  "update-message": "edit messages",
  "delete-message": "delete messages",
  "ban-channel-member": "ban users from a channel",
  "send-custom-event": "send custom events",
  "disable-channel": "disable a channel",
  "update-channel-team": "move a channel to another team",
  "update-channel-roles": "change roles of members",
  "delete-message-for-good": "delete messages for good",
  "update-user": "change a user's profile",
  "update-user-role": "change a user's role and teams",
  "deactivate-user": "deactivate and reactivate users",
  "ban-user": "ban users from the app",
  "search-user": "find users",
  "read-feed": "read a feed",
  "update-feed": "change a feed's settings",
  "update-feed-members": "add and remove members of a feed",
  "update-feed-followers": "accept and reject followers",
  "update-feed-following": "choose whom a feed follows",
  follow: "follow a feed",
  "add-activity": "post activities",
  "read-activity": "read an activity",
  "read-call": "see a call",
  "end-call": "end a call for everybody",
  "update-call": "change a call's data",
  "update-call-member": "add members to a call",
  "remove-call-member": "remove members from a call",
  "ring-call": "ring the members of a call",
  "send-audio": "speak in a call",
  "send-video": "show their camera",
  screenshare: "share their screen",
  "create-reaction": "react in a call",
  "send-event": "send events in a call",
  "kick-user": "remove users from a running call",
  "join-backstage": "join before a call goes live",
}

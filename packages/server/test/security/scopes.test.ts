// Narrowed tokens against the running server: every operation, with a user's token and a server's. Each row says what
// a call needs, and the test takes that away piece by piece. Operations are found, not listed, so that a new one has
// to say here what it needs.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type ErrorName, errorCatalogue, type Scopes, scopeLevels } from "@weir/protocol"
import { type Answer, serverToken, type TestServer, type TestSocket, userToken } from "../../src/testing.ts"
import { asAdmin, createUsers, databaseKinds, expectEnvelope, startOn } from "../fixtures.ts"

/** One call as it is sent, and the least that a token needs for it. */
interface Call {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly needs: Scopes
  /** Whom a user's token is for; alice when absent. */
  readonly user?: string
  readonly connectionId?: string
}

type CallerKind = "user" | "server"

interface Row {
  readonly operation: string
  readonly what?: string
  readonly callers: readonly CallerKind[]
  /** Makes ready something of its own, so that calls do not meet. */
  readonly make: (as: CallerKind) => Promise<Call>
}

/** Operations that a token with scopes for nothing may call, and why that gives nothing away. */
const harmless: Readonly<Record<string, string>> = {
  QueryChannels: "answers with the channels that a scope covers: none",
  QueryUsers: "answers with the users whom a scope covers: none",
  QueryFollows: "answers with the follows of feeds that a scope covers: none",
  CreateGuest: "the key is enough, and no token is looked at",
}

const nothing: Scopes = { "chat:nothing:nothing": ["read"] }
const both: readonly CallerKind[] = ["user", "server"]
const onlyServer: readonly CallerKind[] = ["server"]
const onlyUser: readonly CallerKind[] = ["user"]

for (const kind of databaseKinds) {
  describe(`narrowed tokens on ${kind}`, () => {
    let t: TestServer
    let appId: number
    let socket: TestSocket
    let count = 0

    beforeAll(async () => {
      t = await startOn(kind)
      await createUsers(t, "alice", "bob", "carol")
      appId = (await ok(await t.call("GET", "/api/v2/app"))).app.id
      socket = await t.connect("alice")
    })
    afterAll(async () => {
      socket.close()
      await t.close()
    })

    const fresh = (prefix: string): string => `${prefix}${++count}`
    const tokenOf = (as: CallerKind, user: string, scopes?: Scopes): string => {
      const claims = scopes === undefined ? {} : { scopes }
      return as === "server" ? serverToken(claims) : userToken(user, claims)
    }
    const send = ({ method, path, body, user = "alice", connectionId }: Call, as: CallerKind, scopes?: Scopes) =>
      t.call(method, path, { as: tokenOf(as, user, scopes), body, connectionId })
    const backend = (method: string, path: string, body?: unknown) => t.call(method, path, { body })

    const channel = async (members = ["alice", "bob"], type = "messaging"): Promise<string> => {
      const id = fresh("general")
      const data = { created_by_id: "carol", members }
      await ok(await backend("POST", `/api/v2/chat/channels/${type}/${id}/query`, { data }))
      return id
    }
    const message = async (id: string): Promise<string> => {
      const body = { message: { text: "hi", user_id: "alice" } }
      return (await ok(await backend("POST", `/api/v2/chat/channels/messaging/${id}/message`, body))).message.id
    }
    /** A feed of alice's, or of somebody else's. */
    const feed = async (owner = "alice", group = "user", data: object = {}): Promise<string> => {
      const id = fresh("feed")
      const path = `/api/v2/feeds/feed_groups/${group}/feeds/${id}`
      await ok(await backend("POST", path, { user_id: owner, data }))
      return `${group}:${id}`
    }
    const feedPath = (name: string): string => `/api/v2/feeds/feed_groups/${name.replace(":", "/feeds/")}`
    const activity = async (...feeds: string[]): Promise<string> => {
      const body = { type: "post", text: "hi", feeds, user_id: "alice" }
      return (await ok(await backend("POST", "/api/v2/feeds/activities", body))).activity.id
    }
    const follow = (source: string, target: string) => backend("POST", "/api/v2/feeds/follows", { source, target })
    const call = async (members: object[] = [{ user_id: "alice", role: "host" }], creator = "carol") => {
      const id = fresh("standup")
      const data = { created_by_id: creator, members }
      await ok(await backend("POST", `/api/v2/video/call/default/${id}`, { data }))
      return id
    }
    const user = async (): Promise<string> => {
      const id = fresh("user")
      await createUsers(t, id)
      return id
    }
    /** Names the acting user where a server has to. */
    const acting = (as: CallerKind): object => (as === "server" ? { user_id: "alice" } : {})
    const chat = (id: string, ...levels: string[]): Scopes => ({ [`chat:messaging:${id}`]: levels })
    const feeds = (name: string, ...levels: string[]): Scopes => ({ [`feeds:${name}`]: levels })
    const video = (id: string, ...levels: string[]): Scopes => ({ [`video:default:${id}`]: levels })
    const app = (...levels: string[]): Scopes => ({ [`app:app:${appId}`]: levels })
    const person = (id: string, ...levels: string[]): Scopes => ({ [`app:user:${id}`]: levels })

    const rows: readonly Row[] = [
      {
        operation: "GetApp",
        callers: onlyServer,
        make: async () => ({ method: "GET", path: "/api/v2/app", needs: app("read") }),
      },
      {
        operation: "UpdateApp",
        callers: onlyServer,
        make: async () => ({
          method: "PATCH",
          path: "/api/v2/app",
          body: { revoke_tokens_issued_before: null },
          needs: app("manage"),
        }),
      },
      {
        // To hosts that are never there, so that nothing is sent: the answer says so.
        operation: "CheckSQS",
        callers: onlyServer,
        make: async () => ({
          method: "POST",
          path: "/api/v2/check_sqs",
          body: { sqs_url: "https://queue.invalid/1/q", sqs_key: "AKID", sqs_secret: "sqs-secret" },
          needs: app("manage"),
        }),
      },
      {
        operation: "CheckSNS",
        callers: onlyServer,
        async make() {
          const topic = {
            sns_topic_arn: "arn:aws:sns:eu-west-1:123456789012:events",
            sns_key: "AKID",
            sns_secret: "sns-secret",
          }
          await ok(await backend("PATCH", "/api/v2/app", topic))
          const hooks = `/api/admin/v1/apps/${appId}/hooks`
          const { id } = (await ok(await t.call("GET", hooks, asAdmin))).hooks[0]
          await ok(
            await t.call("PATCH", `${hooks}/${id}`, { ...asAdmin, body: { sns_endpoint: "https://topic.invalid" } }),
          )
          return { method: "POST", path: "/api/v2/check_sns", body: {}, needs: app("manage") }
        },
      },
      {
        operation: "GetRateLimits",
        callers: onlyServer,
        make: async () => ({ method: "GET", path: "/api/v2/rate_limits", needs: app("read") }),
      },
      {
        operation: "ListChannelTypes",
        callers: onlyServer,
        make: async () => ({ method: "GET", path: "/api/v2/chat/channeltypes", needs: app("read") }),
      },
      {
        operation: "GetChannelType",
        callers: onlyServer,
        make: async () => ({ method: "GET", path: "/api/v2/chat/channeltypes/messaging", needs: app("read") }),
      },
      {
        operation: "GetTask",
        callers: onlyServer,
        make: async () => {
          const body = { user_ids: [await user()] }
          const { task_id } = await ok(await backend("POST", "/api/v2/users/delete", body))
          return { method: "GET", path: `/api/v2/tasks/${task_id}`, needs: app("read") }
        },
      },
      {
        operation: "UpdateUsers",
        callers: both,
        make: async (as) => {
          const id = as === "server" ? fresh("new") : await user()
          const body = { users: { [id]: { id, name: "N" } } }
          return { method: "POST", path: "/api/v2/users", body, user: id, needs: person(id, "write") }
        },
      },
      {
        operation: "UpdateUsers",
        what: "giving a role",
        callers: onlyServer,
        make: async () => {
          const id = await user()
          const body = { users: { [id]: { id, role: "admin" } } }
          return { method: "POST", path: "/api/v2/users", body, needs: person(id, "write", "manage") }
        },
      },
      {
        operation: "UpdateUsersPartial",
        callers: both,
        make: async () => {
          const id = await user()
          const body = { users: [{ id, set: { name: "N" } }] }
          return { method: "PATCH", path: "/api/v2/users", body, user: id, needs: person(id, "write") }
        },
      },
      {
        operation: "UpdateUsersPartial",
        what: "two users, one of them by a team",
        callers: onlyServer,
        make: async () => {
          const [one, two] = [await user(), await user()]
          const users = [
            { id: one, set: { name: "N" } },
            { id: two, set: { teams: ["red"] } },
          ]
          const needs = { ...person(one, "write"), ...person(two, "write", "manage") }
          return { method: "PATCH", path: "/api/v2/users", body: { users }, needs }
        },
      },
      {
        operation: "DeactivateUser",
        callers: onlyServer,
        make: async () => {
          const id = await user()
          return { method: "POST", path: `/api/v2/users/${id}/deactivate`, body: {}, needs: person(id, "manage") }
        },
      },
      {
        operation: "ReactivateUser",
        callers: onlyServer,
        make: async () => {
          const id = await user()
          await ok(await backend("POST", `/api/v2/users/${id}/deactivate`, {}))
          return { method: "POST", path: `/api/v2/users/${id}/reactivate`, body: {}, needs: person(id, "manage") }
        },
      },
      {
        operation: "DeleteUsers",
        callers: onlyServer,
        make: async () => {
          const ids = [await user(), await user()] as const
          return {
            method: "POST",
            path: "/api/v2/users/delete",
            body: { user_ids: ids },
            needs: { ...person(ids[0], "manage"), ...person(ids[1], "manage") },
          }
        },
      },
      {
        operation: "GetOrCreateChannel",
        what: "one that is there",
        callers: both,
        make: async (as) => {
          const id = await channel()
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}/query`,
            body: acting(as),
            needs: chat(id, "read"),
          }
        },
      },
      {
        operation: "GetOrCreateChannel",
        what: "a new one",
        callers: both,
        make: async (as) => {
          const id = fresh("new")
          const data = { members: ["alice", "bob"], ...(as === "server" ? { created_by_id: "alice" } : {}) }
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}/query`,
            body: { data },
            needs: chat(id, "write"),
          }
        },
      },
      {
        operation: "GetOrCreateChannel",
        what: "a new one that is disabled",
        callers: onlyServer,
        make: async () => {
          const id = fresh("new")
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}/query`,
            body: { data: { created_by_id: "alice", disabled: true } },
            needs: chat(id, "write", "manage"),
          }
        },
      },
      {
        operation: "GetOrCreateDistinctChannel",
        callers: both,
        make: async (as) => {
          const data = { members: ["alice", await user()], ...(as === "server" ? { created_by_id: "alice" } : {}) }
          const path = "/api/v2/chat/channels/messaging/query"
          const { channel } = await ok(await backend("POST", path, { data: { ...data, created_by_id: "alice" } }))
          return { method: "POST", path, body: { data }, needs: chat(channel.id, "read") }
        },
      },
      {
        operation: "UpdateChannel",
        what: "its data",
        callers: both,
        make: async (as) => {
          const id = await channel()
          if (as === "user") await moderate(id)
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}`,
            body: { data: { custom: { a: 1 } }, ...acting(as) },
            needs: chat(id, "manage"),
          }
        },
      },
      {
        operation: "UpdateChannel",
        what: "leaving it",
        callers: onlyUser,
        make: async () => {
          const id = await channel()
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}`,
            body: { remove_members: ["alice"] },
            needs: chat(id, "write"),
          }
        },
      },
      {
        operation: "UpdateChannel",
        what: "what only servers do",
        callers: onlyServer,
        make: async () => {
          const id = await channel()
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}`,
            body: { add_moderators: ["alice"], data: { disabled: true, team: "red" } },
            needs: chat(id, "manage"),
          }
        },
      },
      {
        operation: "UpdateChannel",
        what: "nothing",
        callers: both,
        make: async (as) => {
          const id = await channel()
          const path = `/api/v2/chat/channels/messaging/${id}`
          return { method: "POST", path, body: acting(as), needs: chat(id, "read") }
        },
      },
      {
        operation: "StopWatchingChannel",
        callers: onlyUser,
        make: async () => {
          const id = await channel()
          const path = `/api/v2/chat/channels/messaging/${id}/stop-watching`
          const { connectionId } = socket
          return { method: "POST", path, body: {}, connectionId, needs: chat(id, "read") }
        },
      },
      {
        operation: "SendEvent",
        callers: both,
        make: async (as) => {
          const id = await channel()
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}/event`,
            body: { event: { type: "wave", ...acting(as) } },
            needs: chat(id, "write"),
          }
        },
      },
      {
        operation: "QueryMembers",
        callers: both,
        make: async () => {
          const id = await channel()
          const payload = encodeURIComponent(JSON.stringify({ type: "messaging", id, filter_conditions: {} }))
          return { method: "GET", path: `/api/v2/chat/members?payload=${payload}`, needs: chat(id, "read") }
        },
      },
      {
        operation: "MarkRead",
        callers: both,
        make: async (as) => {
          const id = await channel()
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}/read`,
            body: acting(as),
            needs: chat(id, "write"),
          }
        },
      },
      {
        operation: "SendMessage",
        callers: both,
        make: async (as) => {
          const id = await channel()
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}/message`,
            body: { message: { text: "see https://example.com", mentioned_users: ["bob"], ...acting(as) } },
            needs: chat(id, "write"),
          }
        },
      },
      {
        operation: "SendMessage",
        what: "a system message",
        callers: onlyServer,
        make: async (as) => {
          const id = await channel()
          return {
            method: "POST",
            path: `/api/v2/chat/channels/messaging/${id}/message`,
            body: { message: { text: "hi", type: "system", ...acting(as) } },
            needs: chat(id, "write", "manage"),
          }
        },
      },
      {
        operation: "GetMessage",
        callers: both,
        make: async () => {
          const id = await channel()
          return { method: "GET", path: `/api/v2/chat/messages/${await message(id)}`, needs: chat(id, "read") }
        },
      },
      {
        operation: "UpdateMessage",
        callers: both,
        make: async (as) => {
          const id = await channel()
          return {
            method: "POST",
            path: `/api/v2/chat/messages/${await message(id)}`,
            body: { message: { text: "ho", ...acting(as) } },
            needs: chat(id, "write"),
          }
        },
      },
      {
        operation: "DeleteMessage",
        callers: both,
        make: async () => {
          const id = await channel()
          return { method: "DELETE", path: `/api/v2/chat/messages/${await message(id)}`, needs: chat(id, "write") }
        },
      },
      {
        operation: "DeleteMessage",
        what: "for good",
        callers: onlyServer,
        make: async () => {
          const id = await channel()
          const path = `/api/v2/chat/messages/${await message(id)}?hard=true`
          return { method: "DELETE", path, needs: chat(id, "write", "manage") }
        },
      },
      {
        operation: "GetOrCreateFeed",
        what: "one that is there",
        callers: both,
        make: async (as) => {
          const name = await feed()
          return { method: "POST", path: feedPath(name), body: acting(as), needs: feeds(name, "read") }
        },
      },
      {
        operation: "GetOrCreateFeed",
        what: "a new one",
        callers: both,
        make: async () => {
          const id = await user()
          const name = `user:${id}`
          return { method: "POST", path: feedPath(name), body: { user_id: id }, user: id, needs: feeds(name, "write") }
        },
      },
      {
        operation: "ChangeFeedVisibility",
        callers: both,
        make: async () => {
          const name = await feed()
          const path = `${feedPath(name)}/change_visibility`
          return { method: "POST", path, body: { visibility: "public" }, needs: feeds(name, "manage") }
        },
      },
      {
        operation: "UpdateFeedMembers",
        callers: both,
        make: async () => {
          const name = await feed()
          return {
            method: "PATCH",
            path: `${feedPath(name)}/members`,
            body: { operation: "upsert", members: [{ user_id: "bob" }] },
            needs: feeds(name, "manage"),
          }
        },
      },
      {
        operation: "Follow",
        callers: both,
        make: async () => {
          const [source, target] = [await feed("alice", "timeline"), await feed("bob")]
          return {
            method: "POST",
            path: "/api/v2/feeds/follows",
            body: { source, target },
            needs: { ...feeds(source, "write"), ...feeds(target, "write") },
          }
        },
      },
      {
        operation: "Unfollow",
        callers: both,
        make: async () => {
          const [source, target] = [await feed("alice", "timeline"), await feed("bob")]
          await ok(await follow(source, target))
          const path = `/api/v2/feeds/follows/${encodeURIComponent(source)}/${encodeURIComponent(target)}`
          return { method: "DELETE", path, needs: feeds(source, "write") }
        },
      },
      ...(["accept", "reject"] as const).map(
        (answer): Row => ({
          operation: answer === "accept" ? "AcceptFollow" : "RejectFollow",
          callers: both,
          make: async () => {
            const source = await feed("bob", "timeline")
            const target = await feed("alice", "user", { visibility: "followers" })
            await ok(await follow(source, target))
            const path = `/api/v2/feeds/follows/${answer}`
            return { method: "POST", path, body: { source, target }, needs: feeds(target, "manage") }
          },
        }),
      ),
      {
        operation: "AddActivity",
        callers: both,
        make: async (as) => {
          const [one, two] = [await feed(), await feed()]
          return {
            method: "POST",
            path: "/api/v2/feeds/activities",
            body: { type: "post", text: "hi", feeds: [one, two], ...acting(as) },
            needs: { ...feeds(one, "write"), ...feeds(two, "write") },
          }
        },
      },
      {
        operation: "GetActivity",
        callers: both,
        make: async () => {
          const name = await feed()
          return { method: "GET", path: `/api/v2/feeds/activities/${await activity(name)}`, needs: feeds(name, "read") }
        },
      },
      {
        operation: "UpdateActivity",
        what: "moving it to another feed",
        callers: both,
        make: async (as) => {
          const [from, to] = [await feed(), await feed()]
          return {
            method: "PUT",
            path: `/api/v2/feeds/activities/${await activity(from)}`,
            body: { text: "ho", feeds: [to], ...acting(as) },
            needs: { ...feeds(from, "write"), ...feeds(to, "write") },
          }
        },
      },
      {
        operation: "UpdateActivityPartial",
        callers: both,
        make: async (as) => {
          const [one, two] = [await feed(), await feed()]
          return {
            method: "PATCH",
            path: `/api/v2/feeds/activities/${await activity(one, two)}`,
            body: { set: { text: "ho" }, ...acting(as) },
            needs: { ...feeds(one, "write"), ...feeds(two, "write") },
          }
        },
      },
      {
        operation: "DeleteActivity",
        callers: both,
        make: async () => {
          const [one, two] = [await feed(), await feed()]
          return {
            method: "DELETE",
            path: `/api/v2/feeds/activities/${await activity(one, two)}`,
            needs: { ...feeds(one, "write"), ...feeds(two, "write") },
          }
        },
      },
      {
        operation: "GetOrCreateCall",
        what: "one that is there",
        callers: both,
        make: async (as) => {
          const id = await call()
          return {
            method: "POST",
            path: `/api/v2/video/call/default/${id}`,
            body: as === "server" ? { data: { created_by_id: "alice" } } : {},
            needs: video(id, "read"),
          }
        },
      },
      {
        operation: "GetOrCreateCall",
        what: "a new one",
        callers: both,
        make: async (as) => {
          const id = fresh("new")
          return {
            method: "POST",
            path: `/api/v2/video/call/default/${id}`,
            body: as === "server" ? { data: { created_by_id: "alice" } } : {},
            needs: video(id, "write"),
          }
        },
      },
      {
        operation: "GetOrCreateCall",
        what: "ringing",
        callers: both,
        make: async (as) => {
          const id = await call()
          return {
            method: "POST",
            path: `/api/v2/video/call/default/${id}`,
            body: { ring: true, ...(as === "server" ? { data: { created_by_id: "alice" } } : {}) },
            needs: video(id, "read", "write"),
          }
        },
      },
      {
        operation: "GetCall",
        callers: both,
        make: async () => {
          const id = await call()
          return { method: "GET", path: `/api/v2/video/call/default/${id}`, needs: video(id, "read") }
        },
      },
      {
        operation: "UpdateCall",
        callers: both,
        make: async () => {
          const id = await call()
          const path = `/api/v2/video/call/default/${id}`
          return { method: "PATCH", path, body: { custom: { a: 1 } }, needs: video(id, "manage") }
        },
      },
      {
        operation: "EndCall",
        callers: both,
        make: async () => {
          const id = await call()
          return { method: "POST", path: `/api/v2/video/call/default/${id}/mark_ended`, needs: video(id, "manage") }
        },
      },
      {
        operation: "QueryCallMembers",
        callers: both,
        make: async () => {
          const id = await call()
          const body = { type: "default", id }
          return { method: "POST", path: "/api/v2/video/call/members", body, needs: video(id, "read") }
        },
      },
      {
        operation: "UpdateCallMembers",
        callers: both,
        make: async () => {
          const id = await call()
          return {
            method: "POST",
            path: `/api/v2/video/call/default/${id}/members`,
            body: { update_members: [{ user_id: "bob" }] },
            needs: video(id, "manage"),
          }
        },
      },
      {
        operation: "UpdateCallMembers",
        what: "leaving it",
        callers: onlyUser,
        make: async () => {
          const id = await call()
          const path = `/api/v2/video/call/default/${id}/members`
          return { method: "POST", path, body: { remove_members: ["alice"] }, needs: video(id, "write") }
        },
      },
      {
        operation: "Ban",
        what: "from the app",
        callers: onlyServer,
        make: async () => {
          const id = await user()
          const body = { target_user_id: id, timeout: 60 }
          return { method: "POST", path: "/api/v2/moderation/ban", body, needs: person(id, "manage") }
        },
      },
      {
        operation: "Ban",
        what: "from a channel",
        callers: both,
        make: async () => {
          const id = await channel()
          await moderate(id)
          const body = { target_user_id: "bob", channel_cid: `messaging:${id}` }
          return { method: "POST", path: "/api/v2/moderation/ban", body, needs: chat(id, "manage") }
        },
      },
      {
        operation: "Unban",
        callers: both,
        make: async () => {
          const id = await channel()
          await moderate(id)
          const query = `target_user_id=bob&channel_cid=messaging:${id}`
          return { method: "POST", path: `/api/v2/moderation/unban?${query}`, body: {}, needs: chat(id, "manage") }
        },
      },
      {
        operation: "DeleteBan",
        callers: onlyServer,
        make: async () => {
          const id = await user()
          const path = `/api/v2/moderation/ban?target_user_id=${id}`
          return { method: "DELETE", path, needs: person(id, "manage") }
        },
      },
      {
        operation: "QueryBannedUsers",
        what: "of a channel",
        callers: both,
        make: async () => {
          const id = await channel()
          await moderate(id)
          const payload = encodeURIComponent(JSON.stringify({ filter_conditions: { channel_cid: `messaging:${id}` } }))
          const path = `/api/v2/chat/query_banned_users?payload=${payload}`
          return { method: "GET", path, needs: chat(id, "manage") }
        },
      },
    ]

    const moderate = async (id: string): Promise<void> => {
      await ok(await backend("POST", `/api/v2/chat/channels/messaging/${id}`, { add_moderators: ["alice"] }))
    }

    test("every operation of the server says what it needs, or why it needs nothing", () => {
      const open = t.server.operations.filter(({ access }) => !access.includes("operator")).map(({ name }) => name)
      const said = new Set([...rows.map(({ operation }) => operation), ...Object.keys(harmless)])
      expect(open.filter((name) => !said.has(name))).toEqual([])
      expect([...said].filter((name) => !open.includes(name))).toEqual([])
    })

    for (const { operation, what, callers, make } of rows) {
      for (const as of callers) {
        const title = `${operation}${what === undefined ? "" : ` (${what})`} by a ${as} token`
        test(`case 28: ${title}: what it needs is enough, and each part of it is needed`, async () => {
          expectDone(await send(await make(as), as), "without scopes")
          expectClosed(await send(await make(as), as, nothing), "scopes for nothing")
          const enough = await make(as)
          expectDone(await send(enough, as, enough.needs), "what it needs")

          for (const pattern of Object.keys(enough.needs)) {
            for (const [index, level] of (enough.needs[pattern] as string[]).entries()) {
              const call = await make(as)
              const own = Object.keys(call.needs)[Object.keys(enough.needs).indexOf(pattern)] as string
              const others = scopeLevels.filter((other) => other !== level)
              const scopes = { ...call.needs, [own]: others }
              expectClosed(await send(call, as, scopes), `${others} for ${own} instead of ${level} (${index})`)
            }
            const call = await make(as)
            const own = Object.keys(call.needs)[Object.keys(enough.needs).indexOf(pattern)] as string
            const [product, type, id] = own.split(":")
            for (const other of [`${product}:${type}x:${id}`, `${product}:${type}:${id}x`, `${product}:${type}:x*`]) {
              const { [own]: levels = [], ...rest } = call.needs
              expectClosed(await send(call, as, { ...rest, [other]: levels }), `${other} instead of ${own}`)
            }
          }
        })
      }
    }

    // A hidden thing and an absent one must not differ for a token either.
    test("case 27: what lies outside the scopes is as absent as what is not there", async () => {
      const id = await channel()
      const name = await feed()
      const room = await call()
      const scopes = { "chat:messaging:x": ["read"], "feeds:user:x": ["read"], "video:default:x": ["read"] }
      for (const [method, there, gone] of [
        ["POST", `/api/v2/chat/channels/messaging/${id}/read`, "/api/v2/chat/channels/messaging/gone/read"],
        ["GET", `/api/v2/chat/messages/${await message(id)}`, "/api/v2/chat/messages/gone"],
        ["GET", `/api/v2/feeds/activities/${await activity(name)}`, "/api/v2/feeds/activities/gone"],
        ["GET", `/api/v2/video/call/default/${room}`, "/api/v2/video/call/default/gone"],
      ] as const) {
        const body = method === "POST" ? {} : undefined
        const send = (path: string) => t.call(method, path, { as: userToken("alice", { scopes }), body })
        const [hidden, absent] = [await send(there), await send(gone)]
        expectRefused(hidden, "notFound")
        expectRefused(absent, "notFound")
        const idOf = (path: string): string =>
          path
            .split("/")
            .filter((part) => part !== "read")
            .at(-1) as string
        expect(plain(hidden).replaceAll(idOf(there), "gone")).toBe(plain(absent).replaceAll(idOf(gone), "gone"))
      }
    })

    test("case 28: a refusal within the scopes says what is missing", async () => {
      const id = await channel()
      const body = { message: { text: "hi" } }
      const as = userToken("alice", { scopes: chat(id, "read") })
      const answer = await t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, { as, body })
      expectRefused(answer, "notAllowed")
      expect(answer.body.message).toBe(
        `SendMessage failed with error: "The token's scopes do not allow CreateMessage on chat:messaging:${id}"`,
      )
    })

    test("case 28: lists hold what the scopes cover, page by page", async () => {
      const ids = [await channel(), await channel(), await channel(["bob"])]
      const open = await channel(["bob"], "livestream")
      const cids = async (as: string, limit = 30): Promise<string[]> => {
        const all: string[] = []
        for (let offset = 0; ; offset += limit) {
          const body = { filter_conditions: {}, sort: [{ field: "cid", direction: 1 }], limit, offset }
          const { channels } = await ok(await t.call("POST", "/api/v2/chat/channels", { as, body }))
          all.push(...channels.map(({ channel }: { channel: { cid: string } }) => channel.cid))
          if (channels.length < limit) return all
        }
      }
      const cid = (id: string | undefined): string => `messaging:${id}`
      const scopes = {
        [`chat:messaging:${ids[1]}`]: ["read"],
        [`chat:messaging:${ids[0]}`]: ["write", "manage"],
        [`chat:messaging:${ids[2]}`]: ["read"],
        [`chat:live*:*${open.slice(-2)}`]: ["read-channel"],
      }
      expect(await cids(userToken("alice", { scopes }))).toEqual([`livestream:${open}`, cid(ids[1])])
      // A page of one is full as long as there is one more within the scopes.
      expect(await cids(userToken("alice", { scopes }), 1)).toEqual([`livestream:${open}`, cid(ids[1])])
      expect(await cids(serverToken({ scopes }))).toEqual([`livestream:${open}`, cid(ids[1]), cid(ids[2])].sort())
      expect(await cids(userToken("alice", { scopes: nothing }))).toEqual([])
      expect(await cids(serverToken({ scopes: nothing }))).toEqual([])
      expect(await cids(serverToken({ scopes: {} }))).toEqual([])
      expect((await cids(userToken("alice", { scopes: { "chat:*:*": ["read"] } }))).length).toBeGreaterThan(2)

      const names = async (as: string): Promise<string[]> => {
        const payload = { filter_conditions: { id: { $in: ["alice", "bob", "carol"] } } }
        const path = `/api/v2/users?payload=${encodeURIComponent(JSON.stringify(payload))}`
        const { users } = await ok(await t.call("GET", path, { as }))
        return users.map(({ id }: { id: string }) => id).sort()
      }
      for (const token of [(claims: object) => userToken("alice", claims), serverToken]) {
        expect(await names(token({ scopes: { "app:user:bob": ["read"], "app:*:c*l": ["read"] } }))).toEqual([
          "bob",
          "carol",
        ])
        expect(await names(token({ scopes: { "app:user:bob": ["search-user"], "*:user:alice": ["write"] } }))).toEqual([
          "bob",
        ])
        expect(await names(token({ scopes: { "app:app:*": ["read"], "chat:user:*": ["read"] } }))).toEqual([])
      }

      const timeline = await feed("alice", "timeline")
      const targets = [await feed("bob"), await feed("bob")] as const
      for (const target of targets) await ok(await follow(timeline, target))
      const followed = async (as: string): Promise<string[]> => {
        const body = { filter: { source_feed: timeline } }
        const { follows } = await ok(await t.call("POST", "/api/v2/feeds/follows/query", { as, body }))
        return follows.map(({ target_feed }: { target_feed: { feed: string } }) => target_feed.feed).sort()
      }
      for (const token of [(claims: object) => userToken("alice", claims), serverToken]) {
        expect(await followed(token({ scopes: feeds(timeline, "read") }))).toEqual([...targets].sort())
        expect(await followed(token({ scopes: feeds(targets[0], "query-follows") }))).toEqual([targets[0]])
        expect(await followed(token({ scopes: feeds(timeline, "write") }))).toEqual([])
      }
    })

    test("case 28: a timeline shows what stands in feeds that the scopes cover", async () => {
      const timeline = await feed("alice", "timeline")
      const [seen, unseen] = [await feed("alice"), await feed("alice")]
      for (const target of [seen, unseen]) await ok(await follow(timeline, target))
      const [shown, kept] = [await activity(seen), await activity(unseen)]
      const idsFor = async (scopes?: Scopes): Promise<string[]> => {
        const as = userToken("alice", scopes === undefined ? {} : { scopes })
        const { activities } = await ok(await t.call("POST", feedPath(timeline), { as, body: {} }))
        return activities.map(({ id }: { id: string }) => id)
      }
      expect(await idsFor()).toEqual([kept, shown])
      expect(await idsFor(feeds(timeline, "read"))).toEqual([])
      expect(await idsFor({ ...feeds(timeline, "read"), ...feeds(seen, "read") })).toEqual([shown])
      expect(await idsFor({ "feeds:timeline:*": ["read"], "feeds:user:*": ["read"] })).toEqual([kept, shown])
    })

    test("case 28: an activity in two feeds is read by either, and changed by both", async () => {
      const [one, two] = [await feed(), await feed()]
      const path = `/api/v2/feeds/activities/${await activity(one, two)}`
      for (const name of [one, two]) {
        const as = userToken("alice", { scopes: feeds(name, "read", "write", "manage") })
        expectDone(await t.call("GET", path, { as }), name)
        expectClosed(await t.call("PATCH", path, { as, body: { set: { text: "ho" } } }), name)
        expectClosed(await t.call("DELETE", path, { as }), name)
      }
    })

    test("the short form join opens a call and shows no more than joining", async () => {
      const id = await call()
      const as = userToken("alice", { scopes: video(id, "join") })
      const answer = await t.call("GET", `/api/v2/video/call/default/${id}`, { as })
      expect(answer.body.own_capabilities.sort()).toEqual(["join-call", "read-call"])
      expectClosed(await t.call("POST", `/api/v2/video/call/default/${id}/mark_ended`, { as }), "ending it")
    })

    test("a token that lists channels reaches those, with the rights that its user has there", async () => {
      const [id, other, strange] = [await channel(), await channel(), await channel(["bob"])]
      const as = userToken("alice", { channel_cids: [`messaging:${id}`, `messaging:${strange}`] })
      const query = (id: string) =>
        t.call("POST", `/api/v2/chat/channels/messaging/${id}/query`, { as, body: { messages: { limit: 5 } } })
      const say = (id: string) =>
        t.call("POST", `/api/v2/chat/channels/messaging/${id}/message`, { as, body: { message: { text: "hi" } } })
      expectDone(await query(id), "listed")
      const said = await ok(await say(id))
      expectDone(await t.call("GET", `/api/v2/chat/messages/${said.message.id}`, { as }), "listed")
      for (const closed of [other, strange]) {
        expectClosed(await query(closed), closed)
        expectClosed(await say(closed), closed)
      }
      const listed = await ok(await t.call("POST", "/api/v2/chat/channels", { as, body: { filter_conditions: {} } }))
      expect(listed.channels.map(({ channel }: { channel: { id: string } }) => channel.id)).toEqual([id])
      expectClosed(await t.call("POST", feedPath(await feed()), { as, body: {} }), "a feed")
      expectClosed(await t.call("GET", "/api/v2/users?payload={}", { as }), "users")
    })

    describe("sockets", () => {
      const openSocket = async (claims: object, details: object = {}): Promise<TestSocket> =>
        t.connect("alice", { token: userToken("alice", claims), details: { ...details } })
      const watch = async (id: string, claims: object, connectionId: string) =>
        t.call("POST", `/api/v2/chat/channels/messaging/${id}/query`, {
          as: userToken("alice", claims),
          body: { watch: true, presence: true },
          connectionId,
        })
      /** Bob says something. */
      const tell = async (id: string, text: string): Promise<void> => {
        const body = { message: { text, user_id: "bob" } }
        await ok(await backend("POST", `/api/v2/chat/channels/messaging/${id}/message`, body))
      }
      /** Sends something to alice's other sockets and waits for it there, so that whatever was to come has come. */
      const settle = async (): Promise<void> => {
        const id = await channel()
        await message(id)
        await socket.next("notification.message_new")
        socket.frames.length = 0
      }

      for (const [what, claimsFor] of [
        ["scopes", (id: string) => ({ scopes: chat(id, "read") })],
        ["channel_cids", (id: string) => ({ channel_cids: [`messaging:${id}`] })],
      ] as const) {
        test(`case 31: a socket narrowed by ${what} hears what it asked for until its user may not`, async () => {
          const [id, other] = [await channel(), await channel()]
          await tell(other, "unread")
          const claims = claimsFor(id)
          const narrow = await openSocket(claims)
          // The totals are of all channels, so they stay at nothing; somebody else's message is unread.
          expect(narrow.first.me.total_unread_count).toBe(0)
          const free = await openSocket({})
          expect(free.first.me.total_unread_count).toBeGreaterThan(0)
          free.close()
          expectDone(await watch(id, claims, narrow.connectionId), "watching")
          expectClosed(await watch(other, claims, narrow.connectionId), "another channel")

          await message(other)
          await settle()
          expect(narrow.frames.filter(({ type }) => type.startsWith("notification"))).toEqual([])
          expect(narrow.seen("message.new")).toEqual([])

          await message(id)
          await narrow.next("message.new")

          // Nobody was named whose presence the token may follow.
          await createUsers(t, { id: "bob" })
          await settle()
          expect(narrow.seen("user.updated")).toEqual([])

          await ok(
            await backend("POST", `/api/v2/chat/channels/messaging/${id}`, {
              remove_members: ["alice"],
              user_id: "bob",
            }),
          )
          await tell(id, "secret")
          await settle()
          expect(narrow.seen("message.new").filter(({ message }) => message.text === "secret")).toEqual([])
          narrow.close()
        })
      }

      test("case 29: a narrowed token changes nothing of its user by connecting", async () => {
        const mallory = { name: "Mallory" }
        const nameOf = async (): Promise<unknown> => {
          const path = `/api/v2/users?payload=${encodeURIComponent('{"filter_conditions":{"id":"alice"}}')}`
          return (await ok(await t.call("GET", path))).users[0].name
        }
        ;(await openSocket({ scopes: { "chat:*:*": ["read", "write", "manage"] } }, mallory)).close()
        expect(await nameOf()).not.toBe("Mallory")
        ;(await openSocket({ scopes: person("alice", "write") }, mallory)).close()
        expect(await nameOf()).toBe("Mallory")
        await createUsers(t, { id: "alice" })
      })

      test("case 28: a token that only writes makes a channel and does not hear it", async () => {
        const id = fresh("new")
        const claims = { scopes: chat(id, "write") }
        const narrow = await openSocket(claims)
        const body = { data: { members: ["alice", "bob"] }, watch: true }
        const as = userToken("alice", claims)
        const path = `/api/v2/chat/channels/messaging/${id}/query`
        expectDone(await t.call("POST", path, { as, body, connectionId: narrow.connectionId }), "made")
        await tell(id, "hi")
        await settle()
        expect(narrow.seen("message.new")).toEqual([])
        narrow.close()
      })
    })
  })
}

const ok = async (answer: Answer) => {
  if (answer.status >= 300) throw new Error(`got ${answer.status}: ${JSON.stringify(answer.body)}`)
  return answer.body
}

function expectDone({ status, body }: Answer, why: string): void {
  if (status >= 300) throw new Error(`should be done with ${why}, got ${status}: ${body.message}`)
}

/** Refused by the decision, or hidden by it; never by something that is wrong with the request. */
function expectClosed({ status, body }: Answer, why: string): void {
  if (status < 300) throw new Error(`should be refused with ${why}, got ${status}: ${JSON.stringify(body)}`)
  expectEnvelope(body)
  if (status !== 403 && status !== 404) throw new Error(`should be 403 or 404 with ${why}, got ${body.message}`)
}

function expectRefused({ status, body }: Answer, kind: ErrorName): void {
  expect([status, body.code]).toEqual([errorCatalogue[kind].status, errorCatalogue[kind].code])
}

const plain = ({ body: { duration: _, ...body } }: Answer): string => JSON.stringify(body)

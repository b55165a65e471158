// Causes every event that backends hear of, on a whole server with a real receiver, and keeps the first of each type as a
// sample. What differs from run to run (ids, times, addresses) becomes the same each time.

import { webhookEvents } from "@weir/protocol"
import {
  type Answer,
  type CallOptions,
  startTestServer,
  type TestServer,
  userToken,
} from "../packages/server/src/testing.ts"
import { allowPrivate, startReceiver } from "../packages/server/test/receiver.ts"

export type Sample = Readonly<Record<string, unknown>>

export interface Tour {
  /** By type, in the order of the registry. */
  readonly samples: Readonly<Record<string, Sample>>
  /** Of an event of the app's own making. */
  readonly custom: Sample
  /** Every type that came, sorted. */
  readonly types: readonly string[]
}

export const customType = "friendship_request"

const limits = {
  /** What tasks and time cause comes within this. */
  eventTimeoutMs: 20_000,
} as const

const appId = 1_000_001
const backend = { headers: { "user-agent": "my-backend/2.1", "x-stream-client": "weir-server/1.0" } } as const

/** Makes the tour; some seconds long. Throws when a call is refused or an event does not come. */
export async function tourOfEvents(): Promise<Tour> {
  const server = await startTestServer({ env: allowPrivate })
  try {
    const receiver = await startReceiver(server, appId, { should_send_custom_events: true })
    try {
      const startMs = Date.now()
      await causeAll(server)
      // A deletion is a task: these are the last that it tells.
      for (const type of ["user.messages.deleted", "channel.deleted"])
        await receiver.next(type, undefined, limits.eventTimeoutMs)
      await receiver.settled(limits.eventTimeoutMs)
      const first = new Map<string, Sample>()
      for (const { body } of receiver.received()) {
        if (!first.has(body.type)) first.set(body.type, settled(body, startMs) as Sample)
      }
      const custom = first.get(customType)
      if (custom === undefined) throw new Error(`no ${customType} came`)
      const samples = webhookEvents.types.flatMap((type) => {
        const sample = first.get(type)
        return sample === undefined ? [] : [[type, sample] as const]
      })
      return { samples: Object.fromEntries(samples), custom, types: [...first.keys()].sort() }
    } finally {
      await receiver.close()
    }
  } finally {
    await server.close()
  }
}

async function causeAll(server: TestServer): Promise<void> {
  const call = async (method: string, path: string, options: CallOptions): Promise<Answer> => {
    const answer = await server.call(method, `/api/v2${path}`, options)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    return answer
  }
  const asBackend: Call = (method, path, body) => call(method, path, { ...backend, body })
  const as =
    (userId: string): Call =>
    (method, path, body) =>
      call(method, path, {
        as: userToken(userId),
        body,
        headers: { "user-agent": "Mozilla/5.0", "x-stream-client": "weir-client/1.0" },
      })
  await causeUsers(asBackend)
  await causeChat(asBackend, as("alice"), as("bob"))
  await causeVideo(as("alice"))
  await causeFeeds(asBackend, as("alice"), as("bob"))
  await causeDeletions(asBackend)
}

type Call = (method: string, path: string, body?: unknown) => Promise<Answer>

async function causeUsers(asBackend: Call): Promise<void> {
  for (const [id, name] of Object.entries({ alice: "Alice", bob: "Bob", carol: "Carol", dave: "Dave" })) {
    await asBackend("POST", "/users", { users: { [id]: { id, name, custom: { plan: "free" } } } })
  }
}

async function causeChat(asBackend: Call, asAlice: Call, asBob: Call): Promise<void> {
  const channel = "/chat/channels/messaging/general"
  await asAlice("POST", `${channel}/query`, { data: { members: ["alice", "bob"], custom: { title: "General" } } })
  const text = "Shall we meet at the [harbour](https://example.com/harbour), @Bob?"
  await asAlice("POST", `${channel}/message`, { message: { id: "message-1", text, mentioned_users: ["bob"] } })
  await asBob("POST", `${channel}/read`, {})
  await asAlice("POST", "/chat/messages/message-1", {
    message: { text: "Shall we meet at noon?", custom: { edits: 1 } },
  })
  await asBob("POST", `${channel}/event`, { event: { type: customType, custom: { from: "bob" } } })
  await asAlice("DELETE", "/chat/messages/message-1")
  await asBackend("POST", channel, { add_moderators: ["bob"], user_id: "alice" })
  await asBackend("POST", channel, { add_members: ["carol"], user_id: "alice" })
  await asBackend("POST", channel, { remove_members: ["carol"], user_id: "alice" })
  await asBackend("POST", channel, { data: { custom: { title: "Harbour" }, frozen: false }, user_id: "alice" })
  const ban = { target_user_id: "bob", channel_cid: "messaging:general" }
  await asBackend("POST", "/moderation/ban", { ...ban, reason: "spam", timeout: 60, banned_by_id: "alice" })
  await asBackend("POST", `/moderation/unban?${new URLSearchParams({ ...ban, created_by: "alice" })}`, {})
}

async function causeVideo(asAlice: Call): Promise<void> {
  const call = "/video/call/default/standup"
  await asAlice("POST", call, {
    data: { members: [{ user_id: "alice" }, { user_id: "bob" }], custom: { topic: "Week" } },
  })
  await asAlice("POST", call, { ring: true, video: true })
  await asAlice("POST", call, { notify: true })
  await asAlice("PATCH", call, { custom: { topic: "Month" } })
  await asAlice("POST", `${call}/members`, { update_members: [{ user_id: "carol" }] })
  await asAlice("POST", `${call}/members`, { update_members: [{ user_id: "carol", custom: { seat: 3 } }] })
  await asAlice("POST", `${call}/members`, { remove_members: ["carol"] })
  await asAlice("POST", `${call}/mark_ended`)
}

async function causeFeeds(asBackend: Call, asAlice: Call, asBob: Call): Promise<void> {
  const feed = "/feeds/feed_groups/user/feeds/alice"
  await asAlice("POST", feed, { data: { name: "Alice's", custom: { colour: "blue" } } })
  await asBackend("POST", "/feeds/feed_groups/user/feeds/photos", { data: { name: "Photos" }, user_id: "alice" })
  await asBob("POST", "/feeds/feed_groups/timeline/feeds/bob", {})
  await asAlice("POST", `${feed}/change_visibility`, { visibility: "followers" })
  for (const body of [
    { operation: "upsert", members: [{ user_id: "carol" }] },
    { operation: "upsert", members: [{ user_id: "carol", custom: { since: "spring" } }] },
    { operation: "remove", members: [{ user_id: "carol" }] },
  ]) {
    await asAlice("PATCH", `${feed}/members`, body)
  }
  const content = { text: "Sunrise over the harbour", interest_tags: ["photos"] }
  const activity = { id: "activity-1", type: "post", feeds: ["user:alice", "user:photos"], ...content }
  await asAlice("POST", "/feeds/activities", activity)
  await asAlice("PATCH", "/feeds/activities/activity-1", { set: { text: "Sunset over the harbour" } })
  await asAlice("PUT", "/feeds/activities/activity-1", { ...content, feeds: ["user:alice"] })
  await asAlice("DELETE", "/feeds/activities/activity-1")
  const pair = { source: "timeline:bob", target: "user:alice" }
  await asBob("POST", "/feeds/follows", pair)
  await asAlice("POST", "/feeds/follows/accept", pair)
  await asBob("DELETE", `/feeds/follows/${pair.source}/${pair.target}`)
}

/** Last, because nobody is left afterwards. */
async function causeDeletions(asBackend: Call): Promise<void> {
  const { body } = await asBackend("POST", "/chat/channels/messaging/query", {
    data: { members: ["alice", "dave"], created_by_id: "dave" },
  })
  await asBackend("POST", `/chat/channels/messaging/${body.channel.id}/message`, {
    message: { id: "message-2", text: "Goodbye", user_id: "dave" },
  })
  await asBackend("POST", "/users/carol/deactivate", {})
  await asBackend("POST", "/users/carol/reactivate", {})
  await asBackend("POST", "/users/delete", {
    user_ids: ["dave"],
    user: "soft",
    messages: "soft",
    conversations: "soft",
  })
}

const sampleTimeMs = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const minuteMs = 60_000

/** The same body with ids, times and addresses that are the same in every run. */
function settled(body: unknown, startMs: number): unknown {
  const ids = new Map<string, string>()
  const text = (value: string): string => {
    if (/^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) {
      // What was there before the tour belongs to the server; what lies in the future was asked for by the minute.
      const minutes = Math.round((Date.parse(value) - startMs) / minuteMs)
      return minutes < 0 ? value : new Date(sampleTimeMs + minutes * minuteMs).toISOString()
    }
    return value.replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
      if (!ids.has(id)) ids.set(id, `00000000-0000-4000-8000-${String(ids.size + 1).padStart(12, "0")}`)
      return ids.get(id) as string
    })
  }
  const walk = (value: unknown, name: string): unknown => {
    if (name === "ip") return "203.0.113.7"
    if (typeof value === "string") return text(value)
    if (Array.isArray(value)) return value.map((item) => walk(item, ""))
    if (typeof value !== "object" || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, walk(member, key)]))
  }
  return walk(body, "")
}

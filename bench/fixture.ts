// What a server says in the three jobs. Taken from a running Weir before the measurement, and handed to the peers, so
// that all of them put as many bytes on the wire.

export interface Fixture {
  /** Answer to the GET of one small resource. */
  readonly resource: FixedAnswer
  /** Answer to the POST of one message. */
  readonly sent: FixedAnswer
  /** First frame of the server. */
  readonly welcome: string
  /** Frame that a watcher gets for one message. */
  readonly frame: string
}

export interface FixedAnswer {
  readonly status: number
  /** Without Date and Content-Length, which every server adds itself. */
  readonly headers: Record<string, string>
  readonly body: string
}

const user = (id: string) => ({
  id,
  name: `Member ${id}`,
  role: "user",
  language: "",
  teams: [],
  custom: {},
  online: true,
  banned: false,
  shadow_banned: false,
  invisible: false,
  blocked_user_ids: [],
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: "2026-01-01T00:00:00.000Z",
})

const message = {
  id: "0a9d6a38-3a5f-4f0e-9d3a-0a51f4c4b1d2",
  cid: "messaging:bench",
  type: "regular",
  text: "The quick brown fox jumps over the lazy dog, again and again.",
  html: "",
  user: user("member-0"),
  attachments: [],
  mentioned_users: [],
  latest_reactions: [],
  own_reactions: [],
  reaction_counts: {},
  reaction_scores: {},
  reaction_groups: {},
  restricted_visibility: [],
  reply_count: 0,
  deleted_reply_count: 0,
  mentioned_channel: false,
  mentioned_here: false,
  pinned: false,
  shadowed: false,
  silent: false,
  custom: {},
  created_at: "2026-01-01T00:00:00.000Z",
  updated_at: "2026-01-01T00:00:00.000Z",
}

/** For a run of the peers alone: the shape of the contract with made-up values. */
export const sampleFixture: Fixture = {
  resource: {
    status: 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message, duration: "0.05ms" }),
  },
  sent: {
    status: 201,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message, duration: "0.55ms" }),
  },
  welcome: JSON.stringify({
    type: "connection.ok",
    connection_id: "0a9d6a38-3a5f-4f0e-9d3a-0a51f4c4b1d2",
    cid: "*",
    created_at: "2026-01-01T00:00:00.000Z",
    me: { ...user("member-0"), devices: [], mutes: [], channel_mutes: [], total_unread_count: 0, unread_channels: 0 },
  }),
  frame: JSON.stringify({
    type: "message.new",
    created_at: "2026-01-01T00:00:00.000Z",
    cid: "messaging:bench",
    channel_id: "bench",
    channel_type: "messaging",
    message,
    user: user("member-0"),
    watcher_count: 1000,
  }),
}

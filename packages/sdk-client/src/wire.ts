// What travels: the members of requests and answers that Weir knows, in the wire's own spelling. Times are RFC 3339
// text. Custom data stands in `custom`. An answer may hold more than is named here.

export type Custom = Record<string, unknown>
/** RFC 3339 date and time. */
export type Timestamp = string

/** Answers carry the time the server spent, such as `1.23ms`. */
export type Answer<Members extends object = object> = Members & { duration: string }

export interface Sort {
  field: string
  /** 1 ascending (the default), -1 descending. */
  direction?: 1 | -1
}

/** Operators: a bare value or `$eq`, `$in`, `$gt` …, combined by `$and`, `$or`, `$nor` (contract/chat.md §3.6). */
export type Filter = Record<string, unknown>

/** Server calls name the user they act for; for a client the token says it. */
export interface ActingUser {
  user_id?: string
}

// Users

export interface UserRequest {
  id: string
  name?: string
  image?: string
  language?: string
  invisible?: boolean
  /** Server calls only. */
  role?: string
  /** Server calls only. */
  teams?: string[]
  /** Server calls only. */
  teams_role?: Record<string, string>
  privacy_settings?: Record<string, unknown>
  custom?: Custom
}

export interface User {
  id: string
  name?: string
  image?: string
  role: string
  language?: string
  teams?: string[]
  online?: boolean
  banned?: boolean
  created_at?: Timestamp
  updated_at?: Timestamp
  last_active?: Timestamp
  deactivated_at?: Timestamp
  deleted_at?: Timestamp
  revoke_tokens_issued_before?: Timestamp
  custom: Custom
}

/** The connected user, as the socket's welcome gives it. */
export interface OwnUser extends User {
  invisible?: boolean
  total_unread_count?: number
  unread_channels?: number
  unread_threads?: number
}

export interface UserChange {
  id: string
  /** New values by name; dotted names reach into `custom`. */
  set?: Record<string, unknown>
  unset?: string[]
}

export interface QueryUsersRequest extends ActingUser {
  filter_conditions?: Filter
  sort?: Sort[]
  limit?: number
  offset?: number
  include_deactivated_users?: boolean
  presence?: boolean
}

export interface DeleteUsersRequest {
  user_ids: string[]
  user?: "soft" | "pruning" | "hard"
  messages?: "soft" | "pruning" | "hard"
  conversations?: "soft" | "hard"
  new_channel_owner_id?: string
}

export interface Task {
  task_id: string
  /** `completed` and `failed` are final. */
  status: string
  created_at: Timestamp
  updated_at: Timestamp
  result?: Record<string, unknown>
  error?: { type: string; description: string }
}

// Chat

export interface ChannelMemberRequest {
  user_id: string
  channel_role?: string
  custom?: Custom
}

export interface ChannelInput {
  members?: (string | ChannelMemberRequest)[]
  team?: string
  frozen?: boolean
  disabled?: boolean
  /** Server calls only: who made the channel. */
  created_by_id?: string
  custom?: Custom
}

export interface MessagePage {
  limit?: number
  id_lt?: string
  id_lte?: string
  id_gt?: string
  id_gte?: string
  id_around?: string
}

export interface QueryChannelRequest extends ActingUser {
  data?: ChannelInput
  /** Receive the channel's events; needs a connected socket. */
  watch?: boolean
  /** Receive its members' presence; needs a connected socket. */
  presence?: boolean
  /** Give messages, members and reads; true unless told otherwise. */
  state?: boolean
  messages?: MessagePage
  members?: { limit?: number; offset?: number }
  hide_for_creator?: boolean
}

export interface QueryChannelsRequest extends ActingUser {
  filter_conditions?: Filter
  sort?: Sort[]
  limit?: number
  offset?: number
  message_limit?: number
  member_limit?: number
  state?: boolean
  watch?: boolean
  presence?: boolean
}

export interface ChannelObject {
  id: string
  type: string
  cid: string
  team?: string
  frozen: boolean
  disabled: boolean
  member_count?: number
  created_by?: User
  created_at: Timestamp
  updated_at: Timestamp
  last_message_at?: Timestamp
  deleted_at?: Timestamp
  own_capabilities?: string[]
  custom: Custom
}

export interface ChannelMember {
  user_id?: string
  user?: User
  channel_role: string
  created_at: Timestamp
  updated_at: Timestamp
  custom: Custom
}

export interface ReadState {
  user: User
  last_read: Timestamp
  unread_messages: number
  last_read_message_id?: string
}

export interface ChannelState {
  channel: ChannelObject
  messages: Message[]
  pinned_messages?: Message[]
  members: ChannelMember[]
  membership?: ChannelMember
  read?: ReadState[]
  watchers?: User[]
  watcher_count?: number
}

export interface MessageRequest extends ActingUser {
  id?: string
  text?: string
  type?: string
  attachments?: Record<string, unknown>[]
  mentioned_users?: string[]
  parent_id?: string
  show_in_channel?: boolean
  quoted_message_id?: string
  silent?: boolean
  custom?: Custom
}

export interface Message {
  id: string
  cid: string
  type: string
  text: string
  html?: string
  user: User
  attachments: Record<string, unknown>[]
  mentioned_users?: User[]
  parent_id?: string
  reply_count?: number
  silent?: boolean
  created_at: Timestamp
  updated_at: Timestamp
  deleted_at?: Timestamp
  custom: Custom
}

export interface SendMessageOptions {
  skip_push?: boolean
  skip_enrich_url?: boolean
}

export interface MarkReadRequest extends ActingUser {
  /** Read up to this message; the newest when absent. */
  message_id?: string
}

export interface EventRequest extends ActingUser {
  type: string
  parent_id?: string
  custom?: Custom
}

// Feeds

export interface FeedInput {
  name?: string
  description?: string
  visibility?: string
  filter_tags?: string[]
  custom?: Custom
}

export interface GetOrCreateFeedRequest extends ActingUser {
  data?: FeedInput
  limit?: number
  next?: string
  /** Receive the feed's events; needs a connected socket. */
  watch?: boolean
}

export interface FeedObject {
  /** `group:id`. */
  feed: string
  group_id: string
  id: string
  name: string
  description: string
  visibility?: string
  activity_count?: number
  follower_count: number
  following_count: number
  member_count: number
  created_by: User
  created_at: Timestamp
  updated_at: Timestamp
  own_capabilities?: string[]
  custom?: Custom
}

export interface FeedState {
  created: boolean
  feed: FeedObject
  activities: Activity[]
  followers: Follow[]
  following: Follow[]
  next?: string
}

export interface ActivityContent {
  text?: string
  attachments?: Record<string, unknown>[]
  mentioned_user_ids?: string[]
  filter_tags?: string[]
  interest_tags?: string[]
  /** `public` or `private`. */
  visibility?: string
  /** `everyone`, `people_i_follow` or `nobody`. */
  restrict_replies?: string
  custom?: Custom
}

export interface AddActivityRequest extends ActivityContent, ActingUser {
  type: string
  /** `group:id` of each feed it goes to. */
  feeds: string[]
  id?: string
}

export interface UpdateActivityRequest extends ActivityContent, ActingUser {
  feeds?: string[]
}

export interface Activity {
  id: string
  type: string
  text?: string
  user: User
  feeds: string[]
  visibility: string
  attachments: Record<string, unknown>[]
  created_at: Timestamp
  updated_at: Timestamp
  deleted_at?: Timestamp
  custom: Custom
}

export interface FollowRequest {
  /** `group:id` of the feed that follows. */
  source: string
  /** `group:id` of the feed that is followed. */
  target: string
  push_preference?: string
  custom?: Custom
}

export interface Follow {
  source_feed: FeedObject
  target_feed: FeedObject
  /** `accepted`, `pending` or `rejected`. */
  status: string
  created_at: Timestamp
  updated_at: Timestamp
  custom?: Custom
}

// Video

export interface CallMemberRequest {
  user_id: string
  role?: string
  custom?: Custom
}

export interface CallInput {
  members?: CallMemberRequest[]
  starts_at?: Timestamp
  team?: string
  video?: boolean
  /** Server calls only: who made the call. */
  created_by_id?: string
  settings_override?: Record<string, unknown>
  custom?: Custom
}

export interface GetOrCreateCallRequest {
  data?: CallInput
  members_limit?: number
  ring?: boolean
  notify?: boolean
  video?: boolean
}

export interface CallObject {
  type: string
  id: string
  cid: string
  created_by: User
  created_at: Timestamp
  updated_at: Timestamp
  starts_at?: Timestamp
  ended_at?: Timestamp
  team?: string
  backstage: boolean
  recording: boolean
  settings: Record<string, unknown>
  custom: Custom
}

export interface CallMember {
  user_id: string
  user: User
  role?: string
  created_at: Timestamp
  updated_at: Timestamp
  custom: Custom
}

export interface CallState {
  call: CallObject
  members: CallMember[]
  own_capabilities: string[]
}

export interface QueryCallMembersRequest {
  filter_conditions?: Filter
  sort?: Sort[]
  limit?: number
  next?: string
  prev?: string
}

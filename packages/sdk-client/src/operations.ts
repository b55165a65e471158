// Every call of the REST API that Weir answers, one function each, grouped by noun. The client and the server SDK
// share them: they differ only in whose token goes along. Paths: contract/endpoints.json.

import { path, type QueryValue, type RestRequest } from "./rest.ts"
import type {
  Activity,
  AddActivityRequest,
  Answer,
  CallMember,
  CallState,
  ChannelState,
  DeleteUsersRequest,
  EventRequest,
  FeedState,
  Follow,
  FollowRequest,
  GetOrCreateCallRequest,
  GetOrCreateFeedRequest,
  MarkReadRequest,
  Message,
  MessageRequest,
  QueryCallMembersRequest,
  QueryChannelRequest,
  QueryChannelsRequest,
  QueryUsersRequest,
  SendMessageOptions,
  Task,
  UpdateActivityRequest,
  User,
  UserChange,
  UserRequest,
} from "./wire.ts"

/** Sends one request and gives the parsed answer; rejects with WeirApiError or WeirTransportError. */
export type Send = <A>(request: RestRequest) => Promise<A>

/** The socket that a call binds to when it watches something. */
export interface Bound {
  connection_id?: string
}

type Query = Record<string, QueryValue>

export type Operations = ReturnType<typeof createOperations>

export function createOperations(send: Send) {
  const get = <A extends object>(at: string, query?: Query) => send<Answer<A>>({ method: "GET", path: at, query })
  const remove = <A extends object>(at: string, query?: Query) => send<Answer<A>>({ method: "DELETE", path: at, query })
  const post = <A extends object>(at: string, body: object, query?: Query) =>
    send<Answer<A>>({ method: "POST", path: at, body, query })

  return {
    users: {
      /** Creates users or replaces their data, up to 100 at once. */
      upsert: (users: UserRequest[]) =>
        post<{ users: Record<string, User> }>("/api/v2/users", {
          users: Object.fromEntries(users.map((user) => [user.id, user])),
        }),
      /** Sets and unsets single fields, up to 100 users at once. */
      updatePartial: (changes: UserChange[]) =>
        send<Answer<{ users: Record<string, User> }>>({
          method: "PATCH",
          path: "/api/v2/users",
          body: { users: changes },
        }),
      query: (payload: QueryUsersRequest = {}, bound: Bound = {}) =>
        get<{ users: User[] }>("/api/v2/users", { payload: { filter_conditions: {}, ...payload }, ...bound }),
      deactivate: (userId: string, options: { created_by_id?: string; mark_messages_deleted?: boolean } = {}) =>
        post<{ user: User }>(path`/api/v2/users/${userId}/deactivate`, options),
      reactivate: (
        userId: string,
        options: { created_by_id?: string; name?: string; restore_messages?: boolean } = {},
      ) => post<{ user: User }>(path`/api/v2/users/${userId}/reactivate`, options),
      /** Starts a task; see `tasks`. */
      delete: (request: DeleteUsersRequest) => post<{ task_id: string }>("/api/v2/users/delete", request),
    },

    guests: {
      /** Makes a guest; the answer holds the token to connect with. Needs no token. */
      create: (user: UserRequest) => post<{ user: User; access_token: string }>("/api/v2/guest", { user }),
    },

    tasks: {
      get: (taskId: string) => get<Task>(path`/api/v2/tasks/${taskId}`),
    },

    channels: {
      /** Creates the channel unless it exists, and reads, watches or pages it. */
      getOrCreate: (type: string, id: string, request: QueryChannelRequest = {}, bound: Bound = {}) =>
        post<ChannelState>(path`/api/v2/chat/channels/${type}/${id}/query`, request, { ...bound }),
      /** The one channel of exactly these members; its id follows from them. */
      getOrCreateDistinct: (type: string, request: QueryChannelRequest, bound: Bound = {}) =>
        post<ChannelState>(path`/api/v2/chat/channels/${type}/query`, request, { ...bound }),
      query: (request: QueryChannelsRequest = {}, bound: Bound = {}) =>
        post<{ channels: ChannelState[] }>("/api/v2/chat/channels", request, { ...bound }),
      sendMessage: (type: string, id: string, message: MessageRequest, options: SendMessageOptions = {}) =>
        post<{ message: Message }>(path`/api/v2/chat/channels/${type}/${id}/message`, { message, ...options }),
      markRead: (type: string, id: string, request: MarkReadRequest = {}) =>
        post<{ event?: Record<string, unknown> }>(path`/api/v2/chat/channels/${type}/${id}/read`, request),
      sendEvent: (type: string, id: string, event: EventRequest) =>
        post<{ event: Record<string, unknown> }>(path`/api/v2/chat/channels/${type}/${id}/event`, { event }),
    },

    messages: {
      get: (messageId: string) => get<{ message: Message }>(path`/api/v2/chat/messages/${messageId}`),
      /** Replaces the message's content. */
      update: (messageId: string, message: MessageRequest, options: SendMessageOptions = {}) =>
        post<{ message: Message }>(path`/api/v2/chat/messages/${messageId}`, { message, ...options }),
      delete: (messageId: string, options: { hard?: boolean; deleted_by?: string } = {}) =>
        remove<{ message: Message }>(path`/api/v2/chat/messages/${messageId}`, options),
    },

    feeds: {
      /** Creates the feed unless it exists, and reads a page of its activities. */
      getOrCreate: (group: string, id: string, request: GetOrCreateFeedRequest = {}, bound: Bound = {}) =>
        post<FeedState>(path`/api/v2/feeds/feed_groups/${group}/feeds/${id}`, request, { ...bound }),
    },

    activities: {
      add: (request: AddActivityRequest) => post<{ activity: Activity }>("/api/v2/feeds/activities", request),
      get: (activityId: string, options: { user_id?: string } = {}) =>
        get<{ activity: Activity }>(path`/api/v2/feeds/activities/${activityId}`, options),
      /** Replaces the activity's content. */
      update: (activityId: string, request: UpdateActivityRequest) =>
        send<Answer<{ activity: Activity }>>({
          method: "PUT",
          path: path`/api/v2/feeds/activities/${activityId}`,
          body: request,
        }),
      delete: (activityId: string, options: { hard_delete?: boolean } = {}) =>
        remove(path`/api/v2/feeds/activities/${activityId}`, options),
    },

    follows: {
      create: (request: FollowRequest) => post<{ follow: Follow }>("/api/v2/feeds/follows", request),
      delete: (source: string, target: string) =>
        remove<{ follow: Follow }>(path`/api/v2/feeds/follows/${source}/${target}`),
    },

    calls: {
      getOrCreate: (type: string, id: string, request: GetOrCreateCallRequest = {}, bound: Bound = {}) =>
        post<CallState & { created: boolean }>(path`/api/v2/video/call/${type}/${id}`, request, { ...bound }),
      get: (type: string, id: string, options: { members_limit?: number } & Bound = {}) =>
        get<CallState>(path`/api/v2/video/call/${type}/${id}`, { ...options }),
      queryMembers: (type: string, id: string, request: QueryCallMembersRequest = {}) =>
        post<{ members: CallMember[]; next?: string; prev?: string }>("/api/v2/video/call/members", {
          type,
          id,
          ...request,
        }),
      /** Ends the call for everyone. */
      end: (type: string, id: string) => post(path`/api/v2/video/call/${type}/${id}/mark_ended`, {}),
    },
  }
}

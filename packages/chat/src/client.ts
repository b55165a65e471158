// The class that chat apps import. With a secret it is the app itself, on a server; without one it is one user.

import { serverSide } from "#server-side"
import { WeirClient } from "../../sdk-client/src/client.ts"
import type { OpenSocket } from "../../sdk-client/src/socket.ts"
import type { TokenOrProvider } from "../../sdk-client/src/tokens.ts"
import type {
  ChannelInput,
  ChannelState,
  DeleteUsersRequest,
  Filter,
  Message,
  MessageRequest,
  OwnUser,
  QueryChannelsRequest,
  QueryUsersRequest,
  Task,
  User,
  UserChange,
  UserRequest,
} from "../../sdk-client/src/wire.ts"
import {
  type ChatChannel,
  type ChatEvent,
  type ChatListener,
  channelDataOf,
  createChatChannel,
  type FlatAnswer,
  type Subscription,
} from "./channel.ts"
import { type Flat, fromWire, messageToWire, type SortInput, sortToWire, userToWire } from "./dialect.ts"
import { version } from "./version.ts"

export interface StreamChatOptions {
  /** Address of the server. Without it: the environment's WEIR_URL, else the page's origin, else 127.0.0.1:3030. */
  baseURL?: string
  /** Of one REST request, in milliseconds. */
  timeout?: number
  /** Part that tests and unusual platforms replace. */
  openSocket?: OpenSocket
}

/** A user as an app writes it: known fields and custom data side by side. */
export interface ChatUser extends Flat {
  id: string
  name?: string
  image?: string
}

export interface ConnectAnswer {
  connection_id: string
  me: FlatAnswer<OwnUser>
}

/** Instances that `getInstance` keeps; beyond it the oldest is no longer handed out. */
const instancesMax = 100
const tokenLifeSecondsDefault = 24 * 60 * 60
/** Above this an `exp` or `iat` was surely meant in milliseconds. */
const unixSecondsMax = 100_000_000_000
const onlyServerSide = "tokens can only be created server-side using the API Secret"

const instances = new Map<string, StreamChat>()

export class StreamChat {
  readonly key: string
  /** The users that this client speaks for: the connected one, or null. */
  readonly connectedUsers: { current: FlatAnswer<OwnUser> | null } = { current: null }
  readonly #client: WeirClient
  readonly #secret: string | null
  readonly #unwraps = new Map<string, Map<ChatListener, () => void>>()

  /**
   * `secret` makes it the app itself, on a server only. Throws Error for a secret in a browser, TypeError for a
   * missing key or a secret that cannot be one.
   */
  constructor(key: string, secretOrOptions?: string | StreamChatOptions, options?: StreamChatOptions) {
    const { secret, settings } = argumentsOf(secretOrOptions, options)
    if (secret !== null && serverSide === null) throw new Error("the API secret must not reach a browser")
    this.key = key
    this.#secret = secret
    this.#client = new WeirClient({
      apiKey: key,
      baseUrl: settings.baseURL,
      timeoutMs: settings.timeout,
      openSocket: settings.openSocket,
      clientTag: `weir-chat-${version}`,
      ...(secret === null ? {} : { auth: serverSide?.serverAuth(secret) }),
    })
    this.#client.on("connection.ok", ({ me }) => {
      this.connectedUsers.current = fromWire(me)
    })
  }

  /**
   * The one instance for this key, made on first use. With a secret and without are two instances, so that a server
   * which also acts as a client never mixes the two.
   */
  static getInstance(
    key: string,
    secretOrOptions?: string | StreamChatOptions,
    options?: StreamChatOptions,
  ): StreamChat {
    const { secret } = argumentsOf(secretOrOptions, options)
    const name = JSON.stringify([key, secret])
    let instance = instances.get(name)
    if (instance === undefined) {
      instance = new StreamChat(key, secretOrOptions, options)
      instances.set(name, instance)
      const [oldest] = instances.keys()
      if (instances.size > instancesMax && oldest !== undefined) instances.delete(oldest)
    }
    return instance
  }

  /** Id of the connected user. */
  get userID(): string | undefined {
    return this.#client.userId ?? undefined
  }

  /** The connected user as the server knows them. */
  get user(): FlatAnswer<OwnUser> | undefined {
    return this.connectedUsers.current ?? undefined
  }

  /** The socket as it is now; null before connectUser and after disconnectUser. */
  get wsConnection(): { isHealthy: boolean; connectionID: string | undefined } | null {
    const { connectionState, connectionId } = this.#client
    if (connectionState === "idle") return null
    return { isHealthy: connectionState === "online", connectionID: connectionId ?? undefined }
  }

  /**
   * A token for one user, at once. `exp` and `iat` are Unix seconds; without them it is made now and lives 24 h,
   * `exp` null makes it live for ever. Throws Error without a secret, and in a browser.
   */
  createToken(userId: string, exp?: number | null, iat?: number): string {
    if (this.#secret === null || serverSide === null) throw new Error(onlyServerSide)
    if (typeof userId !== "string" || userId === "") throw new TypeError("a user id is needed to create a token")
    const issuedAt = unixSeconds("iat", iat ?? Math.floor(Date.now() / 1000))
    const expiry = exp === null ? {} : { exp: unixSeconds("exp", exp ?? issuedAt + tokenLifeSecondsDefault) }
    return serverSide.signToken(this.#secret, { user_id: userId, iat: issuedAt, ...expiry })
  }

  /** Whether a webhook's raw body and its `X-Signature` belong together. Throws Error without a secret. */
  verifyWebhook(body: string | Uint8Array, signature: string): boolean {
    if (this.#secret === null || serverSide === null) throw new Error("webhooks can only be verified server-side")
    return serverSide.verifyWebhook(body, signature, this.#secret)
  }

  /** Connects a user; always settles. The token must be the user's own. See WeirClient.connect. */
  async connectUser(user: ChatUser, tokenOrProvider: TokenOrProvider): Promise<ConnectAnswer> {
    return this.#welcomed(await this.#client.connect(userToWire<UserRequest>(user), tokenOrProvider))
  }

  async connectAnonymousUser(): Promise<ConnectAnswer> {
    return this.#welcomed(await this.#client.connectAnonymous())
  }

  /** Makes a guest and connects as them; the server chooses the id. */
  async setGuestUser(user: ChatUser): Promise<ConnectAnswer> {
    return this.#welcomed(await this.#client.connectGuest(userToWire<UserRequest>(user)))
  }

  async disconnectUser(): Promise<void> {
    this.connectedUsers.current = null
    await this.#client.disconnect()
  }

  /** A channel by id. With undefined or null instead of an id: the one channel of exactly `data.members`. */
  channel(type: string, id?: string | null | Flat, data: Flat = {}): ChatChannel {
    const hasId = typeof id === "string" && id !== ""
    const given = typeof id === "object" && id !== null ? id : data
    return this.#chatChannel(type, hasId ? id : null, given)
  }

  /** A page of channels. A connected user watches them unless told otherwise. */
  async queryChannels(
    filter: Filter = {},
    sort?: SortInput,
    options: Omit<QueryChannelsRequest, "filter_conditions" | "sort"> = {},
  ): Promise<ChatChannel[]> {
    const watch = options.watch ?? this.#client.userId !== null
    const { channels } = await this.#client.queryChannels({
      filter_conditions: filter,
      sort: sortToWire(sort),
      state: true,
      ...options,
      watch,
    })
    return channels.map((state) => this.#chatChannel(state.channel.type, state.channel.id, {}, state))
  }

  /** A page of users. `presence` makes a connected user hear `user.presence.changed` of each from now on. */
  async queryUsers(
    filter: Filter = {},
    sort?: SortInput,
    options: Omit<QueryUsersRequest, "filter_conditions" | "sort"> = {},
  ): Promise<{ users: FlatAnswer<User>[] }> {
    return fromWire(await this.#client.queryUsers({ filter_conditions: filter, sort: sortToWire(sort), ...options }))
  }

  /** Creates users or replaces their data; server-side for anyone, else for oneself. */
  async upsertUsers(users: ChatUser[]): Promise<{ users: Record<string, FlatAnswer<User>> }> {
    return fromWire(await this.#client.operations.users.upsert(users.map((user) => userToWire<UserRequest>(user))))
  }

  upsertUser(user: ChatUser): Promise<{ users: Record<string, FlatAnswer<User>> }> {
    return this.upsertUsers([user])
  }

  async partialUpdateUsers(changes: UserChange[]): Promise<{ users: Record<string, FlatAnswer<User>> }> {
    return fromWire(await this.#client.operations.users.updatePartial(changes))
  }

  partialUpdateUser(change: UserChange): Promise<{ users: Record<string, FlatAnswer<User>> }> {
    return this.partialUpdateUsers([change])
  }

  async deactivateUser(
    userId: string,
    options?: { mark_messages_deleted?: boolean; created_by_id?: string },
  ): Promise<{ user: FlatAnswer<User> }> {
    return fromWire(await this.#client.operations.users.deactivate(userId, options))
  }

  async reactivateUser(
    userId: string,
    options?: { restore_messages?: boolean; name?: string; created_by_id?: string },
  ): Promise<{ user: FlatAnswer<User> }> {
    return fromWire(await this.#client.operations.users.reactivate(userId, options))
  }

  /** Starts a task that deletes users; `getTask` says when it is done. */
  deleteUsers(userIds: string[], options: Omit<DeleteUsersRequest, "user_ids"> = {}): Promise<{ task_id: string }> {
    return this.#client.operations.users.delete({ user_ids: userIds, ...options })
  }

  getTask(taskId: string): Promise<Task> {
    return this.#client.operations.tasks.get(taskId)
  }

  async getMessage(messageId: string): Promise<{ message: FlatAnswer<Message> }> {
    return fromWire(await this.#client.operations.messages.get(messageId))
  }

  /** Replaces the content of the message with this `id`. Server-side it needs `user_id`. */
  async updateMessage(message: Flat & { id: string }): Promise<{ message: FlatAnswer<Message> }> {
    const { id, ...content } = message
    return fromWire(await this.#client.operations.messages.update(id, messageToWire<MessageRequest>(content)))
  }

  async deleteMessage(messageId: string, hard = false): Promise<{ message: FlatAnswer<Message> }> {
    return fromWire(await this.#client.operations.messages.delete(messageId, hard ? { hard } : {}))
  }

  /** `on(type, listener)`, or `on(listener)` for every event; also `connection.changed` and `connection.recovered`. */
  on(typeOrListener: string | ChatListener, maybeListener?: ChatListener): Subscription {
    const type = typeof typeOrListener === "string" ? typeOrListener : "*"
    const listener = (maybeListener ?? typeOrListener) as ChatListener
    this.off(type, listener)
    const stop = this.#client.on(type, (event) => listener(fromWire<ChatEvent>(event)))
    const ofType = this.#unwraps.get(type) ?? new Map<ChatListener, () => void>()
    this.#unwraps.set(type, ofType.set(listener, stop))
    return { unsubscribe: () => this.off(type, listener) }
  }

  off(typeOrListener: string | ChatListener, maybeListener?: ChatListener): void {
    const type = typeof typeOrListener === "string" ? typeOrListener : "*"
    const listener = (maybeListener ?? typeOrListener) as ChatListener
    this.#unwraps.get(type)?.get(listener)?.()
    this.#unwraps.get(type)?.delete(listener)
  }

  #welcomed(me: OwnUser): ConnectAnswer {
    return { connection_id: this.#client.connectionId ?? "", me: fromWire(me) }
  }

  #chatChannel(type: string, id: string | null, data: Flat, state?: ChannelState): ChatChannel {
    const wireData = Object.keys(data).length === 0 ? undefined : (channelDataOf(data) as ChannelInput)
    return createChatChannel({
      channel: this.#client.channel(type, id, wireData),
      operations: this.#client.operations,
      data,
      state,
    })
  }
}

function argumentsOf(secretOrOptions?: string | StreamChatOptions, options?: StreamChatOptions) {
  if (typeof secretOrOptions === "string") return { secret: secretOrOptions, settings: options ?? {} }
  return { secret: null, settings: secretOrOptions ?? options ?? {} }
}

function unixSeconds(name: string, seconds: number): number {
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > unixSecondsMax) {
    throw new TypeError(`${name} must be whole Unix seconds, got ${seconds}`)
  }
  return seconds
}

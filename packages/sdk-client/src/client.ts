// The client: one user, one socket, one token source, and the handles that apps hold.

import { openSocket as openPlatformSocket } from "#socket"
import { baseUrlOf, socketBaseUrlOf } from "./base-url.ts"
import { type Call, createCall } from "./call.ts"
import { type Channel, createChannel, type HandleParts } from "./channel.ts"
import { createServerClock, type ServerClock } from "./clock.ts"
import { type Connection, type ConnectionState, createConnection } from "./connection.ts"
import { createEmitter, type EventOf, type Listener } from "./emitter.ts"
import { CONNECTION_NOT_FOUND, WeirApiError, WeirConnectionError } from "./errors.ts"
import type { WeirEvent } from "./events.ts"
import { createFeed, type Feed } from "./feed.ts"
import { limits } from "./limits.ts"
import { type Bound, createOperations, type Operations } from "./operations.ts"
import { createRest, type Fetch, type Rest, type RestAuth, type RestRequest } from "./rest.ts"
import type { OpenSocket } from "./socket.ts"
import { platformTabs, type TabParts } from "./tabs.ts"
import { systemTimers, type Timers } from "./timers.ts"
import { createTokenSource, type TokenOrProvider, type TokenSource } from "./tokens.ts"
import { version } from "./version.ts"
import { createWatches, type Watched, type Watches } from "./watches.ts"
import type {
  Answer,
  ChannelInput,
  ChannelState,
  OwnUser,
  QueryChannelsRequest,
  QueryUsersRequest,
  User,
  UserRequest,
} from "./wire.ts"

export interface WeirClientOptions {
  /** The app's public key. */
  apiKey: string
  /** Address of the server. Without it: the environment's WEIR_URL, else the page's origin, else 127.0.0.1:3030. */
  baseUrl?: string
  /** Of one REST request. */
  timeoutMs?: number
  /** Name of the calling package, for `X-Stream-Client`. */
  clientTag?: string
  /** How REST calls are authorised while no user is connected; without it they are refused. */
  auth?: RestAuth
  /**
   * Whether the tabs of one origin ask for a user's token one at a time and hand it to each other; true unless told
   * otherwise. Without Web Locks and BroadcastChannel each page asks for itself.
   */
  shareTokens?: boolean
  /** Parts that tests and unusual platforms replace. */
  fetch?: Fetch
  openSocket?: OpenSocket
  timers?: Timers
  tabs?: TabParts
}

/** Everything that belongs to one `connect()`; a new one starts from nothing. */
interface Session {
  readonly user: UserRequest
  readonly auth: RestAuth
  readonly tokens: TokenSource | null
  readonly connection: Connection
  readonly watches: Watches
  readonly connected: Promise<OwnUser>
}

/** Id of a caller without a user (contract/chat.md §1.13). */
const ANONYMOUS_USER_ID = "!anon"

export class WeirClient {
  readonly apiKey: string
  readonly baseUrl: string
  /** The connected user as the server knows them; null before `connect()` and after `disconnect()`. */
  me: OwnUser | null = null
  /** Every call of the REST API, by noun, as the connected user. */
  readonly operations: Operations
  readonly #events = createEmitter<WeirEvent>()
  readonly #rest: Rest
  readonly #openSocket: OpenSocket
  readonly #timers: Timers
  readonly #clientTag: string
  readonly #auth: RestAuth | null
  readonly #parts: HandleParts
  readonly #tabs: TabParts | null
  readonly #clock: ServerClock
  #isSkewTold = false
  #session: Session | null = null

  /** Throws TypeError when the key is missing or the address is no http(s) URL. */
  constructor(options: WeirClientOptions) {
    if (!options.apiKey) throw new TypeError("apiKey is missing")
    this.apiKey = options.apiKey
    this.baseUrl = baseUrlOf(options.baseUrl)
    this.#timers = options.timers ?? systemTimers
    this.#openSocket = options.openSocket ?? openPlatformSocket
    this.#clientTag = options.clientTag ?? `weir-sdk-client-${version}`
    this.#auth = options.auth ?? null
    this.#tabs = options.shareTokens === false ? null : (options.tabs ?? platformTabs())
    this.#clock = createServerClock(this.#timers, (skewMs) => this.#skewed(skewMs))
    this.#rest = createRest({
      baseUrl: this.baseUrl,
      apiKey: this.apiKey,
      clientTag: this.#clientTag,
      timeoutMs: options.timeoutMs ?? limits.requestTimeoutMs,
      fetch: options.fetch ?? ((url, init) => fetch(url, init)),
      timers: this.#timers,
      onDate: (serverMs, sentAtMs) => this.#clock.learn(serverMs, 1000, sentAtMs),
    })
    this.operations = createOperations(<A>(request: RestRequest) => this.#send<A>(request))
    this.#parts = {
      operations: this.operations,
      timers: this.#timers,
      watching: (watched, call) => this.#watching(watched, call),
      on: (type, listener) => this.on(type, listener),
    }
  }

  get userId(): string | null {
    return this.#session?.user.id ?? null
  }

  get connectionState(): ConnectionState {
    return this.#session?.connection.state ?? "idle"
  }

  /** Id of the live socket; null while there is none. */
  get connectionId(): string | null {
    return this.#session?.connection.connectionId ?? null
  }

  /**
   * Connects a user. Settles within `limits.connectTimeoutMs`: resolves with the user as the server knows them, or
   * rejects with WeirApiError (refused) or WeirConnectionError (whose `reason` says why). Called again for the same
   * user it gives the same outcome; for another user it rejects `already_connected`.
   */
  async connect(user: UserRequest, tokenOrProvider: TokenOrProvider): Promise<OwnUser> {
    if (!user?.id) throw new TypeError("the user has no id")
    if (tokenOrProvider === undefined || tokenOrProvider === null || tokenOrProvider === "") {
      // Never quietly anonymous: without a token the caller has made a mistake.
      throw new TypeError("a token or a token provider is needed to connect a user")
    }
    const present = this.#livingSession()
    if (present?.user.id === user.id) return present.connected
    if (present !== null) throw alreadyConnected(present.user.id)
    const tokens = this.#tokens(user.id, tokenOrProvider)
    return this.#start(user, tokens, userAuth(tokens))
  }

  /**
   * Gives the connected user another token or provider, for apps that renew tokens themselves. The next request and the
   * next socket use it; a connection that was waiting tries at once. One that has failed, for instance because its token
   * given as text ran out, is opened again, and everything that was watched is watched again. Settles like `connect()`;
   * rejects `token_mismatch` for a token that is not this user's and `not_connected` when nobody is connected.
   */
  async setToken(tokenOrProvider: TokenOrProvider): Promise<void> {
    if (!tokenOrProvider) throw new TypeError("a token or a token provider is needed")
    const session = this.#sessionOrThrow()
    const { connection, tokens, user } = session
    if (tokens === null) throw new WeirConnectionError("not_connected", "an anonymous caller has no token")
    if (connection.state === "failed") {
      const next = this.#tokens(user.id, tokenOrProvider)
      tokens.close()
      await this.#start(user, next, userAuth(next), session)
      return
    }
    tokens.set(tokenOrProvider)
    connection.wake()
  }

  /** Connects without a user; such a caller may only read what is open to everyone. Settles like `connect()`. */
  async connectAnonymous(): Promise<OwnUser> {
    const present = this.#livingSession()
    if (present?.user.id === ANONYMOUS_USER_ID) return present.connected
    if (present !== null) throw alreadyConnected(present.user.id)
    return this.#start({ id: ANONYMOUS_USER_ID }, null, anonymousAuth)
  }

  /** Makes a guest and connects as them. The server chooses the id. Settles like `connect()`. */
  async connectGuest(user: UserRequest): Promise<OwnUser> {
    const present = this.#livingSession()
    if (present !== null) throw alreadyConnected(present.user.id)
    const anonymous = createOperations(<A>(request: RestRequest) => this.#rest.call<A>(request, anonymousAuth))
    const { user: guest, access_token: token } = await anonymous.guests.create(user)
    return this.connect({ id: guest.id }, token)
  }

  /** Ends the socket and forgets user and token. Whoever still waits for `connect()` is told `disconnected`. */
  async disconnect(): Promise<void> {
    const session = this.#session
    this.#session = null
    this.me = null
    session?.connection.close()
    session?.tokens?.close()
  }

  /** Events of the server and `connection.*`; `*` for all. Returns a function that ends it. */
  on<Type extends WeirEvent["type"] | "*" | (string & {})>(
    type: Type,
    listener: Listener<EventOf<WeirEvent, Type>>,
  ): () => void {
    return this.#events.on(type, listener)
  }

  off<Type extends string>(type: Type, listener: Listener<EventOf<WeirEvent, Type>>): void {
    this.#events.off(type, listener)
  }

  /** A channel by id; with null, the one channel of exactly `data.members`. Asks the server nothing yet. */
  channel(type: string, id: string | null, data?: ChannelInput): Channel {
    return createChannel(this.#parts, type, id, data)
  }

  feed(group: string, id: string): Feed {
    return createFeed(this.#parts, group, id)
  }

  call(type: string, id: string): Call {
    return createCall(this.#parts, type, id)
  }

  /** A page of channels. `watch` also receives their events, now and after each reconnect. */
  async queryChannels(request: QueryChannelsRequest = {}): Promise<Answer<{ channels: ChannelState[] }>> {
    if (!request.watch && !request.presence) return this.operations.channels.query(request)
    const session = this.#sessionOrThrow()
    const answer = await this.#bound(session, (bound) => this.operations.channels.query(request, bound))
    for (const { channel } of request.watch ? answer.channels : []) {
      session.watches.add({ kind: "channel", type: channel.type, id: channel.id, presence: request.presence ?? false })
    }
    return answer
  }

  /** A page of users. `presence` also receives `user.presence.changed` of each, now and after each reconnect. */
  async queryUsers(request: QueryUsersRequest = {}): Promise<Answer<{ users: User[] }>> {
    // Server tokens have no socket to hear anything on.
    if (!request.presence || (this.#session === null && this.#auth !== null))
      return this.operations.users.query(request)
    const session = this.#sessionOrThrow()
    const answer = await this.#bound(session, (bound) => this.operations.users.query(request, bound))
    for (const { id } of answer.users) session.watches.add({ kind: "user", id })
    return answer
  }

  #tokens(userId: string, tokenOrProvider: TokenOrProvider): TokenSource {
    // Tabs share what the same app (server and key) has for the same user, and nothing else.
    const name = `weir token ${JSON.stringify([this.baseUrl, this.apiKey, userId])}`
    const tabs = this.#tabs === null ? null : { parts: this.#tabs, name }
    return createTokenSource(userId, tokenOrProvider, { timers: this.#timers, clock: this.#clock, tabs })
  }

  /** `former`: the failed session of the same user that this one continues. */
  async #start(
    user: UserRequest,
    tokens: TokenSource | null,
    auth: RestAuth,
    former: Session | null = null,
  ): Promise<OwnUser> {
    const watches = former?.watches ?? createWatches()
    const connection = createConnection({
      url: this.#socketUrl(auth.kind),
      userDetails: user,
      tokens,
      openSocket: this.#openSocket,
      timers: this.#timers,
      onNetworkBack,
      onFrame: (frame) => {
        if (this.#session?.connection === connection) this.#events.emit(frame)
      },
      onOnline: (welcome, isReconnect, sentAtMs) => {
        if (welcome.created_at !== undefined) this.#clock.learn(Date.parse(welcome.created_at), 1, sentAtMs)
        this.me = welcome.me
        this.#events.emit(welcome)
        this.#events.emit({ type: "connection.changed", online: true } as WeirEvent)
        if (isReconnect || former !== null) this.#recover(watches, welcome.connection_id)
      },
      onOffline: () => this.#events.emit({ type: "connection.changed", online: false } as WeirEvent),
      onFailed: (error) => this.#events.emit({ type: "connection.failed", error } as WeirEvent),
    })
    const connected = connection.connect().then(({ me }) => me)
    const session: Session = { user, auth, tokens, connection, watches, connected }
    this.#session = session
    try {
      return await connected
    } catch (error) {
      if (this.#session === session) this.#session = former
      throw error
    }
  }

  #skewed(skewMs: number): void {
    this.#session?.tokens?.clockChanged()
    if (this.#isSkewTold || Math.abs(skewMs) < limits.clockSkewWarnMs) return
    this.#isSkewTold = true
    const seconds = Math.round(Math.abs(skewMs) / 1000)
    console.warn(`weir: this device's clock is ${seconds} s ${skewMs > 0 ? "ahead of" : "behind"} the server's`)
    this.#events.emit({ type: "clock.skewed", skew_ms: skewMs } as WeirEvent)
  }

  // A socket that is lost again meanwhile is recovered after the next reconnect; other failures are the app's to
  // see, because its channels are no longer watched.
  async #recover(watches: Watches, connectionId: string): Promise<void> {
    try {
      await watches.recover(this.operations, connectionId)
      if (this.connectionId === connectionId) this.#events.emit({ type: "connection.recovered" } as WeirEvent)
    } catch (error) {
      if (this.connectionId === connectionId) this.#events.emit({ type: "connection.unrecovered", error } as WeirEvent)
    }
  }

  #socketUrl(authKind: string): string {
    const query = new URLSearchParams({
      api_key: this.apiKey,
      "stream-auth-type": authKind,
      "X-Stream-Client": this.#clientTag,
    })
    return `${socketBaseUrlOf(this.baseUrl)}/api/v2/connect?${query}`
  }

  async #send<A>(request: RestRequest): Promise<A> {
    return this.#rest.call<A>(request, this.#session?.auth ?? this.#auth ?? this.#sessionOrThrow().auth)
  }

  async #watching<A>(watched: (answer: A) => Watched, call: (bound: Bound) => Promise<A>): Promise<A> {
    const session = this.#sessionOrThrow()
    const answer = await this.#bound(session, call)
    session.watches.add(watched(answer))
    return answer
  }

  async #bound<A>({ connection }: Session, call: (bound: Bound) => Promise<A>): Promise<A> {
    const connectionId = await connection.whenOnline(limits.requestTimeoutMs)
    try {
      return await call({ connection_id: connectionId })
    } catch (error) {
      if (!(error instanceof WeirApiError) || error.code !== CONNECTION_NOT_FOUND) throw error
      return call({ connection_id: await connection.whenOnline(limits.requestTimeoutMs, connectionId) })
    }
  }

  // A connection that has failed for good does not stand in the way of a new one.
  #livingSession(): Session | null {
    if (this.#session?.connection.state === "failed") {
      this.#session.tokens?.close()
      this.#session = null
    }
    return this.#session
  }

  #sessionOrThrow(): Session {
    if (this.#session !== null) return this.#session
    throw new WeirConnectionError(
      "not_connected",
      "no user is connected: call connect() first, and not after disconnect()",
    )
  }
}

const userAuth = (tokens: TokenSource): RestAuth => ({
  kind: "jwt",
  token: () => tokens.get(),
  replace: (refused) => (tokens.canReplace(refused) ? tokens.replace(refused) : null),
})

const anonymousAuth: RestAuth = { kind: "anonymous", token: async () => null, replace: null }

const alreadyConnected = (userId: string) =>
  new WeirConnectionError("already_connected", `user '${userId}' is connected: await disconnect() first`)

/** Browsers say when the network is back and when a page is looked at again; elsewhere the back-off alone decides. */
function onNetworkBack(wake: () => void): () => void {
  const { addEventListener, removeEventListener, document } = globalThis as Partial<typeof globalThis>
  if (typeof addEventListener !== "function" || typeof removeEventListener !== "function") return () => {}
  const shown = () => {
    if (document?.visibilityState === "visible") wake()
  }
  addEventListener.call(globalThis, "online", wake)
  document?.addEventListener("visibilitychange", shown)
  return () => {
    removeEventListener.call(globalThis, "online", wake)
    document?.removeEventListener("visibilitychange", shown)
  }
}

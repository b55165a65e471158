// One channel, as an app holds it.

import { type EventOf, hear, type Listener } from "./emitter.ts"
import type { WeirEvent } from "./events.ts"
import { limits } from "./limits.ts"
import type { Bound, Operations } from "./operations.ts"
import type { TimerHandle, Timers } from "./timers.ts"
import type { Watched } from "./watches.ts"
import type {
  ActingUser,
  Answer,
  ChannelInput,
  ChannelState,
  MarkReadRequest,
  Message,
  MessageRequest,
  QueryChannelRequest,
  SendMessageOptions,
} from "./wire.ts"

/** What the handles of a client share. */
export interface HandleParts {
  operations: Operations
  timers: Timers
  /** Runs a call that watches: with the id of the live socket, once more if that socket went away meanwhile. */
  watching<A>(watched: (answer: A) => Watched, call: (bound: Bound) => Promise<A>): Promise<A>
  on<Type extends string>(type: Type, listener: Listener<EventOf<WeirEvent, Type>>): () => void
}

export interface Channel {
  readonly type: string
  /** Null for a distinct channel that has not been queried yet. */
  readonly id: string | null
  /** `type:id`, or null as long as there is no id. */
  readonly cid: string | null
  /**
   * Creates the channel unless it exists, reads it, and receives its events from now on. Events come from a moment
   * before the state is read, so listen before you call it, and take what comes twice, by its id, once.
   */
  watch(request?: Omit<QueryChannelRequest, "watch">): Promise<Answer<ChannelState>>
  /** Creates the channel unless it exists, and reads it. */
  query(request?: QueryChannelRequest): Promise<Answer<ChannelState>>
  sendMessage(message: MessageRequest, options?: SendMessageOptions): Promise<Answer<{ message: Message }>>
  getMessage(messageId: string): Promise<Answer<{ message: Message }>>
  updateMessage(messageId: string, message: MessageRequest): Promise<Answer<{ message: Message }>>
  deleteMessage(messageId: string, options?: { hard?: boolean }): Promise<Answer<{ message: Message }>>
  markRead(request?: MarkReadRequest): Promise<Answer>
  /** Call it at each keystroke: it says `typing.start` at most every 2 s, and `typing.stop` after 5 s of rest. */
  keystroke(parentId?: string): Promise<void>
  /** Says `typing.stop` now, if the user was typing. */
  stopTyping(): Promise<void>
  /** Events of this channel only; `*` for all of them. Returns a function that ends it. */
  on<Type extends string>(type: Type, listener: Listener<EventOf<WeirEvent, Type>>): () => void
}

/** `id` null: the distinct channel of `data.members`. Calls before the first query then throw. */
export function createChannel(
  parts: HandleParts,
  type: string,
  id: string | null,
  data?: ChannelInput & ActingUser,
): Channel {
  const { operations, timers } = parts
  let knownId = id
  let unnamedQueries = 0
  /** What may be for this channel, in its order, as long as only the answer of a query can tell. */
  let held: { readonly cid: string; readonly give: () => void }[] = []
  let typingSinceMs: number | null = null
  let typingParent: string | undefined
  let idleTimer: TimerHandle = null

  const self: Channel = {
    type,
    get id() {
      return knownId
    },
    get cid() {
      return knownId === null ? null : `${type}:${knownId}`
    },

    watch: (request = {}) =>
      parts.watching(
        ({ channel }) => ({ kind: "channel", type, id: channel.id, presence: request.presence ?? false }),
        (bound) => queried({ state: true, ...request, watch: true }, bound),
      ),

    query(request = {}) {
      if (request.watch) return self.watch(request)
      return queried(request, {})
    },

    sendMessage(message, options) {
      // Whoever reads the message knows that its author has stopped typing; a failure here changes nothing.
      self.stopTyping().catch(() => {})
      return operations.channels.sendMessage(type, idOrThrow(), message, options)
    },
    getMessage: (messageId) => operations.messages.get(messageId),
    updateMessage: (messageId, message) => operations.messages.update(messageId, message),
    deleteMessage: (messageId, options) => operations.messages.delete(messageId, options),
    markRead: (request) => operations.channels.markRead(type, idOrThrow(), request),

    async keystroke(parentId) {
      timers.clearTimeout(idleTimer)
      idleTimer = timers.setTimeout(() => {
        self.stopTyping().catch(() => {})
      }, limits.typingIdleMs)
      const nowMs = timers.now()
      if (typingSinceMs !== null && nowMs - typingSinceMs < limits.typingStartIntervalMs) return
      typingSinceMs = nowMs
      typingParent = parentId
      await typing("typing.start")
    },

    async stopTyping() {
      timers.clearTimeout(idleTimer)
      if (typingSinceMs === null) return
      typingSinceMs = null
      await typing("typing.stop")
    },

    on(eventType, listener) {
      let isOver = false
      const stop = parts.on(eventType, (event) => {
        const { cid } = event as { cid?: string }
        if (cid === undefined) return
        if (knownId !== null) {
          if (cid === self.cid) listener(event)
        } else if (unnamedQueries > 0 && cid.startsWith(`${type}:!`)) {
          if (held.length >= limits.eventsHeldMax) held.shift()
          held.push({ cid, give: () => isOver || hear(listener, event) })
        }
      })
      return () => {
        isOver = true
        stop()
      }
    },
  }
  return self

  async function queried(request: QueryChannelRequest, bound: Bound): Promise<Answer<ChannelState>> {
    const full: QueryChannelRequest = data === undefined ? request : { ...request, data: { ...data, ...request.data } }
    return knownId === null ? named(full, bound) : operations.channels.getOrCreate(type, knownId, full, bound)
  }

  /** The socket hears a channel sooner than the answer says which one it is, so its events wait for that. */
  async function named(request: QueryChannelRequest, bound: Bound): Promise<Answer<ChannelState>> {
    unnamedQueries += 1
    try {
      const answer = await operations.channels.getOrCreateDistinct(type, request, bound)
      knownId = answer.channel.id
      for (const { cid, give } of held) if (cid === self.cid) give()
      return answer
    } finally {
      unnamedQueries -= 1
      if (knownId !== null || unnamedQueries === 0) held = []
    }
  }

  function idOrThrow(): string {
    if (knownId === null) throw new TypeError("the channel has no id yet: call watch() or query() first")
    return knownId
  }

  async function typing(event: "typing.start" | "typing.stop"): Promise<void> {
    const parent = typingParent === undefined ? {} : { parent_id: typingParent }
    await operations.channels.sendEvent(type, idOrThrow(), { type: event, ...parent })
  }
}

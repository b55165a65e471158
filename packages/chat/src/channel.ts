// A channel as chat apps know it: custom data flat, `on` with or without a type.

import type { Channel } from "../../sdk-client/src/channel.ts"
import type { Operations } from "../../sdk-client/src/operations.ts"
import type { ChannelState, Message, MessageRequest, QueryChannelRequest } from "../../sdk-client/src/wire.ts"
import { channelToWire, eventToWire, type Flat, fromWire, messageToWire } from "./dialect.ts"

export interface ChatEvent extends Flat {
  type: string
  cid?: string
}

export type ChatListener = (event: ChatEvent) => void

export interface Subscription {
  unsubscribe(): void
}

/** `on(type, listener)`, or `on(listener)` for every event. */
export interface Listen {
  (type: string, listener: ChatListener): Subscription
  (listener: ChatListener): Subscription
}

export type FlatAnswer<Wire> = Wire & Flat

export interface ChatChannel {
  readonly type: string
  /** Undefined for a distinct channel that the server has not named yet. */
  readonly id: string | undefined
  readonly cid: string | undefined
  /** The channel's fields: what the app gave, until the server has answered. */
  readonly data: Flat
  /** The last full answer: messages, members, reads. Not kept up to date; events say what changes. */
  readonly snapshot: FlatAnswer<ChannelState> | null
  /** Creates the channel unless it exists. */
  create(): Promise<FlatAnswer<ChannelState>>
  /** Creates the channel unless it exists, reads it, and receives its events from now on. */
  watch(options?: Omit<QueryChannelRequest, "watch" | "data">): Promise<FlatAnswer<ChannelState>>
  query(options?: Omit<QueryChannelRequest, "data">): Promise<FlatAnswer<ChannelState>>
  sendMessage(message: Flat, options?: { skip_push?: boolean }): Promise<{ message: FlatAnswer<Message> }>
  markRead(options?: { message_id?: string; user_id?: string }): Promise<Flat>
  /** Call it at each keystroke; it tells the others at most every 2 s, and when the user rests. */
  keystroke(parentId?: string): Promise<void>
  stopTyping(): Promise<void>
  sendEvent(event: ChatEvent): Promise<Flat>
  on: Listen
  off(type: string, listener: ChatListener): void
}

export interface ChatChannelParts {
  channel: Channel
  operations: Operations
  data: Flat
  state?: ChannelState
}

export function createChatChannel({ channel, operations, data, state }: ChatChannelParts): ChatChannel {
  let snapshot: FlatAnswer<ChannelState> | null = state === undefined ? null : fromWire(state)
  const stops = new Map<string, Map<ChatListener, () => void>>()

  const idOrThrow = () => {
    if (channel.id === null) throw new TypeError("the channel has no id yet: call create() or watch() first")
    return channel.id
  }

  const seen = (answer: ChannelState): FlatAnswer<ChannelState> => {
    const flat = fromWire<FlatAnswer<ChannelState>>(answer)
    snapshot = flat
    return flat
  }

  const self: ChatChannel = {
    type: channel.type,
    get id() {
      return channel.id ?? undefined
    },
    get cid() {
      return channel.cid ?? undefined
    },
    get data() {
      return (snapshot?.channel as unknown as Flat) ?? data
    },
    get snapshot() {
      return snapshot
    },

    create: async () => seen(await channel.query({ state: false })),
    watch: async (options) => seen(await channel.watch(options)),
    query: async (options) => seen(await channel.query({ state: true, ...options })),

    sendMessage: async (message, options) =>
      fromWire(await channel.sendMessage(messageToWire<MessageRequest>(message), options)),
    markRead: async (options) => fromWire(await channel.markRead(options)),
    keystroke: (parentId) => channel.keystroke(parentId),
    stopTyping: () => channel.stopTyping(),
    sendEvent: async (event) =>
      fromWire(await operations.channels.sendEvent(channel.type, idOrThrow(), eventToWire(event))),

    on(typeOrListener: string | ChatListener, maybeListener?: ChatListener) {
      const type = typeof typeOrListener === "string" ? typeOrListener : "*"
      const listener = (maybeListener ?? typeOrListener) as ChatListener
      self.off(type, listener)
      const stop = channel.on(type, (event) => listener(fromWire<ChatEvent>(event)))
      const ofType = stops.get(type) ?? new Map<ChatListener, () => void>()
      stops.set(type, ofType.set(listener, stop))
      return { unsubscribe: () => self.off(type, listener) }
    },

    off(type, listener) {
      stops.get(type)?.get(listener)?.()
      stops.get(type)?.delete(listener)
    },
  }
  return self
}

/** The first query's data in the wire's form. */
export const channelDataOf = (data: Flat) => channelToWire<Record<string, unknown>>(data)

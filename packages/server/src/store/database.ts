// The database as the rest of the house sees it. Two handles, so that the compiler sees an accidental write:
// `Read` only selects, `Tx` also changes things and emits events. Open one with openDatabase (open.ts).

import type { Kysely } from "kysely"
import type { Awaitable } from "../base/chain.ts"

/**
 * Every table, by name. The store stands below the modules and knows none of them, so each module adds its own
 * tables by declaration merging in its store.ts: `declare module "../../store/database.ts" { interface Tables { … } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declaration merging
export interface Tables {}

/** Selects only. Reads see the last commit. */
export type Read = Pick<Kysely<Tables>, "selectFrom" | "with" | "selectNoFrom" | "fn" | "dynamic"> & ReadCapabilities

/** What a query may need to know of the database below, by capability and never by product name. */
export interface ReadCapabilities {
  readonly capabilities: Capabilities
}

export interface Capabilities {
  readonly dialect: "sqlite" | "postgres"
  /** Several processes may share one database. */
  readonly supportsManyNodes: boolean
}

/** An open transaction: everything in it happens or nothing does, its events included. */
export interface Tx extends Read, Pick<Kysely<Tables>, "insertInto" | "updateTable" | "deleteFrom"> {
  /** Hands an event to the outbox; it is written with the change and told to the world after the commit. */
  emit(event: OutboxEvent): void
  /** Runs after the commit, before the caller of transact() continues. For cache invalidation; must not throw. */
  afterCommit(run: () => void): void
}

/** What goes through the outbox. The store does not look inside `deliveries`; events/ gives it its meaning. */
export interface OutboxEvent {
  readonly appId: number
  /** Wire type, such as `message.new`. */
  readonly type: string
  /** Ordering key, such as `channel:messaging:general`: events of one stream are told in the order of their commits. */
  readonly stream: string
  /** JSON value: who is told what (events/event.ts, `Delivery[]`). */
  readonly deliveries: readonly unknown[]
  /**
   * What backends are told of it, as JSON text. Called in the transaction, and only when somebody wants it. Absent:
   * backends hear nothing, it is an instruction among nodes.
   */
  readonly webhook?: (tx: Tx) => Awaitable<string>
}

/** An event that is written, with its place. `id` grows with every event. */
export interface StoredEvent extends OutboxEvent {
  readonly id: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

export interface Database {
  readonly read: Read
  readonly capabilities: Capabilities
  /**
   * Runs `work` in a transaction and resolves when its result is durable. Throws what `work` throws, and then
   * nothing of it was written. On SQLite the transactions of one tick share a commit, each under its own savepoint.
   * `work` may run again when the database reports a serialization failure, so it must not touch the world outside.
   */
  transact<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /**
   * The same for what nobody waits for. Where transactions share commits it causes none of its own: it takes part in
   * the next one, or has one after limits.deferredCommitMs.
   */
  transactDeferred<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /**
   * Called inside each transaction that emits, with its events, before they are written and it commits: what the
   * listener writes is part of the change, and what it throws undoes it. `now` is in milliseconds. One listener: hooks.
   */
  onEmitting(listener: EmittingListener): void
  /** Called with the events of each commit, in order, right after it. One listener: the relay. */
  onCommitted(listener: (events: readonly StoredEvent[]) => void): void
  /** A cheap round trip, for readiness. */
  ping(): Promise<void>
  close(): Promise<void>
}

export type EmittingListener = (tx: Tx, events: readonly OutboxEvent[], now: number) => Awaitable<void>

// The bus carries small messages to every node of a deployment, this one included. Two real implementations:
// local.ts (one process) and redis.ts. Both run contract/suites/bus.

export interface Bus {
  /** Id of this node: 12 characters of a-z0-9, made anew at each start. */
  readonly nodeId: string
  /** Whether messages reach the other nodes now. Always true for the local bus. */
  readonly connected: boolean
  /** Whether there can be other nodes at all. */
  readonly shared: boolean
  /**
   * Sends `payload` (JSON text) to every node's subscribers of `topic`, in order per sender. This node's own
   * subscribers hear it too, synchronously, exactly once. Never throws; a message that cannot be sent to the
   * others is dropped and counted, and `onGap` runs when the bus is whole again.
   */
  publish(topic: BusTopic, payload: string): void
  /** Hears every message of a topic. `fromNode` is the sender's node id. Returns the end of the subscription. */
  subscribe(topic: BusTopic, listener: (payload: string, fromNode: string) => void): () => void
  /** Runs after a time in which messages from other nodes may have been lost, so that caches can be emptied. */
  onGap(listener: () => void): void
  close(): Promise<void>
}

/**
 * `event`: frames for sockets. `invalidate`: cache keys. `presence`: who is online where. `command`: to one node.
 * `sessions`: which sockets a user has on each node. `revocation`: that there is news in the database, and who knows it.
 * `nodes`: what each node knows of itself, for operators.
 * `listeners`: what a listener at the management API answered, for the node of its stream.
 */
export type BusTopic =
  | "event"
  | "invalidate"
  | "presence"
  | "command"
  | "sessions"
  | "revocation"
  | "nodes"
  | "listeners"

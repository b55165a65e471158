// Makes the deliveries. Each hook has a lane of its own: what it holds in memory and how much it may send at once are
// bounded, and a receiver that fails gets one probe at a time, so a slow or dead one takes nothing from the others.
// Deliveries are rows; whoever holds one has it under a lease, and what is held in memory is lost with the node alone:
// when the lease is over, another node makes it. So each is made at least once.

import type { Awaitable } from "../../base/chain.ts"
import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import { type Circuit, createCircuit } from "./circuit.ts"
import { createEngineCounts, type EngineCounts } from "./engine-counts.ts"
import type { AttemptOutcome, Hook, HookDelivery, HookKind, HookSender, HookSigner } from "./hook.ts"
import { limits } from "./limits.ts"
import { createOutcomes } from "./outcomes.ts"
import { attemptsMax, retryPauseMs } from "./retry.ts"

/** A delivery that this node holds. */
export interface HeldDelivery {
  readonly eventId: number
  readonly hookId: string
  readonly appId: number
  readonly type: string
  readonly stream: string
  readonly body: string
  /** Attempts so far. */
  readonly attempts: number
  /** Of those, what is shown of them. */
  readonly log: readonly LoggedAttempt[]
}

/** An attempt as it is kept for people to look at. */
export interface LoggedAttempt {
  /** RFC 3339. */
  readonly at: string
  readonly duration_ms: number
  readonly status: number | null
  readonly fault: string | null
  readonly detail: string | null
  readonly request: AttemptOutcome["request"]
  readonly response: AttemptOutcome["response"]
}

/** How an attempt leaves its delivery. Times in milliseconds since 1970. */
export interface DeliveryResult {
  readonly eventId: number
  readonly hookId: string
  readonly state: "pending" | "delivered" | "dead"
  readonly attempts: number
  readonly dueAt: number
  readonly status: number | null
  readonly fault: string | null
  readonly log: readonly LoggedAttempt[]
  readonly finishedAt: number | null
}

type HeldId = Pick<HeldDelivery, "eventId" | "hookId">

/** Where deliveries are kept. Each write counts only for what this node still holds. */
export interface DeliveryKeeper {
  /** Hooks with something to do now, and the time that all nodes share; null where there is one node alone. */
  dueHooks(
    now: number,
  ): Promise<{ readonly hooks: readonly { id: string; appId: number }[]; readonly sharedNow: number | null }>
  take(hookId: string, now: number, leaseMs: number, limit: number): Promise<HeldDelivery[]>
  /** For a hook that wants order: the oldest of each stream and those behind it. */
  takeOrdered(
    hookId: string,
    now: number,
    leaseMs: number,
    limit: number,
    afterStream: string | null,
  ): Promise<{ readonly held: HeldDelivery[]; readonly nextStream: string | null }>
  /** `mayWait`: with the next commit of others, or a little later. */
  write(results: readonly DeliveryResult[], mayWait: boolean): Promise<void>
  renew(held: readonly HeldId[], until: number): Promise<void>
  /** Others may take them from `dueAt` on. */
  giveBack(held: readonly HeldId[], dueAt: number): Promise<void>
}

export interface EngineParts {
  readonly keeper: DeliveryKeeper
  /** A hook as it is set now; null when it is gone. */
  readonly hookOf: (appId: number, hookId: string) => Awaitable<Hook | null>
  readonly signerOf: (hook: Hook) => Awaitable<HookSigner>
  readonly senders: Readonly<Record<HookKind, HookSender>>
  /** The receiver is gone for good. */
  readonly disable: (hook: Hook) => Promise<void>
  readonly webhookIdOf: (eventId: number, hookId: string) => string
  readonly nodeId: string
  /** Told of every attempt when it is over. Must not throw. */
  readonly attempted?: (appId: number, succeeded: boolean) => void
  readonly clock: Clock
  readonly log: Logger
  /** In [0, 1). */
  readonly random?: () => number
}

export interface Engine {
  /** The time that deliveries are dated with, in milliseconds. */
  now(): number
  /** Whether this node takes another delivery of the hook right away. */
  hasRoom(hook: Hook, bodyBytes: number): boolean
  /** Takes deliveries that were written with a lease of this node and are committed. */
  offer(held: readonly HeldDelivery[]): void
  /** There is something to do for a hook. */
  wake(hookId: string, appId: number): void
  /** Settings of an app's hooks changed: whoever was failing is tried at once. */
  changed(appId: number): void
  stats(): EngineStats
  /** Lets what is on its way finish, writes what became of it, and gives back the rest. */
  close(): Promise<void>
}

export interface EngineStats {
  readonly inFlight: number
  readonly queued: number
  readonly lanes: readonly LaneStats[]
  readonly counts: EngineCounts
}

export interface LaneStats {
  readonly hookId: string
  readonly appId: number
  readonly inFlight: number
  readonly queued: number
  readonly circuit: "closed" | "open"
  /** RFC 3339; null while it is closed. */
  readonly failingSince: string | null
}

interface Lane {
  readonly hookId: string
  readonly appId: number
  readonly queue: HeldDelivery[]
  inFlight: number
  ordered: boolean
  /** Streams of an ordered hook that have one on its way. */
  readonly busyStreams: Set<string>
  readonly circuit: Circuit
  taking: boolean
  /** Somebody asked while it was taking. */
  wanted: boolean
  /** Where an ordered hook goes on. */
  nextStream: string | null
  usedAtMs: number
}

export function createEngine(parts: EngineParts): Engine {
  const { keeper, clock, log } = parts
  const random = parts.random ?? Math.random
  const counts = createEngineCounts()
  const lanes = new Map<string, Lane>()
  /** Leases that this node holds, by delivery. */
  const held = new Map<string, HeldId>()
  /** Lanes whose deliveries were offered and wait for the next turn. */
  const offered = new Set<Lane>()
  let isPumpDue = false
  /** Lanes that wait for others to leave room. */
  const hungry = new Set<Lane>()
  const takings = new Set<Promise<void>>()
  const onIdle: (() => void)[] = []
  let inFlight = 0
  let queuedBytes = 0
  let offsetMs = 0
  let stopped = false

  const now = (): number => clock.now() + offsetMs
  const keyOf = ({ eventId, hookId }: HeldId): string => `${eventId} ${hookId}`
  const laneOf = (hookId: string, appId: number): Lane => {
    let lane = lanes.get(hookId)
    if (lane === undefined) {
      lane = {
        hookId,
        appId,
        queue: [],
        inFlight: 0,
        ordered: false,
        busyStreams: new Set(),
        circuit: createCircuit(),
        taking: false,
        wanted: false,
        nextStream: null,
        usedAtMs: clock.monotonic(),
      }
      lanes.set(hookId, lane)
    }
    lane.usedAtMs = clock.monotonic()
    return lane
  }
  const isOpen = ({ circuit }: Lane): boolean => circuit.failingSinceMs !== null

  const put = (lane: Lane, delivery: HeldDelivery): void => {
    lane.queue.push(delivery)
    queuedBytes += delivery.body.length
    held.set(keyOf(delivery), delivery)
  }
  const drop = (delivery: HeldId): void => void held.delete(keyOf(delivery))
  const outcomes = createOutcomes({ keeper, log, onEnd: drop })

  /** How many more the lane may send now. */
  const slots = (lane: Lane): number => {
    if (stopped) return 0
    if (isOpen(lane)) return lane.inFlight === 0 && lane.circuit.mayProbe(now()) ? 1 : 0
    const rest = limits.inFlightMax - inFlight
    const mayTakeMore = rest > limits.inFlightMax / 4 || lane.inFlight < limits.laneInFlightFew
    return mayTakeMore ? Math.min(rest, limits.laneInFlightMax - lane.inFlight) : 0
  }

  const pump = (lane: Lane): void => {
    for (let free = slots(lane); free > 0 && lane.queue.length > 0; free--) {
      const index = lane.ordered ? lane.queue.findIndex(({ stream }) => !lane.busyStreams.has(stream)) : 0
      if (index < 0) break
      const delivery = (index === 0 ? lane.queue.shift() : lane.queue.splice(index, 1)[0]) as HeldDelivery
      queuedBytes -= delivery.body.length
      start(lane, delivery)
    }
    if (lane.queue.length > 0 && lane.inFlight < limits.laneInFlightMax) hungry.add(lane)
    if (lane.queue.length < limits.laneQueueMax / 4 && lane.wanted) take(lane)
  }

  /**
   * Whoever caused the deliveries gets their answer first, and whoever comes next is heard between two lanes: to sign
   * and to send takes longer than most requests.
   */
  const pumpSoon = (): void => {
    if (isPumpDue) return
    isPumpDue = true
    setImmediate(() => {
      isPumpDue = false
      const [lane] = offered
      if (lane === undefined) return
      offered.delete(lane)
      if (offered.size > 0) pumpSoon()
      pump(lane)
    })
  }

  const start = (lane: Lane, delivery: HeldDelivery): void => {
    lane.inFlight++
    inFlight++
    if (lane.ordered) lane.busyStreams.add(delivery.stream)
    attempt(lane, delivery)
      .catch((error) => {
        // The lease is given back, so that it is tried again rather than lost.
        log.error("a webhook delivery could not be made", { hook_id: lane.hookId, cause: error })
        return giveBack([delivery], now() + limits.probePauseMsMax)
      })
      .catch((error) => log.error("could not give back a webhook delivery", { hook_id: lane.hookId, cause: error }))
      .finally(() => {
        lane.busyStreams.delete(delivery.stream)
        lane.inFlight--
        inFlight--
        if (inFlight === 0) for (const run of onIdle.splice(0)) run()
        // Those that waited for room come first, each with its share.
        for (const other of [...hungry]) {
          if (inFlight >= limits.inFlightMax) break
          hungry.delete(other)
          pump(other)
        }
        pump(lane)
      })
  }

  const attempt = async (lane: Lane, delivery: HeldDelivery): Promise<void> => {
    const hook = await parts.hookOf(delivery.appId, delivery.hookId)
    if (hook === null || !hook.enabled) {
      await giveBack([delivery], now())
      return
    }
    const signer = await parts.signerOf(hook)
    const startedAt = now()
    const request: HookDelivery = {
      appId: delivery.appId,
      hook,
      signer,
      webhookId: parts.webhookIdOf(delivery.eventId, delivery.hookId),
      attempt: delivery.attempts + 1,
      type: delivery.type,
      stream: delivery.stream,
      body: delivery.body,
    }
    const outcome = await parts.senders[hook.target.kind].send(request, startedAt)
    counts.attempted(hook.target.kind, outcome)
    parts.attempted?.(hook.appId, outcome.result === "delivered")
    const result = resultOf(delivery, outcome, startedAt, now(), random())
    settleCircuit(lane, outcome, startedAt)
    const written = outcomes.add(result, !lane.ordered)
    // Nothing of the stream may start before it is certain that this one is not sent again.
    if (lane.ordered || outcomes.waiting > limits.endsPerWriteMax) await written
    if (outcome.result === "gone") await parts.disable(hook)
    // What is behind a failed one of its stream waits for it.
    if (lane.ordered && result.state === "pending") await giveBackStream(lane, delivery.stream)
  }

  const settleCircuit = (lane: Lane, { result, fault, detail }: AttemptOutcome, startedAt: number): void => {
    const { hookId, appId } = lane
    const change = lane.circuit.heard(result, startedAt, now())
    if (change === "closed") {
      log.info("a webhook receiver answers again", { hook_id: hookId, app_id: appId })
      // What came meanwhile waits in the database.
      lane.wanted = true
    } else if (change === "opened") {
      const waiting = lane.queue.splice(0)
      for (const { body } of waiting) queuedBytes -= body.length
      log.warn("a webhook receiver fails; it gets one delivery at a time until it answers", {
        hook_id: hookId,
        app_id: appId,
        fault,
        detail,
      })
      void giveBack(waiting, now()).catch((error) => log.error("could not give back deliveries", { cause: error }))
    }
  }

  const giveBackStream = (lane: Lane, stream: string): Promise<void> => {
    const behind = lane.queue.filter((delivery) => delivery.stream === stream)
    if (behind.length === 0) return Promise.resolve()
    for (const { body } of behind) queuedBytes -= body.length
    lane.queue.splice(0, lane.queue.length, ...lane.queue.filter((delivery) => delivery.stream !== stream))
    return giveBack(behind, now())
  }

  const giveBack = async (deliveries: readonly HeldDelivery[], dueAt: number): Promise<void> => {
    for (const delivery of deliveries) drop(delivery)
    if (deliveries.length > 0) await keeper.giveBack(deliveries, dueAt)
  }

  const take = (lane: Lane): void => {
    if (stopped) return
    lane.wanted = true
    if (lane.taking) return
    const room = isOpen(lane) ? slots(lane) : limits.laneQueueMax - lane.queue.length
    if (room <= 0 || queuedBytes >= limits.queuedBytesMax) return
    lane.taking = true
    lane.wanted = false
    const taking = fill(lane, Math.min(room, limits.takeMax))
      .catch((error) => log.error("could not take webhook deliveries", { hook_id: lane.hookId, cause: error }))
      .finally(() => {
        lane.taking = false
        takings.delete(taking)
        pump(lane)
      })
    takings.add(taking)
  }

  const fill = async (lane: Lane, limit: number): Promise<void> => {
    const hook = await parts.hookOf(lane.appId, lane.hookId)
    if (hook === null || !hook.enabled || !isOurs(hook)) return
    lane.ordered = hook.ordered
    if (hook.ordered) {
      const { held: taken, nextStream } = await keeper.takeOrdered(
        lane.hookId,
        now(),
        limits.leaseMs,
        limit,
        lane.nextStream,
      )
      if (nextStream !== null || (lane.nextStream !== null && taken.length === 0)) lane.wanted = true
      lane.nextStream = nextStream
      for (const delivery of taken) put(lane, delivery)
      return
    }
    const taken = await keeper.take(lane.hookId, now(), limits.leaseMs, limit)
    for (const delivery of taken) put(lane, delivery)
    if (taken.length === limit && !isOpen(lane)) lane.wanted = true
  }

  const isOurs = ({ target }: Hook): boolean => target.kind !== "listen" || target.nodeId === parts.nodeId

  const look = async (): Promise<void> => {
    const askedAt = clock.now()
    const due = await keeper.dueHooks(now())
    if (due.sharedNow !== null) offsetMs = Math.round(due.sharedNow - (askedAt + clock.now()) / 2)
    for (const { id, appId } of due.hooks) take(laneOf(id, appId))
    forgetIdle()
  }

  const forgetIdle = (): void => {
    for (const [id, lane] of lanes) {
      const isIdle = lane.inFlight === 0 && lane.queue.length === 0 && !lane.taking && !isOpen(lane)
      if (isIdle && clock.monotonic() - lane.usedAtMs > limits.leaseMs) lanes.delete(id)
    }
  }

  let renewedAtMs = clock.monotonic()
  const renew = async (): Promise<void> => {
    if (clock.monotonic() - renewedAtMs < limits.renewEveryMs || held.size === 0) return
    renewedAtMs = clock.monotonic()
    await keeper.renew([...held.values()], now() + limits.leaseMs)
  }

  let timer: ReturnType<typeof setTimeout> | null = null
  let looking: Promise<void> = Promise.resolve()
  const turn = (): void => {
    looking = look()
      .then(renew)
      .catch((error) => log.error("could not look for webhook deliveries", { cause: error }))
      .then(() => {
        if (stopped) return
        timer = setTimeout(turn, limits.lookEveryMs)
        timer.unref?.()
      })
  }
  turn()

  return {
    now,
    hasRoom(hook, bodyBytes) {
      if (stopped || hook.ordered || !isOurs(hook)) return false
      const lane = lanes.get(hook.id)
      const isFull = lane !== undefined && (isOpen(lane) || lane.queue.length >= limits.laneQueueMax)
      if (!isFull && queuedBytes + bodyBytes <= limits.queuedBytesMax) return true
      // It waits in the database, and is asked for as soon as there is room.
      if (lane !== undefined) lane.wanted = true
      return false
    },
    offer(deliveries) {
      for (const delivery of deliveries) {
        const lane = laneOf(delivery.hookId, delivery.appId)
        put(lane, delivery)
        offered.add(lane)
      }
      pumpSoon()
    },
    wake: (hookId, appId) => take(laneOf(hookId, appId)),
    changed(appId) {
      for (const lane of lanes.values()) {
        if (lane.appId !== appId) continue
        lane.circuit.reset()
        take(lane)
      }
    },
    stats: () => ({
      inFlight,
      queued: [...lanes.values()].reduce((total, lane) => total + lane.queue.length, 0),
      lanes: [...lanes.values()].map(({ hookId, appId, inFlight, queue, circuit: { failingSinceMs } }) => ({
        hookId,
        appId,
        inFlight,
        queued: queue.length,
        circuit: failingSinceMs === null ? "closed" : "open",
        failingSince: failingSinceMs === null ? null : new Date(failingSinceMs).toISOString(),
      })),
      counts: counts.read(),
    }),
    async close() {
      stopped = true
      outcomes.hurry()
      if (timer !== null) clearTimeout(timer)
      await looking
      await Promise.all(takings)
      const waiting = [...lanes.values()].flatMap((lane) => lane.queue.splice(0))
      await giveBack(waiting, now()).catch((error) => log.error("could not give back deliveries", { cause: error }))
      if (inFlight > 0) {
        const idle = new Promise<void>((resolve) => onIdle.push(resolve))
        await Promise.race([idle, Bun.sleep(limits.drainMs)])
      }
      await outcomes.settled()
      await Promise.all(Object.values(parts.senders).map((sender) => sender.close()))
    },
  }
}

/** What an attempt makes of its delivery. Pure; `random` in [0, 1). */
export function resultOf(
  delivery: Pick<HeldDelivery, "eventId" | "hookId" | "attempts" | "log">,
  outcome: AttemptOutcome,
  startedAt: number,
  now: number,
  random: number,
): DeliveryResult {
  const attempts = delivery.attempts + 1
  const pause = outcome.result === "retry" ? retryPauseMs(attempts, outcome.retryAfterMs, random) : null
  const state = outcome.result === "delivered" ? "delivered" : pause === null ? "dead" : "pending"
  const logged: LoggedAttempt = {
    at: new Date(startedAt).toISOString(),
    duration_ms: Math.round(outcome.durationMs * 100) / 100,
    status: outcome.status,
    fault: outcome.fault,
    detail: outcome.detail,
    request: outcome.request,
    response: outcome.response,
  }
  return {
    eventId: delivery.eventId,
    hookId: delivery.hookId,
    state,
    attempts,
    dueAt: now + (pause ?? 0),
    status: outcome.status,
    fault: outcome.fault ?? (state === "dead" && attempts >= attemptsMax ? "attempts" : null),
    log: [...delivery.log, logged].slice(-limits.attemptsLoggedMax),
    finishedAt: state === "pending" ? null : now,
  }
}

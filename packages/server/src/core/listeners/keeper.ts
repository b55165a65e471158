// Listeners of this node: each is a hook that lives as long as somebody reads its stream. The row says now and then that
// it is still listened to; rows that stopped saying so belonged to a node that died, and any node removes them.

import { ApiError, webhooks } from "@weir/protocol"
import type { Clock } from "../../base/clock.ts"
import type { MasterKey } from "../../base/crypto.ts"
import { uuid } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import { type Ask, createAsk } from "../../events/ask.ts"
import type { Bus } from "../../events/bus/bus.ts"
import type { ListenAnswer, ListenSender, ListenStream } from "../../events/webhooks/listen-sender.ts"
import type { AppendAudit } from "../../request/http.ts"
import type { Database } from "../../store/database.ts"
import { lockApp } from "../apps/index.ts"
import { requireSealable } from "../keys/index.ts"
import {
  deleteHooks,
  type HookSecretRow,
  type HookSpec,
  hookFacts,
  insertHook,
  insertHookSecrets,
  newHookRow,
  type PlainSecret,
  sealSecret,
} from "../webhooks/index.ts"
import { limits } from "./limits.ts"
import { deliveryLine, endLine, pingLine, readyLine, resumeText } from "./rules.ts"
import { countListeners, lockLostListeners, touchListener } from "./store.ts"

export interface ListenerParts {
  readonly db: Database
  readonly bus: Bus
  readonly masterKey: MasterKey
  readonly sender: ListenSender
  /** What nodes hold of the app's hooks is stale. After the commit. */
  readonly hooksChanged: (appId: number) => void
  readonly audit: AppendAudit
  readonly clock: Clock
  readonly log: Logger
  /** How often a stream says that it is there; listenLimits.pingEveryMs unless given. */
  readonly pingEveryMs?: number
  /** How often this node looks for listeners that are gone; limits.sweepEveryMs unless given. */
  readonly sweepEveryMs?: number
}

export interface NewListener {
  readonly appId: number
  readonly spec: HookSpec
  readonly secrets: readonly PlainSecret[]
  /** Who listens, for the audit log. */
  readonly actor: string
  readonly address: string
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface Listeners {
  /**
   * Makes the hook of a listener and gives its lines; null when there is no such app. The hook is removed when the
   * generator is ended, and when its lines are not taken any more. Rejects with ApiError rateLimit when there are too
   * many listeners, unavailable when the node goes down.
   */
  open(listener: NewListener): Promise<AsyncGenerator<string, void, undefined> | null>
  /** Hands an answer to the node of the stream; false when no delivery waits for it there. Never rejects. */
  answer(hookId: string, nodeId: string, answer: ListenAnswer): Promise<boolean>
  /** Sends the listeners of this node to other nodes, and lets no new ones in. */
  drain(): void
  /** Also waits until their hooks are removed. */
  close(): Promise<void>
}

interface Listener {
  readonly hookId: string
  readonly appId: number
  readonly stream: ListenStream
  readonly firstLine: string
  /** Monotonic milliseconds at which a line was last asked for, and at which the next ping is due. */
  readAtMs: number
  pingAtMs: number
  lines: "first" | "deliveries" | "over"
  /** What the last line says; null: nobody is there to read it. */
  endsBecause: "draining" | "removed" | null
}

interface AnswerQuestion {
  readonly hookId: string
  readonly answer: ListenAnswer
}

/** Builds the listeners of one node, and begins to look for those that a dead node left. */
export function createListeners(parts: ListenerParts): Listeners {
  const { db, bus, masterKey, sender, clock, log } = parts
  const { pingEveryMs = webhooks.listenLimits.pingEveryMs, sweepEveryMs = limits.sweepEveryMs } = parts
  const open = new Set<Listener>()
  const removals = new Set<Promise<void>>()
  let isDraining = false

  const nodes: Ask<AnswerQuestion, boolean> = createAsk({ bus, topic: "listeners" }, ({ hookId, answer }) =>
    sender.answer(hookId, answer),
  )

  const insert = (
    hookId: string,
    secrets: readonly HookSecretRow[],
    { appId, spec, actor, address, now }: NewListener,
  ): Promise<"made" | "app is gone" | "too many"> =>
    db.transact(async (tx) => {
      if ((await lockApp(tx, appId)) === undefined) return "app is gone"
      const others = await countListeners(tx, appId)
      if (others >= limits.listenersPerAppMax) return "too many"
      const position = limits.positionMin + others
      const row = newHookRow(masterKey, spec, { id: hookId, appId, origin: "listen", position }, now)
      await insertHook(tx, row)
      await touchListener(tx, hookId, now)
      for (const { sealed } of secrets) await requireSealable(tx, sealed, now)
      await insertHookSecrets(tx, secrets)
      await parts.audit(tx, {
        action: "listener.opened",
        appId,
        actor,
        address,
        at: now,
        target: { app: appId, hook: hookId },
        after: hookFacts(row),
      })
      tx.afterCommit(() => parts.hooksChanged(appId))
      return "made"
    })

  const remove = (listener: Listener): Promise<void> =>
    db
      .transact(async (tx) => {
        await deleteHooks(tx, [listener.hookId])
        tx.afterCommit(() => parts.hooksChanged(listener.appId))
      })
      // The sweep finds it.
      .catch((error) => log.warn("the hook of a listener could not be removed", { cause: error }))

  const end = (listener: Listener, because: Listener["endsBecause"]): void => {
    if (!open.delete(listener)) return
    listener.endsBecause = because
    listener.stream.end()
    const removal = remove(listener).finally(() => removals.delete(removal))
    removals.add(removal)
  }

  const isThere = ({ hookId }: Listener): Promise<boolean> =>
    db
      .transact((tx) => touchListener(tx, hookId, clock.now()))
      .catch((error) => {
        // While the database is away nobody else can find the hook silent either.
        log.warn("a listener could not say that it is there", { cause: error })
        return true
      })

  const nextLine = async (listener: Listener): Promise<string | null> => {
    listener.readAtMs = clock.monotonic()
    if (listener.lines === "first") {
      listener.lines = "deliveries"
      return listener.firstLine
    }
    if (listener.lines === "over") return null
    const waitMs = listener.pingAtMs - clock.monotonic()
    const delivery = waitMs > 0 ? await listener.stream.next(waitMs) : null
    if (delivery !== null) return deliveryLine(delivery)
    if (!listener.stream.isEnded) {
      listener.pingAtMs = clock.monotonic() + pingEveryMs
      if (await isThere(listener)) return pingLine
      end(listener, "removed")
    }
    // The engine may have ended the stream alone.
    end(listener, "draining")
    listener.lines = "over"
    return listener.endsBecause === null ? null : endLine(listener.endsBecause)
  }

  const linesOf = (listener: Listener): AsyncGenerator<string, void, undefined> => {
    // Not a generator function: the end of one waits for the line that it is about to give, and that may not come.
    const over = { done: true, value: undefined } as const
    const stop = async () => {
      end(listener, null)
      return over
    }
    return {
      async next() {
        const line = await nextLine(listener)
        return line === null ? over : { done: false, value: line }
      },
      return: stop,
      async throw(error) {
        end(listener, null)
        throw error
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  const sweep = async (): Promise<void> => {
    const unreadSince = clock.monotonic() - limits.unreadMsMax
    for (const listener of open) if (listener.readAtMs < unreadSince) end(listener, null)
    await removeLost(limits.lostAfterMs)
  }
  const removeLost = async (silentMs: number): Promise<void> => {
    for (let found: number = limits.sweptPerBatchMax; found === limits.sweptPerBatchMax; ) {
      found = await db.transact(async (tx) => {
        const rows = await lockLostListeners(tx, silentMs, clock.now())
        const ids = rows.map(({ id }) => id)
        await deleteHooks(tx, ids)
        tx.afterCommit(() => {
          for (const appId of new Set(rows.map(({ app_id }) => app_id))) parts.hooksChanged(appId)
        })
        return rows.length
      })
    }
  }
  let timer: ReturnType<typeof setTimeout> | null = null
  let isClosed = false
  const warn = (error: unknown): void => log.warn("could not look for lost listeners", { cause: error })
  const run = (work: Promise<void>): Promise<void> =>
    work.catch(warn).then(() => {
      if (isClosed) return
      timer = setTimeout(() => {
        sweeping = run(sweep())
      }, sweepEveryMs)
      timer.unref?.()
    })
  // A node that has its database to itself has just begun, so whoever listened before is gone.
  let sweeping = run(removeLost(db.capabilities.supportsManyNodes ? limits.lostAfterMs : 0))

  const drain = (): void => {
    isDraining = true
    for (const listener of open) end(listener, "draining")
  }

  return {
    async open(given) {
      // Whoever comes in the moment of the start must not be taken for one that was there before.
      await sweeping
      if (isDraining) throw new ApiError("unavailable", "this node is going down, try again", { retryAfterSeconds: 1 })
      if (sender.openCount >= limits.listenersPerNodeMax) throw tooMany(`a node has ${limits.listenersPerNodeMax}`)
      const { appId, now } = given
      const hookId = uuid()
      const secrets = given.secrets.map((secret) => sealSecret(masterKey, { id: hookId, app_id: appId }, secret, now))
      // Before the row: once that is seen, deliveries come.
      const stream = sender.open(hookId)
      const rows = secrets.map(({ row }) => row)
      const made = await insert(hookId, rows, given).catch((error) => {
        stream.end()
        throw error
      })
      if (made !== "made") {
        stream.end()
        if (made === "too many") throw tooMany(`an app has ${limits.listenersPerAppMax}`)
        return null
      }
      const nowMs = clock.monotonic()
      const listener: Listener = {
        hookId,
        appId,
        stream,
        firstLine: readyLine(hookId, secrets, resumeText(masterKey, appId, given.secrets)),
        readAtMs: nowMs,
        pingAtMs: nowMs + pingEveryMs,
        lines: "first",
        endsBecause: null,
      }
      open.add(listener)
      if (isDraining) end(listener, "draining")
      return linesOf(listener)
    },
    async answer(hookId, nodeId, answer) {
      const { answers } = await nodes.ask({ hookId, answer }, [nodeId], limits.askNodeMs)
      return answers.get(nodeId) === true
    },
    drain,
    async close() {
      isClosed = true
      if (timer !== null) clearTimeout(timer)
      drain()
      await sweeping
      await Promise.all(removals)
      nodes.close()
    },
  }
}

const tooMany = (which: string): ApiError =>
  new ApiError("rateLimit", `${which} listeners at most; those that ended without a word count for a minute`, {
    retryAfterSeconds: limits.retryAfterSeconds,
  })

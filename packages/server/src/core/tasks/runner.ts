// Does the tasks. A task is a row, so it survives the node that began it; it is done in small steps, each a transaction
// that writes its progress along with its work, so that a step is done once even when the node is killed in between.

import type { Clock } from "../../base/clock.ts"
import type { Logger } from "../../base/log.ts"
import type { Database, Tx } from "../../store/database.ts"
import { limits } from "./limits.ts"
import { retryDelayMs } from "./rules.ts"
import { leaseTask, pruneTasks, type TaskRow, updateTask } from "./store.ts"

/** What one step came to: more to do with this payload, or the end with a result. */
export type StepResult = { readonly next: object } | { readonly result: Record<string, unknown> }

/** One step of a kind of task, inside its own transaction. Throwing means: try this step again later. */
export type TaskHandler = (tx: Tx, task: { appId: number; payload: unknown; now: number }) => Promise<StepResult>

export interface TaskRunner {
  /** There is something to do now. */
  wake(): void
  /** Finishes the step at hand and stops. */
  close(): Promise<void>
}

export interface TaskRunnerParts {
  readonly db: Database
  readonly clock: Clock
  readonly log: Logger
  readonly nodeId: string
  readonly handlers: ReadonlyMap<string, TaskHandler>
}

export function createTaskRunner({ db, clock, log, nodeId, handlers }: TaskRunnerParts): TaskRunner {
  let stopped = false
  let woken = false
  let timer: ReturnType<typeof setTimeout> | null = null
  let running: Promise<void> | null = null
  let prunedAtMs = clock.now()

  const look = (): void => {
    if (stopped || running !== null) {
      woken = true
      return
    }
    if (timer !== null) clearTimeout(timer)
    woken = false
    running = work()
      .catch((error) => log.error("could not look for tasks", { cause: error }))
      .then(() => {
        running = null
        if (stopped) return
        timer = setTimeout(look, woken ? 0 : limits.lookEveryMs)
        timer.unref?.()
      })
  }

  const work = async (): Promise<void> => {
    for (;;) {
      if (stopped) return
      const task = await leaseTask(db, nodeId, clock.now(), limits.leaseMs)
      if (task === null) break
      await take(task)
    }
    if (clock.now() - prunedAtMs > limits.pruneEveryMs) {
      prunedAtMs = clock.now()
      await pruneTasks(db, clock.now() - limits.keptMs)
    }
  }

  const take = async (task: TaskRow): Promise<void> => {
    const handler = handlers.get(task.kind)
    if (handler === undefined)
      return fail(task, new Error(`nothing here does tasks of kind ${task.kind}`), limits.attemptsMax)
    let { attempts } = task
    try {
      let payload: unknown = JSON.parse(task.payload)
      for (let steps = 0; steps < limits.stepsPerTurnMax && !stopped; steps++) {
        const now = clock.now()
        const step = await db.transact(async (tx) => {
          const outcome = await handler(tx, { appId: task.app_id, payload, now })
          const progress =
            "result" in outcome
              ? ({ status: "completed", result: JSON.stringify(outcome.result) } as const)
              : { payload: JSON.stringify(outcome.next), attempts: 0, due_at: now + limits.leaseMs }
          // Another node went on with it: nothing of this step may stand.
          if (!(await updateTask(tx, task.id, nodeId, progress, now))) throw new LostLease()
          return outcome
        })
        if ("result" in step) return
        payload = step.next
        attempts = 0
      }
      await db.transact((tx) =>
        updateTask(tx, task.id, nodeId, { status: "pending", due_at: clock.now() }, clock.now()),
      )
    } catch (error) {
      if (!(error instanceof LostLease)) await fail(task, error, attempts + 1)
    }
  }

  const fail = async (task: TaskRow, error: unknown, attempts: number): Promise<void> => {
    const isEnd = attempts >= limits.attemptsMax
    log.error("a task failed", { task_id: task.id, kind: task.kind, attempts, gives_up: isEnd, cause: error })
    const now = clock.now()
    await db.transact((tx) =>
      updateTask(
        tx,
        task.id,
        nodeId,
        isEnd
          ? { status: "failed", error: "the task could not be completed; the server's log has the reason", attempts }
          : { status: "pending", attempts, due_at: now + retryDelayMs(attempts, Math.random()) },
        now,
      ),
    )
  }

  look()
  return {
    wake: look,
    async close() {
      stopped = true
      if (timer !== null) clearTimeout(timer)
      await running
    },
  }
}

class LostLease extends Error {}

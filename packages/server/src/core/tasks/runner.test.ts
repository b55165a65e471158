// Runners against real databases; the node that is killed is a process of its own (test/task-node.ts).

import { afterEach, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { countingStep } from "../../../test/counting-task.ts"
import { type DatabaseKind, databaseKinds } from "../../../test/fixtures.ts"
import { taskNodePath } from "../../../test/task-node.ts"
import { type ManualClock, manualClock } from "../../base/clock.ts"
import { createLogger } from "../../base/log.ts"
import type { Database } from "../../store/database.ts"
import { migrate } from "../../store/migrate.ts"
import { type DatabaseLocation, openDatabase } from "../../store/open.ts"
import { createPostgresDatabase } from "../../testing.ts"
import { createTaskRunner, insertTask, newTask, type TaskHandler, type TaskRunner } from "./index.ts"
import { limits } from "./limits.ts"
import { migrations } from "./migrations.ts"
import { retryDelayMs, taskResponse } from "./rules.ts"
import { pruneTasks, selectTask } from "./store.ts"

for (const kind of databaseKinds) describe(`tasks on ${kind}`, () => tasksOn(kind))

function tasksOn(kind: DatabaseKind): void {
  const appId = 7
  const startMs = 1_700_000_000_000
  const ending: (() => unknown)[] = []
  afterEach(async () => {
    for (const end of ending.splice(0).reverse()) await end()
  })

  const lines: string[] = []
  const log = createLogger({ level: "error", format: "json", write: (line) => lines.push(line) })

  const location = async (): Promise<DatabaseLocation> => {
    if (kind === "postgres") {
      const database = (await createPostgresDatabase()) as { url: string; drop(): Promise<void> }
      ending.push(database.drop)
      return { kind, url: database.url }
    }
    const folder = mkdtempSync(join(tmpdir(), "weir-tasks-"))
    ending.push(() => rmSync(folder, { recursive: true, force: true }))
    return { kind, path: join(folder, "weir.db") }
  }
  const openAt = async (): Promise<{ db: Database; where: DatabaseLocation }> => {
    const where = await location()
    const db = await openDatabase(where)
    ending.push(() => db.close())
    await migrate(db, [{ module: "tasks", migrations }])
    return { db, where }
  }
  const open = async (): Promise<Database> => (await openAt()).db
  const runner = (db: Database, clock: ManualClock, nodeId: string, handler: TaskHandler): TaskRunner => {
    const made = createTaskRunner({ db, clock, log, nodeId, handlers: new Map([["work", handler]]) })
    ending.push(() => made.close())
    return made
  }
  const add = (db: Database, id: string, payload: object = {}, taskKind = "work") =>
    db.transact((tx) => insertTask(tx, newTask(id, appId, taskKind, payload, startMs)))
  const until = async <T>(read: () => Promise<T | undefined | false>): Promise<T> => {
    for (let tries = 0; tries < 300; tries++) {
      const value = await read()
      if (value !== undefined && value !== false) return value as T
      await Bun.sleep(10)
    }
    throw new Error("it did not come about")
  }
  const inState = (db: Database, id: string, status: string) =>
    until(async () => {
      const task = await selectTask(db.read, appId, id)
      return task?.status === status && task
    })
  const marks = async (db: Database) =>
    (await db.read.selectFrom("tasks").select("id").where("kind", "=", "mark").execute()).map(({ id }) => id).sort()

  test("a task is done step by step and keeps its result", async () => {
    const db = await open()
    const made = runner(db, manualClock(startMs), "a", countingStep)
    await add(db, "t", { to: 3 })
    made.wake()
    const task = await inState(db, "t", "completed")
    expect(taskResponse(task)).toEqual({
      task_id: "t",
      status: "completed",
      created_at: new Date(startMs).toISOString(),
      updated_at: new Date(startMs).toISOString(),
      result: { counted: 3 },
    })
    expect(await marks(db)).toEqual(["mark-0", "mark-1", "mark-2"])
  })

  test("of two runners exactly one takes it, for every task", async () => {
    const db = await open()
    const clock = manualClock(startMs)
    const taken: string[] = []
    const ids = Array.from({ length: 20 }, (_, n) => `t${n}`)
    const work =
      (node: string): TaskHandler =>
      async (_, { payload }) => {
        taken.push((payload as { id: string }).id)
        await Bun.sleep(1)
        return { result: { node } }
      }
    for (const id of ids) await add(db, id, { id })
    const runners = [runner(db, clock, "a", work("a")), runner(db, clock, "b", work("b"))]
    // Whoever loses a race for one task looks again when told to.
    await until(async () => {
      for (const made of runners) made.wake()
      return taken.length >= ids.length
    })
    for (const id of ids) await inState(db, id, "completed")
    expect(taken.sort()).toEqual([...ids].sort())
  })

  test("a killed runner's task is finished by another after the lease, and not before", async () => {
    const { db, where } = await openAt()
    await add(db, "t", { to: 4 })
    const child = Bun.spawn([process.execPath, taskNodePath, JSON.stringify(where), "dead"], {
      stdout: "pipe",
      stderr: "inherit",
    })
    ending.push(() => child.kill("SIGKILL"))
    const { value } = await child.stdout.getReader().read()
    expect(new TextDecoder().decode(value)).toBe("reached\n")
    child.kill("SIGKILL")
    await child.exited
    // Two steps stand; of the third, in which it was killed, there is nothing.
    expect(await marks(db)).toEqual(["mark-0", "mark-1"])
    expect(await selectTask(db.read, appId, "t")).toMatchObject({
      status: "running",
      leased_by: "dead",
      payload: '{"at":2,"to":4}',
    })
    const clock = manualClock(Date.now())
    const heir = runner(db, clock, "heir", countingStep)
    heir.wake()
    await Bun.sleep(50)
    expect(await selectTask(db.read, appId, "t")).toMatchObject({ status: "running", leased_by: "dead" })
    clock.advance(limits.leaseMs + 1_000)
    heir.wake()
    const task = await inState(db, "t", "completed")
    expect(task).toMatchObject({ result: '{"counted":4}', leased_by: "heir" })
    expect(await marks(db)).toEqual(["mark-0", "mark-1", "mark-2", "mark-3"])
  })

  test("a step whose lease went to another leaves nothing behind", async () => {
    const db = await open()
    await add(db, "t", { to: 1 })
    const made = runner(db, manualClock(startMs), "slow", async (tx, task) => {
      const outcome = await countingStep(tx, task)
      // What another node's lease would have written meanwhile.
      await tx.updateTable("tasks").set({ leased_by: "other" }).where("id", "=", "t").execute()
      return outcome
    })
    made.wake()
    await until(async () => (await selectTask(db.read, appId, "t"))?.status === "running")
    await made.close()
    expect(await marks(db)).toEqual([])
    expect(await selectTask(db.read, appId, "t")).toMatchObject({
      leased_by: "slow",
      payload: '{"to":1}',
      status: "running",
    })
  })

  test("a step that fails rolls back with its progress, is tried again later, and again, and then fails", async () => {
    const db = await open()
    const clock = manualClock(startMs)
    let tries = 0
    const made = runner(db, clock, "a", async (tx, task) => {
      await countingStep(tx, task)
      tries += 1
      throw new Error("secret detail")
    })
    await add(db, "t", { to: 5 })
    for (let attempt = 1; attempt < limits.attemptsMax; attempt++) {
      made.wake()
      const task = await until(async () => {
        const now = await selectTask(db.read, appId, "t")
        return now?.status === "pending" && now.attempts === attempt && now
      })
      expect(tries).toBe(attempt)
      expect(task.payload).toBe('{"to":5}')
      expect(task.due_at).toBeGreaterThan(clock.now())
      made.wake()
      await Bun.sleep(5)
      expect(tries).toBe(attempt)
      clock.advance(limits.retryMaxMs)
    }
    made.wake()
    const task = await inState(db, "t", "failed")
    expect(tries).toBe(limits.attemptsMax)
    expect(await marks(db)).toEqual([])
    expect(taskResponse(task)).toMatchObject({
      status: "failed",
      error: { type: "task_failed", description: expect.any(String) },
    })
    expect(JSON.stringify(taskResponse(task))).not.toContain("secret detail")
    expect(lines.join("")).toContain("secret detail")
  })

  // A long task meets a failure now and then; only failures in a row are a reason to give up.
  test("progress makes earlier failures forgotten", async () => {
    const db = await open()
    const clock = manualClock(startMs)
    const failedAt = new Set<number>()
    const made = runner(db, clock, "a", async (tx, task) => {
      const { at = 0 } = task.payload as { at?: number }
      if (!failedAt.has(at)) {
        failedAt.add(at)
        throw new Error("once per step")
      }
      return countingStep(tx, task)
    })
    await add(db, "t", { to: limits.attemptsMax + 2 })
    await until(async () => {
      made.wake()
      clock.advance(limits.retryMaxMs)
      const { status, attempts } = (await selectTask(db.read, appId, "t")) as { status: string; attempts: number }
      expect(attempts).toBeLessThanOrEqual(1)
      return status === "completed" || status === "failed"
    })
    expect((await selectTask(db.read, appId, "t"))?.status).toBe("completed")
  })

  test("a task that nobody can do, or whose payload is damaged, does not stand in the way of others", async () => {
    const db = await open()
    const made = runner(db, manualClock(startMs), "a", countingStep)
    await add(db, "unknown", {}, "no-such-kind")
    await db.transact((tx) => insertTask(tx, { ...newTask("damaged", appId, "work", {}, startMs), payload: "{" }))
    await add(db, "good", { to: 1 })
    made.wake()
    await inState(db, "good", "completed")
    await inState(db, "unknown", "failed")
    expect((await selectTask(db.read, appId, "damaged"))?.attempts).toBe(1)
  })

  test("closing waits for the step at hand, and the task goes on elsewhere", async () => {
    const db = await open()
    let reached: () => void = () => {}
    const inTheMiddle = new Promise<void>((resolve) => {
      reached = resolve
    })
    const made = runner(db, manualClock(startMs), "a", async (tx, task) => {
      reached()
      await Bun.sleep(30)
      return countingStep(tx, task)
    })
    await add(db, "t", { to: 100 })
    made.wake()
    await inTheMiddle
    await made.close()
    const task = await selectTask(db.read, appId, "t")
    expect(task).toMatchObject({ status: "pending", due_at: startMs })
    expect((await marks(db)).length).toBe((JSON.parse(task?.payload as string) as { at: number }).at)
    runner(db, manualClock(startMs), "b", countingStep).wake()
    await inState(db, "t", "completed")
  })

  test("only ended tasks are pruned, and only old ones", async () => {
    const db = await open()
    await add(db, "pending")
    await db.transact((tx) => insertTask(tx, { ...newTask("old", appId, "work", {}, startMs), status: "completed" }))
    await db.transact((tx) => insertTask(tx, { ...newTask("new", appId, "work", {}, startMs + 10), status: "failed" }))
    await pruneTasks(db, startMs + 5)
    const left = await db.read.selectFrom("tasks").select("id").orderBy("id").execute()
    expect(left.map(({ id }) => id)).toEqual(["new", "pending"])
  })

  test("another app's task is not there", async () => {
    const db = await open()
    await add(db, "t")
    expect(await selectTask(db.read, appId + 1, "t")).toBeUndefined()
  })
}

test("the pause doubles, has a bound, and is never less than half of itself", () => {
  for (let attempts = 0; attempts < 40; attempts++) {
    const full = Math.min(limits.retryMaxMs, limits.retryMinMs * 2 ** attempts)
    expect(retryDelayMs(attempts, 0)).toBe(full)
    expect(retryDelayMs(attempts, 0.999_999)).toBeGreaterThanOrEqual(full / 2)
  }
})

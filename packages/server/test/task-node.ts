// A process that runs tasks until it is killed in the middle of a step: `bun task-node.ts <location> <nodeId>`, where
// the location is a DatabaseLocation as JSON. It says `reached` once it is inside the third step.

import { systemClock } from "../src/base/clock.ts"
import { createLogger } from "../src/base/log.ts"
import { createTaskRunner, type TaskHandler } from "../src/core/tasks/index.ts"
import { openDatabase } from "../src/store/open.ts"
import { countingStep } from "./counting-task.ts"

/** What to start with Bun. */
export const taskNodePath = import.meta.path

const work: TaskHandler = async (tx, task) => {
  const outcome = await countingStep(tx, task)
  if ((task.payload as { at?: number }).at === 2) {
    console.log("reached")
    await Bun.sleep(60_000)
  }
  return outcome
}

if (import.meta.main) {
  const [location, nodeId] = process.argv.slice(2) as [string, string]
  const db = await openDatabase(JSON.parse(location))
  const log = createLogger({ level: "error", format: "json" })
  createTaskRunner({ db, clock: systemClock, log, nodeId, handlers: new Map([["work", work]]) })
  await Bun.sleep(60_000)
}

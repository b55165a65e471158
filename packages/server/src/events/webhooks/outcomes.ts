// Writes what became of deliveries, in batches. A write holds up whoever sends messages, so what nobody waits for
// gathers for a while first: rows of neighbours are on the same pages, and each commit writes whole pages.

import type { Logger } from "../../base/log.ts"
import type { DeliveryKeeper, DeliveryResult } from "./engine.ts"
import { limits } from "./limits.ts"

export interface OutcomesParts {
  readonly keeper: Pick<DeliveryKeeper, "write">
  readonly log: Logger
  /** An outcome is written, or given up: then the lease runs out, and the delivery is made again. */
  readonly onEnd: (result: DeliveryResult) => void
}

export interface Outcomes {
  /** Of those that were added, how many are not taken to be written. */
  readonly waiting: number
  /** Resolves when the outcome is written, or given up. `mayWait`: nothing depends on when that is. */
  add(result: DeliveryResult, mayWait: boolean): Promise<void>
  /** The node ends: from now on nothing gathers, and nothing is tried twice. */
  hurry(): void
  /** Resolves when all that was added is written, or given up. */
  settled(): Promise<void>
}

export function createOutcomes({ keeper, log, onEnd }: OutcomesParts): Outcomes {
  const waiting: { readonly result: DeliveryResult; readonly mayWait: boolean; readonly written: () => void }[] = []
  let isHurried = false
  let writing: Promise<void> | null = null
  let endGathering = (): void => {}

  // What failed is looked at and replayed by people, so it is there at once.
  const mayGather = (): boolean =>
    !isHurried &&
    waiting.length < limits.endsGatheredMax &&
    waiting.every(({ result, mayWait }) => mayWait && result.state === "delivered")

  const write = (): void => {
    writing = writeBatch().finally(() => {
      writing = null
      if (waiting.length > 0) write()
    })
  }

  const writeBatch = async (): Promise<void> => {
    // Outcomes of one turn, and those that come while others are written, share a write.
    await new Promise<void>((resolve) => setImmediate(resolve))
    if (mayGather()) await gathering()
    const batch = waiting.splice(0, limits.endsPerWriteMax)
    try {
      await keeper.write(
        batch.map(({ result }) => result),
        !isHurried && batch.every(({ mayWait }) => mayWait),
      )
    } catch (error) {
      log.error("could not write what became of webhook deliveries", { deliveries: batch.length, cause: error })
      if (!isHurried && waiting.length + batch.length <= limits.endsWaitingMax) {
        waiting.unshift(...batch)
        await Bun.sleep(limits.lookEveryMs)
        return
      }
      // Not written: the leases run out, and then these are made again.
    }
    for (const { result, written } of batch) {
      onEnd(result)
      written()
    }
  }

  const gathering = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, limits.endsGatherMs)
      endGathering = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  return {
    get waiting() {
      return waiting.length
    },
    add: (result, mayWait) =>
      new Promise((written) => {
        waiting.push({ result, mayWait, written })
        if (writing === null) write()
        else if (!mayGather()) endGathering()
      }),
    hurry() {
      isHurried = true
      endGathering()
    },
    async settled() {
      while (writing !== null) await writing
    },
  }
}

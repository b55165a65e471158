import { describe, expect, test } from "bun:test"
import { createLogger } from "../../base/log.ts"
import type { DeliveryResult } from "./engine.ts"
import { limits } from "./limits.ts"
import { createOutcomes, type Outcomes } from "./outcomes.ts"

const log = createLogger({ level: "error", format: "json", write: () => undefined })

const result = (eventId: number, state: DeliveryResult["state"] = "delivered"): DeliveryResult => ({
  eventId,
  hookId: "h",
  state,
  attempts: 1,
  dueAt: 0,
  status: null,
  fault: null,
  log: [],
  finishedAt: null,
})

interface Writes {
  readonly outcomes: Outcomes
  /** The events of each write, and whether it might wait for others' commits. */
  readonly writes: { readonly ids: readonly number[]; readonly mayWait: boolean }[]
  readonly ended: number[]
}

function collect(onWrite: (nth: number) => void = () => {}): Writes {
  const writes: Writes["writes"] = []
  const ended: number[] = []
  const outcomes = createOutcomes({
    keeper: {
      async write(results, mayWait) {
        writes.push({ ids: results.map(({ eventId }) => eventId), mayWait })
        onWrite(writes.length)
      },
    },
    log,
    onEnd: ({ eventId }) => void ended.push(eventId),
  })
  return { outcomes, writes, ended }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Whether it came before outcomes that gather would have been written. Asked in the moment when the first is added. */
async function isSoonerThanGathered(written: Promise<void>): Promise<boolean> {
  const gathered = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), limits.endsGatherMs))
  return Promise.race([written.then(() => true), gathered])
}

describe("outcomes of deliveries", () => {
  test("that were delivered in many turns share a write, which may wait for others", async () => {
    const { outcomes, writes, ended } = collect()
    const written: Promise<void>[] = []
    for (let id = 0; id < 20; id++) {
      written.push(outcomes.add(result(id), true))
      await turn()
    }
    expect(outcomes.waiting).toBe(20)
    await Promise.all(written)
    const ids = Array.from({ length: 20 }, (_, id) => id)
    expect(writes).toEqual([{ ids, mayWait: true }])
    expect(ended).toEqual(ids)
  })

  test.each([
    ["a failed one", result(2, "pending"), true, true],
    ["a dead one", result(2, "dead"), true, true],
    ["one that somebody waits for", result(2), false, false],
  ])("do not gather any more with %s among them", async (_, second, mayWait, writeMayWait) => {
    const { outcomes, writes } = collect()
    const first = outcomes.add(result(1), true)
    const isSooner = isSoonerThanGathered(first)
    await turn()
    await turn()
    expect(writes).toEqual([])
    await outcomes.add(second, mayWait)
    expect(await isSooner).toBe(true)
    expect(writes).toEqual([{ ids: [1, 2], mayWait: writeMayWait }])
  })

  test("do not gather beyond the bound of one gathering", async () => {
    const { outcomes, writes } = collect()
    const first = outcomes.add(result(0), true)
    const isSooner = isSoonerThanGathered(first)
    await turn()
    await turn()
    for (let id = 1; id < limits.endsGatheredMax; id++) void outcomes.add(result(id), true)
    expect(await isSooner).toBe(true)
    expect(writes.map(({ ids }) => ids.length)).toEqual([limits.endsGatheredMax])
  })

  test("are written at once, and wait for nobody, when the node ends", async () => {
    const { outcomes, writes, ended } = collect()
    const isSooner = isSoonerThanGathered(outcomes.add(result(1), true))
    await turn()
    await turn()
    outcomes.hurry()
    await outcomes.settled()
    expect(await isSooner).toBe(true)
    void outcomes.add(result(2), true)
    await outcomes.settled()
    expect(writes).toEqual([
      { ids: [1], mayWait: false },
      { ids: [2], mayWait: false },
    ])
    expect(ended).toEqual([1, 2])
  })

  test("are kept when a write fails, and written with those that came meanwhile", async () => {
    const { outcomes, writes, ended } = collect((nth) => {
      if (nth === 1) throw new Error("the disk is full")
    })
    const failed = outcomes.add(result(1, "dead"), true)
    while (writes.length === 0) await turn()
    const later = outcomes.add(result(2), true)
    expect(ended).toEqual([])
    await Promise.all([failed, later])
    expect(writes.map(({ ids }) => ids)).toEqual([[1], [1, 2]])
    expect(ended).toEqual([1, 2])
  })

  test("are given up when a write fails and the node ends", async () => {
    const { outcomes, writes, ended } = collect(() => {
      throw new Error("the disk is full")
    })
    outcomes.hurry()
    await outcomes.add(result(1), true)
    await outcomes.settled()
    expect(writes).toHaveLength(1)
    expect(ended).toEqual([1])
  })
})

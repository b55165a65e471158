import { expect, test } from "bun:test"
import { createStreamOrder } from "./stream-order.ts"

const turns = (order = createStreamOrder()) => {
  const told: string[] = []
  const enter = (name: string, ...streams: string[]) => {
    const turn = order.enter(new Set(streams))
    return {
      async commit() {
        await turn.before
        told.push(name)
        turn.end()
      },
      fail: turn.end,
    }
  }
  return { order, told, enter }
}

test("whoever answers first, a stream is told in the order of entry", async () => {
  const { order, told, enter } = turns()
  const [a, b, c] = [enter("a", "x"), enter("b", "x"), enter("c", "x")]
  const late = [c.commit(), b.commit()]
  await Bun.sleep(0)
  expect(told).toEqual([])
  await a.commit()
  await Promise.all(late)
  expect(told).toEqual(["a", "b", "c"])
  await Bun.sleep(0)
  expect(order.size).toBe(0)
})

test("other streams do not wait, and one with two streams waits for both", async () => {
  const { told, enter } = turns()
  const [a, b, both] = [enter("a", "x"), enter("b", "y"), enter("both", "x", "y")]
  const waiting = both.commit()
  await b.commit()
  await Bun.sleep(0)
  expect(told).toEqual(["b"])
  await a.commit()
  await waiting
  expect(told).toEqual(["b", "a", "both"])
})

test("one that fails lets nobody pass those before it", async () => {
  const { order, told, enter } = turns()
  const [a, failing, c] = [enter("a", "x"), enter("failing", "x"), enter("c", "x")]
  failing.fail()
  const waiting = c.commit()
  await Bun.sleep(0)
  expect(told).toEqual([])
  await a.commit()
  await waiting
  expect(told).toEqual(["a", "c"])
  await Bun.sleep(0)
  expect(order.size).toBe(0)
})

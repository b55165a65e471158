import { expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import { createSlots } from "./slots.ts"

test("slots pass to those who wait, in their order", async () => {
  const slots = createSlots({ slots: 1, waitingMax: 10, waitMs: 1000 })
  await slots.take()
  const order: number[] = []
  const waiting = [1, 2, 3].map((number) => slots.take().then(() => order.push(number)))
  await Promise.resolve()
  expect(order).toEqual([])
  for (let count = 0; count < 3; count++) {
    slots.give()
    await Bun.sleep(0)
  }
  await Promise.all(waiting)
  expect(order).toEqual([1, 2, 3])
  let isEmpty = false
  const empty = slots.empty().then(() => {
    isEmpty = true
  })
  await Bun.sleep(0)
  expect(isEmpty).toBe(false)
  slots.give()
  await empty
  await slots.empty()
})

test("one more than may wait is refused at once", async () => {
  const slots = createSlots({ slots: 2, waitingMax: 3, waitMs: 1000 })
  const taken = Array.from({ length: 5 }, () => slots.take())
  expect(await slots.take().catch((error) => error)).toBeInstanceOf(ApiError)
  for (let count = 0; count < 5; count++) slots.give()
  await Promise.all(taken)
  await slots.empty()
})

test("who waits too long is refused, and the slot is not lost", async () => {
  const slots = createSlots({ slots: 1, waitingMax: 3, waitMs: 20 })
  await slots.take()
  expect(await slots.take().catch((error) => error)).toBeInstanceOf(ApiError)
  slots.give()
  await slots.take()
  slots.give()
  await slots.empty()
})

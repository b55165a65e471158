import { expect, test } from "bun:test"
import { createTurns } from "./turns.ts"

test("so many run at once, so many wait, the rest is refused, and a failure gives its turn back", async () => {
  const turns = createTurns(2, 3)
  let running = 0
  let most = 0
  const ends: (() => void)[] = []
  const work = async (): Promise<string> => {
    running += 1
    most = Math.max(most, running)
    await new Promise<void>((resolve) => ends.push(resolve))
    running -= 1
    return "done"
  }
  const taken = Array.from({ length: 6 }, () => turns.take(work))
  expect(await taken[5]).toBeNull()
  for (let left = 5; left > 0; left--) {
    await Bun.sleep(0)
    ends.shift()?.()
  }
  await Bun.sleep(0)
  for (const end of ends) end()
  expect(await Promise.all(taken.slice(0, 5))).toEqual(Array(5).fill("done"))
  expect(most).toBe(2)
  await expect(turns.take(() => Promise.reject(new Error("no")))).rejects.toThrow("no")
  expect(await Promise.all([1, 2].map((n) => turns.take(async () => n)))).toEqual([1, 2])
})

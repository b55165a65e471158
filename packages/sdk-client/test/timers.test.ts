import { expect, test } from "bun:test"
import fc from "fast-check"
import { limits } from "../src/limits.ts"
import { backoffMs } from "../src/timers.ts"

test("a back-off is full jitter: from 0 up to min(25 s, 0.5 s doubled per failure)", () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (failures, chance) => {
      const waitMs = backoffMs(failures, limits.backoffBaseMs, limits.backoffMaxMs, chance)
      const ceilingMs = failures > 6 ? 25_000 : Math.min(25_000, 500 * 2 ** failures)
      return waitMs >= 0 && waitMs <= ceilingMs && Math.abs(waitMs - chance * ceilingMs) <= 1
    }),
  )
  const ceilings = [0, 1, 2, 3, 4, 5, 6, 7, 100].map((n) => backoffMs(n, 500, 25_000, 1))
  expect(ceilings).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 25_000, 25_000, 25_000])
})

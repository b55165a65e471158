import { expect, test } from "bun:test"
import { sizeRowOf, sizeTableOf } from "./sizes.ts"

const plan = { id: "k1", what: "a page", bytesMax: 300_000 }

test("a size is the median of its runs, and reached up to the promise itself", () => {
  const runs = [290_000, 300_000, 999_999].map((bytes) => ({ bytes, answers: 12 }))
  expect(sizeRowOf(plan, runs)).toMatchObject({ bytes: 300_000, answers: 12, reached: true })
  expect(sizeRowOf({ ...plan, bytesMax: 299_999 }, runs).reached).toBe(false)
  expect(sizeRowOf({ ...plan, bytesMax: null }, runs).reached).toBeNull()
  expect(() => sizeRowOf(plan, [])).toThrow("row k1: no runs")
})

test("the table says what was promised", () => {
  const rows = [
    sizeRowOf(plan, [{ bytes: 123_456, answers: 9 }]),
    sizeRowOf({ ...plan, bytesMax: null }, [{ bytes: 1_000, answers: 1 }]),
  ]
  expect(sizeTableOf(rows).split("\n")).toEqual([
    "| row | what   | over the wire | answers | aim      |         |",
    "| --- | ------ | ------------- | ------- | -------- | ------- |",
    "| k1  | a page | 123 kB        | 9       | ≤ 300 kB | reached |",
    "| k1  | a page | 1 kB          | 1       |          |         |",
  ])
})

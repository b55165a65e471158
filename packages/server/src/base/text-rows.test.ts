import { expect, test } from "bun:test"
import fc from "fast-check"
import { limits } from "./limits.ts"
import { createTextRows } from "./text-rows.ts"

// Few texts, so that they meet; of one and two bytes a character, and of sizes around a place's end.
const anyText = fc.oneof(
  fc.constantFrom(
    "",
    "a",
    "b",
    "é",
    "ÿ",
    "Ā",
    "ab",
    "ba",
    "ab",
    "\ud83d",
    "\ud83d\ude00",
    "x".repeat(14),
    "x".repeat(15),
  ),
  fc.string({ maxLength: 40, unit: "binary" }),
)
const anyStep = fc.record({
  isRemoval: fc.boolean(),
  space: fc.nat(2),
  text: anyText,
  label: anyText,
  /** Which row of those under the text it goes behind, or which row goes. */
  at: fc.nat(1_000),
})

test("property: rows stand under their texts in the order that they were put in, and what is removed is gone", () => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 200 }), (steps) => {
      const table = createTextRows()
      interface Known {
        readonly space: number
        readonly text: string
        readonly label: string
        readonly row: number
      }
      const model: Known[][] = []
      for (const { isRemoval, space, text, label, at } of steps) {
        if (isRemoval) {
          const all = model.flat()
          const gone = all[at % Math.max(1, all.length)]
          if (gone === undefined) continue
          table.remove(gone.row)
          expect(table.isLive(gone.row)).toBe(false)
          for (const group of model) if (group.includes(gone)) group.splice(group.indexOf(gone), 1)
        } else {
          let group = model.find((known) => known[0]?.space === space && known[0].text === text)
          if (group === undefined) {
            group = []
            model.push(group)
          }
          const index = at % (group.length + 1)
          const row = table.add(space, text, label, group[index - 1]?.row ?? -1)
          group.splice(index, 0, { space, text, label, row })
        }
      }
      expect(table.count).toBe(model.flat().length)
      for (const group of model) {
        const [known] = group
        if (known === undefined) continue
        const found: number[] = []
        for (let row = table.first(known.space, known.text); row >= 0; row = table.next(row)) found.push(row)
        expect(found).toEqual(group.map(({ row }) => row))
        for (const { row, space, text, label } of group) {
          expect([table.isLive(row), table.spaceOf(row), table.textOf(row), table.labelOf(row)]).toEqual([
            true,
            space,
            text,
            label,
          ])
          expect([table.hasLabel(row, label), table.hasLabel(row, `${label}.`)]).toEqual([true, false])
        }
      }
      for (const { space, text } of steps) {
        if (!model.flat().some((known) => known.space === space && known.text === text)) {
          expect(table.first(space, text)).toBe(-1)
        }
      }
      let living = 0
      for (let row = 0; row < table.end; row++) if (table.isLive(row)) living += 1
      expect(living).toBe(table.count)
    }),
    { numRuns: 500 },
  )
})

test("many come and go, and their places are used again", () => {
  const table = createTextRows()
  const rows = Array.from({ length: 50_000 }, (_, n) => table.add(n % 3, `text-${n}`, `label-${n}`, -1))
  for (let n = 0; n < rows.length; n += 2) table.remove(rows[n] as number)
  for (let n = 0; n < rows.length; n++) {
    const row = table.first(n % 3, `text-${n}`)
    expect(row).toBe(n % 2 === 0 ? -1 : (rows[n] as number))
    if (row >= 0 && table.labelOf(row) !== `label-${n}`) throw new Error(`label of ${n}`)
  }
  for (let n = 0; n < rows.length; n += 2) table.add(0, `again-${n}`, "", -1)
  expect([table.count, table.end]).toEqual([50_000, 50_000])
})

test("a text that is too long is refused and leaves nothing behind", () => {
  const table = createTextRows()
  const tooLong = "x".repeat(limits.rowTextCharsMax + 1)
  expect(() => table.add(0, tooLong, "", -1)).toThrow(RangeError)
  expect(() => table.add(0, "", tooLong, -1)).toThrow(RangeError)
  expect(table.count).toBe(0)
  expect(table.first(0, "")).toBe(-1)
  expect(table.textOf(table.add(0, "x".repeat(limits.rowTextCharsMax), "", -1))).toHaveLength(limits.rowTextCharsMax)
})

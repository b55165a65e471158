import { expect, test } from "bun:test"
import { nearest } from "./nearest.ts"

const words = ["WEIR_HOST", "WEIR_PORT", "WEIR_DATA_DIR"]

test.each([
  ["WEIR_PROT", "WEIR_PORT"],
  ["WEIR_POR", "WEIR_PORT"],
  ["WEIR_HOSTS", "WEIR_HOST"],
  ["weir_data_dir", "WEIR_DATA_DIR"],
  ["WEIR_DATADIR", "WEIR_DATA_DIR"],
  ["WEIR_DIR_DATA", null],
  ["", null],
])("%s is nearest to %p", (word, expected) => {
  expect(nearest(word, words, 3)).toBe(expected)
})

test("a swap of neighbours is one edit, the bound is exact, and the first of equals wins", () => {
  expect(nearest("ba", ["ab"], 1)).toBe("ab")
  expect(nearest("abc", ["xyc"], 1)).toBeNull()
  expect(nearest("abc", ["xyc"], 2)).toBe("xyc")
  expect(nearest("ac", ["ab", "ad"], 1)).toBe("ab")
  expect(nearest("", ["a"], 1)).toBe("a")
})

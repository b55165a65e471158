import { expect, test } from "bun:test"
import own from "../../package.json"
import { version } from "./version.ts"

test("the version is the package's", () => {
  expect(version).toBe(own.version)
})

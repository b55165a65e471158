import { expect, test } from "bun:test"
import { settings } from "../packages/server/src/config/env.ts"
import { settingsDoc, settingsDocUrl } from "./settings-doc.ts"

// The reference page is a promise of what the program does.
test("docs/reference/settings.md is current: node tools/bun.mjs tools/settings-doc.ts", async () => {
  expect(await Bun.file(settingsDocUrl).text()).toBe(settingsDoc())
})

test("the page has a section for each setting", () => {
  const sections = settingsDoc().match(/^## WEIR_\w+$/gm) ?? []
  expect([...sections]).toEqual(settings.map(({ name }) => `## ${name}`))
})

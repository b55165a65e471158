// A walk of several tests over the same pages.

import { expect, test } from "bun:test"
import type { Page } from "playwright-core"
import type { Walk } from "./walk.ts"

/** Of what a page said when a step failed: its end, where dialogs stand. */
const snapshotCharsMax = 4_000

/**
 * Steps that each go on where the last one ended: after one that failed no other is tried, and what the page said then
 * is printed.
 */
export function stepsOf(walk: () => Walk, pages: () => readonly Page[]) {
  let failed: string | null = null
  return (name: string, take: () => Promise<void>): void =>
    test(name, async () => {
      if (failed !== null) throw new Error(`not tried, because this failed: ${failed}`)
      try {
        await take()
        expect(walk().faults.splice(0)).toEqual([])
      } catch (error) {
        failed = name
        console.log(walk().faults.join("\n"))
        for (const page of pages()) {
          const said = await page.locator("body").ariaSnapshot()
          console.log(page.url(), "\n", said.slice(-snapshotCharsMax))
        }
        throw error
      }
    })
}

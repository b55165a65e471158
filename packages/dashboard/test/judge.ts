// What a page is judged by, whichever page it is: accessibility as axe finds it, and whether it fits its screen.

import { readFileSync } from "node:fs"
import type { Page } from "playwright-core"
import { until } from "../../server/test/node-process.ts"
import { sizes } from "./walk.ts"

type Axe = typeof import("axe-core")

const axeSource = readFileSync(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8")
/** Charts need a moment to follow another width. */
const settleMs = 5_000

/**
 * What is wrong with a page: what axe finds serious or critical in both colour schemes, of which the second stays on, and
 * by how far it can be scrolled sideways on a phone and at a desk. Empty: nothing.
 */
export async function judge(page: Page): Promise<string[]> {
  // By the debugger, so that the page's own policy stays in force.
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axeSource)
  const isDark = await page.evaluate(() => document.documentElement.dataset.mantineColorScheme === "dark")
  const found = await inScheme(page, isDark ? "dark" : "light", null)
  // Only colours can be other than in the first.
  found.push(...(await inScheme(page, isDark ? "light" : "dark", ["color-contrast"])))
  for (const size of ["phone", "desk"] as const) {
    const pixels = await overflowAt(page, size)
    if (pixels > 0) found.push(`${size}: ${pixels} pixels too wide`)
  }
  return found
}

async function inScheme(page: Page, scheme: "light" | "dark", rules: readonly string[] | null): Promise<string[]> {
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" })
  await page.waitForFunction(
    (wanted) =>
      document.documentElement.dataset.mantineColorScheme === wanted &&
      document.getAnimations().every(({ playState }) => playState !== "running"),
    scheme,
  )
  const findings = await page.evaluate(async (only) => {
    const { axe } = globalThis as unknown as { axe: Axe }
    const { violations } = await axe.run(document, {
      resultTypes: ["violations"],
      preload: false,
      iframes: false,
      ...(only === null ? {} : { runOnly: { type: "rule", values: [...only] } }),
    })
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ target, html }) => `${id} at ${target.join(" ")}: ${html}`))
  }, rules)
  return findings.map((finding) => `${scheme}: ${finding}`)
}

/** How far it can be scrolled sideways at this size, in pixels. */
async function overflowAt(page: Page, size: keyof typeof sizes): Promise<number> {
  await page.setViewportSize(sizes[size])
  const pixels = () =>
    page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth))
  await until("it fits", async () => (await pixels()) === 0, settleMs).catch(() => {})
  return pixels()
}

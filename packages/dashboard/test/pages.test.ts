// Every page of the list, on an app that is in use: what axe finds, whether it fits a phone, and that it breaks no
// policy of its own. A page that is added to the list is tried with the next run.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Page as BrowserPage } from "playwright-core"
import { testAdminToken } from "../../server/src/testing.ts"
import { until } from "../../server/test/node-process.ts"
import { pages } from "../src/pages/index.ts"
import type { Page } from "../src/pages/page.ts"
import { bytesOf, loadFirst } from "./first-load.ts"
import { judge } from "./judge.ts"
import { type Stage, setStage } from "./stage.ts"
import { chromiumPath, heading, setUp, sizes, startWalk, type Walk } from "./walk.ts"

setDefaultTimeout(60_000)

/** The promise of README and bench. */
const firstLoadBytesMax = 300_000
const reactBytes = 50_000
/** When it is too much: what it is. */
const largestShown = 8

/** Pages about one thing, and a thing that there is. */
const samples = (stage: Stage): Readonly<Record<string, string>> => ({
  "/keys/:key": `/keys/${stage.apiKey}`,
  "/keys/:key/rotate": `/keys/${stage.apiKey}/rotate`,
  "/users/:user": `/users/${stage.userId}`,
  "/revocations/:revocation": `/revocations/${stage.revocation}`,
  "/why/:decision": `/why/${stage.decision}`,
  "/channels/:type/:id": "/channels/messaging/general",
  "/feeds/:group/:id": "/feeds/user/jessica",
  "/calls/:type/:id": "/calls/default/standup",
  "/hooks/:hook": `/hooks/${stage.hook}`,
  "/deliveries/:delivery": `/deliveries/${stage.delivery}`,
})

describe.skipIf(chromiumPath === null)("every page", () => {
  let walk: Walk
  let stage: Stage
  let page: BrowserPage
  /** Requests of the page that have no answer yet, and those that were answered with an error. */
  let open = 0
  const failed: string[] = []

  beforeAll(async () => {
    walk = await startWalk({ WEIR_ADMIN_TOKEN: testAdminToken, WEIR_WEBHOOK_ALLOW_PRIVATE: "true" })
    page = await walk.open()
    const [made] = await Promise.all([
      setStage({ origin: walk.origin, adminToken: testAdminToken, ...walk.first }),
      setUp(page, walk),
    ])
    stage = made
    page.on("request", () => (open += 1))
    page.on("requestfailed", () => (open -= 1))
    page.on("requestfinished", () => (open -= 1))
    page.on("response", (response) => {
      if (response.status() >= 400) failed.push(`${response.status()} ${new URL(response.url()).pathname}`)
    })
  })
  afterAll(async () => {
    await stage?.close()
    await walk?.close()
  })

  const addressOf = ({ scope, path }: Page): string => {
    const known = path.includes(":") ? samples(stage)[path] : path
    if (known === undefined) throw new Error(`samples has none for ${path}`)
    return `/dashboard${scope === "app" ? `/apps/${stage.app}` : ""}${known === "/" && scope === "app" ? "" : known}`
  }
  /** Goes there as a link does, and waits until everything that it asks for is there. */
  async function visit(address: string): Promise<void> {
    await page.evaluate((to) => history.pushState(null, "", to), address)
    await page.getByRole("heading", { level: 1 }).waitFor()
    const waits = page.locator("main").locator(".mantine-Skeleton-root, .mantine-Loader-root")
    await until(`${address} is there`, async () => open === 0 && (await waits.count()) === 0)
  }

  for (const one of pages) {
    test(`${one.title}, at ${one.scope === "app" ? "/apps/:app" : ""}${one.path}`, async () => {
      failed.length = 0
      await visit(addressOf(one))
      const found = await judge(page)
      expect({ found, failed, faults: walk.faults.splice(0) }).toEqual({ found: [], failed: [], faults: [] })
    })
  }

  test(`login and overview are fetched with at most ${firstLoadBytesMax / 1_000} kB`, async () => {
    const { login, overview } = await loadFirst(walk, stage.app)
    const all = [...login, ...overview]
    if (bytesOf(all) > firstLoadBytesMax) {
      for (const { path, bytes } of all.toSorted((one, other) => other.bytes - one.bytes).slice(0, largestShown)) {
        console.log(`${bytes} ${path}`)
      }
    }
    // Less than React alone: nothing was measured.
    expect(bytesOf(login)).toBeGreaterThan(reactBytes)
    expect(bytesOf(all)).toBeLessThanOrEqual(firstLoadBytesMax)
    expect(walk.faults.splice(0)).toEqual([])
  })

  test("on a phone the navigation is in a drawer, which a page closes", async () => {
    await page.setViewportSize(sizes.phone)
    await visit(`/dashboard/apps/${stage.app}`)
    const link = page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Refusals" })
    expect(await link.isVisible()).toBe(false)
    await page.getByRole("button", { name: "Open the navigation" }).click()
    await link.click()
    await heading(page, "Refusals")
    await link.waitFor({ state: "hidden" })
    await page.setViewportSize(sizes.desk)
  })

  test("an app that there is not is said so on every page of it, and leads back", async () => {
    for (const path of ["", "/keys"]) {
      await visit(`/dashboard/apps/${Number(stage.app) + 1}${path}`)
      await heading(page, "There is no such app")
    }
    await page.getByRole("link", { name: "All apps", exact: true }).click()
    await heading(page, "Apps")
  })

  test("the switch turns the colours over, and a reload keeps them", async () => {
    await page.emulateMedia({ colorScheme: "light" })
    await visit("/dashboard/")
    const scheme = () => page.evaluate(() => document.documentElement.dataset.mantineColorScheme)
    expect(await scheme()).toBe("light")
    await page.getByRole("button", { name: "Switch to dark mode" }).click()
    expect(await scheme()).toBe("dark")
    await page.reload()
    await heading(page, "Apps")
    expect(await scheme()).toBe("dark")
    expect(walk.faults.splice(0)).toEqual([])
  })
})

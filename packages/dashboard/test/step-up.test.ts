// What shows a secret wants a login that is at most five minutes old: the page asks for it where the operator is, and
// goes on with what they were doing.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import type { Page } from "playwright-core"
import type { Clock } from "../../server/src/base/clock.ts"
import { startWatched, type WatchedServer } from "../../server/test/fixtures.ts"
import { chromiumPath, field, goTo, heading, owner, section, setUp, startBrowser, type Visitors } from "./walk.ts"

setDefaultTimeout(60_000)

const sixMinutesMs = 6 * 60_000

describe.skipIf(chromiumPath === null)("a login that has grown old", () => {
  let server: WatchedServer
  let visitors: Visitors
  let page: Page
  let aheadMs = 0
  // The world's time alone is moved: durations, such as those of leases, go on as they do.
  const clock: Clock = { now: () => Date.now() + aheadMs, monotonic: () => performance.now() }

  beforeAll(async () => {
    server = await startWatched({ clock })
    visitors = await startBrowser()
    page = await visitors.open()
    const origin = server.url.replace("127.0.0.1", "localhost")
    await setUp(page, { setupUrl: `${origin}${server.server.setupPath}` })
  })
  afterAll(async () => {
    await visitors?.close()
    await server?.close()
  })

  const press = (name: string) => page.getByRole("button", { name, exact: true }).click()

  test("case 58: a secret is made only once the operator has proved anew who they are", async () => {
    await page.getByRole("link", { name: /default/ }).click()
    await heading(page, "default")
    await goTo(page, "Keys")
    await press("New key")
    await field(page, "Name").fill("Partner")
    aheadMs = sixMinutesMs
    await press("Create key")
    const proof = page.getByRole("dialog", { name: "Confirm that it is you" })
    await proof.waitFor()

    // Given up, nothing was made.
    await proof.getByRole("button", { name: "Close" }).click()
    await page.getByRole("alert", { name: "The key was not created" }).waitFor()
    await press("Create key")
    await field(page, "Password").fill("a wrong password")
    await proof.getByRole("button", { name: "Confirm" }).click()
    await proof.getByRole("alert", { name: "Not confirmed" }).waitFor()
    await field(page, "Password").fill(owner.password)
    await proof.getByRole("button", { name: "Confirm" }).click()
    await page.getByRole("alert", { name: "API secret: copy it now" }).locator("code").waitFor()
    await press("I have copied it")
    await section(page, "Partner").waitFor()
    expect(await page.getByRole("region", { name: "Partner", exact: true }).count()).toBe(1)
    expect(visitors.faults).toEqual([])
  })
})

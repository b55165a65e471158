// What a browser that has never been here fetches before an operator sees how an app fares: the login and the overview,
// with traffic and its charts. Every byte counts that comes over the wire, headers included.

import { enterPassword, heading, owner, section, type Walk } from "./walk.ts"

export interface Fetched {
  readonly path: string
  /** As they came over the wire: compressed, with headers. */
  readonly bytes: number
}

export interface FirstLoad {
  readonly login: readonly Fetched[]
  /** What the list of apps and the overview need beyond it. */
  readonly overview: readonly Fetched[]
  /** From the first request until the overview is drawn, with the time that the fields of the login took to fill. */
  readonly totalMs: number
}

export const bytesOf = (fetched: readonly Fetched[]): number => fetched.reduce((sum, { bytes }) => sum + bytes, 0)

/** Logs in with a fresh browser and opens an app. Throws when a page does not come. */
export async function loadFirst(walk: Walk, app: string): Promise<FirstLoad> {
  const page = await walk.open()
  const network = await page.context().newCDPSession(page)
  await network.send("Network.enable")
  const addresses = new Map<string, string>()
  const fetched: Fetched[] = []
  network.on("Network.responseReceived", ({ requestId, response }) => addresses.set(requestId, response.url))
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength: bytes }) => {
    const address = addresses.get(requestId)
    if (address !== undefined) fetched.push({ path: new URL(address).pathname, bytes })
  })
  const startMs = performance.now()
  await enterPassword(page, walk, owner.email, owner.password)
  const login = fetched.slice()
  await heading(page, "Apps")
  await page.locator(`main a[href="/dashboard/apps/${app}"]`).click()
  // The last to come, drawn and not only announced.
  await section(page, "Requests").locator("svg path").first().waitFor()
  const totalMs = performance.now() - startMs
  await page.context().close()
  return { login, overview: fetched.slice(login.length), totalMs }
}

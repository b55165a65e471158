// An operator at a real browser before a real node: starts both, logs in, and writes down what no page may do.

import { join } from "node:path"
import { chromium, type Locator, type Page } from "playwright-core"
import {
  endAllNodes,
  type NodeProcess,
  printedCredentials,
  type Settings,
  startNode,
  temporaryFolder,
} from "../../server/test/node-process.ts"

/** Where Chromium is; null: nothing can be tried in a browser. */
export const chromiumPath: string | null =
  process.env.WEIR_TEST_CHROMIUM ||
  ["chromium", "chromium-browser", "google-chrome"]
    .map((name) => Bun.which(name))
    .find((path): path is string => path !== null) ||
  null
if (chromiumPath === null) console.log("Chromium is not here, so the dashboard was not tried in a browser.")

const launchArguments = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
]
const launchTimeoutMs = 20_000
/** One step of a page. */
const stepTimeoutMs = 10_000

export const sizes = {
  desk: { width: 1_280, height: 900 },
  phone: { width: 380, height: 780 },
} as const

export interface Visitors {
  /** What their pages did that no page may do: broken policies, errors that nobody caught. */
  readonly faults: string[]
  /** A browser that knows nobody, at a size. */
  open(size?: keyof typeof sizes): Promise<Page>
  close(): Promise<void>
}

export async function startBrowser(): Promise<Visitors> {
  const faults: string[] = []
  const browser = await chromium.launch({
    executablePath: chromiumPath as string,
    args: launchArguments,
    timeout: launchTimeoutMs,
  })
  return {
    faults,
    async open(size = "desk") {
      const context = await browser.newContext({ viewport: sizes[size], reducedMotion: "reduce", locale: "en-GB" })
      context.setDefaultTimeout(stepTimeoutMs)
      const page = await context.newPage()
      watch(page, faults)
      return page
    },
    close: () => browser.close(),
  }
}

export interface Walk extends Visitors {
  readonly node: NodeProcess
  /** By name, because browsers keep passkeys for names alone. */
  readonly origin: string
  /** The address of the first account's page, with its token. */
  readonly setupUrl: string
  readonly demoUrl: string
  /** Key and secret of the app that the first start made. */
  readonly first: { readonly apiKey: string; readonly apiSecret: string }
}

/** Starts a node without any credentials but those that it makes itself, and a browser. */
export async function startWalk(settings: Settings = {}): Promise<Walk> {
  const folder = temporaryFolder()
  const generated = { WEIR_API_KEY: undefined, WEIR_API_SECRET: undefined, WEIR_ADMIN_TOKEN: undefined }
  const node = await startNode({ WEIR_DATA_DIR: join(folder.path, "data"), ...generated, ...settings })
  const printed = (pattern: RegExp): string => pattern.exec(node.output())?.[1] ?? ""
  const { apiKey, secret } = await printedCredentials(node)
  const visitors = await startBrowser()
  return {
    ...visitors,
    node,
    origin: node.url.replace("127.0.0.1", "localhost"),
    setupUrl: printed(/^ {2}dashboard +(\S+)$/m),
    demoUrl: printed(/^ {2}demo +(\S+)$/m),
    first: { apiKey, apiSecret: secret },
    async close() {
      await visitors.close()
      await endAllNodes()
      folder.remove()
    },
  }
}

/** A refused request is no fault of the page: each test says itself which it expects. */
const refusedRequest = /^Failed to load resource: the server responded with a status of 4\d\d/

function watch(page: Page, faults: string[]): void {
  const at = (): string => new URL(page.url()).pathname
  page.on("pageerror", (error) => faults.push(`${at()}: ${error.message}`))
  page.on("console", (message) => {
    if (message.type() !== "error" && message.type() !== "warning") return
    if (!refusedRequest.test(message.text())) faults.push(`${at()}: ${message.text()}`)
  })
}

export const owner = {
  name: "Olga Owner",
  email: "olga@example.com",
  password: "seven green boats on a lake",
} as const

/** The first operator, by the link that the node printed. Ends on the list of apps. */
export async function setUp(page: Page, { setupUrl }: Pick<Walk, "setupUrl">): Promise<void> {
  await page.goto(setupUrl)
  await field(page, "Email").fill(owner.email)
  await fillAccount(page, owner)
  await page.getByRole("button", { name: "Create account" }).click()
  await heading(page, "Apps")
}

export async function fillAccount(page: Page, { name, password }: { name: string; password: string }): Promise<void> {
  await field(page, "Your name").fill(name)
  await field(page, "Password").fill(password)
}

/** The first step of a login: what comes next is the caller's to say. */
export async function enterPassword(page: Page, { origin }: Walk, email: string, password: string): Promise<void> {
  const address = `${origin}/dashboard/login`
  if (page.url() !== address) await page.goto(address)
  await field(page, "Email").fill(email)
  await field(page, "Password").fill(password)
  await page.getByRole("button", { name: "Log in" }).click()
}

export async function logOut(page: Page): Promise<void> {
  await page.getByRole("button", { name: /^Account of / }).click()
  await page.getByRole("menuitem", { name: "Log out" }).click()
  await heading(page, "Log in to Weir")
}

/** An input by its label; those that must be filled in carry a star, and lists of choices have the same label. */
export const field = (page: Page, label: string): Locator =>
  page.getByLabel(new RegExp(`^${label}( \\*)?$`)).and(page.locator("input, textarea"))

/** Waits for a heading of this name. */
export const heading = (page: Page, name: string | RegExp): Promise<void> =>
  page.getByRole("heading", typeof name === "string" ? { name, exact: true } : { name }).waitFor()

/** Goes to another page by the navigation, as somebody does who has no address. */
export async function goTo(page: Page, title: string): Promise<void> {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: title, exact: true }).click()
  await page.getByRole("heading", { level: 1 }).first().waitFor()
}

/** A section of the page by its title. */
export const section = (page: Page, title: string): Locator => page.getByRole("region", { name: title, exact: true })

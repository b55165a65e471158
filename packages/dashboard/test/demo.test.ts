// The demo in a real browser before a real node: two users chat, and each failure that can be switched on is seen on
// the side that it happens to, with its reason, and over again when it is switched off.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout } from "bun:test"
import type { Locator, Page } from "playwright-core"
import { judge } from "./judge.ts"
import { stepsOf } from "./steps.ts"
import { chromiumPath, field, heading, startWalk, type Walk } from "./walk.ts"

setDefaultTimeout(60_000)

/** The short token lives ten seconds. */
const expiryTimeoutMs = 20_000

describe.skipIf(chromiumPath === null)("the demo", () => {
  let walk: Walk
  let page: Page
  beforeAll(async () => {
    walk = await startWalk()
    page = await walk.open()
  })
  afterAll(() => walk?.close())

  const step = stepsOf(
    () => walk,
    () => [page],
  )
  type User = "User one" | "User two"
  const side = (user: User): Locator => page.getByRole("region", { name: user, exact: true })
  const messages = (user: User): Locator => side(user).getByRole("log", { name: /^Messages/ })
  const log = (user: User, text: string | RegExp): Promise<void> =>
    side(user)
      .getByRole("log", { name: /^What happened/ })
      .getByText(text)
      .first()
      .waitFor()
  const box = (user: User): Locator => side(user).getByLabel(`Message from ${user}`)
  const online = (user: User): Promise<void> => side(user).getByText("online", { exact: true }).waitFor()
  async function send(user: User, text: string): Promise<void> {
    await box(user).fill(text)
    await side(user).getByRole("button", { name: "Send" }).click()
  }
  const turn = (user: User, failure: string): Promise<void> => side(user).getByRole("switch", { name: failure }).click()

  step("two users chat, and each sees the other type and read", async () => {
    await page.goto(walk.demoUrl)
    await heading(page, "User one")
    await box("User two").waitFor()
    await send("User one", "The ferry leaves at nine")
    await messages("User two").getByText("The ferry leaves at nine").waitFor()
    await box("User two").pressSequentially("I am on the")
    await side("User one").getByText("User two is typing…").waitFor()
    await side("User two").getByRole("button", { name: "Send" }).click()
    await messages("User one").getByText("I am on the").waitFor()
    // User two looked at the message when they began to write.
    await side("User one").getByText("Read by User two").waitFor()
  })

  step("one follows what the other posts, a call is accepted and left, and only who made it may end it", async () => {
    const tab = (name: string) => page.getByRole("radiogroup", { name: "What the two do" }).getByText(name).click()
    await tab("Feed")
    await side("User one").getByRole("button", { name: "Follow User two", exact: true }).click()
    await side("User one").getByRole("button", { name: "Unfollow User two" }).waitFor()
    await field(page, "Post of User two").fill("First over the line")
    await side("User two").getByRole("button", { name: "Post" }).click()
    await side("User one").getByText("First over the line").waitFor()
    await tab("Call")
    await side("User one").getByRole("button", { name: "Ring User two" }).click()
    await side("User two").getByRole("button", { name: "Accept" }).click()
    await side("User one")
      .getByText(/^In the lobby with /)
      .waitFor()
    await side("User two").getByRole("button", { name: "Leave" }).waitFor()
    expect(await side("User two").getByRole("button", { name: "End the call" }).count()).toBe(0)
    expect(await side("User one").getByRole("button", { name: "Leave" }).count()).toBe(0)
    await side("User two").getByRole("button", { name: "Leave" }).click()
    await side("User two").getByText("No call").waitFor()
    await log("User one", "User two left the call")
    await side("User one").getByText("User two left", { exact: true }).waitFor()
    await side("User one").getByRole("button", { name: "End the call" }).click()
    await side("User one").getByText("No call").waitFor()
    await log("User two", "call.ended")

    await side("User one").getByRole("button", { name: "Ring User two" }).click()
    await side("User two").getByRole("button", { name: "Accept" }).click()
    await side("User two").getByRole("button", { name: "Leave" }).waitFor()
    await side("User one").getByRole("button", { name: "End the call" }).click()
    await side("User two").getByText("No call").waitFor()
    await tab("Chat")
  })

  step("it fits a phone, and axe finds nothing serious", async () => {
    expect(await judge(page)).toEqual([])
  })

  step(
    "an expired, a narrowed and a revoked token: each is refused with its reason, until it is switched off",
    async () => {
      await turn("User two", "Expire the token")

      await turn("User one", "Narrow the token")
      await log("User one", "From now on requests carry a token that may read and change nothing")
      await send("User one", "Who is ahead?")
      await log("User one", /^Not sent: /)
      await turn("User one", "Narrow the token")
      await log("User one", "A new token was asked for, as after a fresh login")
      await send("User one", "The red boat is ahead")
      await messages("User one").getByText("The red boat is ahead").waitFor()

      await turn("User one", "Revoke the user")
      await log("User one", /^Revoked on every node within \d+ ms/)
      await log("User one", "The socket was closed")
      // All that the other side learns of it.
      await log("User two", "User one is offline")
      await side("User one").getByText("ended", { exact: true }).waitFor()
      await turn("User one", "Revoke the user")
      await online("User one")
      await log("User two", "User one is online again")
      await send("User one", "Back on board")

      await side("User two").getByText("ended", { exact: true }).waitFor({ timeout: expiryTimeoutMs })
      await send("User two", "Too late")
      await log("User two", /^Not sent: /)
      await turn("User two", "Expire the token")
      await online("User two")
      await messages("User two").getByText("Back on board").waitFor()
      await send("User two", "So am I")
      await messages("User one").getByText("So am I").waitFor()
      expect(await messages("User one").getByText("Who is ahead?").count()).toBe(0)
      expect(await messages("User one").getByText("Too late").count()).toBe(0)
    },
  )
})

// Two nodes on one Postgres and one Redis: whoever is shut out by one is out on the other, at once.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { newMasterKey } from "../../../test/node-process.ts"
import {
  addTotp,
  codeOf,
  goodPassword,
  joinAs,
  logIn,
  type OperatorPage,
  openPage,
  operatorIdOf,
  stepNow,
  tokenOf,
} from "../../../test/operator-page.ts"
import { createPostgresDatabase, startTestServer, type TestServer } from "../../testing.ts"

setDefaultTimeout(60_000)

const redisUrl = process.env.WEIR_TEST_REDIS_URL
const database = redisUrl === undefined ? null : await createPostgresDatabase()
if (database === null || redisUrl === undefined) {
  console.log("operators/nodes.test.ts: skipped, needs WEIR_TEST_POSTGRES_URL and WEIR_TEST_REDIS_URL")
} else {
  nodesTests(database, redisUrl)
}

function nodesTests(database: { url: string; drop(): Promise<void> }, redisUrl: string): void {
  describe("operators on two nodes", () => {
    let nodes: readonly [TestServer, TestServer]
    let owner: OperatorPage
    beforeAll(async () => {
      const env = { WEIR_DATABASE_URL: database.url, WEIR_REDIS_URL: redisUrl, WEIR_MASTER_KEY: newMasterKey() }
      nodes = [await startTestServer({ env }), await startTestServer({ env })]
    })
    afterAll(async () => {
      for (const node of nodes) await node.close()
      await database.drop()
    })

    /** The same browser at the other node, as behind a balancer. */
    const at = (node: TestServer, page: OperatorPage): OperatorPage => {
      const moved = openPage(node.url, page.email)
      for (const [name, value] of page.cookies) moved.cookies.set(name, value)
      return moved
    }
    const status = async (page: OperatorPage): Promise<number> => (await page.admin("GET", "/me")).status
    /** Joined on the first node, and known in memory on both. */
    const known = async (email: string): Promise<readonly [OperatorPage, OperatorPage]> => {
      const first = await joinAs(nodes[0], "admin", email)
      const second = at(nodes[1], first)
      expect([await status(first), await status(second)]).toEqual([200, 200])
      return [first, second]
    }

    test("each node prints a link to the first account, and one account is made", async () => {
      const tokens = nodes.map(({ server }) => tokenOf(server.setupPath ?? ""))
      expect(new Set(tokens).size).toBe(2)
      const pages = nodes.map(({ url }) => openPage(url, "owner@example.com"))
      const answers = await Promise.all(
        pages.map((page, n) =>
          page.access("POST", "setup", {
            token: tokens[n],
            name: "Olga",
            email: page.email,
            password: goodPassword,
          }),
        ),
      )
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400])
      owner = pages[answers.findIndex(({ status }) => status === 200)] as OperatorPage
      expect((await at(nodes[0], owner).admin("GET", "/team")).body.operators).toHaveLength(1)
    })

    test("case 56: a session that ends on one node is over on the other when the answer comes", async () => {
      const [first, second] = await known("leaving@example.com")
      expect((await first.access("POST", "auth/sign-out", {})).status).toBe(200)
      await until(async () => (await status(second)) === 401)
    })

    test("case 57: another role, and being shut out, hold on both nodes at once", async () => {
      const [first, second] = await known("changed@example.com")
      const id = await operatorIdOf(first)
      const boss = at(nodes[0], owner)
      expect((await boss.admin("PATCH", `/team/${id}`, { role: "viewer" })).status).toBe(200)
      await until(async () => (await second.admin("GET", "/me")).body.role === "viewer")
      expect((await second.admin("POST", "/apps", { name: "no more" })).status).toBe(403)
      expect((await boss.admin("PATCH", `/team/${id}`, { disabled: true })).status).toBe(200)
      await until(async () => (await status(second)) === 401)
      expect((await logIn(at(nodes[1], openPage(nodes[1].url, first.email)))).status).toBe(401)
    })

    test("case 58: a fresh login on one node is fresh on the other", async () => {
      const [first, second] = await known("fresh@example.com")
      const before = (await second.admin("GET", "/me")).body.session.verified_at
      await Bun.sleep(5)
      expect((await first.access("POST", "step-up", { password: goodPassword })).status).toBe(200)
      await until(async () => (await second.admin("GET", "/me")).body.session.verified_at > before)
    })

    test("case 55: a code that counted on one node counts on no other", async () => {
      const page = await joinAs(nodes[0], "viewer", "twice@example.com")
      const { uri } = await addTotp(page)
      const doors = nodes.map(({ url }) => openPage(url, page.email))
      for (const door of doors) expect((await logIn(door)).body.twoFactorRedirect).toBe(true)
      const code = codeOf(uri, stepNow())
      const answers = await Promise.all(
        doors.map((door) => door.access("POST", "auth/two-factor/verify-totp", { code })),
      )
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 401])
    })
  })
}

/** The word goes over the bus, which takes a moment and no more. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 1_000
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error("it did not come to hold within a second")
    await Bun.sleep(2)
  }
}

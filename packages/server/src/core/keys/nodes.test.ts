// A secret's end on every node: two servers on one database and one bus. Runs where both are given.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { asAdmin, createApp, createUsers, expectRefusal } from "../../../test/fixtures.ts"
import { generateMasterKeyText } from "../../base/crypto.ts"
import { createPostgresDatabase, serverToken, startTestServer, type TestServer } from "../../testing.ts"

const redisUrl = process.env.WEIR_TEST_REDIS_URL
const hasTwoNodes = Boolean(redisUrl && process.env.WEIR_TEST_POSTGRES_URL)

describe.skipIf(!hasTwoNodes)("secrets on two nodes", () => {
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
  let near: TestServer
  let far: TestServer
  beforeAll(async () => {
    database = await createPostgresDatabase()
    const env = {
      WEIR_DATABASE_URL: database?.url as string,
      WEIR_REDIS_URL: redisUrl as string,
      WEIR_MASTER_KEY: generateMasterKeyText(),
    }
    near = await startTestServer({ env })
    far = await startTestServer({ env })
    await createUsers(near, "jessica")
  })
  afterAll(async () => {
    await Promise.all([near.close(), far.close()])
    await database?.drop()
  })

  test("case 47: a secret that is revoked here is refused there by the time of the receipt", async () => {
    const app = await createApp(near, "two nodes")
    const path = `/api/admin/v1/apps/${app.id}/keys/${app.apiKey}/secrets`
    const asked = (node: TestServer, secret: string) =>
      node.call("GET", "/api/v2/app", { as: serverToken({}, secret), apiKey: app.apiKey })
    for (let round = 0; round < 5; round++) {
      const { secret, value } = (await near.call("POST", path, { ...asAdmin, body: { state: "active" } })).body
      // Both nodes have proved it and remember that.
      await Bun.sleep(50)
      for (const node of [near, far]) expect((await asked(node, value)).status).toBe(200)
      const options = { ...asAdmin, body: { state: "revoked" } }
      const { status, body } = await near.call("PATCH", `${path}/${secret.kid}?force=true`, options)
      expect(status).toBe(200)
      expect(body.receipt.nodes).toHaveLength(2)
      for (const node of [far, near]) expectRefusal(await asked(node, value), "tokenSignature")
      expect((await asked(far, app.secret)).status).toBe(200)
    }
  })
})

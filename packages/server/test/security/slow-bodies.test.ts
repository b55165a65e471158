// Whoever is let in by the head of a request may be shut out before its body is whole.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { serverToken, type TestServer, testApiKey, userToken } from "../../src/testing.ts"
import { asAdmin, createUsers, databaseKinds, startOn } from "../fixtures.ts"
import { beginRequest } from "../slow-request.ts"

for (const kind of databaseKinds) {
  describe(`bodies that take their time on ${kind}`, () => {
    let server: TestServer
    beforeAll(async () => {
      server = await startOn(kind)
      await createUsers(server, "jessica", "tommy")
      const body = { data: { created_by_id: "jessica", members: [{ user_id: "jessica" }, { user_id: "tommy" }] } }
      expect((await server.call("POST", "/api/v2/chat/channels/messaging/slow/query", { body })).status).toBe(201)
    })
    afterAll(() => server.close())

    const begin = (token: string, path: string, body: object) =>
      beginRequest(
        server.url,
        "POST",
        `/api/v2${path}?api_key=${testApiKey}`,
        body,
        { authorization: token, "stream-auth-type": "jwt" },
        // Longer than a body may take without whoever sends it being asked for again.
        600,
      )
    const send = "/chat/channels/messaging/slow/message"
    const appId = async (): Promise<number> => (await server.call("GET", "/api/admin/v1/apps", asAdmin)).body.apps[0].id

    test("case 35: a revocation ends a request that was begun before it", async () => {
      const token = userToken("jessica", { iat: Math.floor(Date.now() / 1000) - 5 })
      const begun = await begin(token, send, { message: { text: "after the revocation" } })
      const revoked = await server.call("POST", `/api/admin/v1/apps/${await appId()}/revocations`, {
        ...asAdmin,
        body: { user_id: "jessica" },
      })
      expect(revoked.status).toBe(201)
      expect(await begun.finish()).toBe(401)
      const { body } = await server.call("POST", "/api/v2/chat/channels/messaging/slow/query", {
        body: { state: true },
      })
      expect(JSON.stringify(body)).not.toContain("after the revocation")
    })

    test("a body that comes slowly from somebody who is still let in is taken", async () => {
      const begun = await begin(userToken("tommy"), send, { message: { text: "slow and right" } })
      expect(await begun.finish()).toBe(201)
      const asServer = await begin(serverToken(), "/users", { users: { slow: { id: "slow" } } })
      expect(await asServer.finish()).toBe(201)
    })
  })
}

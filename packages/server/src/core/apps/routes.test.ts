import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { ApiError } from "@weir/protocol"
import {
  asAdmin,
  createApp,
  createGuest,
  databaseKinds,
  expectRefusal,
  type OtherApp,
  startOn,
  strangers,
} from "../../../test/fixtures.ts"
import { createAuthenticateOperator } from "../../authenticate/operator.ts"
import { serverToken, type TestServer, testAdminToken, userToken } from "../../testing.ts"

for (const kind of databaseKinds) {
  describe(`apps on ${kind}`, () => {
    let server: TestServer
    let other: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      other = await createApp(server)
    })
    afterAll(() => server.close())

    const admin = (method: string, path: string, body?: unknown) =>
      server.call(method, `/api/admin/v1/apps${path}`, { ...asAdmin, body })
    const suspend = (id: number, suspended: boolean) => admin("PATCH", `/${id}`, { suspended })

    test("GetApp: a server call reads its own app", async () => {
      const own = await server.call("GET", "/api/v2/app")
      expect(own.status).toBe(200)
      expect(own.body.app).toMatchObject({ name: "default", environment: "development", suspended: false })
      const foreign = await server.call("GET", "/api/v2/app", {
        as: serverToken({}, other.secret),
        apiKey: other.apiKey,
      })
      expect(foreign.body.app).toMatchObject({ id: other.id, name: "other" })
    })

    test("GetApp: nobody else", async () => {
      const guest = await createGuest(server)
      for (const as of [userToken("jessica"), guest.token])
        expectRefusal(await server.call("GET", "/api/v2/app", { as }), "notAllowed")
      expectRefusal(await server.call("GET", "/api/v2/app", { as: null, authType: "anonymous" }), "notAllowed")
      for (const [, credentials, error] of strangers(other))
        expectRefusal(await server.call("GET", "/api/v2/app", credentials), error)
    })

    test("operators make and list apps; the secret is shown once", async () => {
      const made = await admin("POST", "", { name: "third", environment: "production" })
      expect(made.status).toBe(201)
      expect(made.body.app).toMatchObject({ name: "third", environment: "production", suspended: false })
      expect(made.body.key.api_key).toMatch(/^[a-z0-9]{12}$/)
      expect(made.body.secret).toMatch(/^[a-z0-9]{64}$/)
      const listed = await admin("GET", "")
      expect(listed.body.apps.map(({ name }: { name: string }) => name)).toContain("third")
      expect(JSON.stringify(listed.body)).not.toContain(made.body.secret)
    })

    test("the admin token is the only way in", async () => {
      const wrong = [
        null,
        "",
        testAdminToken,
        `Bearer ${testAdminToken}x`,
        `Bearer  ${testAdminToken}`,
        `Basic ${testAdminToken}`,
        "Bearer ",
        serverToken(),
        `Bearer ${serverToken()}`,
      ]
      for (const as of wrong) {
        for (const [method, path, body] of [
          ["GET", "", undefined],
          ["POST", "", { name: "x" }],
          ["PATCH", `/${other.id}`, { suspended: true }],
        ] as const) {
          expectRefusal(await server.call(method, `/api/admin/v1/apps${path}`, { as, body }), "authentication")
        }
      }
      expectRefusal(await server.call("GET", "/api/v2/app", { as: `Bearer ${testAdminToken}` }), "authentication")
    })

    test("without an admin token in the settings nobody is an operator", () => {
      const authenticateOperator = createAuthenticateOperator(null)
      for (const authorization of [null, "", "Bearer ", "Bearer null", "Bearer undefined"]) {
        expect(() => authenticateOperator(authorization)).toThrow(ApiError)
      }
    })

    test("what is wrong is named", async () => {
      expectRefusal(await admin("POST", "", {}), "input", "name")
      expectRefusal(await admin("POST", "", { name: "" }), "input", "name")
      expectRefusal(await admin("POST", "", { name: "x", environment: "moon" }), "input", "environment")
      expectRefusal(await admin("PATCH", "/abc", { suspended: true }), "input", "app")
      expectRefusal(await admin("PATCH", `/${other.id}`, { suspended: "yes" }), "input", "suspended")
      expectRefusal(await admin("PATCH", "/999", { suspended: true }), "notFound")
    })

    test("a suspended app is shut at once for everybody, its sockets end, and it comes back", async () => {
      const key = { apiKey: other.apiKey }
      const socket = await server.connect("jessica", { ...key, token: userToken("jessica", {}, other.secret) })
      const neighbour = await server.connect("jessica")
      expect((await suspend(other.id, true)).body.app.suspended).toBe(true)
      expect((await socket.closed).code).toBe(4599)
      expect(socket.seen("connection.error")).toMatchObject([{ error: { code: 99, StatusCode: 403 } }])
      for (const as of [serverToken({}, other.secret), userToken("jessica", {}, other.secret), "nonsense", null]) {
        expectRefusal(await server.call("GET", "/api/v2/app", { as, ...key }), "appSuspended")
      }
      expectRefusal(
        await server.call("POST", "/api/v2/guest", { ...key, as: null, body: { user: { id: "v" } } }),
        "appSuspended",
      )
      const again = await server.connect("jessica", { ...key, token: userToken("jessica", {}, other.secret) })
      expect(again.first).toMatchObject({ type: "connection.error", error: { code: 99 } })
      expect((await again.closed).code).toBe(4599)
      expect((await server.call("GET", "/api/v2/app")).status).toBe(200)
      expect(neighbour.seen("connection.error")).toEqual([])
      neighbour.close()
      await suspend(other.id, false)
      expect((await server.call("GET", "/api/v2/app", { as: serverToken({}, other.secret), ...key })).status).toBe(200)
    })
  })
}

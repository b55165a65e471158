import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { asAdmin, createApp, databaseKinds, expectRefusal, type OtherApp, startOn } from "../../../test/fixtures.ts"
import { serverToken, sign, type TestServer, userToken } from "../../testing.ts"
import { limits } from "./limits.ts"

for (const kind of databaseKinds) {
  describe(`keys on ${kind}`, () => {
    let server: TestServer
    let other: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      other = await createApp(server)
    })
    afterAll(() => server.close())

    const keys = (method: string, app: number | string, body?: unknown) =>
      server.call(method, `/api/admin/v1/apps/${app}/keys`, { ...asAdmin, body })

    test("a new key works at once, also when it was tried before it was there", async () => {
      const { status, body } = await keys("POST", other.id, { label: "backend" })
      expect(status).toBe(201)
      expect(body.key).toMatchObject({ label: "backend", secrets: [{ state: "active", alg: "HS256" }] })
      expect(body.secret).toMatch(/^[a-z0-9]{64}$/)
      const as = serverToken({}, body.secret)
      const { app } = (await server.call("GET", "/api/v2/app", { as, apiKey: body.key.api_key })).body
      expect(app.id).toBe(other.id)
    })

    test("each key is proved by its own secret only, within an app too", async () => {
      const { body } = await keys("POST", other.id, {})
      expectRefusal(
        await server.call("GET", "/api/v2/app", { as: serverToken({}, body.secret), apiKey: other.apiKey }),
        "tokenSignature",
      )
      expectRefusal(
        await server.call("GET", "/api/v2/app", { as: serverToken({}, other.secret), apiKey: body.key.api_key }),
        "tokenSignature",
      )
    })

    test("case 13: a kid names one of the key's own secrets or nothing", async () => {
      const { keys: listed } = (await keys("GET", other.id)).body
      const own = listed.find(({ api_key }: { api_key: string }) => api_key === other.apiKey)
      const { kid } = own.secrets[0]
      const send = (header: object) =>
        server.call("GET", "/api/v2/app", {
          as: sign({ server: true }, other.secret, { alg: "HS256", ...header }),
          apiKey: other.apiKey,
        })
      expect((await send({ kid })).status).toBe(200)
      expectRefusal(await send({ kid: "other" }), "tokenSignature")
      expectRefusal(await send({ kid: "" }), "tokenSignature")
    })

    test("a list shows no secret, whole or in part", async () => {
      const { status, body } = await keys("GET", other.id)
      expect(status).toBe(200)
      expect(body.keys.length).toBeGreaterThan(0)
      const text = JSON.stringify(body)
      expect(text).not.toContain(other.secret.slice(0, 8))
      expect(text).not.toContain("sealed")
    })

    test("only operators, only apps that are there, only sound data", async () => {
      for (const as of [null, serverToken(), userToken("jessica"), "Bearer nonsense"]) {
        expectRefusal(await server.call("GET", `/api/admin/v1/apps/${other.id}/keys`, { as }), "authentication")
        expectRefusal(
          await server.call("POST", `/api/admin/v1/apps/${other.id}/keys`, { as, body: {} }),
          "authentication",
        )
      }
      expectRefusal(await keys("GET", 999), "notFound")
      expectRefusal(await keys("POST", 999, {}), "notFound")
      expectRefusal(await keys("GET", "abc"), "input", "app")
      expectRefusal(await keys("POST", other.id, { label: 5 }), "input", "label")
      expectRefusal(await keys("POST", other.id, { label: "x".repeat(101) }), "input", "label")
    })

    test("an app has a bounded number of keys, all of which are listed", async () => {
      const app = await createApp(server, "many keys")
      for (let made = 1; made < limits.keysPerAppMax; made++) expect((await keys("POST", app.id, {})).status).toBe(201)
      expectRefusal(await keys("POST", app.id, {}), "input")
      expect((await keys("GET", app.id)).body.keys).toHaveLength(limits.keysPerAppMax)
    })
  })
}

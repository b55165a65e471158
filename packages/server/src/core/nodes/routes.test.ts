// What operators are told of the nodes and of the settings that they run with.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { asAdmin, databaseKinds, expectRefusal, startOn } from "../../../test/fixtures.ts"
import { version } from "../../base/version.ts"
import { call, serverToken, type TestServer, testAdminToken, testApiSecret, userToken } from "../../testing.ts"

for (const kind of databaseKinds) {
  describe(`nodes on ${kind}`, () => {
    let server: TestServer
    beforeAll(async () => {
      server = await startOn(kind)
    })
    afterAll(() => server.close())

    const nodes = async () => (await server.call("GET", "/api/admin/v1/nodes", asAdmin)).body.nodes

    test("the one node says how it fares", async () => {
      await server.call("GET", "/api/v2/app")
      const socket = await server.connect("jessica", { token: userToken("jessica") })
      const [node, ...others] = await nodes()
      expect(others).toEqual([])
      expect(node).toMatchObject({ is_here: true, status: "answering" })
      expect(node.id).toMatch(/^[a-z0-9]{12}$/)
      expect(node.state).toMatchObject({
        version,
        runtime: `Bun ${Bun.version}`,
        address: server.url,
        is_draining: false,
        sockets: 1,
        bus: "local",
        revocations: { behind: 0 },
        database: { dialect: kind, ping_ms: expect.any(Number) },
        dropped: { refusals: 0, traffic_minutes: 0 },
      })
      expect(node.state.requests).toBeGreaterThanOrEqual(2)
      expect(node.state.memory.resident_bytes).toBeGreaterThan(1_000_000)
      expect(node.state.revocations.lease_left_ms).toBeGreaterThan(0)
      expect(Math.abs(node.state.database.clock_offset_ms)).toBeLessThan(1_000)
      expect(Date.now() - Date.parse(node.state.started_at)).toBeLessThan(60_000)
      socket.close()
      await socket.closed
    })

    test("a loop that was held up shows in its lag", async () => {
      // Whoever blocks the loop between two looks at it is seen at the next one.
      const untilMs = performance.now() + 900
      while (performance.now() < untilMs);
      await Bun.sleep(50)
      const [node] = await nodes()
      expect(node.state.event_loop.max_ms).toBeGreaterThan(300)
      expect(node.state.event_loop.max_ms).toBeGreaterThanOrEqual(node.state.event_loop.mean_ms)
    })

    test("settings are told with their origin, and no secret is among them", async () => {
      const { status, body } = await server.call("GET", "/api/admin/v1/settings", asAdmin)
      expect(status).toBe(200)
      const settingOf = (name: string) => body.settings.find((setting: { name: string }) => setting.name === name)
      expect(settingOf("WEIR_RATE_LIMITS")).toMatchObject({ value: "off", source: "env" })
      expect(settingOf("WEIR_LOG_LEVEL")).toMatchObject({ value: "info", source: "default" })
      expect(settingOf("WEIR_MASTER_KEY")).toMatchObject({ source: "file" })
      for (const { doc, form } of body.settings) expect([doc.length > 0, form.length > 0]).toEqual([true, true])
      const text = JSON.stringify(body)
      for (const secret of [testAdminToken, testApiSecret]) expect(text).not.toContain(secret)
      const url = server.config.database.kind === "postgres" ? new URL(server.config.database.url) : null
      if (url !== null) {
        expect(settingOf("WEIR_DATABASE_URL").value).toContain(url.hostname)
        expect(text).not.toContain(`:${url.password}@`)
      }
      expect(body.warnings).toEqual(server.config.warnings as string[])
      expect(body.version).toBe(version)
      expect(body.node).toBe((await nodes())[0].id)
    })

    test("both are for operators alone", async () => {
      for (const path of ["nodes", "settings"]) {
        const options = { as: `Bearer ${serverToken()}`, apiKey: null, authType: null }
        expectRefusal(await call(server.url, "GET", `/api/admin/v1/${path}`, options), "authentication")
        expectRefusal(
          await call(server.url, "GET", `/api/admin/v1/${path}`, { ...options, as: null }),
          "authentication",
        )
      }
    })
  })
}

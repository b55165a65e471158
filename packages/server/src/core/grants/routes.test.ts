import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { asAdmin, createApp, databaseKinds, expectRefusal, type OtherApp, startOn } from "../../../test/fixtures.ts"
import { serverToken, type TestServer } from "../../testing.ts"
import { titleOf } from "./rules.ts"

interface Cell {
  readonly role: string
  readonly extent: string
  readonly any_team: boolean
}
interface Row {
  readonly id: string
  readonly title: string
  readonly grants: readonly Cell[]
}

for (const kind of databaseKinds) {
  describe(`grants on ${kind}`, () => {
    let server: TestServer
    let app: OtherApp
    beforeAll(async () => {
      server = await startOn(kind)
      app = await createApp(server)
    })
    afterAll(() => server.close())
    const grants = (query = "") => server.call("GET", `/api/admin/v1/apps/${app.id}/grants${query}`, asAdmin)

    test("every scope is there, each by its name as well", async () => {
      const { status, body } = await grants()
      expect(status).toBe(200)
      expect(body.scopes.map(({ id }: { id: string }) => id)).toEqual(body.known)
      for (const scope of ["app", "chat:messaging", "chat:livestream", "feeds:private", "video:livestream"]) {
        const only = (await grants(`?scope=${scope}`)).body
        expect(only.scopes).toEqual([body.scopes.find(({ id }: { id: string }) => id === scope)])
        expect(only.known).toEqual(body.known)
      }
    })

    test("a cell says whether it is for all, for one's own, and across teams", async () => {
      const [scope] = (await grants("?scope=chat:messaging")).body.scopes
      const cells = (action: string): Record<string, Cell> => {
        const row = scope.actions.find(({ id }: Row) => id === action) as Row
        return Object.fromEntries(row.grants.map((cell) => [cell.role, cell]))
      }
      expect(cells("update-message").channel_member).toEqual({ role: "channel_member", extent: "own", any_team: false })
      expect(cells("update-message").channel_moderator).toMatchObject({ extent: "all" })
      expect(cells("read-channel").global_admin).toMatchObject({ extent: "all", any_team: true })
      expect(cells("update-channel").channel_member).toBeUndefined()
      expect(cells("disable-channel")).toEqual({})
      expect(scope.roles).toContain("guest")
    })

    test("no scope of that name, no app of that number", async () => {
      expectRefusal(await grants("?scope=chat:nothing"), "input", "scope")
      expectRefusal(await grants("?scope=%20"), "input", "scope")
      expectRefusal(await server.call("GET", "/api/admin/v1/apps/1/grants", asAdmin), "notFound")
    })

    // What the page shows must be what the gate decides by.
    test("the matrix agrees with what Explain decides", async () => {
      const { actions } = (await grants("?scope=app")).body.scopes[0] as { actions: Row[] }
      const body = { users: { boss: { id: "boss", role: "admin" }, jane: { id: "jane" } } }
      await server.call("POST", "/api/v2/users", { apiKey: app.apiKey, as: serverToken({}, app.secret), body })
      for (const [user_id, role] of [
        ["boss", "admin"],
        ["jane", "user"],
      ]) {
        for (const { id, grants } of actions) {
          const ask = { user_id, action: id, resource: { type: "user", id: "someone-else" } }
          const explained = await server.call("POST", `/api/admin/v1/apps/${app.id}/explain`, { ...asAdmin, body: ask })
          const held = grants.some((cell) => cell.role === role && cell.extent === "all")
          expect([user_id, id, explained.body.allowed]).toEqual([user_id, id, held])
        }
      }
    })
  })
}

test("an action without a name of its own is called by its id", () => {
  expect(titleOf("start-record-call")).toBe("Start record call")
  expect(titleOf("recreate-channel")).toBe("Open a deleted channel again")
})

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { Validator } from "@seriousme/openapi-schema-validator"
import { Compile } from "typebox/compile"
import { asAdmin } from "../../test/fixtures.ts"
import { startTestServer, type TestServer, testApiKey, userToken } from "../testing.ts"

describe("openapi.json", () => {
  let server: TestServer
  // biome-ignore lint/suspicious/noExplicitAny: a document of which the test reads parts
  let document: any
  beforeAll(async () => {
    server = await startTestServer()
    document = await (await fetch(`${server.url}/openapi.json`)).json()
  })
  afterAll(() => server.close())

  test("a standard validator finds no fault", async () => {
    const result = await new Validator().validate(document)
    expect(result.errors ?? []).toEqual([])
    expect(result.valid).toBe(true)
  })

  test("a faulty document would have been found out", async () => {
    const broken = structuredClone(document)
    broken.paths["/api/v2/app"].get.responses = {}
    broken.paths["/api/v2/app"].get.parameters = [{ name: "x" }]
    expect((await new Validator().validate(broken)).valid).toBe(false)
  })

  test("it holds the operations of the server, all of them and no others", () => {
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, { operationId: string }>).map(
        ([method, { operationId }]) => `${operationId} ${method.toUpperCase()} ${path}`,
      ),
    )
    const served = server.server.operations.map(({ name, method, path }) => `${name} ${method} ${path}`)
    expect(described.sort()).toEqual(served.sort())
  })

  test("each operation says who may call it, and a path's parameters are all there", () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const operation of Object.values(methods as Record<string, Record<string, never[]>>)) {
        expect(operation["x-weir-access"]?.length).toBeGreaterThan(0)
        const named = (operation.parameters as unknown as { in: string; name: string }[])
          .filter((parameter) => parameter.in === "path")
          .map(({ name }) => `{${name}}`)
        expect(named.sort()).toEqual((path.match(/\{\w+\}/g) ?? []).sort())
      }
    }
  })

  test("case 66: answers of a tour fit what the document says of them", async () => {
    const asUser = { as: userToken("jessica") }
    const app = (await server.call("GET", "/api/admin/v1/apps", asAdmin)).body.apps[0].id
    const tour: [method: string, template: string, path: string, options: object][] = [
      ["POST", "/api/v2/users", "/api/v2/users", { body: { users: { jessica: { id: "jessica" } } } }],
      ["GET", "/api/v2/app", "/api/v2/app", {}],
      [
        "POST",
        "/api/v2/chat/channels/{type}/{id}/query",
        "/api/v2/chat/channels/messaging/general/query",
        { ...asUser, body: { data: {} } },
      ],
      [
        "POST",
        "/api/v2/chat/channels/{type}/{id}/message",
        "/api/v2/chat/channels/messaging/general/message",
        { ...asUser, body: { message: { text: "hello" } } },
      ],
      [
        "POST",
        "/api/v2/feeds/feed_groups/{feed_group_id}/feeds/{feed_id}",
        "/api/v2/feeds/feed_groups/user/feeds/jessica",
        { ...asUser, body: {} },
      ],
      [
        "POST",
        "/api/v2/video/call/{type}/{id}",
        "/api/v2/video/call/default/standup",
        { ...asUser, body: { data: {} } },
      ],
      ["GET", "/api/admin/v1/apps/{app}/keys", `/api/admin/v1/apps/${app}/keys`, asAdmin],
      ["GET", "/api/admin/v1/apps/{app}/audit", `/api/admin/v1/apps/${app}/audit`, asAdmin],
      ["GET", "/api/admin/v1/apps/{app}/token-policy", `/api/admin/v1/apps/${app}/token-policy`, asAdmin],
      ["GET", "/api/admin/v1/apps/{app}/sessions", `/api/admin/v1/apps/${app}/sessions`, asAdmin],
      [
        "POST",
        "/api/admin/v1/apps/{app}/keys/{api_key}/secrets",
        `/api/admin/v1/apps/${app}/keys/${testApiKey}/secrets`,
        { ...asAdmin, body: { label: "tour" } },
      ],
      [
        "POST",
        "/api/admin/v1/apps/{app}/revocations",
        `/api/admin/v1/apps/${app}/revocations`,
        { ...asAdmin, body: { user_id: "nobody" } },
      ],
    ]
    for (const [method, template, path, options] of tour) {
      const answer = await server.call(method, path, options)
      expect([path, answer.status < 300]).toEqual([path, true])
      const { schema } =
        document.paths[template][method.toLowerCase()].responses[answer.status].content["application/json"]
      const errors = [...Compile(schema).Errors(answer.body)].map(
        (error) => `${template}${error.instancePath} ${error.message}`,
      )
      expect(errors).toEqual([])
    }
  })
})

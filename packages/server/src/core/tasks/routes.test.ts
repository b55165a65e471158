import { afterAll, beforeAll, expect, test } from "bun:test"
import {
  createApp,
  createGuest,
  createUsers,
  expectHidden,
  expectRefusal,
  type OtherApp,
  startOn,
  strangers,
} from "../../../test/fixtures.ts"
import { serverToken, type TestServer, userToken } from "../../testing.ts"

let server: TestServer
let other: OtherApp
let taskId: string
beforeAll(async () => {
  server = await startOn("sqlite")
  other = await createApp(server)
  await createUsers(server, "gone")
  taskId = (await server.call("POST", "/api/v2/users/delete", { body: { user_ids: ["gone"] } })).body.task_id
})
afterAll(() => server.close())

test("a server call sees its app's task, with all that the model promises", async () => {
  const { status, body } = await server.call("GET", `/api/v2/tasks/${taskId}`)
  expect(status).toBe(200)
  expect(body).toMatchObject({
    task_id: taskId,
    status: expect.any(String),
    created_at: expect.any(String),
    updated_at: expect.any(String),
    duration: expect.any(String),
  })
})

test("users and guests are refused, whether the task is there or not", async () => {
  const guest = await createGuest(server)
  for (const as of [userToken("gone-not"), guest.token]) {
    expectRefusal(await server.call("GET", `/api/v2/tasks/${taskId}`, { as }), "notAllowed")
    expectRefusal(await server.call("GET", "/api/v2/tasks/none", { as }), "notAllowed")
  }
})

test("another app's task looks like an absent one", async () => {
  const options = { as: serverToken({}, other.secret), apiKey: other.apiKey }
  const there = await server.call("GET", `/api/v2/tasks/${taskId}`, options)
  expectHidden(there, await server.call("GET", "/api/v2/tasks/none", options), taskId, "none")
})

test("an id that is too long is named", async () => {
  expectRefusal(await server.call("GET", `/api/v2/tasks/${"x".repeat(65)}`), "input", "id")
})

test("strangers are refused", async () => {
  for (const [, credentials, error] of strangers(other)) {
    expectRefusal(await server.call("GET", `/api/v2/tasks/${taskId}`, credentials), error)
  }
})

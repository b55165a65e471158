// What happens in chat when somebody leaves without saying so, and when their account is shut.

import { afterAll, beforeAll, expect, test } from "bun:test"
import { startTestServer, type TestServer, userToken } from "../src/testing.ts"

let weir: TestServer
beforeAll(async () => {
  weir = await startTestServer()
  await weir.call("POST", "/api/v2/users", { body: { users: { jessica: { id: "jessica" }, john: { id: "john" } } } })
})
afterAll(() => weir.close())

const channel = "/api/v2/chat/channels/messaging/leaving"

test("a socket that goes away tells the watchers that it stopped watching", async () => {
  const [jessica, john] = [await weir.connect("jessica"), await weir.connect("john")]
  const data = { members: ["jessica", "john"] }
  const watch = { watch: true, data }
  await weir.call("POST", `${channel}/query`, {
    as: userToken("jessica"),
    connectionId: jessica.connectionId,
    body: watch,
  })
  await weir.call("POST", `${channel}/query`, { as: userToken("john"), connectionId: john.connectionId, body: watch })
  john.close()
  const event = await jessica.next("user.watching.stop")
  expect(event).toMatchObject({ user: { id: "john" }, watcher_count: 1, cid: "messaging:leaving" })
  jessica.close()
})

test("the messages of a deactivated user are hidden when asked, and come back with the user", async () => {
  const sent = await weir.call("POST", `${channel}/message`, {
    as: userToken("john"),
    body: { message: { text: "hi" } },
  })
  const typeNow = async (): Promise<string> =>
    (await weir.call("GET", `/api/v2/chat/messages/${sent.body.message.id}`)).body.message.type
  await weir.call("POST", "/api/v2/users/john/deactivate", { body: { mark_messages_deleted: true } })
  await until(async () => (await typeNow()) === "deleted")
  await weir.call("POST", "/api/v2/users/john/reactivate", { body: { restore_messages: true } })
  await until(async () => (await typeNow()) === "regular")
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 5_000
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error("it did not come about in time")
    await Bun.sleep(20)
  }
}

// What of a deleted user stays in chat, and what goes; on each database that is there.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { createPostgresDatabase, startTestServer, type TestServer, userToken } from "../../../testing.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("chat deletion: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

let counter = 0

describe.each(backends)("deleting users on %s", (backend) => {
  let t: TestServer
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    t = await startTestServer(database === null ? {} : { env: { WEIR_DATABASE_URL: database.url } })
  })
  afterAll(async () => {
    await t.close()
    await database?.drop()
  })

  /** A user with a group channel of their own, a conversation of two, and a message in each. */
  const scene = async () => {
    const n = counter++
    const [gone, stays] = [`gone${n}`, `stays${n}`]
    const users = { [gone]: { id: gone }, [stays]: { id: stays } }
    expect((await t.call("POST", "/api/v2/users", { body: { users } })).status).toBe(201)
    const as = userToken(gone)
    const data = { members: [gone, stays] }
    const group = await t.call("POST", `/api/v2/chat/channels/messaging/group${n}/query`, { as, body: { data } })
    const pair = await t.call("POST", "/api/v2/chat/channels/messaging/query", { as, body: { data } })
    const send = async (cid: string, userId: string, text: string): Promise<string> => {
      const path = `/api/v2/chat/channels/${cid.replace(":", "/")}/message`
      const answer = await t.call("POST", path, { as: userToken(userId), body: { message: { text } } })
      expect(answer.status).toBe(201)
      return answer.body.message.id
    }
    const cids = { group: group.body.channel.cid as string, pair: pair.body.channel.cid as string }
    return {
      gone,
      stays,
      cids,
      theirs: await send(cids.group, gone, "from the one who goes"),
      mine: await send(cids.group, stays, "from the one who stays"),
      private: await send(cids.pair, stays, "between us"),
    }
  }
  const remove = async (body: object): Promise<void> => {
    const begun = await t.call("POST", "/api/v2/users/delete", { body })
    expect(begun.status).toBe(201)
    for (let tries = 0; tries < 100; tries++) {
      const { status } = (await t.call("GET", `/api/v2/tasks/${begun.body.task_id}`)).body
      if (status === "completed") return
      if (status === "failed") throw new Error("the task failed")
      await Bun.sleep(50)
    }
    throw new Error("the task did not end")
  }
  const message = (id: string, query = "") => t.call("GET", `/api/v2/chat/messages/${id}${query}`)
  const channel = (cid: string, userId: string) =>
    t.call("POST", `/api/v2/chat/channels/${cid.replace(":", "/")}/query`, { as: userToken(userId), body: {} })

  test("soft, with nothing said of content: everything stays", async () => {
    const s = await scene()
    await remove({ user_ids: [s.gone], user: "soft" })
    expect((await message(s.theirs)).body.message).toMatchObject({ type: "regular", user: { id: s.gone } })
    expect((await channel(s.cids.pair, s.stays)).status).toBe(201)
  })

  test("soft messages: the shells stay, what was said is for servers", async () => {
    const s = await scene()
    const socket = await t.connect(s.stays)
    const query = { as: userToken(s.stays), body: { watch: true }, connectionId: socket.connectionId }
    await t.call("POST", `/api/v2/chat/channels/${s.cids.group.replace(":", "/")}/query`, query)
    await remove({ user_ids: [s.gone], user: "soft", messages: "soft" })
    expect(await socket.next("user.messages.deleted")).toMatchObject({
      cid: s.cids.group,
      user: { id: s.gone },
      hard_delete: false,
    })
    expect((await message(s.theirs)).body.message).toMatchObject({ type: "deleted", text: "" })
    expect((await message(s.theirs, "?show_deleted_message=1")).body.message.text).toBe("from the one who goes")
    expect((await message(s.mine)).body.message.type).toBe("regular")
    socket.close()
  })

  test("pruning messages: nothing of what was said is left, even for servers", async () => {
    const s = await scene()
    await remove({ user_ids: [s.gone], user: "pruning", messages: "pruning" })
    expect((await message(s.theirs, "?show_deleted_message=1")).body.message).toMatchObject({
      type: "deleted",
      text: "",
    })
    expect((await message(s.mine)).body.message.text).toBe("from the one who stays")
  })

  test("soft conversations: those of two are closed, groups go on", async () => {
    const s = await scene()
    const socket = await t.connect(s.stays)
    await remove({ user_ids: [s.gone], user: "soft", conversations: "soft" })
    expect(await socket.next("notification.channel_deleted")).toMatchObject({ cid: s.cids.pair })
    expect((await message(s.private)).body.code).toBe(16)
    const group = await channel(s.cids.group, s.stays)
    expect([group.status, group.body.channel.member_count]).toEqual([201, 2])
    const path = `/api/v2/chat/channels/${s.cids.pair.replace(":", "/")}/message`
    expect((await t.call("POST", path, { as: userToken(s.stays), body: { message: { text: "x" } } })).body.code).toBe(
      16,
    )
    socket.close()
  })

  test("hard: messages, conversations and memberships go, and owned channels change hands", async () => {
    const s = await scene()
    await remove({
      user_ids: [s.gone],
      user: "hard",
      messages: "hard",
      conversations: "hard",
      new_channel_owner_id: s.stays,
    })
    expect((await message(s.theirs)).body.code).toBe(16)
    expect((await message(s.private)).body.code).toBe(16)
    expect((await message(s.mine)).status).toBe(200)
    const group = await channel(s.cids.group, s.stays)
    expect(group.body.channel).toMatchObject({ member_count: 1, created_by: { id: s.stays } })
  })

  test("hard without a new owner leaves the channel to nobody", async () => {
    const s = await scene()
    await remove({ user_ids: [s.gone], user: "hard", messages: "hard", conversations: "hard" })
    expect((await channel(s.cids.group, s.stays)).body.channel.created_by).toBeUndefined()
  })
})

// What no route reaches in a short test: channels made anew, places that are given back, rosters too large to hold.

import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { systemClock } from "../../../base/clock.ts"
import { createLogger } from "../../../base/log.ts"
import { createLocalBus } from "../../../events/bus/local.ts"
import { createCaches } from "../../../events/caches.ts"
import type { Database } from "../../../store/database.ts"
import { migrate } from "../../../store/migrate.ts"
import { openDatabase } from "../../../store/open.ts"
import { createPostgresDatabase } from "../../../testing.ts"
import { createMembers, deleteMembers, insertMembers, memberLimits, newMember } from "../members/index.ts"
import { composeMessage, type MessageRow, messageContent, selectPage } from "../messages/index.ts"
import { insertMessage, returnPlace, takePlace } from "../messages/store.ts"
import { unreadOf } from "../reads/index.ts"
import { channelType } from "../types/index.ts"
import { chatMigrations } from "./index.ts"
import { channelOf, newChannelRow } from "./rules.ts"
import { insertChannel, markChannelDeleted, reviveChannel, selectChannel } from "./store.ts"

const backends = process.env.WEIR_TEST_POSTGRES_URL ? ["sqlite", "postgres"] : ["sqlite"]
if (backends.length === 1) console.log("chat store: WEIR_TEST_POSTGRES_URL is not set, tested on SQLite only")

const app = 7

describe.each(backends)("chat store on %s", (backend) => {
  let db: Database
  let database: Awaited<ReturnType<typeof createPostgresDatabase>> = null
  const dir = mkdtempSync(join(tmpdir(), "weir-chat-"))

  beforeAll(async () => {
    if (backend === "postgres") database = await createPostgresDatabase()
    db = await openDatabase(
      database === null ? { kind: "sqlite", path: join(dir, "weir.db") } : { kind: "postgres", url: database.url },
    )
    await migrate(db, chatMigrations)
  })
  afterAll(async () => {
    await db.close()
    await database?.drop()
    rmSync(dir, { recursive: true, force: true })
  })

  const rowOf = (id: string) => newChannelRow(app, channelType("messaging"), id, {}, "alice", 1000)
  const channelAt = async (id: string) => {
    const row = rowOf(id)
    await db.transact((tx) => insertChannel(tx, row))
    const channel = channelOf(row)
    if (channel === null) throw new Error("no channel")
    return channel
  }
  const say = (channel: Awaited<ReturnType<typeof channelAt>>, id: string, now: number): Promise<MessageRow> =>
    db.transact(async (tx) => {
      const place = await takePlace(tx, app, channel.cid, true, now)
      if (place === undefined) throw new Error("no place")
      const content = messageContent({ text: id }, channel.type.config, [])
      const draft = composeMessage({
        id,
        input: {},
        content,
        authorId: "alice",
        parent: null,
        channel,
        type: "regular",
      })
      const { seq, counted, createdAt } = place
      const row = { ...draft, seq, counted, created_at: createdAt, updated_at: createdAt }
      expect(await insertMessage(tx, row)).toBe(true)
      return row
    })

  test("a channel is made once, and anew only after it was deleted; then it is empty", async () => {
    const channel = await channelAt("anew")
    expect(await db.transact((tx) => insertChannel(tx, rowOf("anew")))).toBe(false)
    expect(await db.transact((tx) => reviveChannel(tx, rowOf("anew")))).toBe(false)
    const member = newMember(channel, { userId: "bob", role: null, custom: {} }, { seq: 0, counted: 0 }, 0, 1)
    await db.transact((tx) => insertMembers(tx, [member]))
    await say(channel, "old", 2000)
    expect(await unreadOf(db.read, app, "bob")).toEqual({ total: 1, channels: 1 })

    await db.transact((tx) => markChannelDeleted(tx, app, channel.cid, 3000))
    expect(await unreadOf(db.read, app, "bob")).toEqual({ total: 0, channels: 0 })
    // Nothing can be said in a deleted channel.
    expect(await db.transact((tx) => takePlace(tx, app, channel.cid, true, 3500))).toBeUndefined()

    expect(
      await db.transact((tx) => reviveChannel(tx, { ...rowOf("anew"), created_by_id: "carol", created_at: 4000 })),
    ).toBe(true)
    const row = await selectChannel(db.read, app, channel.cid)
    expect(row).toMatchObject({
      created_by_id: "carol",
      member_count: 0,
      deleted_at: null,
      last_message_at: null,
      created_at: 4000,
    })
    await say(channel, "new", 5000)
    const page = await selectPage(db.read, app, channel.cid, row?.cleared_seq ?? 0, {
      limit: 10,
      direction: "older",
      anchor: null,
    })
    expect(page.map(({ id }) => id)).toEqual(["new"])
  })

  test("times of a channel never go back, even if the clock does", async () => {
    const channel = await channelAt("clock")
    const first = await say(channel, "clock-1", 9000)
    const second = await say(channel, "clock-2", 8000)
    expect([first.created_at, second.created_at]).toEqual([9000, 9000])
    expect(second.seq).toBe(first.seq + 1)
    // Messages of one millisecond keep their order on every page.
    const page = await selectPage(db.read, app, channel.cid, 0, {
      limit: 10,
      direction: "newer",
      anchor: { by: "id", id: "clock-1", inclusive: false },
    })
    expect(page.map(({ id }) => id)).toEqual(["clock-2"])
  })

  test("a place that is given back leaves the channel as it was", async () => {
    const channel = await channelAt("place")
    await say(channel, "place-1", 2000)
    const before = await selectChannel(db.read, app, channel.cid)
    await db.transact(async (tx) => {
      await takePlace(tx, app, channel.cid, true, 7000)
      await returnPlace(tx, app, channel.cid, true)
    })
    expect(await selectChannel(db.read, app, channel.cid)).toEqual(before as NonNullable<typeof before>)
  })

  test("members join once; the count follows", async () => {
    const channel = await channelAt("count")
    const rows = ["a", "b", "c"].map((userId) =>
      newMember(channel, { userId, role: null, custom: {} }, { seq: 0, counted: 0 }, 0, 1),
    )
    const added = await Promise.all([1, 2].map(() => db.transact((tx) => insertMembers(tx, rows))))
    expect(added.map((list) => list.length).sort()).toEqual([0, 3])
    const removed = await Promise.all(
      [1, 2].map(() => db.transact((tx) => deleteMembers(tx, app, channel.cid, ["a", "x"]))),
    )
    expect(removed.map((list) => list.length).sort()).toEqual([0, 1])
    expect((await selectChannel(db.read, app, channel.cid))?.member_count).toBe(2)
  })

  test("a roster that is too large is asked member by member, and a change is seen at once", async () => {
    const channel = await channelAt("large")
    const total = memberLimits.rosterMembersMax + 1
    const position = { seq: 0, counted: 0 }
    for (let from = 0; from < total; from += 1000) {
      const rows = Array.from({ length: Math.min(1000, total - from) }, (_, n) =>
        newMember(channel, { userId: `u${from + n}`, role: null, custom: {} }, position, 0, 1),
      )
      await db.transact((tx) => insertMembers(tx, rows))
    }
    const log = createLogger({ level: "error", format: "json" })
    const bus = createLocalBus(log)
    const members = createMembers(createCaches(bus, systemClock), db.read)
    expect(await members.ids(app, channel.cid)).toEqual([])
    expect(await members.of(app, channel.cid, "u10000")).toEqual({ role: "channel_member", historyAfterSeq: 0 })
    expect(await members.of(app, channel.cid, "stranger")).toBeNull()
    await db.transact(async (tx) => {
      await deleteMembers(tx, app, channel.cid, ["u10000"])
      members.dropAfter(tx, app, channel.cid, ["u10000"])
    })
    expect(await members.of(app, channel.cid, "u10000")).toBeNull()
    // One member fewer, and the roster fits.
    expect(await members.ids(app, channel.cid)).toHaveLength(memberLimits.rosterMembersMax)
    await bus.close()
  })
})

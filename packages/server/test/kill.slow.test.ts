// What a client was told is so, and nothing is half so: a node under load is killed at random moments and started again
// on the same data, on SQLite and on Postgres. One process owns a data folder, and its death frees the folder at once.

import { Database as SqliteFile } from "bun:sqlite"
import { afterAll, describe, expect, test } from "bun:test"
import { randomInt, randomUUID } from "node:crypto"
import { join } from "node:path"
import { SQL } from "bun"
import { call, connect, createPostgresDatabase, serverToken, type TestSocket, userToken } from "../src/testing.ts"
import {
  endAllNodes,
  logOf,
  type NodeProcess,
  newFolder,
  newMasterKey,
  runNode,
  type Settings,
  startNode,
  until,
} from "./node-process.ts"

const bounds = {
  kills: 8,
  /** A node lives for a random time between these; writes begin at once. */
  lifeMsMin: 100,
  lifeMsMax: 1_400,
  writers: 6,
  /** Between two writes of one writer, so that the checks keep up on two cores. */
  pauseMs: 4,
  /** Another node takes over what was not told after 10 s and looks every 5 s (events/limits.ts). */
  takeOverMs: 20_000,
} as const

const channels = ["messaging:one", "messaging:two", "messaging:three"]
const writerIds = Array.from({ length: bounds.writers }, (_, n) => `writer-${n}`)
const watcherId = "watcher"

const postgres = await createPostgresDatabase()

const cleanUps: (() => void | Promise<void>)[] = []
afterAll(async () => {
  await endAllNodes()
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

describe("an acknowledged write survives kill -9 at any moment, and nothing is left half-written", () => {
  // Both at the same time: most of it is waiting.
  test.concurrent("on SQLite", () => killAgainAndAgain(sqliteWorld()), 90_000)

  const database = postgres
  if (database === null) {
    console.log("kill.slow.test.ts: WEIR_TEST_POSTGRES_URL is not set, Postgres is skipped")
    return
  }
  cleanUps.push(database.drop)
  const onPostgres = () => killAgainAndAgain(postgresWorld(database.url))
  test.concurrent("on Postgres, whose connections are cut as well", onPostgres, 90_000)
})

test("a data folder serves one process; the second start says so, and after kill -9 works at once", async () => {
  const settings = { WEIR_DATA_DIR: newFolder() }
  const first = await startNode(settings)
  const second = await runNode(settings)
  expect(second.code).toBe(1)
  expect(second.err).toMatch(/^weir: [^\n]*in use by another process[^\n]*\n$/)
  const ann = { users: { ann: { id: "ann", name: "Ann" } } }
  expect((await call(first.url, "POST", "/api/v2/users", { body: ann })).status).toBe(201)
  expect(await first.end("SIGKILL")).toBe(137)
  const third = await startNode(settings)
  const payload = encodeURIComponent(JSON.stringify({ filter_conditions: { id: "ann" } }))
  expect((await call(third.url, "GET", `/api/v2/users?payload=${payload}`)).body.users).toMatchObject([{ name: "Ann" }])
}, 30_000)

/** A database as the test sees it, past the node. */
interface World {
  readonly settings: Settings
  /** Rows of one query. */
  query<Row>(text: string): Promise<Row[]>
  /** Cuts the connections of the node; null where there are none. */
  readonly cutConnections: (() => Promise<void>) | null
}

function sqliteWorld(): World {
  const dataDir = newFolder()
  return {
    settings: { WEIR_DATA_DIR: dataDir },
    async query<Row>(text: string) {
      const file = new SqliteFile(join(dataDir, "weir.db"), { readonly: true })
      try {
        file.run("pragma busy_timeout = 5000")
        return file.query(text).all() as Row[]
      } finally {
        file.close()
      }
    },
    cutConnections: null,
  }
}

function postgresWorld(url: string): World {
  const sql = new SQL(url, { max: 1 })
  cleanUps.push(() => sql.close())
  return {
    settings: { WEIR_DATABASE_URL: url, WEIR_DATA_DIR: newFolder(), WEIR_MASTER_KEY: newMasterKey() },
    query: async <Row>(text: string) => Array.from(await sql.unsafe(text)) as Row[],
    async cutConnections() {
      const cut = await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`
      expect(cut.length).toBeGreaterThan(0)
    },
  }
}

async function killAgainAndAgain(world: World): Promise<void> {
  let node = await startNode(world.settings)
  await makeChannels(node)
  const load = startLoad(() => node.url)
  let untold: string[] = []
  try {
    for (let kill = 0; kill < bounds.kills; kill++) {
      await Bun.sleep(randomInt(bounds.lifeMsMin, bounds.lifeMsMax))
      await node.end("SIGKILL")
      await expectWhole(world, load)
      node = await startNode(world.settings)
      await expectReadable(node, load)
    }
    if (world.cutConnections !== null) {
      for (let cut = 0; cut < 3; cut++) {
        await Bun.sleep(randomInt(100, 500))
        await world.cutConnections()
        const before = load.messages.size
        await until("the node writes again", () => load.messages.size > before + bounds.writers)
      }
      await expectReadable(node, load)
    }
    // Kills until one comes between a commit and the mark that it was told; under load the first does.
    for (let kill = 0; kill < 5 && untold.length === 0; kill++) {
      await Bun.sleep(randomInt(300, 500))
      await node.end("SIGKILL")
      untold = await untoldMessages(world)
      if (untold.length === 0) node = await startNode(world.settings)
    }
    expect(untold).not.toBeEmpty()
  } finally {
    await load.stop()
  }
  expect(load.unexpected).toEqual([])

  // Every event of every life is told in the end, to whoever watches by then.
  node = await startNode(world.settings)
  const watcher = await watchAll(node)
  const heard = (): Set<string> => new Set(watcher.seen("message.new").map(({ message }) => message.id))
  await until("the untold messages are told", () => untold.every((id) => heard().has(id)), bounds.takeOverMs)
  await until("every event is marked as told", async () => (await untoldMessages(world)).length === 0)
  watcher.close()
  await expectWhole(world, load)
  expect(await node.end("SIGTERM")).toBe(0)
  expect(logOf(node.output()).filter(({ level }) => level === "error")).toEqual([])
}

async function makeChannels(node: NodeProcess): Promise<void> {
  const ids = [...writerIds, watcherId]
  const users = Object.fromEntries(ids.map((id) => [id, { id }]))
  expect((await call(node.url, "POST", "/api/v2/users", { body: { users } })).status).toBe(201)
  for (const cid of channels) {
    const data = { created_by_id: watcherId, members: ids.map((user_id) => ({ user_id })) }
    expect((await call(node.url, "POST", `${pathOf(cid)}/query`, { body: { data } })).status).toBe(201)
  }
}

const pathOf = (cid: string): string => `/api/v2/chat/channels/${cid.replace(":", "/")}`

async function watchAll(node: NodeProcess): Promise<TestSocket> {
  const socket = await connect(node.url, watcherId)
  for (const cid of channels) {
    const options = { as: userToken(watcherId), connectionId: socket.connectionId, body: { watch: true } }
    expect((await call(node.url, "POST", `${pathOf(cid)}/query`, options)).status).toBe(201)
  }
  return socket
}

interface Load {
  /** Texts of the messages whose sending was answered with success, by id. */
  readonly messages: Map<string, { cid: string; userId: string; text: string }>
  /** Users whose making was answered with success, with the name that they were given last. */
  readonly users: Map<string, string>
  /** How far each writer was told that it has read, as the id of a message by `cid|writer`. */
  readonly reads: Map<string, string>
  /** Answers that no client may ever get, whatever happens to the node. */
  readonly unexpected: string[]
  stop(): Promise<void>
}

/** Clients that send again what they got no answer for, with the same id, until it is acknowledged. */
function startLoad(url: () => string): Load {
  const messages: Load["messages"] = new Map()
  const users: Load["users"] = new Map()
  const reads: Load["reads"] = new Map()
  const unexpected: string[] = []
  let isStopped = false

  /** Whether it was acknowledged; false when the load ended before. */
  const insist = async (path: string, options: { as: string; body: unknown }): Promise<boolean> => {
    for (let lastStatus = 0; !isStopped; ) {
      try {
        const answer = await call(url(), "POST", path, options)
        if (answer.status === 201) return true
        lastStatus = answer.status
        // A server that loses its database may say so. Everything else would be a wrong answer to a right request.
        if (lastStatus !== 500) unexpected.push(`${lastStatus} ${JSON.stringify(answer.body)}`)
      } catch {
        // The node died, or is not there yet.
      }
      await Bun.sleep(20)
    }
    return false
  }
  const writer = async (userId: string): Promise<void> => {
    const as = userToken(userId)
    for (let turn = 0; !isStopped; turn++) {
      const cid = channels[turn % channels.length] as string
      const message = { id: randomUUID(), text: `${turn} by ${userId} ${"é".repeat(turn % 50)}` }
      if (await insist(`${pathOf(cid)}/message`, { as, body: { message } })) {
        messages.set(message.id, { cid, userId, text: message.text })
      }
      if (turn % 5 === 0) {
        const user = { id: `made-by-${userId}-${turn % 40}`, name: `name ${turn}` }
        const made = await insist("/api/v2/users", { as: serverToken(), body: { users: { [user.id]: user } } })
        // When the load ends in between, either name may stand.
        if (made) users.set(user.id, user.name)
        else users.delete(user.id)
      }
      if (turn % 7 === 0 && messages.has(message.id)) {
        if (await insist(`${pathOf(cid)}/read`, { as, body: { message_id: message.id } })) {
          reads.set(`${cid}|${userId}`, message.id)
        }
      }
      await Bun.sleep(bounds.pauseMs)
    }
  }
  const running = writerIds.map(writer)
  return {
    messages,
    users,
    reads,
    unexpected,
    async stop() {
      isStopped = true
      await Promise.all(running)
    },
  }
}

const readableSoFar = new WeakMap<Load, Set<string>>()

/** Each message that was acknowledged since the last look is answered as it was sent. */
async function expectReadable(node: NodeProcess, load: Load): Promise<void> {
  const seen = readableSoFar.get(load) ?? new Set<string>()
  readableSoFar.set(load, seen)
  const as = serverToken()
  const fresh = Array.from(load.messages).filter(([id]) => !seen.has(id))
  for (let start = 0; start < fresh.length; start += 20) {
    await Promise.all(
      fresh.slice(start, start + 20).map(async ([id, { cid, userId, text }]) => {
        const { body } = await call(node.url, "GET", `/api/v2/chat/messages/${id}`, { as })
        expect(body.message).toMatchObject({ id, cid, text, user: { id: userId } })
        seen.add(id)
      }),
    )
  }
}

/** Looks at the rows themselves. Each query is one statement, so it sees whole transactions or none. */
async function expectWhole(world: World, load: Load): Promise<void> {
  // Whatever is acknowledged now was committed before the rows are read.
  const [messages, users, reads] = [[...load.messages], [...load.users], [...load.reads]]
  const rows = await world.query<{ id: string; cid: string; user_id: string; text: string; seq: number | string }>(
    "select id, cid, user_id, text, seq from messages",
  )
  const stored = new Map(rows.map((row) => [row.id, row]))
  const lost = messages.filter(([id, sent]) => {
    const row = stored.get(id)
    return row?.cid !== sent.cid || row.user_id !== sent.userId || row.text !== sent.text
  })
  expect(lost).toEqual([])

  // A message and its number in the channel, a message and its event, come together or not at all.
  const halves = await world.query<{ cid: string }>(
    `select cid from channels where message_seq <> (
      select count(*) from messages where messages.app_id = channels.app_id and messages.cid = channels.cid
    ) or counted <> message_seq or coalesce(last_message_at, 0) <> (
      select coalesce(max(created_at), 0) from messages
      where messages.app_id = channels.app_id and messages.cid = channels.cid
    )`,
  )
  expect(halves).toEqual([])
  const [counts] = await world.query<{ messages: number | string; events: number | string }>(
    `select (select count(*) from messages) as messages,
      (select count(*) from outbox where type = 'message.new') as events`,
  )
  expect(Number(counts?.messages)).toBeGreaterThanOrEqual(messages.length)
  expect(Number(counts?.events)).toBe(Number(counts?.messages))

  const made = await world.query<{ id: string; name: string }>("select id, name from users where id like 'made-by-%'")
  const turnOf = (name: string): number => Number(name.split(" ")[1])
  const names = new Map(made.map(({ id, name }) => [id, name]))
  // The name may already be a later one, whose answer did not arrive.
  expect(users.filter(([id, name]) => !(turnOf(names.get(id) ?? "") >= turnOf(name)))).toEqual([])

  const marks = await world.query<{ cid: string; user_id: string; read_seq: number | string }>(
    "select cid, user_id, read_seq from channel_members",
  )
  const seqOf = new Map(marks.map(({ cid, user_id, read_seq }) => [`${cid}|${user_id}`, Number(read_seq)]))
  const unread = reads.filter(([key, id]) => !((seqOf.get(key) ?? -1) >= Number(stored.get(id)?.seq)))
  expect(unread).toEqual([])
}

/** Ids of the messages whose events are not marked as told. */
async function untoldMessages(world: World): Promise<string[]> {
  const rows = await world.query<{ deliveries: string }>(
    "select deliveries from outbox where type = 'message.new' and relayed_at is null",
  )
  return rows.map(({ deliveries }) => {
    const [delivery] = JSON.parse(deliveries) as { frame: string }[]
    return (JSON.parse(delivery?.frame ?? "{}") as { message_id: string }).message_id
  })
}

// A rotation of the master key against real databases: interrupted at any of its steps, beside nodes that seal and look
// when they like. What must hold: whatever was written opens, and a finished rotation leaves nothing under another key.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import fc from "fast-check"
import { type TestDatabase, testBackends } from "../../../../../contract/suites/store/backends.ts"
import { type ManualClock, manualClock } from "../../base/clock.ts"
import {
  createReloadingMasterKey,
  generateMasterKeyText,
  type MasterKey,
  open,
  parseMasterKey,
  seal,
  sealedKeyId,
  unnamedKeyId,
} from "../../base/crypto.ts"
import { createLogger } from "../../base/log.ts"
import type { Database, Tx } from "../../store/database.ts"
import { migrate } from "../../store/migrate.ts"
import { openDatabase } from "../../store/open.ts"
import { insertApp, newApp } from "../apps/index.ts"
import { migrations as appMigrations } from "../apps/migrations.ts"
import { limits } from "./limits.ts"
import { migrations } from "./migrations.ts"
import {
  nextStep,
  type RingFile,
  type RingState,
  type RingStep,
  type RotationParts,
  resealAll,
  rotateMasterKey,
  sealedSecrets,
} from "./reseal.ts"
import { joinDeployment, type KeptRing, keepRing, missingKeys } from "./ring.ts"
import { newKey, newSecret, secretContext } from "./rules.ts"
import {
  deleteNodeReport,
  insertKey,
  insertMasterKeyCheck,
  insertSecret,
  type SecretRow,
  selectDeployment,
  selectMasterKeyCheck,
  selectMasterKeys,
  selectNodeReports,
} from "./store.ts"

/**
 * What a promise failed with. Bun's `rejects` turns the event loop by itself while it waits, which leaves those who
 * wait for a turn of their own asleep for up to a second each time.
 */
const faultOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => {
      throw new Error("it did not fail")
    },
    (error) => String((error as Error).message),
  )

const appId = 7
const startMs = 1_700_000_000_000
const log = createLogger({ level: "error", format: "json", write: () => undefined })

for (const backend of testBackends()) {
  describe(`the master key's rotation on ${backend.name}`, () => {
    let made: TestDatabase
    let db: Database
    beforeAll(async () => {
      made = await backend.create()
      db = await openDatabase(made.location)
      await migrate(db, [
        { module: "apps", migrations: appMigrations },
        { module: "keys", migrations },
      ])
      await db.transact((tx) => insertApp(tx, newApp(appId, "app", "development", startMs)))
    })
    afterAll(async () => {
      await db.close()
      await made.drop()
    })
    beforeEach(() => empty(db))
    rotationOn(() => db)
  })
}

/** As before the first start, but for the app. */
const empty = (db: Database): Promise<void> =>
  db.transact(async (tx) => {
    for (const table of ["secrets", "api_keys", "master_key_check", "master_keys", "master_key_nodes", "deployment"]) {
      await tx.deleteFrom(table as "secrets").execute()
    }
  })

class Crash extends Error {}

interface Node {
  readonly id: string
  readonly masterKey: MasterKey
  readonly ring: KeptRing
}

/** A deployment without its servers: one file of keys, nodes that follow it, and what was written. */
class World {
  readonly clock: ManualClock = manualClock(startMs)
  readonly nodes: Node[] = []
  /** Texts by `apiKey/kid`, as they must come out. */
  readonly expected = new Map<string, string>()
  readonly said: string[] = []
  readonly audited: unknown[] = []
  readonly lostNodes = new Set<string>()
  lines: string[]
  /** Runs before each step of a rotation that can be its last one. */
  between: () => Promise<void> = async () => undefined
  private made = 0

  constructor(
    readonly db: Database,
    readonly firstText: string,
  ) {
    this.lines = [firstText]
  }

  follow(): MasterKey {
    const read = () => parseMasterKey(this.lines.join())
    return createReloadingMasterKey(read() as MasterKey, read, () => this.clock.monotonic())
  }

  async start(id = `node-${this.nodes.length}`): Promise<Node> {
    const masterKey = this.follow()
    await joinDeployment(this.db, masterKey, this.clock.now())
    const ring = await keepRing({ db: this.db, masterKey, nodeId: id, clock: this.clock, log })
    const node = { id, masterKey, ring }
    this.nodes.push(node)
    return node
  }

  /** A node looks after its file, as it does every two seconds. */
  async look(node: Node): Promise<void> {
    this.clock.advance(limits.ringLookEveryMs)
    await node.ring.look()
  }

  async write(node: Node, transact = this.db.transact): Promise<SecretRow> {
    const n = this.made++
    const { key, secretRow, secret } = newKey(node.masterKey, appId, `key ${n}`, startMs, "test")
    await transact(async (tx) => {
      await insertKey(tx, key)
      await insertSecret(tx, secretRow)
    })
    this.expected.set(`${secretRow.api_key}/${secretRow.kid}`, secret)
    return secretRow
  }

  /** Somebody takes a secret out and puts another one into its place, as one change of the row. */
  async exchange(node: Node): Promise<void> {
    const [row] = await this.db.read.selectFrom("secrets").selectAll().orderBy("kid").limit(1).execute()
    if (row === undefined) return
    const value = `exchanged ${this.made++} ${"x".repeat(40)}`
    const place = { appId, apiKey: row.api_key }
    const anew = newSecret(node.masterKey, place, { kid: row.kid, value, state: "active" }, startMs, "test")
    await this.db.transact(async (tx) => {
      await tx.deleteFrom("secrets").where("api_key", "=", row.api_key).where("kid", "=", row.kid).execute()
      await insertSecret(tx, anew.row)
    })
    this.expected.set(`${row.api_key}/${row.kid}`, value)
  }

  async remove(): Promise<void> {
    const [row] = await this.db.read.selectFrom("secrets").selectAll().orderBy("sealed").limit(1).execute()
    if (row === undefined) return
    await this.db.transact((tx) => tx.deleteFrom("secrets").where("kid", "=", row.kid).execute())
    this.expected.delete(`${row.api_key}/${row.kid}`)
  }

  file(): RingFile {
    const change = async (next: () => string[]): Promise<void> => {
      await this.between()
      this.lines = next()
    }
    const idOf = (text: string): string => (parseMasterKey(text) as MasterKey).currentId
    return {
      add: async (accept) => {
        const text = generateMasterKeyText()
        await accept(idOf(text))
        await change(() => [...this.lines, text])
        return idOf(text)
      },
      promote: (keyId) => {
        this.lines.sort((a, b) => Number(idOf(b) === keyId) - Number(idOf(a) === keyId))
      },
      keepOnly: (keyId) => {
        this.lines = this.lines.filter((text) => idOf(text) === keyId)
      },
    }
  }

  /** What a process brings that runs a rotation; it has read the file just now. */
  parts(change: Partial<RotationParts> = {}): RotationParts {
    const { db, clock } = this
    const interrupted: Database = {
      ...db,
      transact: async (work) => {
        await this.between()
        return db.transact(work)
      },
    }
    return {
      db: interrupted,
      masterKey: this.follow(),
      places: [sealedSecrets],
      liveNodes: async () => this.nodes.map(({ id }) => id).filter((id) => !this.lostNodes.has(id)),
      now: () => clock.now(),
      file: this.file(),
      audit: async (_: Tx, entry) => void this.audited.push(entry),
      say: (line) => void this.said.push(line),
      sleep: async (ms) => {
        await this.between()
        clock.advance(ms)
        for (const node of this.nodes) if (!this.lostNodes.has(node.id)) await node.ring.look()
      },
      ...change,
    }
  }

  rows = (): Promise<SecretRow[]> => this.db.read.selectFrom("secrets").selectAll().orderBy("kid").execute()

  /** Everything that was written, and nothing else, opens with the keys of the file alone. */
  async expectReadable(): Promise<void> {
    const ring = parseMasterKey(this.lines.join()) as MasterKey
    const opened = new Map<string, string>()
    for (const row of await this.rows()) {
      const text = open(ring, row.sealed, secretContext(row.app_id, row.api_key, row.kid))
      opened.set(`${row.api_key}/${row.kid}`, text)
    }
    expect([...opened].sort()).toEqual([...this.expected].sort())
  }

  /** Nothing is left of any other key than the file's only one. */
  async expectRotated(): Promise<void> {
    expect(this.lines).toHaveLength(1)
    const { currentId } = parseMasterKey(this.lines.join()) as MasterKey
    expect(currentId).not.toBe((parseMasterKey(this.firstText) as MasterKey).currentId)
    expect((await selectMasterKeyCheck(this.db.read))?.check_value).toBe(currentId)
    for (const { sealed } of await this.rows()) expect(sealedKeyId(sealed)).toBe(currentId)
    const accepted = (await selectMasterKeys(this.db.read)).filter(({ state }) => state === "accepted")
    expect(accepted.map(({ key_id }) => key_id)).toEqual([currentId])
    await this.expectReadable()
  }

  async end(): Promise<void> {
    for (const { ring } of this.nodes) await ring.close()
  }
}

function rotationOn(database: () => Database): void {
  const inWorld = async (work: (world: World) => Promise<void>): Promise<void> => {
    const world = new World(database(), generateMasterKeyText())
    try {
      await work(world)
    } finally {
      await world.end()
    }
  }

  test("puts a new key in place of the old one, and everything opens with it alone", () =>
    inWorld(async (world) => {
      const nodes = [await world.start(), await world.start()]
      for (let n = 0; n < limits.resealBatchMax + 5; n++) await world.write(nodes[n % 2] as Node)
      expect(await rotateMasterKey(world.parts())).toBeNull()
      await world.expectRotated()
      for (const { masterKey } of nodes)
        expect(masterKey.currentId).toBe((await selectMasterKeyCheck(world.db.read))?.check_value as string)
      const first = (parseMasterKey(world.firstText) as MasterKey).currentId
      expect(world.audited).toEqual([
        {
          action: "master_key.rotated",
          appId: null,
          target: {},
          before: { key_id: first },
          after: { key_id: nodes[0]?.masterKey.currentId },
        },
      ])
      expect(world.said.join()).not.toContain(world.lines[0] as string)
    }))

  test("may be run again and again, and never goes back to a key that was retired", () =>
    inWorld(async (world) => {
      const node = await world.start()
      await world.write(node)
      const seen = new Set([node.masterKey.currentId])
      for (let n = 0; n < 3; n++) {
        await rotateMasterKey(world.parts())
        await world.expectRotated()
        await world.write(node)
        seen.add(node.masterKey.currentId)
      }
      expect(seen.size).toBe(4)
    }))

  test("the deployment's id stays the one of its first key", () =>
    inWorld(async (world) => {
      const { masterKey } = await world.start()
      const first = masterKey.currentId
      expect((await selectDeployment(world.db.read))?.deployment_id).toBe(first)
      await rotateMasterKey(world.parts())
      expect(await joinDeployment(world.db, world.follow(), startMs)).toBe(first)
    }))

  test("a deployment from before it had an id keeps the name that it had: its key's", () =>
    inWorld(async (world) => {
      const { currentId } = world.follow()
      await world.db.transact((tx) => insertMasterKeyCheck(tx, currentId))
      const [added, file] = [generateMasterKeyText(), world.lines]
      world.lines = [added, ...file]
      expect(await joinDeployment(world.db, world.follow(), startMs)).toBe(currentId)
    }))

  test("seals values of the form without a key's name anew, without taking them for half a rotation", () =>
    inWorld(async (world) => {
      const node = await world.start()
      const row = await world.write(node)
      const context = secretContext(appId, row.api_key, row.kid)
      await world.db.transact((tx) =>
        tx
          .updateTable("secrets")
          .set({ sealed: sealFirstForm(world.firstText, context) })
          .execute(),
      )
      world.expected.set(`${row.api_key}/${row.kid}`, firstFormText)
      expect(sealedKeyId((await world.rows())[0]?.sealed as string)).toBe(unnamedKeyId)
      await rotateMasterKey(world.parts())
      await world.expectRotated()
    }))

  // Case 49. The steps are interrupted where anything can come in between: before each transaction, each change of the
  // file, each wait.
  test("case 49: interrupted anywhere, beside nodes that write and look when they like, nothing becomes unreadable", async () => {
    const act = fc.oneof(
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("write" as const), node: fc.nat({ max: 2 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("look" as const), node: fc.nat({ max: 2 }) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("exchange" as const), node: fc.nat({ max: 2 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("remove" as const), node: fc.constant(0) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("start" as const), node: fc.constant(0) }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("crash" as const), node: fc.constant(0) }) },
    )
    const plans = fc.array(fc.array(act, { maxLength: 3 }), { minLength: 20, maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(plans, (plan) =>
        inWorld(async (world) => {
          await empty(world.db)
          for (let n = 0; n < 2; n++) await world.write(await world.start())
          const left = [...plan]
          world.between = async () => {
            for (const { kind, node } of left.shift() ?? []) {
              const at = world.nodes[node % world.nodes.length] as Node
              if (kind === "write") await world.write(at)
              else if (kind === "look") await world.look(at)
              else if (kind === "exchange") await world.exchange(at)
              else if (kind === "remove") await world.remove()
              else if (kind === "start") await world.start()
              else throw new Crash()
            }
          }
          for (let runs = 0; ; runs++) {
            const outcome = await rotateMasterKey(world.parts()).catch((error) => {
              if (error instanceof Crash) return error
              throw error
            })
            await world.expectReadable()
            if (outcome === null) break
            expect(runs).toBeLessThan(plan.length * 3 + 1)
          }
          await world.expectRotated()
          // And nodes that are there go on as if nothing had happened.
          for (const node of world.nodes) {
            await world.look(node)
            await world.write(node)
          }
          await world.expectRotated()
        }),
      ),
      { numRuns: database().capabilities.supportsManyNodes ? 15 : 40 },
    )
  }, 60_000)

  // The moment that decides: a value that was sealed before the key was retired, and is written after it.
  test("case 49: a transaction that is writing with the old key is waited for, and its value is sealed anew", () =>
    inWorld(async (world) => {
      const node = await world.start()
      let commit = (): void => undefined
      let isWritten = (): void => undefined
      const written = new Promise<void>((resolve) => {
        isWritten = resolve
      })
      const slow = world.write(node, (work) =>
        world.db.transact(async (tx) => {
          const result = await work(tx)
          isWritten()
          await new Promise<void>((resolve) => {
            commit = resolve
          })
          return result
        }),
      )
      await written
      let isDone = false
      const rotating = rotateMasterKey(world.parts()).then(() => {
        isDone = true
      })
      await Bun.sleep(200)
      expect(isDone).toBe(false)
      commit()
      await slow
      await rotating
      await world.expectRotated()
      expect(world.expected.size).toBe(1)
    }))

  // A node that was asleep all the time wakes up with a ring that nobody else has any more.
  test("a node that slept through it all writes nothing that only the old key opens, and catches up", () =>
    inWorld(async (world) => {
      const sleeper = await world.start("sleeper")
      await world.write(await world.start())
      world.lostNodes.add("sleeper")
      world.clock.advance(limits.nodeStartMs)
      await world.nodes[1]?.ring.look()
      await rotateMasterKey(world.parts())
      await world.expectRotated()
      const refused = await world.write(sleeper).catch((error) => error)
      expect(refused).toMatchObject({ kind: "unavailable" })
      expect(refused.message).not.toContain(sleeper.masterKey.currentId)
      await world.expectRotated()
      await world.look(sleeper)
      await world.write(sleeper)
      await world.expectRotated()
    }))

  test("a node that does not follow is named, and nothing is retired", () =>
    inWorld(async (world) => {
      await world.start()
      const other = parseMasterKey(world.firstText) as MasterKey
      const ring = await keepRing({ db: world.db, masterKey: other, nodeId: "stubborn", clock: world.clock, log })
      world.nodes.push({ id: "stubborn", masterKey: other, ring })
      await world.write(world.nodes[1] as Node)
      expect(await faultOf(rotateMasterKey(world.parts()))).toMatch(/^stubborn cannot open with the new key/)
      expect(world.said.join()).toContain("waiting for stubborn")
      await world.expectReadable()
      expect((await selectMasterKeyCheck(world.db.read))?.check_value).toBe(other.currentId)
      // It ends, and the same rotation goes on with the key that was added.
      await ring.close()
      world.nodes.pop()
      const added = world.lines[1]
      await rotateMasterKey(world.parts())
      expect(world.lines).toEqual([added as string])
      await world.expectRotated()
    }))

  test("a node that holds no lease counts for as long as it runs: where it is alone, nobody keeps one", () =>
    inWorld(async (world) => {
      const other = parseMasterKey(world.firstText) as MasterKey
      const ring = await keepRing({ db: world.db, masterKey: other, nodeId: "alone", clock: world.clock, log })
      const node = { id: "alone", masterKey: other, ring }
      world.nodes.push(node)
      for (let passedMs = 0; passedMs <= limits.nodeStartMs; passedMs += limits.ringLookEveryMs) await world.look(node)
      const unleased = world.parts({ liveNodes: async () => [] })
      expect(await faultOf(rotateMasterKey(unleased))).toMatch(/^alone cannot open with the new key/)
      await world.expectReadable()
      expect((await selectMasterKeyCheck(world.db.read))?.check_value).toBe(other.currentId)
      await ring.close()
    }))

  test("a node that never said what it has keeps the key from changing", () =>
    inWorld(async (world) => {
      const node = await world.start("old version")
      await world.db.transact((tx) => deleteNodeReport(tx, "old version"))
      const parts = world.parts({ sleep: async (ms) => world.clock.advance(ms) })
      expect(await faultOf(rotateMasterKey(parts))).toMatch(/^old version cannot open/)
      await node.ring.close()
    }))

  test("where keys are a setting it does the database's part, and says what the operator has to do", () =>
    inWorld(async (world) => {
      const [old, next] = [world.firstText, generateMasterKeyText()]
      const ids = (...texts: string[]) => (parseMasterKey(texts.join()) as MasterKey).ids
      const rings: KeptRing[] = []
      const restart = async (nodeId: string, ...texts: string[]): Promise<Node> => {
        const masterKey = parseMasterKey(texts.join()) as MasterKey
        await joinDeployment(world.db, masterKey, world.clock.now())
        const ring = await keepRing({ db: world.db, masterKey, nodeId, clock: world.clock, log })
        rings.push(ring)
        return { id: nodeId, masterKey, ring }
      }
      const rotate = (...texts: string[]): Promise<RingStep | null> =>
        rotateMasterKey(
          world.parts({
            file: null,
            masterKey: parseMasterKey(texts.join()) as MasterKey,
            liveNodes: async () => ["a", "b"],
          }),
        )
      const [oldId, nextId] = ids(old, next) as [string, string]
      await world.write(await restart("a", old))
      await restart("b", old)
      expect(await rotate(old)).toEqual({ kind: "settled" })
      await restart("a", old, next)
      expect(await rotate(old, next)).toEqual({ kind: "spread", keyId: nextId, behind: ["b"] })
      await restart("b", old, next)
      expect(await rotate(old, next)).toEqual({ kind: "promote", keyId: nextId })
      const a = await restart("a", next, old)
      // Both may write now, each with its own first key.
      await world.write(a)
      expect(await rotate(next, old)).toEqual({ kind: "settle", keyId: nextId, behind: ["b"] })
      expect((await selectMasterKeyCheck(world.db.read))?.check_value).toBe(oldId)
      await restart("b", next, old)
      expect(await rotate(next, old)).toEqual({ kind: "drop", keyId: nextId })
      world.lines = [next]
      await world.expectRotated()
      await restart("a", next)
      expect(await rotate(next)).toEqual({ kind: "settled" })
      // A node that comes with the old order or the old key is turned away.
      expect(await faultOf(restart("c", old, next))).toMatch(/is retired: put the current one, .* first/)
      expect(await faultOf(restart("c", old))).toMatch(/another master key/)
      for (const ring of rings) await ring.close()
    }))

  test("a row that no key opens is named, keeps the old key, and harms no other row", () =>
    inWorld(async (world) => {
      const node = await world.start()
      const broken = await world.write(node)
      for (let n = 0; n < 3; n++) await world.write(node)
      const moved = seal(node.masterKey, "moved", secretContext(appId, "elsewhere", broken.kid))
      await world.db.transact((tx) =>
        tx.updateTable("secrets").set({ sealed: moved }).where("kid", "=", broken.kid).execute(),
      )
      expect(await faultOf(rotateMasterKey(world.parts()))).toMatch(`secrets ${broken.api_key}/${broken.kid}`)
      expect(world.lines).toHaveLength(2)
      const others = (await world.rows()).filter(({ kid }) => kid !== broken.kid)
      expect(others.map(({ sealed }) => sealedKeyId(sealed))).toEqual(Array(3).fill(node.masterKey.currentId))
      await world.db.transact((tx) => tx.deleteFrom("secrets").where("kid", "=", broken.kid).execute())
      world.expected.delete(`${broken.api_key}/${broken.kid}`)
      await rotateMasterKey(world.parts())
      await world.expectRotated()
    }))

  test("an old key that is put back is used to open what it sealed, and does not become the current one", () =>
    inWorld(async (world) => {
      const node = await world.start()
      const row = await world.write(node)
      const oldText = generateMasterKeyText()
      const oldRing = parseMasterKey(oldText) as MasterKey
      const sealed = seal(oldRing, "from a backup", secretContext(appId, row.api_key, row.kid))
      await world.db.transact((tx) => tx.updateTable("secrets").set({ sealed }).execute())
      world.expected.set(`${row.api_key}/${row.kid}`, "from a backup")
      expect([...(await missingKeys(world.db, node.masterKey, [sealedSecrets]))]).toEqual([[oldRing.currentId, 1]])
      world.lines.push(oldText)
      await world.look(node)
      expect((await missingKeys(world.db, node.masterKey, [sealedSecrets])).size).toBe(0)
      await rotateMasterKey(world.parts())
      expect(world.lines).toEqual([world.firstText])
      expect((await world.rows()).map((found) => sealedKeyId(found.sealed))).toEqual([node.masterKey.currentId])
      await world.expectReadable()
    }))

  test("a database of other keys, or of no server yet, is left alone", () =>
    inWorld(async (world) => {
      expect(await faultOf(rotateMasterKey(world.parts()))).toMatch(
        /another master key, or the server was never started/,
      )
      await world.start()
      world.lines = [generateMasterKeyText()]
      const parts = world.parts()
      expect(await faultOf(rotateMasterKey(parts))).toMatch(/another master key/)
      expect(await faultOf(joinDeployment(world.db, parts.masterKey, startMs))).toMatch(/its current one is/)
      expect(await selectMasterKeys(world.db.read)).toHaveLength(1)
    }))

  test("nodes that start at once on a new database agree on one key and one id", () =>
    inWorld(async (world) => {
      const rings = Array.from({ length: 4 }, () => parseMasterKey(generateMasterKeyText()) as MasterKey)
      const outcomes = await Promise.allSettled(rings.map((ring) => joinDeployment(world.db, ring, startMs)))
      const ids = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []))
      expect(ids).toHaveLength(1)
      expect((await selectMasterKeyCheck(world.db.read))?.check_value).toBe(ids[0] as string)
    }))

  test("a node's word ends with it", () =>
    inWorld(async (world) => {
      const node = await world.start("short")
      expect((await selectNodeReports(world.db.read, 10)).map(({ node_id }) => node_id)).toEqual(["short"])
      await node.ring.close()
      expect(await selectNodeReports(world.db.read, 10)).toEqual([])
    }))

  test("sealing anew changes nothing that somebody else has changed meanwhile", () =>
    inWorld(async (world) => {
      const node = await world.start()
      for (let n = 0; n < 4; n++) await world.write(node)
      const text = generateMasterKeyText()
      world.lines = [text, world.firstText]
      await world.look(node)
      let exchanges = 0
      world.between = async () => {
        if (exchanges++ < 3) await world.exchange(node)
      }
      const { resealed, changed } = await resealAll(world.parts())
      expect({ resealed, changed }).toEqual({ resealed: 3, changed: 1 })
      await world.expectReadable()
    }))
}

const firstFormText = "sealed before values named their keys"
function sealFirstForm(masterKeyText: string, context: string): string {
  // A value of the first form is one of the second without the name of its key.
  const [, , nonce, body] = seal(parseMasterKey(masterKeyText) as MasterKey, firstFormText, context).split(".")
  return `v1.${nonce}.${body}`
}

describe("the next step of a rotation", () => {
  const node = (nodeId: string, ...ids: string[]) => ({ nodeId, currentId: ids[0] ?? null, ids })
  const state = (change: Partial<RingState>): RingState => ({
    databaseId: "old",
    ids: ["old"],
    states: new Map([["old", "accepted"]]),
    sealed: new Map([["old", 3]]),
    nodes: [node("a", "old")],
    ...change,
  })
  const accepted = (...ids: string[]) => new Map(ids.map((id) => [id, "accepted" as const]))

  test.each<[string, Partial<RingState>, RingStep]>([
    ["before the first start", { databaseId: null }, { kind: "foreign" }],
    ["without the database's key", { ids: ["other"] }, { kind: "foreign" }],
    ["with one key", {}, { kind: "settled" }],
    ["with one key and none running", { nodes: [] }, { kind: "settled" }],
    ["with a key that a node lacks", { ids: ["old", "new"] }, { kind: "spread", keyId: "new", behind: ["a"] }],
    [
      "with a node that says nothing",
      { ids: ["old", "new"], nodes: [{ nodeId: "a", currentId: null, ids: null }] },
      { kind: "spread", keyId: "new", behind: ["a"] },
    ],
    [
      "with a key that all nodes have",
      { ids: ["old", "new"], nodes: [node("a", "old", "new")] },
      { kind: "promote", keyId: "new" },
    ],
    [
      "with a key that seals here and not everywhere",
      { ids: ["new", "old"], nodes: [node("a", "new", "old"), node("b", "old", "new")] },
      { kind: "settle", keyId: "new", behind: ["b"] },
    ],
    [
      "with a key that seals everywhere",
      { ids: ["new", "old"], states: accepted("old", "new"), nodes: [node("a", "new", "old")] },
      { kind: "retire", keyId: "new" },
    ],
    [
      "with values of a retired key",
      {
        databaseId: "new",
        ids: ["new", "old"],
        states: new Map([
          ["old", "retired"],
          ["new", "accepted"],
        ]),
      },
      { kind: "reseal", keyId: "new" },
    ],
    [
      "with a retired key and nothing sealed with it",
      {
        databaseId: "new",
        ids: ["new", "old"],
        states: new Map([
          ["old", "retired"],
          ["new", "accepted"],
        ]),
        sealed: new Map([["new", 3]]),
      },
      { kind: "drop", keyId: "new" },
    ],
    [
      "with a retired key in front",
      {
        databaseId: "new",
        ids: ["old", "new"],
        states: new Map([
          ["old", "retired"],
          ["new", "accepted"],
        ]),
      },
      { kind: "promote", keyId: "new" },
    ],
    [
      "with an old key that somebody put back",
      {
        ids: ["old", "older"],
        sealed: new Map([
          ["old", 3],
          ["older", 1],
        ]),
      },
      { kind: "reseal", keyId: "old" },
    ],
  ])("%s", (_, change, step) => {
    expect(nextStep(state(change))).toEqual(step)
  })
})

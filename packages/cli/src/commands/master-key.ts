// `weir master-key status` and `weir master-key rotate`: the keys that seal secrets, and how another takes their place
// while the server runs. Ids only: a key itself is never printed.

import { existsSync } from "node:fs"
import { join } from "node:path"
import { generateMasterKeyText, type MasterKey, parseMasterKey, unnamedKeyId } from "@weir/server/base/crypto"
import { type Config, ConfigError, loadConfig, masterKeyFileName } from "@weir/server/config/config"
import { type KeyLine, loadMasterKey, readKeyLines, replaceKeyLines } from "@weir/server/config/secrets"
import { appendAudit } from "@weir/server/core/audit/index"
import {
  nextStep,
  type RingFile,
  type RingState,
  type RingStateParts,
  type RingStep,
  RotationError,
  readRingState,
  rotateMasterKey,
} from "@weir/server/core/keys/index"
import { selectLiveNodes } from "@weir/server/core/revocations/store"
import { sealedPlaces } from "@weir/server/sealed"
import type { Database } from "@weir/server/store/database"
import { openDatabase } from "@weir/server/store/open"
import {
  type Command,
  CommandError,
  type Context,
  columns,
  type ExitCode,
  exitCodes,
  noPositionals,
} from "../command.ts"
import { whileRotationIsOurs } from "../rotation-lock.ts"

/** `weir master-key status`: which key has sealed how much, which nodes have it, and what comes next. */
export const masterKeyStatus: Command = {
  name: "master-key status",
  usage: "",
  summary: "Show which master key has sealed how many values, and which nodes have it. Ids only.",
  options: { json: { type: "boolean", doc: "Print JSON." } },
  async run(args, context) {
    noPositionals(args)
    return withRing(context, async ({ db, parts, isFile }) => {
      const state = await readRingState(db.read, parts)
      const step = nextStep(state)
      for (const line of args.flag("json") ? [statusJson(state, step)] : statusLines(state, step, isFile)) {
        context.print(line)
      }
      return step.kind === "foreign" ? exitCodes.failed : exitCodes.ok
    })
  },
}

/** `weir master-key rotate`: all of it where the key is in a file, and the database's part where it is a setting. */
export const rotateMasterKeyCommand: Command = {
  name: "master-key rotate",
  usage: "",
  summary: "Put a new master key in place of the current one, while the server runs.",
  options: {},
  notes: [
    "With master.key in the data folder this does all of it. With WEIR_MASTER_KEY it says what to change there, and seals",
    "the secrets in the database anew once every node is ready; call it again after each step.",
    "It can be interrupted at any moment and be run again. Copy the new key away afterwards.",
  ],
  async run(args, context) {
    noPositionals(args)
    return withRing(context, async ({ db, parts, isFile, dataDir }) => {
      const rotate = (file: RingFile | null) =>
        rotateMasterKey({
          ...parts,
          db,
          file,
          audit: (tx, entry, at) => appendAudit(tx, { ...entry, actor: "command line", address: null, at }),
          say: context.print,
          sleep: Bun.sleep,
        })
      if (isFile) {
        await whileRotationIsOurs(dataDir, () => rotate(ringFile(dataDir)))
        context.print(`done: keep a copy of ${join(dataDir, masterKeyFileName)} elsewhere`)
        return exitCodes.ok
      }
      const step = await rotate(null)
      return step === null ? exitCodes.ok : explainStep(step, context)
    })
  },
}

/** The file in the data folder, as a rotation changes it. */
function ringFile(dataDir: string): RingFile {
  const change = (next: (lines: readonly KeyLine[]) => readonly KeyLine[]): void => {
    const lines = readKeyLines(dataDir)
    replaceKeyLines(dataDir, lines, next(lines))
  }
  const only = (lines: readonly KeyLine[], keyId: string): KeyLine => {
    const line = lines.find(({ id }) => id === keyId)
    if (line === undefined) throw new CommandError(`the master key ${keyId} is not in ${dataDir} any more`)
    return line
  }
  return {
    async add(accept) {
      const text = generateMasterKeyText()
      const { currentId: id } = parseMasterKey(text) as MasterKey
      await accept(id)
      change((lines) => [...lines, { id, text }])
      return id
    },
    promote: (keyId) => change((lines) => [only(lines, keyId), ...lines.filter(({ id }) => id !== keyId)]),
    keepOnly: (keyId) => change((lines) => [only(lines, keyId)]),
  }
}

/** What the operator has to do where the keys are a setting. */
function explainStep(step: RingStep, { print, complain }: Context): ExitCode {
  switch (step.kind) {
    case "settled":
      print("The key comes from WEIR_MASTER_KEY, so some of the steps are yours:")
      print("  1. Make a key: openssl rand -hex 32")
      print("  2. Give every node WEIR_MASTER_KEY=<current key>,<new key> and start one after the other anew.")
      print("  3. Then WEIR_MASTER_KEY=<new key>,<current key>, in the same way.")
      print("  4. Run this again with that value: it retires the old key and seals everything anew.")
      print("  5. Then WEIR_MASTER_KEY=<new key>, in the same way.")
      print("Run this again after each step with the value of that step: it says whether every node is ready.")
      return exitCodes.ok
    case "spread":
      complain(`weir: not every node can open with ${step.keyId} yet: ${step.behind.join(", ")}`)
      complain("give them WEIR_MASTER_KEY=<current key>,<new key>, start them anew, and run this again")
      return exitCodes.failed
    case "settle":
      complain(`weir: not every node seals with ${step.keyId} yet: ${step.behind.join(", ")}`)
      complain("give them WEIR_MASTER_KEY=<new key>,<current key>, start them anew, and run this again")
      return exitCodes.failed
    case "promote":
      print(`Every node has ${step.keyId}. Now put it first in WEIR_MASTER_KEY on every node and start one after the`)
      print("other anew; then run this again with that value.")
      return exitCodes.ok
    case "drop":
      print(
        `Everything is sealed with ${step.keyId}. Now leave only that key, the first one, in WEIR_MASTER_KEY on every`,
      )
      print("node and start one after the other anew.")
      return exitCodes.ok
    default:
      throw new Error(`a rotation ended before ${step.kind}`)
  }
}

function statusLines(state: RingState, step: RingStep, isFile: boolean): string[] {
  const { databaseId, ids, states, sealed, nodes } = state
  const keyIds = [
    ...new Set([...(databaseId === null ? [] : [databaseId]), ...ids, ...states.keys(), ...sealed.keys()]),
  ]
  const keyRows = keyIds
    .filter((id) => id !== unnamedKeyId)
    .map((id) => {
      const known = id === databaseId ? "current" : (states.get(id) ?? "unknown")
      const here = id === ids[0] ? "seals here" : ids.includes(id) ? "opens here" : "not here"
      return [id, `${known}, ${here}, ${values(sealed.get(id) ?? 0)}`] as const
    })
  const unnamed = sealed.get(unnamedKeyId)
  const nodeRows = nodes.map(({ nodeId, currentId, ids: has }) => {
    const says =
      has === null ? "does not say what it has: an older version" : `seals with ${currentId}, has ${has.join(", ")}`
    return [nodeId, says] as const
  })
  return [
    "keys:",
    ...columns(keyRows),
    ...(unnamed === undefined ? [] : columns([["(not named)", `${values(unnamed)}, of an older version`]])),
    nodeRows.length === 0 ? "nodes: none is running" : "nodes:",
    ...columns(nodeRows),
    `next: ${nextText(step, isFile)}`,
  ]
}

const values = (count: number): string => `${count} ${count === 1 ? "value" : "values"}`

function nextText(step: RingStep, isFile: boolean): string {
  const rotate = 'run "weir master-key rotate"'
  switch (step.kind) {
    case "foreign":
      return "this database belongs to another master key, or the server was never started on it"
    case "settled":
      return "nothing; everything is sealed with the one key"
    case "spread":
      return `${step.behind.join(", ")} must get the key ${step.keyId}; then ${rotate}`
    case "settle":
      return `${step.behind.join(", ")} must seal with ${step.keyId}; then ${rotate}`
    case "promote":
      return isFile ? `a rotation was not finished; ${rotate}` : `put ${step.keyId} first in WEIR_MASTER_KEY`
    case "retire":
    case "reseal":
      return `a rotation was not finished; ${rotate}`
    case "drop":
      return isFile ? `a rotation was not finished; ${rotate}` : `leave only ${step.keyId} in WEIR_MASTER_KEY`
  }
}

const statusJson = ({ databaseId, ids, states, sealed, nodes }: RingState, step: RingStep): string =>
  JSON.stringify(
    {
      current_id: databaseId,
      key_ids: ids,
      known: Object.fromEntries(states),
      sealed: Object.fromEntries(sealed),
      nodes: nodes.map((node) => ({ id: node.nodeId, current_id: node.currentId, key_ids: node.ids })),
      next: step,
    },
    null,
    2,
  )

interface WithRing {
  readonly db: Database
  readonly parts: RingStateParts
  readonly dataDir: string
  /** Whether the keys are in the data folder's file. */
  readonly isFile: boolean
}

/** Opens database and ring as the settings name them. Makes neither. Throws CommandError. */
async function withRing<T>(context: Context, work: (opened: WithRing) => Promise<T>): Promise<T> {
  const { config, masterKey } = keysOf(context.env)
  const db = await openDatabase(config.database).catch((error) => {
    throw new CommandError(firstLine(error))
  })
  try {
    const parts: RingStateParts = {
      masterKey,
      places: sealedPlaces,
      liveNodes: async (read) => (await selectLiveNodes(read)).map(({ node_id }) => node_id),
      now: context.now,
    }
    // Whatever else is wrong with the database is for those who read it to say.
    await readRingState(db.read, parts).catch((error) => {
      const isAbsent = /no such (table|column)|does not exist/.test(String(error.message))
      throw new CommandError(isAbsent ? "start the server once with this version" : firstLine(error))
    })
    return await work({ db, parts, dataDir: config.dataDir, isFile: config.masterKey === null })
  } catch (error) {
    if (error instanceof RotationError || error instanceof ConfigError) throw new CommandError(error.message)
    throw error
  } finally {
    await db.close()
  }
}

function keysOf(env: Context["env"]): { config: Config; masterKey: MasterKey } {
  try {
    const config = loadConfig(env)
    const { database, dataDir } = config
    // Opening what is not there would make it.
    if (database.kind === "sqlite" && !existsSync(database.path)) {
      throw new CommandError(`there is no database at ${database.path}`)
    }
    const path = join(dataDir, masterKeyFileName)
    if (config.masterKey === null && !existsSync(path)) throw new CommandError(`there is no master key at ${path}`)
    return { config, masterKey: loadMasterKey(config).key }
  } catch (error) {
    throw error instanceof ConfigError ? new CommandError(error.message) : error
  }
}

const firstLine = (error: unknown): string => String((error as Error).message).split("\n")[0] ?? ""

// A connection to a Redis or Valkey server for one command: XADD. It speaks RESP2 (the serialization protocol's version
// 2), which every server speaks without being asked, and reads the answers of a few lines that this command has.

import type { Outgoing } from "../../base/outgoing.ts"
import type { Connection } from "./connections.ts"
import { openWire, type Wire, WireError, wireAddress, within } from "./wire.ts"

/** What a URL says: `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS. */
export interface RedisPlace {
  readonly host: string
  readonly port: number
  readonly isTls: boolean
  readonly user: string | null
  readonly password: string | null
  readonly database: number
}

/** An answer of the server. */
export type RedisReply = { readonly text: string } | { readonly error: string }

export interface RedisConnection extends Connection {
  /** Sends one command. Rejects with WireError when the connection ends before the answer, or none comes in time. */
  send(parts: readonly string[], timeoutMs: number): Promise<RedisReply>
}

/** Reads the URL of a target; null when it is none. */
export function redisPlace(text: string): RedisPlace | null {
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  const address = wireAddress(url, 6379)
  const path = /^\/?(\d{0,4})$/.exec(url.pathname)
  if (address === null || path === null || !["redis:", "rediss:"].includes(url.protocol)) return null
  try {
    return {
      ...address,
      isTls: url.protocol === "rediss:",
      user: url.username === "" ? null : decodeURIComponent(url.username),
      password: url.password === "" ? null : decodeURIComponent(url.password),
      database: Number(path[1]),
    }
  } catch {
    // A % without its digits.
    return null
  }
}

/**
 * Connects, proves who we are and selects the database. Rejects with WireError (`auth` when the server does not accept
 * the proof), or with OutgoingError when the host may not be connected to.
 */
export async function openRedis(
  place: RedisPlace,
  options: { readonly outgoing: Outgoing; readonly ca?: string | undefined; readonly timeoutMs: number },
): Promise<RedisConnection> {
  // Answers come in the order of the commands, so the first one that waits gets the next.
  const waiting: { resolve(reply: RedisReply): void; reject(error: WireError): void }[] = []
  let lost: WireError | null = null
  const wire: Wire = await openWire({
    ...options,
    ...place,
    take(bytes) {
      const found = readReply(bytes)
      if (found === null) return 0
      const asked = waiting.shift()
      if (asked === undefined) throw new WireError("protocol", "the server spoke without being asked")
      asked.resolve(found.reply)
      return found.bytes
    },
    lost(error) {
      lost = error
      for (const { reject } of waiting.splice(0)) reject(error)
    },
  })

  const send = async (parts: readonly string[], timeoutMs: number): Promise<RedisReply> => {
    if (lost !== null) throw lost
    // The connection may have taken the time there was: what is sent now would be told as not sent.
    if (timeoutMs <= 0) throw new WireError("timeout", "no connection came about in time")
    const sentAtMs = performance.now()
    const reply = new Promise<RedisReply>((resolve, reject) => waiting.push({ resolve, reject }))
    wire.write(encode(parts))
    try {
      return await within(timeoutMs, reply)
    } catch (error) {
      // A server that is only slow still answers others; one that says nothing may be behind a dead line.
      if (wire.heardAtMs < sentAtMs) wire.close(error as WireError)
      throw error
    }
  }
  const connection: RedisConnection = {
    get isUsable() {
      return lost === null
    },
    send,
    close: () => wire.close(),
  }
  try {
    await prepare(place, (parts) => send(parts, options.timeoutMs))
    return connection
  } catch (error) {
    connection.close()
    throw error
  }
}

async function prepare(
  { user, password, database }: RedisPlace,
  send: (parts: readonly string[]) => Promise<RedisReply>,
): Promise<void> {
  if (password !== null) {
    const reply = await send(user === null ? ["AUTH", password] : ["AUTH", user, password])
    // Only the first word: some servers repeat the command that they did not take, and the password with it.
    if ("error" in reply) throw new WireError("auth", `the server refused the user or password: ${wordOf(reply.error)}`)
  }
  if (database !== 0) {
    const reply = await send(["SELECT", String(database)])
    if ("error" in reply) throw new WireError(faultOf(reply.error), `the database was not selected: ${reply.error}`)
  }
}

/** What an error of the server counts as. Its first word is the kind (`NOPERM`, `OOM`, `READONLY`). */
export const faultOf = (error: string): string =>
  ["NOAUTH", "NOPERM", "WRONGPASS"].includes(wordOf(error)) ? "auth" : "rejected"

const wordOf = (error: string): string => error.split(" ", 1)[0]?.slice(0, 32) ?? ""

/** A command as an array of bulk strings, whose lengths come first: nothing in them can be read as a command. */
function encode(parts: readonly string[]): Buffer {
  const frames = parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`)
  return Buffer.from(`*${parts.length}\r\n${frames.join("")}`)
}

/** The first answer in `bytes`; null when it is not yet complete. Throws WireError on one that XADD does not have. */
function readReply(bytes: Buffer): { readonly reply: RedisReply; readonly bytes: number } | null {
  const end = bytes.indexOf("\r\n")
  const kind = String.fromCharCode(bytes[0] ?? 0)
  if (!"+-:$".includes(kind)) throw new WireError("protocol", "the server does not speak the protocol of Redis")
  if (end === -1) return null
  const line = bytes.toString("utf8", 1, end)
  if (kind === "-") return { reply: { error: line }, bytes: end + 2 }
  if (kind !== "$") return { reply: { text: line }, bytes: end + 2 }
  if (!/^\d{1,9}$/.test(line)) throw new WireError("protocol", "the server's answer has no length")
  const last = end + 2 + Number(line)
  if (bytes.length < last + 2) return null
  return { reply: { text: bytes.toString("utf8", end + 2, last) }, bytes: last + 2 }
}

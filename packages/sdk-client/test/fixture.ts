// A client and the server it talks to, new for each test and gone after it.

import { afterEach, beforeEach } from "bun:test"
import { WeirClient, type WeirClientOptions } from "../src/client.ts"
import { systemTimers } from "../src/timers.ts"
import { apiKey, type HandshakeServer, mint, type Refusal, startHandshakeServer } from "./handshake-server.ts"

/** The server of the present test. */
export let server: HandshakeServer
const clients: WeirClient[] = []

/** Call it once in a test file. */
export function eachTestHasItsOwnServer(): void {
  beforeEach(() => {
    server = startHandshakeServer()
  })

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.disconnect()
    await server.stop()
  })
}

/** A client whose waits take no time, unless its timers are given. */
export function newClient(options: Partial<WeirClientOptions> = {}): WeirClient {
  const timers = { ...systemTimers, random: () => 0 }
  const client = new WeirClient({ apiKey, baseUrl: server.url, timers, ...options })
  clients.push(client)
  return client
}

/** What the client says of itself, in order. */
export function story(client: WeirClient): string[] {
  const told: string[] = []
  client.on("*", (event) => {
    if (event.type === "connection.changed") told.push(event.online ? "online" : "offline")
    else if (event.type === "connection.failed")
      told.push(`failed ${(event.error as { code?: number }).code ?? event.error}`)
    else if (event.type !== "connection.ok") told.push(event.type)
  })
  return told
}

export const ann = { id: "ann", name: "Ann", custom: { team: "blue" } }
export const annToken = mint({ user_id: "ann" })

export const refuse = (code: number, status: number): Refusal => ({ code, status, reason: `refused ${code}` })

// What tests of outgoing requests share: senders, servers, a request, and what became of it.

import { afterEach } from "bun:test"
import {
  createOutgoing,
  type Outgoing,
  OutgoingError,
  type OutgoingFault,
  type OutgoingOptions,
  type OutgoingRequest,
  type OutgoingResponse,
} from "../src/base/outgoing.ts"
import { type OnRequest, type RawServer, type RawServerOptions, rawServer } from "./raw-server.ts"

/** Senders and servers that are closed after each test of the file that calls this, once and at its top. */
export function outgoingFixtures() {
  const opened: { close(): unknown }[] = []
  afterEach(async () => {
    for (const thing of opened.splice(0)) await thing.close()
  })
  const closedAfterwards = <Thing extends { close(): unknown }>(thing: Thing): Thing => {
    opened.push(thing)
    return thing
  }
  return {
    closedAfterwards,
    /** Private addresses are allowed unless told otherwise. */
    newOutgoing: (options: Partial<OutgoingOptions> = {}): Outgoing =>
      closedAfterwards(createOutgoing({ allowPrivate: true, ...options })),
    newServer: (onRequest: OnRequest, options: RawServerOptions = {}): RawServer =>
      closedAfterwards(rawServer(onRequest, options)),
  }
}

/** A small POST. */
export const requestTo = (url: string, more: Partial<OutgoingRequest> = {}): OutgoingRequest => ({
  url,
  method: "POST",
  headers: { "content-type": "application/json" },
  body: "{}",
  timeoutMs: 3_000,
  responseBytesMax: 1_000,
  ...more,
})

/** The error that a request ends with; throws when it ends otherwise. */
export async function errorOf(sent: Promise<unknown>): Promise<OutgoingError> {
  const error: unknown = await sent.then(
    (value) => new Error(`was answered: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  if (!(error instanceof OutgoingError)) throw error
  return error
}

export const faultOf = async (sent: Promise<unknown>): Promise<OutgoingFault> => (await errorOf(sent)).fault

export const textOf = ({ body }: OutgoingResponse): string => new TextDecoder().decode(body)

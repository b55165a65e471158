// Load generator that sends messages over raw TCP: at a set rate, or as fast as its connections get answers. What it
// takes is how long each reply took.

import { quantilesOf } from "../times.ts"
import { openConnection, postRequest } from "./keep-alive.ts"
import { type Busy, runJob, watchBusy } from "./run.ts"
import { tokenMaker } from "./tokens.ts"

export interface MessagesJob {
  readonly host: string
  readonly port: number
  readonly serverPid: number | null
  /** With query, such as `/api/v2/chat/channels/messaging/c1/message?api_key=…`. */
  readonly path: string
  readonly body: string
  readonly secret: string
  readonly senderId: string
  readonly expectedStatus: number
  /** Each has one request on its way. */
  readonly connections: number
  /** Sent first and not counted. */
  readonly warmupMessages: number
  readonly messages: number
  /**
   * So many messages fall due in a second, at random moments, whether or not others have been answered; a time is that
   * from when a message fell due. Null: as many as the connections can send.
   */
  readonly ratePerSecond: number | null
}

export interface MessagesResult {
  readonly messages: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly perSecond: number
  readonly busy: Busy
}

/** Runs the job. Throws when the server refuses a message, answers another status, or closes a connection. */
export async function messagesLoad(job: MessagesJob): Promise<MessagesResult> {
  const { host, port, messages, warmupMessages, ratePerSecond } = job
  const token = tokenMaker({ secret: job.secret, userIds: [job.senderId], count: 1, series: 0 })(0)
  const request = postRequest({ ...job, token })
  const total = warmupMessages + messages
  const times: number[] = []
  /** When each message fell due that no connection has taken yet. */
  const due: number[] = []
  const free: Sender[] = []
  const done = Promise.withResolvers<void>()
  const failure = Promise.withResolvers<never>()
  let fallen = 0
  let answered = 0
  let stopWatching = watchBusy(job.serverPid)

  const serve = (): void => {
    while (free.length > 0 && due.length > 0) (free.pop() as Sender).send(due.shift() as number)
  }
  const fallDue = (): void => {
    fallen++
    due.push(performance.now())
    serve()
  }
  const connect = async (): Promise<Sender> => {
    let dueAtMs = 0
    const connection = await openConnection({
      host,
      port,
      expectedStatus: job.expectedStatus,
      onFailure: failure.reject,
      onResponse() {
        answered++
        if (answered > warmupMessages) times.push(performance.now() - dueAtMs)
        else if (answered === warmupMessages) stopWatching = watchBusy(job.serverPid)
        free.push(sender)
        if (answered === total) done.resolve()
        else if (ratePerSecond === null && fallen < total) fallDue()
        else serve()
      },
    })
    const sender: Sender = {
      send(atMs) {
        dueAtMs = atMs
        connection.send(request)
      },
      close: connection.close,
    }
    return sender
  }

  const senders = await Promise.all(Array.from({ length: job.connections }, connect))
  free.push(...senders)
  if (ratePerSecond === null) for (let index = 0; index < senders.length && fallen < total; index++) fallDue()
  else {
    // Exponential pauses: moments that do not keep step with anything that the server does at intervals of its own.
    let atMs = performance.now()
    const fall = (): void => {
      while (fallen < total && atMs <= performance.now()) {
        fallDue()
        atMs += (-Math.log(1 - Math.random()) * 1000) / ratePerSecond
      }
      if (fallen < total) setTimeout(fall, atMs - performance.now())
    }
    fall()
  }
  await Promise.race([done.promise, failure.promise])
  const { elapsedMs, busy } = stopWatching()
  for (const sender of senders) sender.close()
  const { p50, p99 } = quantilesOf(times)
  return { messages, p50Ms: p50, p99Ms: p99, perSecond: Math.round((messages / elapsedMs) * 1000), busy }
}

/** A connection that no message is on. */
interface Sender {
  send(dueAtMs: number): void
  close(): void
}

if (import.meta.main) await runJob(messagesLoad)

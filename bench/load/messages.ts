// Load generator that sends messages over raw TCP: at a set rate, or as fast as its connections get answers. What it
// takes is how long each reply took.

import { quantilesOf } from "../times.ts"
import { createResponseReader } from "./response.ts"
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
  const request = Buffer.from(
    `POST ${job.path} HTTP/1.1\r\nHost: ${host}:${port}\r\nstream-auth-type: jwt\r\nAuthorization: ${token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(job.body)}\r\n\r\n${job.body}`,
  )
  const total = warmupMessages + messages
  const times: number[] = []
  /** When each message fell due that no connection has taken yet. */
  const due: number[] = []
  const free: Connection[] = []
  const done = Promise.withResolvers<void>()
  const failure = Promise.withResolvers<never>()
  let fallen = 0
  let answered = 0
  let isRunning = true
  let stopWatching = watchBusy(job.serverPid)
  const fail = (error: Error): void => failure.reject(error)

  const serve = (): void => {
    while (free.length > 0 && due.length > 0) (free.pop() as Connection).send(due.shift() as number)
  }
  const fallDue = (): void => {
    fallen++
    due.push(performance.now())
    serve()
  }
  const connect = async (): Promise<Connection> => {
    let dueAtMs = 0
    const reader = createResponseReader(job.expectedStatus, () => {
      answered++
      if (answered > warmupMessages) times.push(performance.now() - dueAtMs)
      else if (answered === warmupMessages) stopWatching = watchBusy(job.serverPid)
      free.push(connection)
      if (answered === total) done.resolve()
      else if (ratePerSecond === null && fallen < total) fallDue()
      else serve()
    })
    const socket = await Bun.connect({
      hostname: host,
      port,
      socket: {
        open: (opened) => void opened.setNoDelay(true),
        data(_socket, chunk) {
          try {
            reader.feed(chunk)
          } catch (error) {
            fail(error as Error)
          }
        },
        close() {
          if (isRunning) fail(new Error("the server closed a keep-alive connection"))
        },
        error: (_socket, error) => fail(error),
      },
    })
    const connection: Connection = {
      send(atMs) {
        dueAtMs = atMs
        if (socket.write(request) !== request.length) fail(new Error("a request was not sent in one piece"))
      },
      close: () => void socket.terminate(),
    }
    return connection
  }

  const connections = await Promise.all(Array.from({ length: job.connections }, connect))
  free.push(...connections)
  if (ratePerSecond === null) for (let index = 0; index < connections.length && fallen < total; index++) fallDue()
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
  isRunning = false
  for (const connection of connections) connection.close()
  const { p50, p99 } = quantilesOf(times)
  return { messages, p50Ms: p50, p99Ms: p99, perSecond: Math.round((messages / elapsedMs) * 1000), busy }
}

interface Connection {
  send(dueAtMs: number): void
  close(): void
}

if (import.meta.main) await runJob(messagesLoad)

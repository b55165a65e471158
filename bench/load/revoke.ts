// Load generator for revocation: many open sockets on one or several nodes, and users who are revoked one after the
// other. The clock of a revocation starts with its POST; what is taken is when the last of the user's sockets was closed
// and when the receipt was here. In between, nobody else's socket may close. Before each of them the same machine is
// asked for a round trip over the bus and for a write that is committed.

import { RedisClient } from "bun"
import { limits } from "../limits.ts"
import { runJob } from "./run.ts"
import { firstFrame, openSocket, type SocketPlan } from "./socket.ts"
import { serverToken, tokenMaker } from "./tokens.ts"

export interface RevokeJob extends Omit<SocketPlan, "port"> {
  /** Each user who will be revoked has a socket on each; the others are spread. The first one is asked to revoke. */
  readonly ports: readonly number[]
  readonly apiKey: string
  readonly secret: string
  readonly adminToken: string
  readonly sockets: number
  readonly inFlight: number
  readonly revocations: number
  readonly pauseMs: number
  readonly settleMs: number
  /** Where a peer says back what it hears (bus-echo.ts); null where there is no bus. */
  readonly bus: { readonly url: string; readonly channel: string } | null
}

/** Milliseconds, one number for each revocation. */
export interface RevokeResult {
  readonly closedMs: number[]
  readonly receiptMs: number[]
  /** As the receipts say it: from the commit until every node had answered. */
  readonly lagMs: number[]
  readonly writeMs: number[]
  readonly busMs: number[] | null
  readonly sockets: number
}

/** Runs the job. Throws when a request is refused, a receipt says otherwise, or a socket closes that should not. */
export async function revokeLoad(job: RevokeJob): Promise<RevokeResult> {
  if (job.sockets > limits.socketsMax) throw new Error(`more than ${limits.socketsMax} sockets in one process`)
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const work = async (): Promise<RevokeResult> => {
    const appId = await appIdOf(job)
    const targets = await openAll(job, failure.reject)
    const bus = job.bus === null ? null : await openBus(job.bus)
    const result: RevokeResult = {
      closedMs: [],
      receiptMs: [],
      lagMs: [],
      writeMs: [],
      busMs: bus === null ? null : [],
      sockets: job.sockets,
    }
    await Bun.sleep(job.settleMs)
    for (const target of targets) {
      if (bus !== null) result.busMs?.push(await bus.roundTripMs())
      result.writeMs.push(await writeMs(job, target.userId))
      await revokeOne(job, appId, target, result)
      await Bun.sleep(job.pauseMs)
    }
    return result
  }
  return Promise.race([work(), failure.promise])
}

/** A user who will be revoked. `closed` resolves when all of their sockets were closed. */
interface Target {
  readonly userId: string
  closed: Promise<unknown>
}

async function revokeOne(job: RevokeJob, appId: number, target: Target, result: RevokeResult): Promise<void> {
  const startedMs = performance.now()
  let closedMs = 0
  const closed = target.closed.then(() => {
    closedMs = performance.now() - startedMs
  })
  const { receipt } = (await call(job, "POST", `/api/admin/v1/apps/${appId}/revocations`, `Bearer ${job.adminToken}`, {
    user_id: target.userId,
  })) as { receipt: { sockets_closed: number; max_lag_ms: number; nodes: { fenced: boolean }[] } }
  result.receiptMs.push(performance.now() - startedMs)
  await Promise.race([
    closed,
    Bun.sleep(limits.deliveryTimeoutMs).then(() => {
      throw new Error(`sockets of ${target.userId} are open ${limits.deliveryTimeoutMs} ms after the receipt`)
    }),
  ])
  const said = { nodes: receipt.nodes.length, sockets: receipt.sockets_closed }
  if (
    said.nodes !== job.ports.length ||
    said.sockets !== job.ports.length ||
    receipt.nodes.some((node) => node.fenced)
  ) {
    throw new Error(`${job.ports.length} nodes with a socket each, and the receipt says ${JSON.stringify(receipt)}`)
  }
  result.closedMs.push(closedMs)
  result.lagMs.push(receipt.max_lag_ms)
}

/** Opens all sockets; answers those who will be revoked. */
async function openAll(job: RevokeJob, onFailure: (error: Error) => void): Promise<Target[]> {
  const { ports, revocations } = job
  const others = job.sockets - revocations * ports.length
  if (others < 0)
    throw new Error(`${job.sockets} sockets are too few for ${revocations} users on ${ports.length} nodes`)
  const closes = Array.from({ length: revocations }, () => ports.map(() => Promise.withResolvers<void>()))
  // Targets come last, so that none of them waits long, and nobody has more than one socket on a node.
  const plans = [
    ...Array.from({ length: others }, (_, index) => ({
      userId: `listener-${index}`,
      port: ports[index % ports.length] as number,
      onClose: onFailure,
    })),
    ...closes.flatMap((ofUser, user) =>
      ports.map((port, node) => ({
        userId: targetId(user),
        port,
        onClose: (error: Error) => (isRevoked(error) ? ofUser[node]?.resolve() : onFailure(error)),
      })),
    ),
  ]
  const tokenAt = tokenMaker({
    secret: job.secret,
    userIds: plans.map(({ userId }) => userId),
    count: plans.length,
    series: 1,
  })
  let next = 0
  const openNext = async (): Promise<void> => {
    while (next < plans.length) {
      const index = next++
      const { userId, port, onClose } = plans[index] as (typeof plans)[number]
      await openSocket({ ...job, port }, firstFrame(tokenAt(index), userId), onClose)
    }
  }
  await Promise.all(Array.from({ length: job.inFlight }, openNext))
  return closes.map((ofUser, user) => ({
    userId: targetId(user),
    closed: Promise.all(ofUser.map(({ promise }) => promise)),
  }))
}

const targetId = (user: number): string => `revoked-${user}`
/** Close code of a socket whose token has ended (contract/chat.md §1.10 and the close codes of the protocol). */
const isRevoked = (error: Error): boolean => error.message.includes(" with 4040 ")

/** One user's row, changed and committed. */
async function writeMs(job: RevokeJob, userId: string): Promise<number> {
  const startedMs = performance.now()
  const users = { [`writer-of-${userId}`]: { id: `writer-of-${userId}`, name: userId } }
  await call(job, "POST", `/api/v2/users?api_key=${job.apiKey}`, serverToken(job.secret), { users })
  return performance.now() - startedMs
}

async function appIdOf(job: RevokeJob): Promise<number> {
  const { app } = (await call(job, "GET", `/api/v2/app?api_key=${job.apiKey}`, serverToken(job.secret))) as {
    app: { id: number }
  }
  return app.id
}

async function call(job: RevokeJob, method: string, path: string, token: string, body?: object): Promise<unknown> {
  const response = await fetch(`http://${job.host}:${job.ports[0]}${path}`, {
    method,
    headers: { authorization: token, "stream-auth-type": "jwt", "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(limits.requestTimeoutMs),
  })
  const said = await response.text()
  if (!response.ok)
    throw new Error(`${path} was refused with ${response.status}: ${said.slice(0, limits.quotedCharsMax)}`)
  return JSON.parse(said)
}

async function openBus({ url, channel }: NonNullable<RevokeJob["bus"]>) {
  const sending = new RedisClient(url)
  const hearing = new RedisClient(url)
  await Promise.all([sending.connect(), hearing.connect()])
  let heard: (message: string) => void = () => undefined
  await hearing.subscribe(`${channel}:back`, (message) => heard(message))
  let sent = 0
  return {
    /** From the publish here, over the other process, to the message back. */
    async roundTripMs(): Promise<number> {
      const word = String(++sent)
      const back = Promise.withResolvers<void>()
      heard = (message) => {
        if (message === word) back.resolve()
      }
      const timer = setTimeout(() => back.reject(new Error("the bus said nothing back")), limits.requestTimeoutMs)
      const startedMs = performance.now()
      sending.publish(`${channel}:there`, word).catch(back.reject)
      await back.promise
      clearTimeout(timer)
      return performance.now() - startedMs
    },
  }
}

if (import.meta.main) await runJob(revokeLoad)

// Case 39: whoever is revoked while connecting never ends connected, whatever the order in which look-ups, the
// revocation and deliveries come. Door, gate, set of revocations and registry of sockets are the real ones; fast-check
// decides which wait ends next. Where the network would be, a list keeps what was sent.

import { expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import fc from "fast-check"
import {
  createAuthenticate,
  type KeyState,
  type Lookups,
  type RevocationQuestion,
  withoutTrace,
} from "../src/authenticate/authenticate.ts"
import { presets } from "../src/authenticate/policy.ts"
import { importSecret } from "../src/authenticate/token.ts"
import { manualClock } from "../src/base/clock.ts"
import { createLogger } from "../src/base/log.ts"
import { applyRows, createTruth, endError, type RevocationRow } from "../src/core/revocations/index.ts"
import { createLocalBus } from "../src/events/bus/local.ts"
import { createPresence } from "../src/events/presence.ts"
import { createSockets, type Socket, type SocketData } from "../src/events/sockets.ts"
import { createRateLimiter } from "../src/request/rate-limit.ts"
import { createSocketDoor } from "../src/request/socket.ts"
import { testApiKey, testApiSecret } from "../src/testing.ts"

const app = 7
const clock = manualClock(1_800_000_000_000)
const nowSeconds = clock.now() / 1000
const log = createLogger({ level: "error", format: "json", write: (line) => console.error(line) })
const bus = createLocalBus(log)
const key = importSecret(testApiSecret)
const keyState: KeyState = {
  appId: app,
  apiKey: testApiKey,
  suspended: false,
  disabled: false,
  disableAuthChecks: false,
  allowBasic: false,
  policy: presets.compatible,
  revokeTokensIssuedBefore: null,
  verificationKeys: [{ kid: "kid", alg: "HS256", key, state: "active" }],
  verified: { get: () => undefined, set: () => undefined },
}
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url")
function tokenOf(userId: string, claims: object): string {
  const input = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ user_id: userId, iat: nowSeconds - 60, ...claims })}`
  return `${input}.${createHmac("sha256", testApiSecret).update(input).digest("base64url")}`
}

interface Wire {
  readonly socket: Socket
  /** Types of frames in their order. */
  readonly frames: string[]
  closeCode: number | null
}

/** What the runtime would hand over. */
function wireOf(data: SocketData): Wire {
  const wire: Wire = {
    frames: [],
    closeCode: null,
    socket: {
      data,
      readyState: 1,
      send: (frame: string) => wire.frames.push(JSON.parse(frame).type),
      close: (code: number) => {
        wire.closeCode ??= code
      },
      getBufferedAmount: () => 0,
      subscribe: () => undefined,
      unsubscribe: () => undefined,
    } as unknown as Socket,
  }
  return wire
}

/** One run: callers connect, one revocation comes, events are delivered; `scheduler` says in which order. */
async function play(scheduler: fc.Scheduler, waits: readonly boolean[], callers: readonly Caller[], level: Level) {
  const truth = createTruth()
  let asked = 0
  // A look-up is answered from the cache, or it waits for the database.
  const lookedUp = <T>(value: T): T | Promise<T> => {
    asked += 1
    return waits[asked % waits.length] ? scheduler.schedule(Promise.resolve(value), "look-up") : value
  }
  const presence = createPresence({ bus, clock, onChange: () => undefined })
  const sockets = createSockets({
    clock,
    bus,
    presence,
    log,
    membersOf: () => [],
    mayDeliver: () => true,
    refusalOf: (credential) => {
      const found = truth.check(credential as RevocationQuestion, null)
      return found === null ? null : endError(found.entry.isTerminal)
    },
    onGone: () => undefined,
  })
  const lookups: Lookups = {
    requireLease: () => undefined,
    key: () => lookedUp(keyState),
    user: () => lookedUp(null),
    revoked: (question) => truth.check(question, null),
    isNonceFresh: async () => true,
    sighted: null,
    warned: () => undefined,
  }
  const door = createSocketDoor({
    authenticate: createAuthenticate(lookups),
    recheck: createAuthenticate(withoutTrace(lookups)),
    credentialOf: ({ appId, apiKey }, proof): RevocationQuestion => ({
      appId,
      apiKey,
      userId: "jessica",
      isServer: false,
      proof,
    }),
    connectUser: () => lookedUp({ id: "jessica" }),
    sockets,
    limiter: createRateLimiter({ enforced: false, overridesOf: () => ({}), shared: null, log }),
    recordRefusal: () => "decision",
    observe: { handshake: () => undefined, opened: () => undefined, closed: () => undefined },
    clock,
    log,
  })
  const connect = ({ claims }: Caller): Wire => {
    let data: SocketData | null = null
    const server = {
      upgrade(_: Request, options: { data: SocketData }) {
        data = options.data
        return true
      },
    }
    const request = new Request(`http://weir.test/api/v2/connect?api_key=${testApiKey}&stream-auth-type=jwt`)
    door.upgrade(request, server as never, { address: "127.0.0.1", isSecure: true })
    const wire = wireOf(data as unknown as SocketData)
    door.handler.open?.(wire.socket)
    const first = { token: tokenOf("jessica", claims), user_details: { id: "jessica" } }
    door.handler.message?.(wire.socket, JSON.stringify(first))
    return wire
  }

  const wires = new Map<Caller, Wire>()
  const heardBefore = new Map<Wire, number>()
  const steps = [
    ...callers.map((caller) => () => void wires.set(caller, connect(caller))),
    () => {
      applyRows(truth, [rowOf(level)], (appId, endedBy, isDry) =>
        sockets.endWhere(appId, (credential) => endedBy(credential as RevocationQuestion), isDry),
      )
      for (const wire of wires.values()) heardBefore.set(wire, wire.frames.length)
    },
    ...callers.map(() => () => sockets.deliver(app, [{ to: "users", userIds: ["jessica"], frame: event }])),
  ]
  const done = steps.map((step) => scheduler.schedule(Promise.resolve()).then(step))
  await scheduler.waitIdle()
  await Promise.all(done)
  sockets.deliver(app, [{ to: "users", userIds: ["jessica"], frame: event }])
  const open = sockets.count
  sockets.close()
  presence.close()
  return { wires, heardBefore, open }
}

interface Caller {
  readonly isOld: boolean
  readonly claims: object
}
const levels = ["app", "user", "key", "device", "jti"] as const
type Level = (typeof levels)[number]
const targets: Record<Level, string> = { app: "", user: "jessica", key: testApiKey, device: "phone", jti: "one" }
const event = JSON.stringify({ type: "message.new", created_at: "" })

const rowOf = (level: Level): RevocationRow => ({
  id: "revocation",
  seq: 1,
  app_id: app,
  level,
  target: targets[level],
  before_ms: clock.now(),
  mode: "enforce",
  terminal: 0,
  reason: "",
  created_by: "",
  created_at: clock.now(),
  undone_at: null,
  shadow_hits: 0,
  shadow_users: 0,
  receipt: null,
  expires_at: null,
})
const anyCaller: fc.Arbitrary<Caller> = fc.boolean().map((isOld) => ({
  isOld,
  // A token of this second is one that was made after the revocation.
  claims: { iat: isOld ? nowSeconds - 60 : nowSeconds, device_id: "phone", jti: "one" },
}))

test("property, case 39: connecting while being revoked never ends connected, and hears nothing from then on", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }),
      fc.array(anyCaller, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(...levels),
      async (scheduler, waits, callers, level) => {
        const { wires, heardBefore, open } = await play(scheduler, waits, callers, level)
        expect(open).toBe(callers.filter(({ isOld }) => !isOld).length)
        for (const [{ isOld }, wire] of wires) {
          if (!isOld) {
            expect(wire.closeCode).toBeNull()
            expect(wire.frames[0]).toBe("connection.ok")
            continue
          }
          expect(wire.closeCode).toBe(4040)
          const after = wire.frames.slice(heardBefore.get(wire) ?? 0)
          expect(after.filter((type) => type !== "connection.error")).toEqual([])
        }
      },
    ),
    { numRuns: Number(process.env.WEIR_RACE_RUNS ?? 10_000) },
  )
}, 120_000)

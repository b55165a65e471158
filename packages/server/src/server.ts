// Builds every part by hand, leaf to root. The only file that knows them all; read it to see what the house is made of.

import { join } from "node:path"
import { ApiError, type Operation } from "@weir/protocol"
import { signToken } from "./authenticate/sign.ts"
import { importSecret, type VerificationKey } from "./authenticate/token.ts"
import { type Awaitable, chain } from "./base/chain.ts"
import { type Clock, systemClock } from "./base/clock.ts"
import type { MasterKey } from "./base/crypto.ts"
import { randomInt } from "./base/ids.ts"
import type { Logger } from "./base/log.ts"
import { version } from "./base/version.ts"
import type { Config } from "./config/config.ts"
import { type Environment, insertApp, newApp, selectApps } from "./core/apps/index.ts"
import { migrations as appMigrations } from "./core/apps/migrations.ts"
import { appAdminRoutes, appRoutes } from "./core/apps/routes.ts"
import { auditMigrations } from "./core/audit/index.ts"
import { banMigrations, banRoutes, banTaskKind, createBanEnd } from "./core/bans/index.ts"
import { decisionMigrations } from "./core/decisions/index.ts"
import { createDemo } from "./core/demo/index.ts"
import { grantRoutes } from "./core/grants/index.ts"
import {
  insertKey,
  insertSecret,
  joinDeployment,
  keepRing,
  missingKeys,
  newKey,
  readSharedSecrets,
  selectKey,
  selectKeysOfApp,
  signingKeyOf,
} from "./core/keys/index.ts"
import { migrations as keyMigrations } from "./core/keys/migrations.ts"
import { createAppLimits, limitAdminRoutes, limitMigrations, limitRoutes } from "./core/limits/index.ts"
import { accessBase, operatorMigrations } from "./core/operators/index.ts"
import { peopleMigrations, peopleRoutes } from "./core/people/index.ts"
import { revocationMigrations } from "./core/revocations/index.ts"
import { policyWarnings, sessionMigrations } from "./core/sessions/index.ts"
import { createTaskRunner } from "./core/tasks/index.ts"
import { migrations as taskMigrations } from "./core/tasks/migrations.ts"
import { taskRoutes } from "./core/tasks/routes.ts"
import { tokenMigrations } from "./core/tokens/index.ts"
import { trafficMigrations } from "./core/traffic/index.ts"
import {
  createConnectUser,
  createDeletionHandler,
  createEnsureActor,
  createSweepHandler,
  createUsers,
  deletionTaskKind,
  presenceChanged,
  sweepTaskKind,
  userKey,
  userRoutes,
} from "./core/users/index.ts"
import { migrations as userMigrations } from "./core/users/migrations.ts"
import { hookMigrations } from "./core/webhooks/index.ts"
import { createLocalBus } from "./events/bus/local.ts"
import { createRedisBus } from "./events/bus/redis.ts"
import { createCaches } from "./events/caches.ts"
import type { MembersOf } from "./events/event.ts"
import { createPresence } from "./events/presence.ts"
import { createRelay } from "./events/relay.ts"
import { createSockets, type SocketData } from "./events/sockets.ts"
import { topics } from "./events/topics.ts"
import { createGate } from "./gate.ts"
import { grantScopes } from "./grant-scopes.ts"
import { createHooks } from "./hooks.ts"
import { chatMigrations, createChat, createMembers, unreadOf } from "./products/chat/channels/index.ts"
import { createFeedProduct, feedMigrations } from "./products/feeds/activities/index.ts"
import {
  audienceOf,
  callExplainer,
  callKey,
  migrations as callMigrations,
  callRoutes,
  createCalls,
} from "./products/video/calls/index.ts"
import { clientAddress, isPrivateHop } from "./request/address.ts"
import { loadDashboard } from "./request/dashboard.ts"
import { createHttp, type Peer } from "./request/http.ts"
import { type Listener, listen } from "./request/listen.ts"
import { openApiOf } from "./request/openapi.ts"
import { createPages } from "./request/pages.ts"
import { createRateLimiter } from "./request/rate-limit.ts"
import { createRedisCounters } from "./request/rate-limit-shared.ts"
import { createSocketDoor, isSocketPath } from "./request/socket.ts"
import { pathOf, pathStartOf } from "./request/target.ts"
import { readTlsPair, watchTlsFiles } from "./request/tls.ts"
import { sealedPlaces } from "./sealed.ts"
import type { Tx } from "./store/database.ts"
import { UniqueViolation } from "./store/errors.ts"
import { migrate } from "./store/migrate.ts"
import { openDatabase } from "./store/open.ts"
import { userPlaces } from "./user-data.ts"
import { createWatch } from "./watch.ts"

export interface ServerParts {
  readonly config: Config
  readonly masterKey: MasterKey
  readonly log: Logger
  readonly clock?: Clock
}

export interface WeirServer {
  /** Answers one request without a port; sockets need `listen`. */
  fetch(request: Request): Awaitable<Response>
  /** Opens the port; answers the base URL. */
  listen(): string
  /** Credentials of the first app; `apiSecret` only when this start made them. */
  readonly firstApp: FirstApp
  /** Path of the one-time link to the first operator's account; null when there is an operator. */
  readonly setupPath: string | null
  /** Every operation that this server answers. */
  readonly operations: readonly Operation[]
  /**
   * Gives those around the node a moment to go elsewhere: it is not ready from now on, its sockets are sent away with
   * «come back» and no new ones are let in, and requests are still answered, each as the last of its connection.
   */
  drain(): Promise<void>
  /** Ends in order: no new callers, sockets away, requests finished, the queue written. */
  close(): Promise<void>
}

export interface FirstApp {
  readonly apiKey: string
  readonly apiSecret: string | null
}

/** Opens the database, brings it up to date, and builds the house. Throws when it cannot serve as it must. */
export async function createServer({ config, masterKey, log, clock = systemClock }: ServerParts): Promise<WeirServer> {
  const db = await openDatabase(config.database, {
    now: () => clock.now(),
    onError: (error) => log.error("a callback after a commit failed", { cause: error }),
  })
  await migrate(db, allMigrations)
  // Deployments that share one Redis have different ids, and must not hear each other's users.
  const deploymentId = await joinDeployment(db, masterKey, clock.now())
  for (const [key_id, values] of await missingKeys(db, masterKey, sealedPlaces)) {
    log.error("secrets are sealed with a master key that this node does not have", { key_id, values })
  }
  const bus =
    config.redisUrl === null
      ? createLocalBus(log)
      : await createRedisBus({ url: config.redisUrl, deployment: deploymentId, clock, log })
  const ring = await keepRing({ db, masterKey, nodeId: bus.nodeId, clock, log })
  const caches = createCaches(bus, clock)

  const users = createUsers(caches, db.read)
  const members = createMembers(caches, db.read)
  const calls = createCalls(caches, db.read)

  // Those who hear.
  const presence = createPresence({
    bus,
    clock,
    onChange(appId, userId) {
      if (sockets.subscriberCount(topics.presence(appId, userId)) > 0) void tellPresence(appId, userId)
    },
  })
  // The gate closes sockets, so it comes after them; until it is there they have nobody to tell anything.
  let mayDeliver = (): boolean => false
  let refusalOf: (credential: unknown) => ApiError | null = () => null
  const sockets = createSockets({
    clock,
    bus,
    presence,
    log,
    membersOf,
    mayDeliver: () => mayDeliver(),
    refusalOf: (credential) => refusalOf(credential),
    onGone(appId, userId, heard) {
      chat.stoppedWatching(appId, userId, heard, clock.now()).catch((error) => {
        log.error("could not tell that somebody stopped watching", { cause: error })
      })
    },
  })
  const gate = await createGate({
    db,
    bus,
    caches,
    clock,
    log,
    masterKey,
    adminToken: config.adminToken,
    publicOrigin: config.publicOrigin,
    sso: config.sso,
    rateLimits: config.rateLimits,
    users,
    sockets,
  })
  const { keyStates, authenticate, decisions } = gate
  mayDeliver = gate.revocations.mayDeliver
  refusalOf = gate.refusalOf
  let draining = false
  let listener: Listener | null = null
  const watch = createWatch({
    db,
    bus,
    clock,
    log,
    revocations: gate.revocations,
    appOf: (apiKey) => keyStates.peek(apiKey)?.appId ?? null,
    droppedRefusals: () => decisions.droppedCount,
    socketCount: () => sockets.count,
    address: () => listener?.url ?? null,
    isDraining: () => draining,
    settings: config.shown,
    warnings: config.warnings,
  })

  const hooks = await createHooks({
    db,
    bus,
    caches,
    clock,
    log,
    masterKey,
    audit: gate.audit,
    allowPrivate: config.webhookAllowPrivate,
    signingSecretOf: (apiKey) =>
      chain(keyStates.get(apiKey), (state) => (state === null ? null : secretTextOf(signingKeyOf(state)))),
    apiSecretsOf: (read, appId, apiKey) => readSharedSecrets(read, masterKey, appId, apiKey),
    socketCount: () => sockets.count,
    attempted: watch.delivered,
  })
  const relay = createRelay({ db, bus, clock, log, deliver: sockets.deliver, sendAway: sockets.drain })

  const chat = createChat({
    caches,
    read: db.read,
    users,
    members,
    presence,
    sockets,
    relay,
    announce: hooks.announce,
    beforeSend: { ask: hooks.ask.ask, settingsOf: hooks.beforeMessageSendOf },
  })
  const wakeTasks = (): void => tasks.wake()
  const feeds = createFeedProduct({ caches, read: db.read, users, presence, sockets, wakeTasks })

  const appLimits = createAppLimits(caches, db.read)
  const limiter = createRateLimiter({
    enforced: config.rateLimits,
    overridesOf: (appId) => appLimits.get(String(appId)),
    shared:
      config.redisUrl === null || !config.rateLimits
        ? null
        : createRedisCounters({ url: config.redisUrl, deployment: deploymentId, log }),
    log,
  })

  const firstApp = await ensureFirstApp()
  const setupPath = await gate.operators.makeSetupLink()
  await warnOfOtherSecret()
  const tasks = createTaskRunner({
    db,
    clock,
    log,
    nodeId: bus.nodeId,
    handlers: new Map([
      [deletionTaskKind, createDeletionHandler([chat.deleteContent, feeds.deleteContent])],
      [banTaskKind, createBanEnd({ users, presence, channels: chat.banChannels })],
      [sweepTaskKind, createSweepHandler({ hide: chat.hideMessages, restore: chat.restoreMessages })],
      ...feeds.tasks,
    ]),
  })

  const http = createHttp({
    routes: [
      ...appRoutes({ appChanged, audit: gate.audit.append, hooks: hooks.appSettings }),
      ...hooks.routes,
      ...limitRoutes({ limiter }),
      ...taskRoutes(),
      ...userRoutes({ users, presence, sockets, signGuestToken, wakeTasks, audit: gate.audit.append }),
      ...banRoutes({ users, presence, channels: chat.banChannels, audit: gate.audit.append }),
      ...chat.routes,
      ...feeds.routes,
      ...callRoutes({ calls, users, presence, sockets }),
    ],
    adminRoutes: [
      ...appAdminRoutes({
        newAppId,
        async makeKey(tx, appId, now, actor) {
          const made = newKey(masterKey, appId, "", now, actor)
          await insertKey(tx, made.key)
          await insertSecret(tx, made.secretRow)
          const key = { api_key: made.key.api_key, label: made.key.label, kid: made.secretRow.kid }
          return { key, secret: made.secret }
        },
        appChanged,
        policyWarnings,
        flushSightings: gate.sightings.flush,
      }),
      ...limitAdminRoutes({ limiter, appLimits }),
      ...watch.adminRoutes,
      ...peopleRoutes({
        presence,
        sightings: gate.sightings,
        socketsOf: gate.socketsOf,
        isRevoked: gate.isRevoked,
        places: userPlaces,
        flushDecisions: decisions.flush,
        record: (entry) => db.transact((tx) => gate.audit.append(tx, entry)),
      }),
      ...grantRoutes(grantScopes),
      ...hooks.adminRoutes,
      ...gate.adminRoutes({ channel: chat.explainer, feed: feeds.explainer, call: callExplainer(calls) }),
    ],
    authenticate,
    recheck: gate.recheck,
    authenticateOperator: gate.authenticateOperator,
    audit: gate.audit.append,
    recordRefusal: decisions.record,
    observe: watch.observeRequest,
    ensureActor: createEnsureActor(users),
    db,
    limiter,
    clock,
    log,
  })
  const door = createSocketDoor({
    authenticate,
    recheck: gate.recheck,
    credentialOf: gate.credentialOf,
    limiter,
    recordRefusal: decisions.record,
    observe: watch.observeSockets,
    connectUser: createConnectUser({ db, users, unreadOf: (appId, userId) => unreadOf(db.read, appId, userId) }),
    sockets,
    clock,
    log,
  })
  // Made when somebody asks for it.
  let openApiText: string | null = null
  const openApi = async (): Promise<string> => {
    openApiText ??= JSON.stringify(openApiOf(http.operations, version))
    return openApiText
  }
  const pages = createPages({
    async readiness() {
      if (draining) throw new Error("draining")
      if (!bus.connected) throw new Error("the bus is away")
      await db.ping().catch((cause) => {
        log.warn("the database does not answer", { cause })
        throw new Error("the database is away")
      })
    },
    errorPage,
    published: (path) => (path === "/openapi.json" ? openApi() : gate.published(path)),
  })

  const dashboard = await loadDashboard(dashboardDir, [["/dashboard", "index.html"]])
  if (dashboard === null) log.warn("the dashboard is not built, so it is not served; `npm run prepare` builds it")

  const demo = createDemo({
    access: config.demo,
    apiKey: firstApp.apiKey,
    keyState: (apiKey) => keyStates.get(apiKey),
    db,
    revoke: gate.revoke,
    audit: gate.audit.append,
    dashboard,
    clock,
    log,
  })

  /** The caller's end of a connection, behind the proxies that the settings trust. */
  const peerOf = (request: Request, connectionAddress: () => string): Peer => ({
    get address() {
      const forwardedFor = config.trustProxy.mode === "none" ? null : request.headers.get("x-forwarded-for")
      return clientAddress(connectionAddress(), forwardedFor, config.trustProxy)
    },
    get isSecure() {
      return config.tls !== null || isPrivateHop(connectionAddress(), request.headers, config.trustProxy)
    },
  })
  const answer = (request: Request, connectionAddress: () => string): Awaitable<Response> => {
    if (!request.url.startsWith("/api/", pathStartOf(request.url)) || request.url.includes("/.well-known/")) {
      const path = pathOf(request.url)
      if (path.startsWith(accessBase)) {
        return gate.operators.serve(request, path, peerOf(request, connectionAddress))
      }
      const page =
        pages(request.method, path) ?? dashboard?.serve(request, path) ?? demo.serve(request, path, connectionAddress())
      if (page !== null) return page
    }
    return http.serve(request, peerOf(request, connectionAddress))
  }

  const startDraining = (): void => {
    draining = true
    door.drain()
    sockets.drain()
    hooks.drain()
  }
  // A connection that is closed after an answer loses nothing; one that is closed while it is idle may lose a request
  // that is on its way.
  const lastWhenDraining = (response: Response): Response => {
    if (draining) response.headers.set("connection", "close")
    return response
  }

  let stopWatchingTls: (() => void) | null = null
  return {
    firstApp,
    setupPath,
    operations: http.operations,
    fetch: (request) => answer(request, () => "127.0.0.1"),
    listen() {
      const tls = config.tls === null ? null : readTlsPair(config.tls.certPath, config.tls.keyPath)
      const opened = listen<SocketData>({
        hostname: config.host,
        port: config.port,
        tls,
        idleTimeoutSeconds: keepAliveSeconds,
        bodyBytesMax: requestBytesMax,
        websocket: door.handler,
        fetch(request, bunServer) {
          const connectionAddress = (): string => bunServer.requestIP(request)?.address ?? ""
          if (isSocketPath(pathOf(request.url)) && request.headers.get("upgrade") !== null) {
            return door.upgrade(request, bunServer, peerOf(request, connectionAddress))
          }
          return chain(answer(request, connectionAddress), lastWhenDraining)
        },
        error(error) {
          log.error("a request ended outside the pipeline", { cause: error })
          return new Response("internal error\n", { status: 500 })
        },
      })
      listener = opened
      sockets.attach(opened)
      if (config.tls !== null && tls !== null) {
        const watch = watchTlsFiles(config.tls.certPath, config.tls.keyPath, tls, {
          onChange: (pair) => opened.replaceTls(pair),
          onFault: (fault) => log.warn(fault),
        })
        stopWatchingTls = () => watch.close()
      }
      return opened.url
    },
    async drain() {
      startDraining()
      await Bun.sleep(drainNoticeMs)
    },
    async close() {
      startDraining()
      stopWatchingTls?.()
      await Promise.race([listener?.stop(false), Bun.sleep(drainMs)])
      await listener?.stop(true)
      sockets.close()
      await tasks.close()
      await hooks.close()
      await relay.close()
      presence.close()
      await watch.close()
      await gate.close()
      await ring.close()
      await limiter.close()
      await db.close()
      await bus.close()
    },
  }

  /** The app's switches changed: what nodes hold of its keys is stale. */
  async function appChanged(tx: Tx, appId: number): Promise<void> {
    const keys = await selectKeysOfApp(tx, appId, keysOfAppMax)
    tx.afterCommit(() => {
      for (const key of keys) keyStates.drop(key.api_key)
    })
  }

  /** Tells those of this node who asked; by the time the user is read, what counts is whether they are online now. */
  async function tellPresence(appId: number, userId: string): Promise<void> {
    try {
      const user = await users.get(userKey(appId, userId))
      if (user === null || user.invisible) return
      sockets.deliver(appId, presenceChanged(user, presence.isOnline(appId, userId), clock.now()))
    } catch (error) {
      log.error("could not tell of a user's presence", { cause: error })
    }
  }

  /** Guests get their token from the server, signed with a secret of the key that they came with. */
  async function signGuestToken(apiKey: string, userId: string, now: number): Promise<string> {
    const state = await keyStates.get(apiKey)
    const key = state === null ? null : signingKeyOf(state)
    if (key === null) {
      throw new ApiError("notAllowed", "this key cannot make tokens for guests: it has no active HS256 secret", {
        why: {
          check: "state",
          rule: "signing-key",
          detail: "guests' tokens are signed by the server, with a secret that both sides share",
          remedy: "add an active HS256 secret to the key",
        },
      })
    }
    const iat = Math.floor(now / 1000)
    return signToken(key.key, key.kid, { user_id: userId, iat, exp: iat + guestTokenLifetimeSeconds })
  }

  /** Who belongs to a channel or call, for notifications. */
  function membersOf(appId: number, of: MembersOf): Awaitable<readonly string[]> {
    if (of.kind === "channel") return members.ids(appId, of.cid)
    return chain(calls.get(callKey(appId, of.cid)), (view) => (view === null ? [] : audienceOf(view)))
  }

  /** The first start makes an app with one key, from the settings or generated. Safe for two nodes at once. */
  async function ensureFirstApp(): Promise<FirstApp> {
    try {
      return await findOrMakeFirstApp()
    } catch (error) {
      // Another node was a moment faster. What it made is there now.
      if (error instanceof UniqueViolation) return findOrMakeFirstApp()
      throw error
    }
  }

  // The database's secret stands, so that a changed environment cannot shut out every token that was ever signed.
  async function warnOfOtherSecret(): Promise<void> {
    if (config.firstApp === null) return
    const { apiKey, apiSecret } = config.firstApp
    const given = importSecret(apiSecret)
    const state = await keyStates.get(apiKey)
    if (state === null || state.verificationKeys.some(({ key }) => key.equals(given))) return
    log.warn("WEIR_API_SECRET is not a secret of WEIR_API_KEY in this database, and is not used", { api_key: apiKey })
  }

  async function findOrMakeFirstApp(): Promise<FirstApp> {
    const given = config.firstApp
    return db.transact(async (tx): Promise<FirstApp> => {
      const [app] = await selectApps(tx, 1)
      if (app !== undefined) {
        const [key] = await selectKeysOfApp(tx, app.id, 1)
        if (given === null || (await selectKey(tx, given.apiKey)) !== undefined) {
          return { apiKey: given?.apiKey ?? key?.api_key ?? "", apiSecret: null }
        }
      }
      const now = clock.now()
      const made = app ?? newApp(firstAppId, "default", "development" satisfies Environment, now)
      if (app === undefined) await insertApp(tx, made)
      const key = newKey(masterKey, made.id, "first", now, "first start", given)
      await insertKey(tx, key.key)
      await insertSecret(tx, key.secretRow)
      return { apiKey: key.key.api_key, apiSecret: given === null ? key.secret : null }
    })
  }
}

const allMigrations = [
  { module: "apps", migrations: appMigrations },
  { module: "keys", migrations: keyMigrations },
  { module: "users", migrations: userMigrations },
  { module: "tasks", migrations: taskMigrations },
  { module: "bans", migrations: banMigrations },
  ...chatMigrations,
  ...feedMigrations,
  { module: "calls", migrations: callMigrations },
  { module: "audit", migrations: auditMigrations },
  { module: "sessions", migrations: sessionMigrations },
  { module: "decisions", migrations: decisionMigrations },
  { module: "limits", migrations: limitMigrations },
  { module: "traffic", migrations: trafficMigrations },
  { module: "revocations", migrations: revocationMigrations },
  { module: "people", migrations: peopleMigrations },
  { module: "operators", migrations: operatorMigrations },
  { module: "tokens", migrations: tokenMigrations },
  { module: "webhooks", migrations: hookMigrations },
]

/** The text of a secret that is shared with the backend; null without one. */
const secretTextOf = (key: VerificationKey | null): string | null => key?.key.export().toString() ?? null

const firstAppId = 1_000_001
const newAppId = (): number => randomInt(firstAppId + 1, 999_999_999)
const guestTokenLifetimeSeconds = 24 * 60 * 60
const keysOfAppMax = 1000
/** Longer than the 60 s that clients keep a connection (contract/README.md, «Connections»). */
const keepAliveSeconds = 120
/**
 * The runtime's own bound of a body answers without an envelope, so it is out of reach: the pipeline reads no more than
 * limits.bodyBytesMax and refuses with its own error, and the runtime throws away what is left without keeping it.
 */
const requestBytesMax = Number.MAX_SAFE_INTEGER
/** How long a balancer and the clients have to notice that the node goes. */
const drainNoticeMs = 1_000
/** How long requests have to finish after that. The whole end takes less than 10 s. */
const drainMs = 7_000

const dashboardDir = join(import.meta.dir, "../../dashboard/dist")
const errorPagesDir = join(import.meta.dir, "../../../docs/errors")
async function errorPage(code: number): Promise<string | null> {
  const file = Bun.file(join(errorPagesDir, `${code}.md`))
  return (await file.exists()) ? file.text() : null
}

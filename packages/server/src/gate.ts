// The gate as a whole: what decides who comes in, what ends that, and what remembers it. Builds those parts by hand and
// knows how they lean on each other; server.ts builds the house around it.

import { ApiError, type AppCaller, type OperatorPrincipal, type Proof, type Scopes } from "@weir/protocol"
import {
  type Authenticate,
  type Credentials,
  createAuthenticate,
  type Lookups,
  type RevocationQuestion,
  type Revoked,
  withoutTrace,
} from "./authenticate/authenticate.ts"
import { standingBans } from "./authenticate/bans.ts"
import { createAuthenticateOperator } from "./authenticate/operator.ts"
import { type Awaitable, chain } from "./base/chain.ts"
import type { Clock } from "./base/clock.ts"
import type { MasterKey } from "./base/crypto.ts"
import type { Logger } from "./base/log.ts"
import { appActions, appResource, policyOf, selectApp } from "./core/apps/index.ts"
import { type Audit, auditRoutes, createAudit } from "./core/audit/index.ts"
import {
  createDecisions,
  type Decisions,
  decisionRoutes,
  type ExplainedType,
  type Explainer,
  type ProvedToken,
  remedyOf,
} from "./core/decisions/index.ts"
import { createKeyStates, type KeyStates, readJwks, selectKeysOfApp } from "./core/keys/index.ts"
import { keyRoutes } from "./core/keys/routes.ts"
import { createOperators, type Operators, requireStill, type SsoSettings } from "./core/operators/index.ts"
import {
  createRevocations,
  createTruth,
  type NewRevocation,
  type RevocationRow,
  type Revocations,
  receiptKeys,
  revocationRoutes,
  revokeWithReceipt,
  takeNonce,
} from "./core/revocations/index.ts"
import {
  countMatching,
  createSightings,
  type SessionRouteParts,
  type Sightings,
  sessionRoutes,
  tokenExpiry,
  type UserSocket,
} from "./core/sessions/index.ts"
import { tokenRoutes } from "./core/tokens/index.ts"
import { type Users, userActions, userKey, userResource } from "./core/users/index.ts"
import { createAsk } from "./events/ask.ts"
import type { Bus } from "./events/bus/bus.ts"
import type { Caches } from "./events/caches.ts"
import type { Sockets } from "./events/sockets.ts"
import type { Peer } from "./request/http.ts"
import { createDoors } from "./request/rate-limit-doors.ts"
import type { AdminRoute } from "./request/route.ts"
import type { Database, Tx } from "./store/database.ts"

export interface GateParts {
  readonly db: Database
  readonly bus: Bus
  readonly caches: Caches
  readonly clock: Clock
  readonly log: Logger
  readonly masterKey: MasterKey
  readonly adminToken: string | null
  /** Origin that operators come by, from the settings; null: not said. */
  readonly publicOrigin: string | null
  readonly sso: SsoSettings | null
  /** False: refused authentications are not limited. */
  readonly rateLimits: boolean
  readonly users: Users
  readonly sockets: Pick<Sockets, "endWhere" | "endAll" | "socketsOf">
}

export interface Gate {
  readonly keyStates: KeyStates
  readonly authenticate: Authenticate
  /** As authenticate, and counts as no use. */
  readonly recheck: Authenticate
  readonly authenticateOperator: (request: Request, peer: Peer) => Awaitable<OperatorPrincipal>
  readonly operators: Operators
  /** What a revocation can name of a caller. */
  readonly credentialOf: (caller: AppCaller, proof: Proof) => RevocationQuestion
  /** Why a socket with such a credential must not be let in at this moment, or null. */
  readonly refusalOf: (credential: unknown) => ApiError | null
  readonly audit: Audit
  readonly decisions: Decisions
  readonly revocations: Revocations
  /** Writes a revocation; answers what waits for the nodes after the commit and gives the receipt. */
  revoke(tx: Tx, given: NewRevocation, actor: string, now: number): Promise<() => Promise<object>>
  readonly sightings: Sightings
  /** The open sockets of users, on all nodes. */
  readonly socketsOf: SessionRouteParts["socketsOf"]
  /** Whether a revocation has ended a credential. */
  readonly isRevoked: SessionRouteParts["isRevoked"]
  /** Routes of the management API that belong to the gate; what products explain of themselves is handed in. */
  adminRoutes(explainers: Omit<Record<ExplainedType, Explainer>, "app" | "user">): AdminRoute[]
  /** Public keys, as JSON, by path: of an API key (RFC 7517), and of receipts. Null for other paths. */
  published(path: string): Promise<string | null> | null
  close(): Promise<void>
}

/** Questions of one node to all: the sockets of some users, or how many a revocation would end. */
type NodeQuestion =
  | { readonly kind: "sockets"; readonly appId: number; readonly userIds: readonly string[] }
  | { readonly kind: "count"; readonly row: RevocationRow }

const socketsListedMax = 1_000
const askNodesMs = 1_000
const keysOfAppMax = 1_000

/** Builds the gate; it knows what has been revoked before it answers. */
export async function createGate(parts: GateParts): Promise<Gate> {
  const { db, bus, caches, clock, log, masterKey, users, sockets } = parts
  const keyStates = createKeyStates(caches, db.read, masterKey)
  const audit = createAudit({ db, clock, log })
  const sightings = createSightings({ db, clock, log })
  const decisions = createDecisions({ db, clock, log, appOf: (apiKey) => keyStates.peek(apiKey)?.appId ?? null })
  const revocations = await createRevocations({
    db,
    bus,
    clock,
    log,
    masterKey,
    closeSockets: (appId, endedBy, isDry) =>
      sockets.endWhere(appId, (credential) => endedBy(credential as RevocationQuestion), isDry),
    fence: sockets.endAll,
    async longestLifeSeconds(appId) {
      const app = await selectApp(db.read, appId)
      return app === undefined ? null : policyOf(app).maxLifetimeSeconds
    },
  })

  const doors = createDoors({
    enforced: parts.rateLimits,
    clock,
    log,
    onShut({ door, address, apiKey, failures }) {
      audit.note({
        action: door === "operator" ? "operator.shut_out" : "authentication.shut_out",
        appId: apiKey === null ? null : (keyStates.peek(apiKey)?.appId ?? null),
        actor: "unknown",
        address,
        at: clock.now(),
        target: apiKey === null ? {} : { api_key: apiKey },
        after: { failures },
      })
    },
  })
  const lookups: Lookups = {
    key: (apiKey) => keyStates.get(apiKey),
    user: (appId, userId) => users.get(userKey(appId, userId)),
    requireLease: revocations.requireLease,
    revoked: revocations.check,
    isNonceFresh: (api_key, nonce, expires_at) => db.transact((tx) => takeNonce(tx, { api_key, nonce, expires_at })),
    sighted(key, token, credentials, principal) {
      doors.remember(credentials)
      sightings.sighted(key, token, credentials, principal)
    },
    warned: sightings.warned,
  }
  const authenticate = doors.guard(createAuthenticate(lookups))
  // The nonce of a signed request was taken when it came: whoever asks again about the same request replays nothing.
  const recheck = createAuthenticate({ ...withoutTrace(lookups), isNonceFresh: async () => true })
  const tokenOperator = createAuthenticateOperator(parts.adminToken)
  const byToken = doors.guardOperators((authorization, peer) => {
    try {
      return tokenOperator(authorization)
    } catch (error) {
      audit.note({ action: "operator.refused", actor: "unknown", address: peer.address, at: clock.now() })
      throw error
    }
  })
  const { publicOrigin, sso, rateLimits } = parts
  const operators = await createOperators({
    db,
    caches,
    clock,
    log,
    masterKey,
    audit,
    publicOrigin,
    sso,
    rateLimits,
    revocations,
  })

  const nodes = createAsk<NodeQuestion, UserSocket[] | number>({ bus, topic: "sessions" }, (question) =>
    question.kind === "sockets" ? socketsHere(question.appId, question.userIds) : countHere(question.row),
  )
  const socketsHere = (appId: number, userIds: readonly string[]): UserSocket[] =>
    sockets.socketsOf(appId, userIds, socketsListedMax).map((socket) => ({
      connection_id: socket.connectionId,
      node: bus.nodeId,
      connected_at: new Date(socket.connectedAt).toISOString(),
      address: socket.address,
      client: socket.client,
      sha256: (socket.credential as RevocationQuestion | null)?.proof.sha256 ?? "",
    }))
  const countHere = (row: RevocationRow): number => {
    const own = createTruth()
    own.add({ ...row, id: "dry-run", mode: "enforce" })
    const ended = (credential: unknown) => own.check(credential as RevocationQuestion, null) !== null
    return sockets.endWhere(row.app_id, (credential) => (ended(credential) ? dryRun : null), true)
  }

  const revocationParts = {
    revocations,
    monotonic: () => clock.monotonic(),
    expiryOf: tokenExpiry,
    async count(row: RevocationRow) {
      await sightings.flush()
      const { answers } = await nodes.ask({ kind: "count", row }, await revocations.liveNodes(), askNodesMs)
      const open = [...answers.values()].reduce<number>((total, answer) => total + Number(answer), 0)
      return { sockets: open, ...(await countMatching(db.read, row, clock.now())) }
    },
  }
  const revokeIn = (tx: Tx, given: NewRevocation, actor: string, now: number) =>
    revokeWithReceipt(revocationParts, tx, given, actor, now)

  /** As the gate asks what has ended a credential, but no use of it: shadows do not count it. */
  const endedBy = (question: RevocationQuestion): Revoked | null => {
    revocations.requireLease()
    return revocations.truth.check(question, null)
  }

  /** The gate's own answer about a token, which leaves no trace: not even among the tokens that a key has proved. */
  const prove = async (appId: number, apiKey: string | null, token: string): Promise<ProvedToken | null> => {
    const named = apiKey ?? (await selectKeysOfApp(db.read, appId, keysOfAppMax))[0]?.api_key ?? null
    const state = named === null ? null : await keyStates.get(named)
    if (state === null || state.appId !== appId) return null
    const unseen = { ...state, verified: { get: () => undefined, set: () => undefined } }
    const ask = createAuthenticate({ ...withoutTrace(lookups), key: () => unseen, revoked: endedBy })
    const credentials: Credentials = {
      apiKey: state.apiKey,
      authType: "jwt",
      authorization: token,
      client: null,
      address: () => "",
      isSecure: () => false,
      signed: null,
    }
    try {
      return { caller: await ask(credentials, clock.now()) }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      const { why } = error
      return {
        failed: { check: why?.check ?? "token", rule: why?.rule ?? null, detail: why?.detail ?? error.reason },
        remedy: why?.remedy ?? remedyOf(error, null),
      }
    }
  }

  const socketsOf: SessionRouteParts["socketsOf"] = async (appId, userIds) => {
    const expected = await revocations.liveNodes()
    const { answers, missing } = await nodes.ask({ kind: "sockets", appId, userIds }, expected, askNodesMs)
    return { sockets: [...answers.values()].flatMap((answer) => answer as UserSocket[]), missing }
  }
  const isRevoked: SessionRouteParts["isRevoked"] = (question) => revocations.truth.check(question, null) !== null

  /** The caller that a fresh token for this user would make. */
  const callerOf = (appId: number, userId: string, scopes: Scopes | null): Awaitable<AppCaller> =>
    chain(users.get(userKey(appId, userId)), (user) => ({
      kind: user?.role === "guest" ? "guest" : "user",
      appId,
      apiKey: "",
      userId,
      role: user?.role ?? "user",
      teams: user?.teams ?? [],
      issuedAt: null,
      expiresAt: null,
      calls: null,
      bans: standingBans(user?.bans ?? null, clock.now()),
      scopes,
      proof: null,
    }))

  return {
    keyStates,
    authenticate,
    recheck,
    authenticateOperator(request, peer) {
      const authorization = request.headers.get("authorization")
      return authorization === null ? operators.authenticate(request) : byToken(authorization, peer)
    },
    operators,
    credentialOf: (caller, proof) => ({
      appId: caller.appId,
      apiKey: caller.apiKey,
      userId: caller.kind === "user" || caller.kind === "guest" ? caller.userId : null,
      isServer: caller.kind === "server",
      proof,
    }),
    refusalOf: (credential) => revocations.refusalOf(credential as RevocationQuestion | null),
    audit,
    decisions,
    revocations,
    revoke: revokeIn,
    sightings,
    socketsOf,
    isRevoked,
    adminRoutes: (explainers) => [
      ...keyRoutes({
        masterKey,
        keyChanged: (apiKey) => keyStates.drop(apiKey),
        flushSightings: sightings.flush,
        revokeSecret: (tx, { appId, kid }, actor, now) =>
          revokeIn(tx, { appId, level: "kid", target: kid, beforeMs: null, reason: "secret revoked" }, actor, now),
      }),
      ...revocationRoutes(revocationParts),
      ...sessionRoutes({
        sightings,
        socketsOf,
        isRevoked,
        revokeToken: (tx, { appId, sha256 }, actor, now) =>
          revokeIn(tx, { appId, level: "token", target: sha256, beforeMs: null, reason: "session ended" }, actor, now),
      }),
      ...decisionRoutes({
        decisions,
        explainers: {
          ...explainers,
          user: { actions: Object.values(userActions), resource: (_, id) => userResource(id) },
          app: { actions: Object.values(appActions), resource: ({ appId }) => appResource(appId) },
        },
        callerOf,
        prove,
      }),
      ...tokenRoutes({
        keyStates,
        masterKey,
        users,
        prove,
        requireStill,
        requireLease: revocations.requireLease,
        revokedBy: (question) => revocations.truth.check(question, null),
      }),
      ...auditRoutes(audit),
      ...operators.adminRoutes,
    ],
    published(path) {
      if (path === "/.well-known/weir-receipt-keys.json") {
        return receiptKeys(db.read).then((keys) => JSON.stringify({ keys }))
      }
      const apiKey = /^\/api\/v2\/apps\/([a-z0-9]{12})\/\.well-known\/jwks\.json$/.exec(path)?.[1]
      return apiKey === undefined ? null : readJwks(db.read, masterKey, apiKey)
    },
    async close() {
      operators.close()
      nodes.close()
      await revocations.close()
      await sightings.close()
      await decisions.close()
      await audit.close()
    },
  }
}

/** Stands for «would end» while nothing ends. */
const dryRun = new ApiError("tokenExpired", "dry run")

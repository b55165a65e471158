// The demo at /demo: a page with two users side by side. What follows from a token is the public API's to say; here is
// only what an app's own backend would do: give its users tokens, and revoke them.

import {
  ApiError,
  type ErrorName,
  errorEnvelope,
  inputError,
  notFoundError,
  rateLimitWindowSeconds,
} from "@weir/protocol"
import { RateLimiterMemory } from "rate-limiter-flexible"
import type { KeyState } from "../../authenticate/lookups.ts"
import { signToken } from "../../authenticate/sign.ts"
import type { Awaitable } from "../../base/chain.ts"
import type { Clock } from "../../base/clock.ts"
import { uuid } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import { readBytes } from "../../request/body.ts"
import type { Dashboard } from "../../request/dashboard.ts"
import type { AppendAudit } from "../../request/http.ts"
import { parseBody } from "../../request/input.ts"
import type { Database, Tx } from "../../store/database.ts"
import { selectApp } from "../apps/index.ts"
import { signingKeyOf } from "../keys/index.ts"
import type { NewRevocation } from "../revocations/index.ts"
import { limits } from "./limits.ts"
import {
  type DemoAccess,
  type DemoApp,
  type DemoCaller,
  type DemoUserId,
  demoPlaces,
  demoUsers,
  isDemoUser,
  isSameOrigin,
  isTokenKind,
  lifetimeOf,
  type Off,
  scopesOf,
  tokenKinds,
  whyOff,
} from "./rules.ts"

export interface DemoParts {
  readonly access: DemoAccess
  /** Key of the first app. */
  readonly apiKey: string
  readonly keyState: (apiKey: string) => Awaitable<KeyState | null>
  readonly db: Database
  /** Writes a revocation; answers what waits for the nodes after the commit and gives the receipt. */
  readonly revoke: (tx: Tx, given: NewRevocation, actor: string, now: number) => Promise<() => Promise<object>>
  readonly audit: AppendAudit
  /** The built pages; null: there is no build. */
  readonly dashboard: Pick<Dashboard, "page" | "notice"> | null
  readonly clock: Clock
  readonly log: Logger
}

export interface Demo {
  /** Answers at /demo and below; null for other paths. `address`: of the connection itself. */
  serve(request: Request, path: string, address: string): Promise<Response> | null
}

const actor = "demo"

export function createDemo(parts: DemoParts): Demo {
  const { apiKey, clock, db } = parts
  const duration = rateLimitWindowSeconds
  const tokens = new RateLimiterMemory({ keyPrefix: "demo-tokens", points: limits.tokensPerMinuteMax, duration })
  const ends = new RateLimiterMemory({
    keyPrefix: "demo-revocations",
    points: limits.revocationsPerMinuteMax,
    duration,
  })

  return {
    serve(request, path, address) {
      if (path !== "/demo" && !path.startsWith("/demo/")) return null
      const caller = { address, headers: request.headers }
      if (path.startsWith("/demo/api/")) {
        return api(request, path.slice("/demo/api/".length), caller).catch((error) => failed(error, path))
      }
      return page(request, path, caller).catch((error) => failed(error, path))
    },
  }

  async function page({ method }: Request, path: string, caller: DemoCaller): Promise<Response> {
    if (method !== "GET" && method !== "HEAD") return json({ message: "only GET answers here" }, 405)
    if (parts.dashboard === null || (path !== "/demo" && path !== "/demo/")) throw notFoundError("page", path)
    const { off } = await stand(caller)
    if (off === null) return parts.dashboard.page("demo.html")
    return parts.dashboard.notice("The demo is off", [off.why, off.remedy], 404)
  }

  async function api(request: Request, name: string, caller: DemoCaller): Promise<Response> {
    const { off, state } = await stand(caller)
    if (off !== null || state === null) {
      throw new ApiError("notFound", `the demo is off: ${off?.why ?? ""}`)
    }
    if (name === "state" && request.method === "GET") {
      return json({ app_id: state.appId, api_key: apiKey, users: demoUsers, places: demoPlaces })
    }
    if (request.method !== "POST" || (name !== "token" && name !== "revoke")) throw notFoundError("endpoint", name)
    if (!isSameOrigin(request.headers)) throw refused("only the demo's own page may ask for that")
    if (request.headers.get("content-type")?.split(";")[0]?.trim() !== "application/json") {
      throw inputError("send JSON, as application/json")
    }
    const body = await bodyOf(request)
    if (!isDemoUser(body.user)) {
      throw inputError(`user is none of ${demoUsers.map(({ id }) => id).join(", ")}`, { user: "is no demo user" })
    }
    return name === "token" ? token(state, body.user, body.kind ?? "full") : revoke(state, body.user, caller)
  }

  /** Whether the demo is on for this caller at this moment, and the key that it signs with. */
  async function stand(caller: DemoCaller): Promise<{ off: Off | null; state: KeyState | null }> {
    const state = await parts.keyState(apiKey)
    return { off: whyOff(parts.access, caller, state === null ? null : await appOf(state)), state }
  }

  async function appOf(state: KeyState): Promise<DemoApp | null> {
    const app = await selectApp(db.read, state.appId)
    if (app === undefined) return null
    return {
      environment: app.environment,
      suspended: state.suspended,
      canSign: !state.disabled && signingKeyOf(state) !== null,
      allowsUserTokens: state.policy.allowedKinds.includes("user"),
    }
  }

  async function token(state: KeyState, user: DemoUserId, kind: unknown): Promise<Response> {
    if (!isTokenKind(kind)) throw inputError(`kind is none of ${tokenKinds.join(", ")}`, { kind: "is not known" })
    await take(tokens)
    const key = signingKeyOf(state)
    if (key === null) throw refused("the key has no active HS256 secret")
    const { policy } = state
    const issuedAt = Math.floor(clock.now() / 1000)
    const expiresAt = issuedAt + lifetimeOf(kind, policy.maxLifetimeSeconds)
    const scopes = scopesOf(user, kind)
    const claims = {
      user_id: user,
      iat: issuedAt,
      exp: expiresAt,
      jti: uuid(),
      ...(scopes === null ? {} : { scopes }),
      ...(policy.iss === null ? {} : { iss: policy.iss }),
      ...(policy.aud === null ? {} : { aud: policy.aud }),
    }
    return json({ token: signToken(key.key, key.kid, claims), expires_at: new Date(expiresAt * 1000).toISOString() })
  }

  async function revoke(state: KeyState, user: DemoUserId, caller: DemoCaller): Promise<Response> {
    await take(ends)
    const { appId } = state
    const now = clock.now()
    // Also what was made in this very second, as for operators.
    const beforeMs = (Math.floor(now / 1000) + 1) * 1000
    const receipt = await db.transact(async (tx) => {
      const given: NewRevocation = { appId, level: "user", target: user, beforeMs, terminal: true, reason: "demo" }
      const wait = await parts.revoke(tx, given, actor, now)
      const target = { level: "user", target: user }
      await parts.audit(tx, {
        action: "revocation.created",
        appId,
        target,
        after: { before: new Date(beforeMs).toISOString(), reason: "demo" },
        actor,
        address: caller.address,
        at: now,
      })
      return wait
    })
    const given = await receipt()
    // A token that is asked for right after this answer shall be a good one.
    await Bun.sleep(Math.max(0, Math.min(beforeMs - clock.now(), 1000)))
    return json({ receipt: given })
  }

  function failed(thrown: unknown, path: string): Response {
    const error = thrown instanceof ApiError ? thrown : new ApiError("internal", "internal error", { cause: thrown })
    if (error.status >= 500) parts.log.error("the demo failed", { path, cause: thrown })
    const envelope = errorEnvelope(error, "Demo", "0ms", `/errors/${error.code}`)
    const retry = error.retryAfterSeconds
    return json(envelope, error.status, retry === undefined ? {} : { "retry-after": String(retry) })
  }
}

async function take(limiter: RateLimiterMemory): Promise<void> {
  try {
    await limiter.consume("all")
  } catch (refusal) {
    if (refusal instanceof Error) throw refusal
    const { msBeforeNext } = refusal as { msBeforeNext: number }
    throw new ApiError("rateLimit", "the demo was asked too often, wait a minute", {
      retryAfterSeconds: Math.max(1, Math.ceil(msBeforeNext / 1000)),
    })
  }
}

/** Throws input, payloadTooBig. */
async function bodyOf(request: Request): Promise<{ user?: unknown; kind?: unknown }> {
  const bytes = await readBytes(request)
  if (bytes.length > limits.bodyBytesMax) throw inputError(`the body is larger than ${limits.bodyBytesMax} bytes`)
  const body = parseBody(bytes.toString("utf8"))
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw inputError("the body is not a JSON object")
  return body
}

const refused = (message: string, kind: ErrorName = "notAllowed"): ApiError => new ApiError(kind, message)

const json = (body: object, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: {
      "content-type": "application/json; charset=utf-8",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "cross-origin-resource-policy": "same-origin",
      ...headers,
    },
  })

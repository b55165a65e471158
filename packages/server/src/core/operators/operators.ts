// Builds what the module is made of, and looks after what runs out: sessions, unfinished logins, links, and the tokens
// that operators made.

import { randomId } from "../../base/ids.ts"
import { createTurns } from "../../base/turns.ts"
import type { Caches } from "../../events/caches.ts"
import type { AdminRoute } from "../../request/route.ts"
import { pruneMinted } from "../tokens/index.ts"
import { type Access, type AccessParts, createAccess } from "./access.ts"
import { createOperatorSessions } from "./cache.ts"
import { limits } from "./limits.ts"
import { type AuthParts, openAuth } from "./login.ts"
import { type OperatorRouteParts, operatorRoutes } from "./routes.ts"
import { linkPath, newLinkToken } from "./rules.ts"
import { hasOwner, insertLink, pruneExpired, selectLinks, takeLink } from "./store.ts"

export interface OperatorsParts
  extends Omit<AuthParts, "sessions" | "hashing">,
    Pick<AccessParts, "audit" | "rateLimits">,
    Pick<OperatorRouteParts, "revocations"> {
  readonly caches: Caches
}

export interface Operators extends Access {
  readonly adminRoutes: readonly AdminRoute[]
  /** Path of a one-time link to the first account, made now; null when there is an owner. */
  makeSetupLink(): Promise<string | null>
  close(): void
}

const pruneEveryMs = 10 * 60_000

export async function createOperators(parts: OperatorsParts): Promise<Operators> {
  const { db, clock, log, audit, publicOrigin, sso, rateLimits } = parts
  const sessions = createOperatorSessions(parts.caches, db.read)
  const hashing = createTurns(limits.hashesAtOnceMax, limits.hashesWaitingMax)
  const auth = await openAuth({ ...parts, sessions, hashing })
  const access = createAccess({
    db,
    clock,
    log,
    auth,
    sessions,
    audit,
    publicOrigin,
    ssoName: sso?.name ?? null,
    rateLimits,
  })
  const timer = setInterval(() => {
    db.transact(async (tx) => {
      await pruneExpired(tx, clock.now())
      await pruneMinted(tx, clock.now())
    }).catch((error) => {
      log.warn("what of operators has run out could not be taken away", { cause: error })
    })
  }, pruneEveryMs)
  timer.unref?.()

  return {
    ...access,
    adminRoutes: operatorRoutes({ sessions, publicOrigin, revocations: parts.revocations, clock }),
    makeSetupLink: () =>
      db.transact(async (tx) => {
        if (await hasOwner(tx)) return null
        const now = clock.now()
        await pruneExpired(tx, now)
        // Nodes that start at once each print a link, and each of those works until one was used.
        const open = await selectLinks(tx, "setup", now, limits.setupLinksMax)
        const oldest = open.at(-1)
        if (open.length >= limits.setupLinksMax && oldest !== undefined) await takeLink(tx, oldest.id)
        const { token, sha256 } = newLinkToken()
        await insertLink(tx, {
          id: randomId(20),
          kind: "setup",
          token_sha256: sha256,
          email: "",
          role: "owner",
          operator_id: null,
          invited_by: "first start",
          created_at: now,
          expires_at: now + limits.setupMs,
        })
        return linkPath("setup", token)
      }),
    close: () => clearInterval(timer),
  }
}

// What the module knows of its login without the library that makes it (auth.ts): names, secrets, and the way to load it.

import type { Clock } from "../../base/clock.ts"
import { type MasterKey, open, seal, sealContext } from "../../base/crypto.ts"
import { secret64 } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import type { Turns } from "../../base/turns.ts"
import type { Database } from "../../store/database.ts"
import { requireSealable } from "../keys/index.ts"
import type { OperatorSessions } from "./cache.ts"
import { insertSecret, selectSecret } from "./store.ts"

/** Single sign-on by OpenID Connect (Core 1.0, Discovery 1.0): code flow with PKCE. */
export interface SsoSettings {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** On the button. */
  readonly name: string
}

export interface AuthParts {
  readonly db: Database
  readonly clock: Clock
  readonly log: Logger
  readonly masterKey: MasterKey
  readonly sessions: OperatorSessions
  readonly hashing: Turns
  /** Origin that the settings name; null: operators come by localhost, or by a name that only their proxy knows. */
  readonly publicOrigin: string | null
  readonly sso: SsoSettings | null
}

export interface Login {
  /** Answers a request below basePath; its headers and body must have been made for it (access.ts). */
  handler(request: Request): Promise<Response>
  /** Whether single sign-on works: asks the provider when it has not answered yet, now and then. Never throws. */
  connectSso(): Promise<boolean>
  /** Whether the code is the operator's present one and counts for the first time. */
  takeTotp(operatorId: string, code: string): Promise<boolean>
  hash(password: string): Promise<string>
  verify(hash: string, password: string): Promise<boolean>
}

export interface Auth extends Login {
  /** Signs the cookies. */
  readonly secret: string
}

export const basePath = "/dashboard/api/auth"
export const ssoProviderId = "sso"
/** The caller's address, put in front of the library by access.ts and by nobody else. */
export const addressHeader = "x-weir-address"
const secretContext = sealContext("operator-secret", 1)
export const cookiePrefix = "__Host-weir_"

/** Where this module's sealed values lie, for the rotation of the master key. */
export const sealedOperatorPlaces = [
  { table: "operator_secrets", key: ["id"], sealed: "sealed", also: [], context: () => secretContext },
  {
    table: "operator_two_factors",
    key: ["id"],
    sealed: "sealed",
    also: [],
    context: ({ id }: Readonly<Record<string, string | number>>) => totpContext(String(id)),
  },
] as const

/** What a wrong login is told, whatever was wrong with it. */
export const wrongLogin = "the email or the password is wrong"

/** Why somebody who is logged in proved nothing afresh by single sign-on; travels in the address of the page of logins. */
export const ssoNotFresh = {
  code: "login_not_fresh",
  message:
    "your provider let you through without a fresh login, or did not say when it was: confirm with a password or a passkey",
} as const

/** The row that a TOTP secret is sealed for. */
export const totpContext = (id: string): string => sealContext("operator-totp", id)

/**
 * The login with its secret, which is made or opened now: throws when it cannot be. The library behind it is large, and
 * most processes see no operator, so it is loaded when the first one comes.
 */
export async function openAuth(parts: AuthParts): Promise<Auth> {
  const secret = await authSecret(parts)
  let loading: Promise<Login> | null = null
  const load = (): Promise<Login> => {
    loading ??= import("./auth.ts").then(({ createAuth }) => createAuth(parts, secret))
    return loading
  }
  return {
    secret,
    handler: async (request) => (await load()).handler(request),
    connectSso: async () => (await load()).connectSso(),
    takeTotp: async (operatorId, code) => (await load()).takeTotp(operatorId, code),
    hash: async (password) => (await load()).hash(password),
    verify: async (hashed, password) => (await load()).verify(hashed, password),
  }
}

/** The secret that signs cookies: made once, sealed, and the same on all nodes. A new master key does not change it. */
async function authSecret({ db, masterKey, clock }: AuthParts): Promise<string> {
  const known = await selectSecret(db.read)
  if (known !== undefined) return open(masterKey, known.sealed, secretContext)
  const sealed = seal(masterKey, secret64(), secretContext)
  await db.transact(async (tx) => {
    await requireSealable(tx, sealed, clock.now())
    await insertSecret(tx, sealed)
  })
  const row = await selectSecret(db.read)
  if (row === undefined) throw new Error("the operators' secret is gone")
  return open(masterKey, row.sealed, secretContext)
}

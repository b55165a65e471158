// The login itself is better-auth's (https://www.better-auth.com): passwords, second factors, passkeys and single sign-on.
// This file sets it up over our database and keeps its secrets sealed. What of it can be reached, and by whom, is the
// business of access.ts; its own tables, limits and origin checks are not used.

import { passkey } from "@better-auth/passkey"
import { ApiError } from "@weir/protocol"
import { betterAuth } from "better-auth"
import { type CleanedWhere, createAdapterFactory } from "better-auth/adapters"
import { APIError, createAuthMiddleware } from "better-auth/api"
import { symmetricDecrypt } from "better-auth/crypto"
import { genericOAuth, twoFactor } from "better-auth/plugins"
import type { Clock } from "../../base/clock.ts"
import { type MasterKey, open, seal, sealContext } from "../../base/crypto.ts"
import { randomId, secret64 } from "../../base/ids.ts"
import type { Logger } from "../../base/log.ts"
import type { Turns } from "../../base/turns.ts"
import type { Database, Tx } from "../../store/database.ts"
import { requireSealable } from "../keys/index.ts"
import type { OperatorSessions } from "./cache.ts"
import { limits } from "./limits.ts"
import {
  emailOf,
  hashPassword,
  recoveryCodeHash,
  recoveryHashPrefix,
  sessionCookieName,
  stepOfCode,
  verifyPassword,
} from "./rules.ts"
import {
  type Condition,
  countRecords,
  deleteRecords,
  type Fields,
  insertRecord,
  insertSecret,
  type RecordTable,
  selectInviteTo,
  selectOperator,
  selectRecords,
  selectSecret,
  selectSessionTokens,
  selectTwoFactor,
  takeLink,
  takeStep,
  updateRecords,
  type Value,
} from "./store.ts"

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

export interface Auth {
  /** Signs the cookies. */
  readonly secret: string
  /** Answers a request below basePath; its headers and body must have been made for it (access.ts). */
  handler(request: Request): Promise<Response>
  /** Whether the code is the operator's present one and counts for the first time. */
  takeTotp(operatorId: string, code: string): Promise<boolean>
  hash(password: string): Promise<string>
  verify(hash: string, password: string): Promise<boolean>
}

export const basePath = "/dashboard/api/auth"
export const ssoProviderId = "sso"
/** The caller's address, put in front of the library by access.ts and by nobody else. */
export const addressHeader = "x-weir-address"
const secretContext = sealContext("operator-secret", 1)
const totpContext = (id: string): string => sealContext("operator-totp", id)
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

/** Builds the login. Reads the provider's discovery document when there is single sign-on. */
export async function createAuth(parts: AuthParts): Promise<Auth> {
  const { db, clock, log, masterKey, publicOrigin, sso } = parts
  const secret = await authSecret(parts)
  // While many hash, another one is told to come back instead of taking more memory.
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    const done = await parts.hashing.take(async () => ({ value: await work() }))
    if (done === null) throw new APIError("SERVICE_UNAVAILABLE", { message: "too many logins at once, try again" })
    return done.value
  }
  const hash = (password: string): Promise<string> => inTurn(() => hashPassword(password))
  const verify = (hashed: string, password: string): Promise<boolean> => inTurn(() => verifyPassword(hashed, password))

  const totpSecretOf = async (operatorId: string): Promise<string | null> => {
    const row = await selectTwoFactor(db.read, operatorId)
    return row === undefined
      ? null
      : symmetricDecrypt({ key: secret, data: open(masterKey, row.sealed, totpContext(row.id)) })
  }
  const takeTotp = async (operatorId: string, code: string): Promise<boolean> => {
    const totpSecret = await totpSecretOf(operatorId)
    const step = totpSecret === null ? null : stepOfCode(totpSecret, code, clock.now())
    return step !== null && (await db.transact((tx) => takeStep(tx, operatorId, step)))
  }

  const hostCookie = (name: string, sameSite: "strict" | "lax" = "strict") => ({
    name: `${cookiePrefix}${name}`,
    attributes: { secure: true, httpOnly: true, sameSite, path: "/" },
  })
  const auth = betterAuth({
    appName: "Weir",
    baseURL: publicOrigin ?? "http://localhost",
    basePath,
    secret,
    database: createAdapter(parts),
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    logger: {
      level: "warn",
      // Its warnings are about callers who did something wrong, which the audit log has already.
      log: (level, message) => (level === "error" ? log.error : log.debug)("login", { internal: message }),
    },
    user: {
      modelName: "operators",
      additionalFields: {
        role: { type: "string", input: false },
        disabled: { type: "boolean", input: false, defaultValue: false },
      },
    },
    session: {
      modelName: "operator_sessions",
      expiresIn: limits.sessionMs / 1000,
      updateAge: limits.sessionRenewMs / 1000,
      // What needs a fresh login is asked of verified_at, which a step-up renews.
      freshAge: 0,
      additionalFields: { verifiedAt: { type: "date", input: false, required: false } },
    },
    account: {
      modelName: "operator_accounts",
      updateAccountOnSignIn: false,
      accountLinking: { enabled: true, trustedProviders: [], requireLocalEmailVerified: false },
    },
    verification: { modelName: "operator_verifications", storeIdentifier: "hashed" },
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: limits.passwordCharsMin,
      maxPasswordLength: limits.passwordCharsMax,
      password: { hash, verify: ({ hash: hashed, password }) => verify(hashed, password) },
    },
    advanced: {
      // Origins are checked by access.ts, and stricter.
      disableCSRFCheck: true,
      useSecureCookies: false,
      cookiePrefix: "__Host-weir",
      defaultCookieAttributes: hostCookie("").attributes,
      cookies: {
        session_token: { ...hostCookie(""), name: sessionCookieName },
        session_data: hostCookie("session_data"),
        account_data: hostCookie("account_data"),
        dont_remember: hostCookie("dont_remember"),
        two_factor: hostCookie("two_factor"),
        trust_device: hostCookie("trusted_device"),
        passkey_challenge: hostCookie("passkey_challenge"),
        // The way back from the provider is a navigation from another site.
        state: hostCookie("sso_state", "lax"),
      },
      ipAddress: { ipAddressHeaders: [addressHeader] },
    },
    onAPIError: { errorURL: "/dashboard/login" },
    databaseHooks: {
      session: {
        create: {
          async before(session, context) {
            const operator = await selectOperator(db.read, session.userId)
            // The same words as for a wrong password: who is shut out is nobody's business.
            if (operator === undefined || operator.disabled === 1) {
              throw new APIError("UNAUTHORIZED", { code: "INVALID_EMAIL_OR_PASSWORD", message: wrongLogin })
            }
            const address = context?.headers?.get(addressHeader) ?? null
            return { data: { ...session, ipAddress: address, verifiedAt: new Date(clock.now()) } }
          },
        },
      },
      user: {
        create: {
          /** Nobody signs up: whoever comes from the provider must have been invited to a mailbox that it vouches for. */
          async before(user) {
            const email = emailOf(user.email)
            const invite = user.emailVerified ? await selectInviteTo(db.read, email, clock.now()) : undefined
            if (invite === undefined) throw new APIError("FORBIDDEN", { code: "not_invited", message: "not invited" })
            const name = user.name.trim().slice(0, limits.nameCharsMax) || email
            return { data: { ...user, email, name, role: invite.role, disabled: false } }
          },
          async after(user) {
            const invite = await selectInviteTo(db.read, emailOf(user.email), clock.now())
            if (invite !== undefined) await db.transact((tx) => takeLink(tx, invite.id))
          },
        },
      },
    },
    hooks: {
      before: createAuthMiddleware(async (context) => {
        if (context.path === "/two-factor/verify-backup-code") {
          return { context: { body: { ...context.body, code: recoveryCodeHash(secret, String(context.body?.code)) } } }
        }
        if (context.path !== "/two-factor/verify-totp") return
        const operatorId = await operatorOfSecondStep(context as unknown as SecondStepContext)
        const code = String(context.body?.code)
        // A wrong code is left to the library, which counts it; a right one counts once.
        const totpSecret = operatorId === null ? null : await totpSecretOf(operatorId)
        if (operatorId === null || totpSecret === null) return
        const step = stepOfCode(totpSecret, code, clock.now())
        if (step === null || (await db.transact((tx) => takeStep(tx, operatorId, step)))) return
        throw new APIError("UNAUTHORIZED", { code: "INVALID_CODE", message: "this code was used before" })
      }),
    },
    plugins: [
      twoFactor({
        issuer: "Weir",
        twoFactorCookieMaxAge: limits.secondStepSeconds,
        trustDeviceMaxAge: limits.trustedDeviceSeconds,
        totpOptions: { digits: limits.totpDigits, period: limits.totpStepSeconds },
        backupCodeOptions: {
          amount: limits.recoveryCodesCount,
          // Kept as hashes: «decrypting» gives those, and what is entered is hashed before it is compared.
          storeBackupCodes: {
            encrypt: async (codes) =>
              JSON.stringify(
                (JSON.parse(codes) as string[]).map((code) =>
                  code.startsWith(recoveryHashPrefix) ? code : recoveryCodeHash(secret, code),
                ),
              ),
            decrypt: async (kept) => kept,
          },
        },
        accountLockout: { maxFailedAttempts: limits.totpFailuresMax, durationSeconds: limits.totpShutSeconds },
        schema: { twoFactor: { modelName: "operator_two_factors" } },
      }),
      passkey({
        rpName: "Weir",
        rpID: publicOrigin === null ? "localhost" : new URL(publicOrigin).hostname,
        // Null: the request's own, which access.ts has found to be ours.
        origin: publicOrigin,
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
        registration: {
          afterVerification: async ({ verification }) =>
            requireUserVerified(verification.registrationInfo?.userVerified === true),
        },
        authentication: {
          afterVerification: async ({ verification }) =>
            requireUserVerified(verification.authenticationInfo.userVerified),
        },
        advanced: { webAuthnChallengeCookie: "passkey_challenge" },
        schema: { passkey: { modelName: "operator_passkeys" } },
      }),
      ...(sso === null ? [] : [genericOAuth({ config: [oauthConfig(sso)] })]),
    ],
  })

  return {
    secret,
    handler: (request) => auth.handler(request),
    takeTotp,
    hash,
    verify,
  }
}

/** What a wrong login is told, whatever was wrong with it. */
export const wrongLogin = "the email or the password is wrong"

const oauthConfig = ({ issuer, clientId, clientSecret, name }: SsoSettings) => ({
  providerId: ssoProviderId,
  name,
  discoveryUrl: `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`,
  clientId,
  clientSecret,
  scopes: ["openid", "email", "profile"],
  pkce: true,
  requireIdTokenVerification: true,
  // A login that is asked for is a login: the provider's own session is no proof of who sits there.
  authorizationUrlParams: { max_age: "0" },
})

/** A passkey stands for both factors, so the authenticator must have asked for a PIN, a finger or a face. */
function requireUserVerified(isVerified: boolean): void {
  if (!isVerified) throw new APIError("UNAUTHORIZED", { message: "the passkey did not check who uses it" })
}

interface SecondStepContext {
  readonly context: {
    readonly secret: string
    readonly createAuthCookie: (name: string) => { readonly name: string }
    readonly authCookies: { readonly sessionToken: { readonly name: string } }
    readonly internalAdapter: {
      findVerificationValue(identifier: string): Promise<{ value: string; expiresAt: Date } | null>
      findSession(token: string): Promise<{ user: { id: string } } | null>
    }
  }
  getSignedCookie(name: string, secret: string): Promise<string | null | false>
}

/** Whose code is being checked: of the session, or of the login that waits for its second step. */
async function operatorOfSecondStep({ context, getSignedCookie }: SecondStepContext): Promise<string | null> {
  const { secret, authCookies, internalAdapter } = context
  const token = await getSignedCookie(authCookies.sessionToken.name, secret)
  if (token) return (await internalAdapter.findSession(token))?.user.id ?? null
  const identifier = await getSignedCookie(context.createAuthCookie("two_factor").name, secret)
  return identifier ? ((await internalAdapter.findVerificationValue(identifier))?.value ?? null) : null
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

type Kind = "text" | "number" | "date" | "flag" | "sealed"
type Columns = Readonly<Record<string, readonly [column: string, kind: Kind]>>

/** Fields of the library's models that are kept, by table. Others are dropped: pictures, and the provider's tokens. */
const tables: Readonly<Record<RecordTable, Columns>> = {
  operators: {
    id: ["id", "text"],
    name: ["name", "text"],
    email: ["email", "text"],
    emailVerified: ["email_verified", "flag"],
    role: ["role", "text"],
    disabled: ["disabled", "flag"],
    twoFactorEnabled: ["two_factor_enabled", "flag"],
    createdAt: ["created_at", "date"],
    updatedAt: ["updated_at", "date"],
  },
  operator_sessions: {
    id: ["id", "text"],
    token: ["token", "text"],
    userId: ["operator_id", "text"],
    ipAddress: ["address", "text"],
    userAgent: ["user_agent", "text"],
    verifiedAt: ["verified_at", "date"],
    expiresAt: ["expires_at", "date"],
    createdAt: ["created_at", "date"],
    updatedAt: ["updated_at", "date"],
  },
  operator_accounts: {
    id: ["id", "text"],
    userId: ["operator_id", "text"],
    accountId: ["account_id", "text"],
    providerId: ["provider_id", "text"],
    password: ["password", "text"],
    createdAt: ["created_at", "date"],
    updatedAt: ["updated_at", "date"],
  },
  operator_verifications: {
    id: ["id", "text"],
    identifier: ["identifier", "text"],
    value: ["value", "text"],
    expiresAt: ["expires_at", "date"],
    createdAt: ["created_at", "date"],
    updatedAt: ["updated_at", "date"],
  },
  operator_two_factors: {
    id: ["id", "text"],
    userId: ["operator_id", "text"],
    secret: ["sealed", "sealed"],
    backupCodes: ["backup_codes", "text"],
    verified: ["verified", "flag"],
    failedVerificationCount: ["failed_verification_count", "number"],
    lockedUntil: ["locked_until", "date"],
  },
  operator_passkeys: {
    id: ["id", "text"],
    userId: ["operator_id", "text"],
    name: ["name", "text"],
    publicKey: ["public_key", "text"],
    credentialID: ["credential_id", "text"],
    counter: ["counter", "number"],
    deviceType: ["device_type", "text"],
    backedUp: ["backed_up", "flag"],
    transports: ["transports", "text"],
    createdAt: ["created_at", "date"],
    aaguid: ["aaguid", "text"],
  },
}

const operators = {
  eq: "=",
  ne: "<>",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
  in: "in",
  not_in: "not in",
} as const

/** The library's records in our tables: every change is one transaction, and sessions that change leave the caches. */
function createAdapter({ db, clock, masterKey, sessions }: AuthParts) {
  const tableOf = (model: string): RecordTable => {
    if (!Object.hasOwn(tables, model)) throw new Error(`the login has no table ${model}`)
    return model as RecordTable
  }
  const columnOf = (table: RecordTable, field: string): readonly [string, Kind] => {
    const column = tables[table][field]
    if (column === undefined) throw new Error(`the login keeps no ${field} in ${table}`)
    return column
  }
  const conditionsOf = (table: RecordTable, where: readonly CleanedWhere[] | undefined): Condition[] =>
    (where ?? []).map(({ field, operator, value, connector }): Condition => {
      const known = operators[operator as keyof typeof operators]
      if (known === undefined || (connector !== "AND" && (where?.length ?? 0) > 1)) {
        throw new Error(`the login asks with ${connector} ${operator}`)
      }
      const [column] = columnOf(table, field)
      const plain = Array.isArray(value) ? value.map(plainValue) : plainValue(value)
      return { column, operator: known, value: plain }
    })
  const fieldsOf = (table: RecordTable, data: Readonly<Record<string, unknown>>, id: string | null): Fields => {
    const fields: Fields = {}
    for (const [field, value] of Object.entries(data)) {
      const found = tables[table][field]
      if (found === undefined || value === undefined) continue
      const [column, kind] = found
      if (kind !== "sealed") {
        fields[column] = plainValue(value)
        continue
      }
      if (id === null) throw new Error("a secret is sealed for one row")
      fields[column] = seal(masterKey, String(value), totpContext(id))
      // Codes of another secret have not been used.
      fields.last_step = null
    }
    return fields
  }
  const recordOf = (table: RecordTable, row: Fields): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(tables[table]).map(([field, [column, kind]]) => {
        const value = row[column] ?? null
        if (value === null) return [field, null]
        if (kind === "date") return [field, new Date(Number(value))]
        if (kind === "flag") return [field, value === 1]
        return [field, kind === "sealed" ? open(masterKey, String(value), totpContext(String(row.id))) : value]
      }),
    )
  const idIn = (conditions: readonly Condition[]): string | null => {
    const found = conditions.find(({ column, operator }) => column === "id" && operator === "=")
    return found === undefined ? null : String(found.value)
  }
  /** Whatever nodes hold in memory of these rows is stale after the commit. */
  const forget = async (tx: Tx, table: RecordTable, rows: readonly Fields[]): Promise<void> => {
    const tokens: string[] = []
    if (table === "operator_sessions") tokens.push(...rows.map(({ token }) => String(token)))
    if (table === "operators") {
      for (const { id } of rows) tokens.push(...(await selectSessionTokens(tx, String(id))))
    }
    if (tokens.length > 0) tx.afterCommit(() => tokens.map((token) => sessions.drop(token)))
  }
  const update = (
    table: RecordTable,
    conditions: readonly Condition[],
    data: Readonly<Record<string, unknown>>,
    increments: Readonly<Record<string, number>> = {},
  ): Promise<Fields[]> =>
    db.transact(async (tx) => {
      const fields = fieldsOf(table, data, idIn(conditions))
      if (typeof fields.sealed === "string") await requireSealable(tx, fields.sealed, clock.now())
      const added = Object.entries(increments).map(([field, by]) => [columnOf(table, field)[0], by] as const)
      if (Object.keys(fields).length === 0 && added.length === 0) {
        return selectRecords(tx, table, conditions, { limit: 1 })
      }
      const rows = await updateRecords(tx, table, conditions, fields, Object.fromEntries(added))
      await forget(tx, table, rows)
      return rows
    })
  const remove = (table: RecordTable, conditions: readonly Condition[]): Promise<Fields[]> =>
    db.transact(async (tx) => {
      const rows = await deleteRecords(tx, table, conditions)
      await forget(tx, table, rows)
      return rows
    })

  return createAdapterFactory({
    config: {
      adapterId: "weir",
      adapterName: "Weir",
      // Each record by itself: a hook that asks the database must not wait for its own transaction.
      transaction: false,
      customIdGenerator: () => randomId(24),
    },
    adapter: () => ({
      // biome-ignore lint/suspicious/noExplicitAny: the library's generic records
      async create<T extends Record<string, any>>({ model, data }: { model: string; data: T }): Promise<T> {
        const table = tableOf(model)
        const row = await db.transact((tx) => {
          const fields = fieldsOf(table, data, typeof data.id === "string" ? data.id : null)
          const write = () => insertRecord(tx, table, fields)
          return typeof fields.sealed === "string"
            ? requireSealable(tx, fields.sealed, clock.now()).then(write)
            : write()
        })
        return recordOf(table, row) as T
      },
      async findOne<T>({ model, where }: { model: string; where: CleanedWhere[] }): Promise<T | null> {
        const table = tableOf(model)
        const [row] = await selectRecords(db.read, table, conditionsOf(table, where), { limit: 1 })
        return row === undefined ? null : (recordOf(table, row) as T)
      },
      async findMany<T>({
        model,
        where,
        limit,
        offset,
        sortBy,
      }: {
        model: string
        where?: CleanedWhere[] | undefined
        limit: number
        offset?: number | undefined
        sortBy?: { field: string; direction: "asc" | "desc" } | undefined
      }): Promise<T[]> {
        const table = tableOf(model)
        const order =
          sortBy === undefined ? undefined : { column: columnOf(table, sortBy.field)[0], direction: sortBy.direction }
        const rows = await selectRecords(db.read, table, conditionsOf(table, where), {
          limit,
          ...(offset === undefined ? {} : { offset }),
          order,
        })
        return rows.map((row) => recordOf(table, row) as T)
      },
      async count({ model, where }) {
        const table = tableOf(model)
        return countRecords(db.read, table, conditionsOf(table, where))
      },
      async update<T>({
        model,
        where,
        update: data,
      }: {
        model: string
        where: CleanedWhere[]
        update: T
      }): Promise<T | null> {
        const table = tableOf(model)
        const [row] = await update(table, conditionsOf(table, where), data as Record<string, unknown>)
        return row === undefined ? null : (recordOf(table, row) as T)
      },
      async updateMany({ model, where, update: data }) {
        const table = tableOf(model)
        return (await update(table, conditionsOf(table, where), data)).length
      },
      async delete({ model, where }) {
        const table = tableOf(model)
        await remove(table, conditionsOf(table, where))
      },
      async deleteMany({ model, where }) {
        const table = tableOf(model)
        return (await remove(table, conditionsOf(table, where))).length
      },
      async consumeOne<T>({ model, where }: { model: string; where: CleanedWhere[] }): Promise<T | null> {
        const table = tableOf(model)
        const [row] = await remove(table, conditionsOf(table, where))
        return row === undefined ? null : (recordOf(table, row) as T)
      },
      async incrementOne<T>({
        model,
        where,
        increment,
        set,
      }: {
        model: string
        where: CleanedWhere[]
        increment: Record<string, number>
        set?: Record<string, unknown> | undefined
      }): Promise<T | null> {
        const table = tableOf(model)
        const [row] = await update(table, conditionsOf(table, where), set ?? {}, increment)
        return row === undefined ? null : (recordOf(table, row) as T)
      },
    }),
  })
}

function plainValue(value: unknown): Value {
  if (value === null || value === undefined) return null
  if (value instanceof Date) return value.getTime()
  if (typeof value === "boolean") return value ? 1 : 0
  if (typeof value === "number" || typeof value === "string") return value
  throw new ApiError("internal", "something went wrong", { internal: `the login keeps no ${typeof value}` })
}

// The login itself is better-auth's (https://www.better-auth.com): passwords, second factors, passkeys and single sign-on.
// This file sets it up over our database and keeps its secrets sealed. What of it can be reached, and by whom, is the
// business of access.ts; its own tables, limits and origin checks are not used. Only login.ts loads it.

import { AsyncLocalStorage } from "node:async_hooks"
import { passkey } from "@better-auth/passkey"
import { betterAuth } from "better-auth"
import { APIError, createAuthMiddleware, getOAuthState } from "better-auth/api"
import { symmetricDecrypt } from "better-auth/crypto"
import { genericOAuth, twoFactor } from "better-auth/plugins"
import { open } from "../../base/crypto.ts"
import { createAdapter } from "./adapter.ts"
import { limits } from "./limits.ts"
import {
  type AuthParts,
  addressHeader,
  basePath,
  cookiePrefix,
  type Login,
  type SsoSettings,
  ssoNotFresh,
  ssoProviderId,
  totpContext,
  wrongLogin,
} from "./login.ts"
import {
  authTimeOf,
  emailOf,
  hashPassword,
  recoveryCodeHash,
  recoveryHashPrefix,
  sessionCookieName,
  ssoVerifiedAtMs,
  stepOfCode,
  verifyPassword,
} from "./rules.ts"
import { selectInviteTo, selectOperator, selectTwoFactor, takeLink, takeStep } from "./store.ts"

/** Builds the login. `secret` signs its cookies. */
export function createAuth(parts: AuthParts, secret: string): Login {
  const { db, clock, log, masterKey, publicOrigin, sso } = parts
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

  // What the provider says of a login is heard in one place of the library and counts in another.
  const requests = new AsyncLocalStorage<{ authTime: number | null }>()
  /** What single sign-on proves; throws when that is nothing and somebody who is logged in asked for it. */
  const provedBySso = async (): Promise<Date | null> => {
    const verifiedAtMs = ssoVerifiedAtMs(requests.getStore()?.authTime ?? null, clock.now())
    if (verifiedAtMs !== null) return new Date(verifiedAtMs)
    log.warn("the provider did not authenticate anew, or did not say so (auth_time), so the login is not fresh", {
      issuer: sso?.issuer,
    })
    if ((await getOAuthState())?.isStepUp === true) throw new APIError("FORBIDDEN", ssoNotFresh)
    return null
  }

  const hostCookie = (name: string, sameSite: "strict" | "lax" = "strict") => ({
    name: `${cookiePrefix}${name}`,
    attributes: { secure: true, httpOnly: true, sameSite, path: "/" },
  })
  const build = (provider: SsoSettings | null) =>
    betterAuth({
      appName: "Weir",
      baseURL: publicOrigin ?? "http://localhost",
      basePath,
      secret,
      database: createAdapter(parts),
      telemetry: { enabled: false },
      rateLimit: { enabled: false },
      logger: {
        // At this level it prints nothing past this function. What it calls an error is mostly a caller who did something
        // wrong; what is wrong here ends as a refusal that access.ts logs.
        level: "info",
        log: (level, message) => (level === "error" ? log.warn : log.debug)("login", { internal: message }),
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
              const proved = (): Date | null | Promise<Date | null> => {
                if (context?.path === "/callback/:id") return provedBySso()
                // A trusted device comes in by the password alone, which proves half of who it is.
                const isHalf = context?.path === "/sign-in/email" && operator.two_factor_enabled === 1
                return isHalf ? null : new Date(clock.now())
              }
              return { data: { ...session, ipAddress: address, verifiedAt: await proved() } }
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
            return {
              context: { body: { ...context.body, code: recoveryCodeHash(secret, String(context.body?.code)) } },
            }
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
        ...(provider === null
          ? []
          : [
              genericOAuth({
                config: [
                  {
                    ...oauthConfig(provider),
                    // Asked once the ID token is verified, and the only place that is shown it.
                    accountSubject({ tokens, profile }) {
                      const request = requests.getStore()
                      if (request !== undefined) request.authTime = authTimeOf(tokens.idToken)
                      return typeof profile.sub === "string" ? profile.sub : ""
                    },
                  },
                ],
              }),
            ]),
      ],
    })

  // The library asks the provider for its addresses when it is set up, and answers nothing before. So it is set up without
  // one at first, and a provider that is away keeps nobody from logging in by password.
  let current = build(null)
  let connecting: Promise<boolean> | null = null
  let connectAtMs = Number.NEGATIVE_INFINITY
  let isConnected = false
  const connect = async (): Promise<boolean> => {
    const next = build(sso)
    const context = await Promise.race([
      (next.$context as Promise<{ socialProviders: readonly { id: string }[] }>).catch(() => null),
      Bun.sleep(limits.ssoConnectMs).then(() => null),
    ])
    isConnected = context?.socialProviders.some(({ id }) => id === ssoProviderId) === true
    if (isConnected) current = next
    else
      log.error("the provider of single sign-on does not answer, or not as OpenID Connect asks", {
        issuer: sso?.issuer,
      })
    return isConnected
  }

  return {
    handler: (request) => requests.run({ authTime: null }, () => current.handler(request)),
    async connectSso() {
      if (sso === null || isConnected) return isConnected
      if (connecting !== null) return connecting
      if (clock.monotonic() - connectAtMs < limits.ssoRetryMs) return false
      connectAtMs = clock.monotonic()
      connecting = connect().finally(() => {
        connecting = null
      })
      return connecting
    },
    takeTotp,
    hash,
    verify,
  }
}

const oauthConfig = ({ issuer, clientId, clientSecret, name }: SsoSettings) => ({
  providerId: ssoProviderId,
  name,
  discoveryUrl: `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`,
  clientId,
  clientSecret,
  scopes: ["openid", "email", "profile"],
  pkce: true,
  requireIdTokenVerification: true,
  // A login that is asked for is a login: the provider's own session is no proof of who sits there. Not every provider
  // does as it is asked, so what it says of it (auth_time) is held against the clock.
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

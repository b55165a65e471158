// The login's library behind an allow-list: which of its endpoints can be reached, what of a body goes through, and what
// each asks besides.

import { ApiError, inputError } from "@weir/protocol"
import type { Tx } from "../../store/database.ts"
import type { AccessTools } from "./access.ts"
import { limits } from "./limits.ts"
import { cookiePrefix, ssoProviderId, wrongLogin } from "./login.ts"
import { emailOf } from "./rules.ts"
import {
  deletePasskey,
  deleteSessions,
  deleteTotp,
  deleteVerificationsOf,
  lockPasskey,
  lockPassword,
  selectOperatorByEmail,
} from "./store.ts"
import {
  type Call,
  cookieValue,
  failureOf,
  type Handle,
  isGuess,
  json,
  type Passed,
  pick,
  pickTexts,
  providerAway,
  redirect,
  tokenSet,
  tooLong,
  withoutTokens,
} from "./wire.ts"

/** Handlers by method and path below /dashboard/api/. */
export function loginHandlers(tools: AccessTools): ReadonlyMap<string, Handle> {
  const { db, log, auth, sessions, publicOrigin, ssoName, attempt, record, noteFailure, requireSession } = tools
  const { requireFreshSession, ask, loggedIn } = tools

  const pass =
    (method: "GET" | "POST", path: string, passed: Passed): Handle =>
    async (call) => {
      if (passed.isFresh === true) requireFreshSession(call)
      if (passed.guard !== undefined) await passed.guard(call, requireSession(call))
      const query =
        method === "GET" ? new URLSearchParams(pickTexts(new URL(call.request.url).searchParams, passed)) : null
      const body = method === "POST" ? pick(call.body, passed.fields) : null
      const failed = path === "/sign-in/email" ? wrongLogin : "this is not right, or was used before"
      const send = async (): Promise<Response> => {
        const before = await passed.heldAgainst?.(call)
        const response = await ask(call, method, path, body, query)
        if (response.ok && before !== (await passed.heldAgainst?.(call))) {
          await takeBack(call, passed, response)
          throw new ApiError("authentication", failed, { internal: "what it is held against was changed meanwhile" })
        }
        if (!response.ok && response.status !== 302) {
          const failure = await failureOf(response, call)
          if (passed.guesses !== undefined && isGuess(failure)) {
            noteFailure(call, "operator.login_failed", typeof body?.email === "string" ? emailOf(body.email) : null)
          }
          throw failure
        }
        return response
      }
      const response =
        passed.guesses === undefined ? await send() : await attempt(call, passed.guesses(call), failed, send)
      const cookies = response.headers.getSetCookie()
      if (passed.logsIn !== undefined) {
        await loggedIn(call, cookies, passed.logsIn, call.session === null ? undefined : passed.again)
      }
      if (passed.audited !== undefined) {
        const { action, session } = { action: passed.audited, session: requireSession(call) }
        await db.transact(async (tx) => {
          if (passed.forgetsDevices === true) await deleteVerificationsOf(tx, session.operatorId)
          await record(tx, call, session.email, { action, target: { operator: session.operatorId } })
        })
      }
      if (response.status === 302) return redirect(response.headers.get("location") ?? "/dashboard/", cookies)
      return json(withoutTokens(await response.json().catch(() => ({}))), 200, cookies)
    }

  /** Ends the session that an answer of the library would give, and undoes what else came of it. */
  async function takeBack(call: Call, { undo }: Passed, response: Response): Promise<void> {
    const token = tokenSet(response.headers.getSetCookie(), auth.secret)
    const given = token === null ? null : await sessions.get(token)
    await db.transact(async (tx) => {
      if (given !== null) await deleteSessions(tx, given.operatorId, { only: given.id })
      if (call.session !== null) await undo?.(tx, call.session.operatorId, call)
    })
    if (token !== null) sessions.drop(token)
  }

  // What a proof is held against. Each is read under its row's lock, so that whoever is changing it is waited for.
  const hashOf = async (tx: Tx, operatorId: string | undefined): Promise<string | null> =>
    operatorId === undefined ? null : ((await lockPassword(tx, operatorId))?.password ?? null)
  const passwordOf = (call: Call): Promise<string | null> =>
    db.transact(async (tx) => hashOf(tx, (await selectOperatorByEmail(tx, accountOf(call)))?.id))
  const ownPasswordOf = ({ session }: Call): Promise<string | null> =>
    db.transact((tx) => hashOf(tx, session?.operatorId))
  const passkeyOwnerOf = (call: Call): Promise<string | null> =>
    db.transact(async (tx) => (await lockPasskey(tx, credentialIdOf(call)))?.operator_id ?? null)

  const accountOf = ({ body }: Call): string => emailOf(String(body.email ?? ""))
  // The account is in a cookie that only the library reads; its own lock counts by account, on all nodes.
  const secondStepOf = ({ session, request }: Call): string =>
    session?.operatorId ?? `second step ${cookieValue(request, `${cookiePrefix}two_factor`) ?? ""}`

  const passedOn: readonly (readonly [method: "GET" | "POST", path: string, passed: Passed])[] = [
    [
      "POST",
      "/sign-in/email",
      {
        fields: { email: "text", password: "text" },
        logsIn: "password",
        guesses: accountOf,
        heldAgainst: passwordOf,
      },
    ],
    ["GET", "/get-session", { fields: {} }],
    [
      "POST",
      "/two-factor/verify-totp",
      {
        fields: { code: "text", trustDevice: "flag" },
        logsIn: "password and code",
        again: "operator.totp_added",
        guesses: secondStepOf,
        heldAgainst: ownPasswordOf,
        undo: deleteTotp,
      },
    ],
    [
      "POST",
      "/two-factor/verify-backup-code",
      { fields: { code: "text", trustDevice: "flag" }, logsIn: "password and recovery code", guesses: secondStepOf },
    ],
    ["POST", "/two-factor/enable", { fields: { password: "text" }, guesses: secondStepOf, guard: needsSession }],
    [
      "POST",
      "/two-factor/disable",
      {
        fields: { password: "text" },
        guesses: secondStepOf,
        isFresh: true,
        audited: "operator.totp_removed",
        forgetsDevices: true,
        heldAgainst: ownPasswordOf,
      },
    ],
    [
      "POST",
      "/two-factor/generate-backup-codes",
      { fields: { password: "text" }, guesses: secondStepOf, isFresh: true, audited: "operator.recovery_codes_made" },
    ],
    ["POST", "/two-factor/get-totp-uri", { fields: { password: "text" }, guesses: secondStepOf, isFresh: true }],
    ["GET", "/passkey/generate-register-options", { fields: { name: "text" }, isFresh: true, guard: fewPasskeys }],
    [
      "POST",
      "/passkey/verify-registration",
      {
        fields: { response: "credential", name: "text" },
        isFresh: true,
        guard: fewPasskeys,
        audited: "operator.passkey_added",
        heldAgainst: ownPasswordOf,
        undo: (tx, operatorId, call) => deletePasskey(tx, operatorId, credentialIdOf(call)),
      },
    ],
    ["GET", "/passkey/list-user-passkeys", { fields: {} }],
    ["POST", "/passkey/delete-passkey", { fields: { id: "text" }, isFresh: true, audited: "operator.passkey_removed" }],
    ["POST", "/passkey/update-passkey", { fields: { id: "text", name: "text" }, guard: needsSession }],
  ]

  async function needsSession(): Promise<void> {}
  async function fewPasskeys(call: Call): Promise<void> {
    requirePasskeysHere(call)
    const name = call.body.name
    if (typeof name === "string" && name.length > limits.passkeyNameCharsMax) throw tooLong("name")
    const response = await ask(call, "GET", "/passkey/list-user-passkeys", null)
    const known = (await response.json().catch(() => [])) as unknown[]
    if (Array.isArray(known) && known.length >= limits.passkeysPerOperatorMax) {
      throw inputError(`an operator has at most ${limits.passkeysPerOperatorMax} passkeys`)
    }
  }
  /** A passkey belongs to one host name: the one of the settings, or this machine's own. */
  function requirePasskeysHere({ request }: Call): void {
    const origin = request.headers.get("origin")
    const host = request.headers.get("host") ?? ""
    const here = publicOrigin ?? "http://localhost"
    const isHere = publicOrigin === null ? /^localhost(:\d+)?$/.test(host) : origin === null || origin === publicOrigin
    if (isHere) return
    throw inputError(
      publicOrigin === null
        ? "passkeys work at http://localhost, or at the address that WEIR_PUBLIC_URL names"
        : `passkeys work at ${here}`,
    )
  }

  const passkeyOptions: Handle = async (call) => {
    requirePasskeysHere(call)
    const response = await ask(call, "GET", "/passkey/generate-authenticate-options", null)
    if (!response.ok) throw await failureOf(response, call)
    const options = (await response.json()) as Record<string, unknown>
    return json({ ...options, userVerification: "required" }, 200, response.headers.getSetCookie())
  }
  const passkeyLogin: Handle = async (call) => {
    requirePasskeysHere(call)
    return pass("POST", "/passkey/verify-authentication", {
      fields: { response: "credential" },
      logsIn: "passkey",
      again: "operator.stepped_up",
      guesses: () => null,
      heldAgainst: passkeyOwnerOf,
    })(call)
  }

  const ssoLogin: Handle = async (call) => {
    const to = call.body.callbackURL
    const callbackURL = typeof to === "string" && /^\/dashboard\/[\w\-./~%:!]*$/.test(to) ? to : "/dashboard/"
    if (ssoName === null) throw inputError("there is no single sign-on here")
    if (!(await auth.connectSso())) throw providerAway()
    const response = await ask(call, "POST", "/sign-in/social", {
      provider: ssoProviderId,
      callbackURL,
      errorCallbackURL: "/dashboard/login",
      disableRedirect: true,
      // Browsers keep the session's cookie to themselves on the way back, so the state says who is logged in already.
      additionalData: { isStepUp: call.session !== null },
    })
    if (!response.ok) {
      log.error("single sign-on does not work", { status: response.status })
      throw providerAway()
    }
    const { url } = (await response.json()) as { url: string }
    return json({ url }, 200, response.headers.getSetCookie())
  }
  const ssoCallback: Handle = async (call) => {
    const given = new URL(call.request.url).searchParams
    const query = new URLSearchParams()
    for (const name of ["code", "state", "error", "error_description", "iss"]) {
      const value = given.get(name)
      if (value !== null) query.set(name, value.slice(0, limits.bodyBytesMax))
    }
    if (!(await auth.connectSso())) return redirect("/dashboard/login?error=provider_away", [])
    const response = await ask(call, "GET", `/callback/${ssoProviderId}`, null, query)
    const location = response.headers.get("location") ?? "/dashboard/login?error=failed"
    const cookies = response.headers.getSetCookie()
    await loggedIn(call, cookies, "single sign-on")
    if (tokenSet(cookies, auth.secret) === null) noteFailure(call, "operator.login_failed", null)
    return redirect(location, cookies)
  }

  return new Map<string, Handle>([
    ...passedOn.map(([method, path, passed]): [string, Handle] => [
      `${method} auth${path}`,
      pass(method, path, passed),
    ]),
    ["GET auth/passkey/generate-authenticate-options", passkeyOptions],
    ["POST auth/passkey/verify-authentication", passkeyLogin],
    ["POST auth/sign-in/social", ssoLogin],
    ...(ssoName === null ? [] : [[`GET ${ssoCallbackPath}`, ssoCallback] as const]),
  ])
}

/** Where the provider sends the browser back to. */
export const ssoCallbackPath = `auth/callback/${ssoProviderId}`

/** The credential that an authenticator answers with; pick has seen that it is a text. */
const credentialIdOf = ({ body }: Call): string => String((body.response as { id?: unknown } | undefined)?.id ?? "")

import {
  ApiError,
  inputError,
  notFoundError,
  type OperatorAction,
  type OperatorPrincipal,
  tokens as operations,
} from "@weir/protocol"
import { bareToken, type KeyState, type RevocationQuestion, type Revoked } from "../../authenticate/authenticate.ts"
import { standingBans } from "../../authenticate/bans.ts"
import { examination, examine, questionOf } from "../../authenticate/examine.ts"
import { signToken } from "../../authenticate/sign.ts"
import { type VerificationKey, verifyCompact } from "../../authenticate/token.ts"
import type { Awaitable } from "../../base/chain.ts"
import { type MasterKey, SealError } from "../../base/crypto.ts"
import { uuid } from "../../base/ids.ts"
import { type AdminRoute, adminRead, adminRoute } from "../../request/route.ts"
import type { Read, Tx } from "../../store/database.ts"
import { selectApp } from "../apps/index.ts"
import type { ProvedToken } from "../decisions/index.ts"
import {
  type KeyStates,
  type SecretRow,
  selectKeysOfApp,
  selectSecrets,
  signingKeyOf,
  verificationKey,
} from "../keys/index.ts"
import { createTruth, type RevocationRow, revocationResponse } from "../revocations/index.ts"
import { dropUsers, newGuest, selectUser, type User, type Users, upsertUsers } from "../users/index.ts"
import { limits } from "./limits.ts"
import {
  claimsOf,
  explorerNeeds,
  explorerScopes,
  kindsOf,
  lifetimeOf,
  requireAcceptable,
  requireAllowedKinds,
  requireFitting,
  type Wish,
} from "./rules.ts"
import { countMinted, insertMinted, type Named, selectNaming } from "./store.ts"

export interface TokenRouteParts {
  readonly keyStates: Pick<KeyStates, "get">
  readonly masterKey: MasterKey
  readonly users: Users
  /** The gate's own answer about a token, which leaves no trace. Null when the key is not the app's. */
  readonly prove: (appId: number, apiKey: string | null, token: string) => Awaitable<ProvedToken | null>
  /** Throws ApiError unavailable while this node cannot know what has been revoked. */
  readonly requireLease: () => void
  /** What has ended a credential; counts as no use, not even for shadows. */
  readonly revokedBy: (question: RevocationQuestion) => Revoked | null
  /** Holds the operator who asks as they are until the commit. Throws authentication when they are so no more. */
  readonly requireStill: (tx: Tx, principal: OperatorPrincipal) => Promise<void>
}

export const tokenRoutes = (parts: TokenRouteParts): AdminRoute[] => [
  adminRoute(operations.mintToken, async ({ input, principal, tx, now, audit }) => {
    const appId = await requireApp(tx, input.path.app)
    await requireFewMade(parts, tx, principal, now)
    const wish: Wish = input.body
    requireFitting(wish)
    const { state, key } = await requireSigning(parts, tx, appId, input.body.api_key ?? null)
    const user = await userFor(parts, tx, appId, wish, now)
    requireAllowedKinds(state.policy, kindsOf(wish, user?.role === "guest"))
    const userId = user?.id ?? (wish.kind === "guest" ? null : (wish.user_id ?? null))
    const lifeSeconds = lifetimeOf(state.policy, wish)
    const signed = sign(state, key, claimsOf(state.policy, wish, { userId, jti: uuid(), nowMs: now, lifeSeconds }))
    requireAcceptable(signed.token, state, now)
    const { needs, needsAlso } = operations.mintToken
    await noteMade(tx, principal, appId, signed, [needs, needsAlso?.(input) ?? null])
    audit({
      action: "token.minted",
      appId,
      target: { kind: wish.kind, user_id: userId, api_key: state.apiKey, kid: key.kid, jti: signed.jti },
      after: {
        expires_at: signed.expires_at,
        scopes: wish.scopes ?? null,
        call_cids: wish.call_cids ?? null,
        channel_cids: wish.channel_cids ?? null,
        role: wish.role ?? null,
      },
    })
    return { ...signed, kind: wish.kind, user_id: userId, sha256: sha256Of(signed.token) }
  }),

  adminRead(operations.inspectToken, async ({ input, read, now }) => {
    const appId = await requireApp(read, input.path.app)
    // Pasted texts bring blanks and line breaks with them.
    const text = bareToken(input.body.token.trim()) ?? ""
    const keys = await selectKeysOfApp(read, appId, limits.keysMax)
    const asked = input.body.api_key
    if (asked !== undefined && !keys.some(({ api_key }) => api_key === asked)) throw notFoundError("key", asked)
    const examined = examine(text)
    const signer = await findSigner(
      parts.masterKey,
      read,
      keys.map(({ api_key }) => api_key),
      asked ?? null,
      text,
      examined.parts.header?.kid,
    )
    const apiKey = asked ?? signer?.api_key ?? keys[0]?.api_key ?? null
    const state = apiKey === null ? null : await parts.keyStates.get(apiKey)
    const user = examined.userId === null ? null : await selectUser(read, appId, examined.userId)
    const proved = apiKey === null ? null : await parts.prove(appId, apiKey, text)
    const { checks, warnings } = examination(examined, {
      state,
      signer,
      user,
      requireLease: parts.requireLease,
      revokedBy: parts.revokedBy,
      nowMs: now,
    })
    const failed =
      proved === null
        ? { check: "key", rule: "unknown", detail: "the app has no key" }
        : "failed" in proved
          ? proved.failed
          : null
    const question = questionOf(examined, { state, signer })
    const { claims } = examined
    return {
      passes: failed === null,
      // What the gate itself said of the check that it refused by stands first.
      reasons: checks.map((made) =>
        made.check === failed?.check ? { ...made, passed: false, detail: failed.detail } : made,
      ),
      failed,
      remedy: proved === null ? "make a key for the app first" : "failed" in proved ? proved.remedy : null,
      kind: claims?.kind ?? examined.parts.kind,
      header: examined.parts.header,
      claims: examined.parts.claims,
      problems: [...examined.parts.problems],
      sha256: sha256Of(text),
      api_key: apiKey,
      signed_by:
        signer === null
          ? null
          : {
              api_key: signer.api_key,
              kid: signer.kid,
              alg: signer.alg,
              state: signer.state,
              label: signer.label,
            },
      issued_at: isoOf(claims?.iat ?? null),
      not_before: isoOf(claims?.nbf ?? null),
      expires_at: isoOf(claims?.exp ?? null),
      expires_in_seconds: claims?.exp == null ? null : Math.round(claims.exp - now / 1000),
      leeway_seconds: state?.policy.leewaySeconds ?? null,
      warnings: [...warnings],
      revocations: question === null ? [] : (await revocationsOf(read, question)).map(revocationResponse),
      user: user === null ? null : userShown(user, now),
    }
  }),

  adminRoute(operations.explorerToken, async ({ input, tx, principal, now, audit }) => {
    const appId = await requireApp(tx, input.path.app)
    await requireFewMade(parts, tx, principal, now)
    const { state, key } = await requireSigning(parts, tx, appId, null)
    const wish: Wish = { kind: "server", expires_in: operations.tokenLimits.explorerExpiresInSeconds }
    requireAllowedKinds(state.policy, kindsOf(wish, false))
    const { scopes, writes } = explorerScopes(principal.role)
    const { serverMaxAgeSeconds } = state.policy
    const lifeSeconds = Math.min(wish.expires_in as number, serverMaxAgeSeconds ?? Number.POSITIVE_INFINITY)
    const made = { userId: null, jti: uuid(), nowMs: now, lifeSeconds }
    const signed = sign(state, key, claimsOf(state.policy, { ...wish, scopes }, made))
    const { token, jti, expires_at } = signed
    requireAcceptable(token, state, now)
    await noteMade(tx, principal, appId, signed, explorerNeeds(writes))
    audit({
      action: "token.minted",
      appId,
      target: { kind: "explorer", user_id: null, api_key: state.apiKey, kid: key.kid, jti },
      after: { expires_at, scopes },
    })
    return { token, api_key: state.apiKey, jti, scopes, writes, expires_at }
  }),
]

/**
 * Holds the operator as they are until the commit, so that a token which is made while they are removed is either there to
 * be ended or not made. Throws inputError when one change could not end all that they made.
 */
async function requireFewMade(
  { requireStill }: TokenRouteParts,
  tx: Tx,
  principal: OperatorPrincipal,
  now: number,
): Promise<void> {
  if (principal.operatorId === null) return
  await requireStill(tx, principal)
  if ((await countMinted(tx, principal.operatorId, now)) < limits.madeByOperatorMax) return
  throw inputError(
    `you have made ${limits.madeByOperatorMax} tokens that are still valid, which is the most; wait until some have run out`,
  )
}

/** Keeps what ends the token when its maker may make it no more. The admin token's bearer is nobody who could be removed. */
async function noteMade(
  tx: Tx,
  { operatorId }: OperatorPrincipal,
  appId: number,
  { jti, expires_at }: { readonly jti: string; readonly expires_at: string },
  needs: readonly (OperatorAction | null | undefined)[],
): Promise<void> {
  if (operatorId === null) return
  await insertMinted(tx, {
    jti,
    app_id: appId,
    operator_id: operatorId,
    needs: needs.filter((action) => action != null).join(" "),
    expires_at: Date.parse(expires_at),
  })
}

interface Signing {
  readonly state: KeyState
  readonly key: VerificationKey
}

/**
 * The key that is asked for, or the app's first that can sign, and its newest active secret. Throws notFoundError when
 * the app has no such key, inputError when it cannot sign here or its tokens would not be let in.
 */
async function requireSigning(
  { keyStates }: TokenRouteParts,
  read: Read,
  appId: number,
  apiKey: string | null,
): Promise<Signing> {
  const rows = await selectKeysOfApp(read, appId, limits.keysMax)
  const asked = apiKey === null ? rows : rows.filter(({ api_key }) => api_key === apiKey)
  if (apiKey !== null && asked.length === 0) throw notFoundError("key", apiKey)
  let refusal = inputError("the app has no key: make one first", { api_key: "there is none" })
  for (const row of asked) {
    const state = await keyStates.get(row.api_key)
    if (state === null) continue
    const key = signingKeyOf(state)
    const fault = faultOf(state, key)
    if (fault === null && key !== null) return { state, key }
    refusal = inputError(fault ?? "it cannot sign", { api_key: fault ?? "it cannot sign" })
  }
  throw refusal
}

function faultOf({ apiKey, suspended, disabled }: KeyState, key: VerificationKey | null): string | null {
  if (suspended) return "the app is suspended, so none of its tokens would be let in"
  if (disabled) return `key ${apiKey} is switched off, so none of its tokens would be let in`
  if (key === null) {
    return (
      `key ${apiKey} has no active HS256 secret: of ES256 and EdDSA secrets the private half is not kept here, so only ` +
      "its owner can sign; add an active HS256 secret to make tokens here"
    )
  }
  return null
}

function sign({ apiKey }: KeyState, { key, kid }: VerificationKey, claims: Record<string, unknown>) {
  const { iat, exp, jti } = claims as { iat: number; exp: number; jti: string }
  return {
    token: signToken(key, kid, claims),
    api_key: apiKey,
    kid,
    jti,
    claims,
    issued_at: new Date(iat * 1000).toISOString(),
    expires_at: new Date(exp * 1000).toISOString(),
  }
}

/** The user of the token as they stand; a guest is made. Null: none, or none yet. Throws inputError for who is shut out. */
async function userFor(
  { users }: TokenRouteParts,
  tx: Tx,
  appId: number,
  wish: Wish,
  now: number,
): Promise<User | null> {
  if (wish.kind === "guest") {
    const said = { id: wish.user_id ?? "visitor", ...(wish.name === undefined ? {} : { name: wish.name }) }
    const guest = newGuest(appId, said, now)
    await upsertUsers(tx, [guest])
    dropUsers(users, tx, appId, [guest.id])
    return guest
  }
  if (wish.user_id === undefined) return null
  const user = await selectUser(tx, appId, wish.user_id)
  if (user?.deletedAt) throw shutOut(`user ${user.id} was deleted`)
  if (user?.deactivatedAt) throw shutOut(`user ${user.id} is deactivated; reactivate the user first`)
  return user
}

const shutOut = (text: string): ApiError =>
  inputError(`${text}, so the token would not be let in`, { user_id: "is shut out" })

/**
 * The secret of the app that this signature was made with, whatever its state and whatever name the token gives it; null
 * when it is none of them. Tries the named one and those of the named key first, limits.secretsTriedMax at most.
 */
async function findSigner(
  masterKey: MasterKey,
  read: Read,
  apiKeys: readonly string[],
  apiKey: string | null,
  text: string,
  kid: unknown,
): Promise<SecretRow | null> {
  if (apiKeys.length === 0) return null
  const secrets = await selectSecrets(read, apiKeys, limits.secretsTriedMax)
  const rank = (row: SecretRow): number => (row.kid === kid ? 0 : row.api_key === apiKey ? 1 : 2)
  for (const row of secrets.toSorted((a, b) => rank(a) - rank(b))) {
    try {
      // Under the name that the token gives, so that a wrong name does not hide who signed.
      const named = typeof kid === "string" ? kid : null
      verifyCompact(text, [{ ...verificationKey(masterKey, row), kid: named }], row.api_key)
      return row
    } catch (error) {
      // A row that was sealed with a key this node lacks is like none.
      if (error instanceof SealError || (error instanceof ApiError && error.kind === "tokenSignature")) continue
      // Its form is at fault, and no other secret would change that.
      if (error instanceof ApiError) return null
      throw error
    }
  }
  return null
}

/** Revocations in force that end this credential, and shadows that would. */
async function revocationsOf(read: Read, question: RevocationQuestion): Promise<RevocationRow[]> {
  const { userId, apiKey, isServer, proof } = question
  const names: Named[] = [{ level: "key", target: apiKey }]
  if (!isServer) names.push({ level: "app", target: "" })
  for (const [level, target] of [
    ["user", userId],
    ["kid", proof.kid],
    ["device", proof.deviceId],
    ["jti", proof.jti],
    ["token", proof.sha256],
    ["token", proof.otherSha256 ?? null],
  ] as const) {
    if (target !== null && target !== "") names.push({ level, target })
  }
  const rows = await selectNaming(read, question.appId, names, limits.revocationsShownMax)
  return rows.filter((row) => {
    const alone = createTruth()
    alone.add({ ...row, mode: "enforce" })
    return alone.check({ ...question, proof: { ...proof } }, null) !== null
  })
}

function userShown(user: User, now: number) {
  const bans = standingBans(user.bans, now)
  const shown = (channel_cid: string | null, expiresAt: number | null) => ({
    channel_cid,
    expires: expiresAt === null ? null : new Date(expiresAt).toISOString(),
  })
  return {
    id: user.id,
    name: user.name,
    role: user.role,
    teams: [...user.teams],
    deactivated_at: user.deactivatedAt === null ? null : new Date(user.deactivatedAt).toISOString(),
    deleted_at: user.deletedAt === null ? null : new Date(user.deletedAt).toISOString(),
    bans: [
      ...(bans === null || bans.app === null ? [] : [shown(null, bans.app.expiresAt)]),
      ...Object.entries(bans?.channels ?? {}).map(([cid, ban]) => shown(cid, ban.expiresAt)),
    ],
  }
}

const sha256Of = (text: string): string => Bun.SHA256.hash(text, "hex")

// Claims may lie beyond what a Date can hold.
function isoOf(seconds: number | null): string | null {
  const date = new Date((seconds ?? Number.NaN) * 1000)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

async function requireApp(read: Read, id: string): Promise<number> {
  const app = await selectApp(read, Number(id))
  if (app === undefined) throw notFoundError("app", id)
  return app.id
}

// The secrets that sign a hook's deliveries: how they are made, sealed, opened and shown. Pure but for their chance.

import { webhooks } from "@weir/protocol"
import { type MasterKey, open, seal, sealContext } from "../../base/crypto.ts"
import { randomId } from "../../base/ids.ts"
import type { HookSecret } from "../../events/webhooks/hook.ts"
import { newHookSecret } from "../../events/webhooks/sign.ts"
import { limits } from "./limits.ts"
import type { HookRow, HookSecretRow } from "./store.ts"

/** A secret that no hook has yet. */
export interface PlainSecret {
  readonly alg: HookSecret["alg"]
  /** `whsec_…` of an HMAC, `whsk_…` of an Ed25519 pair. */
  readonly value: string
  /** `whpk_…`; null for an HMAC. */
  readonly publicKey: string | null
}

export function newSecret(alg: HookSecret["alg"]): PlainSecret {
  const { secret, publicKey } = newHookSecret(alg)
  return { alg, value: secret, publicKey }
}

/** One secret of each kind, as a new hook has them. */
export const newSecrets = (): PlainSecret[] => [newSecret("hmac"), newSecret("ed25519")]

/** A hook's secret as it is stored; `value` is the only place where the plain text still stands. */
export interface SealedSecret {
  readonly row: HookSecretRow
  readonly value: string
}

/** Seals a secret for a hook, under a new id. `now` in milliseconds. */
export function sealSecret(
  masterKey: MasterKey,
  hook: Pick<HookRow, "app_id" | "id">,
  { alg, value, publicKey }: PlainSecret,
  now: number,
): SealedSecret {
  const place = { hook_id: hook.id, id: randomId(limits.secretIdChars), app_id: hook.app_id }
  const sealed = seal(masterKey, value, contextOf(place))
  return { row: { ...place, alg, sealed, public_key: publicKey, expires_at: null, created_at: now }, value }
}

/** The plain text of a secret. Throws SealError for a damaged or moved row, and without the master key that sealed it. */
export const openSecret = (masterKey: MasterKey, row: HookSecretRow): string =>
  open(masterKey, row.sealed, contextOf(row))

const contextOf = ({ app_id, hook_id, id }: Pick<HookSecretRow, "app_id" | "hook_id" | "id">): string =>
  sealContext("webhook-secret", app_id, hook_id, id)

/** A secret with its plain text, as whoever made it is shown it once. */
export const newSecretView = ({ row, value }: SealedSecret) => ({
  id: row.id,
  alg: row.alg,
  value,
  public_key: row.public_key,
})

/** A secret as the management API lists it: nothing of its text, but the public half of a pair. */
export const secretView = (row: HookSecretRow) => ({
  id: row.id,
  ...secretFacts(row),
  created_at: new Date(row.created_at).toISOString(),
})

/** A secret as the audit log keeps it. */
export const secretFacts = ({ alg, public_key, expires_at }: HookSecretRow) => ({
  alg,
  public_key,
  expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
})

/** Whether a secret signs at a time in milliseconds. */
export const signsAt = ({ expires_at }: HookSecretRow, now: number): boolean => expires_at === null || expires_at > now

/** The overlap of a rotation in milliseconds. */
export const overlapMs = (seconds: number | undefined): number =>
  (seconds ?? webhooks.webhookLimits.overlapSecondsDefault) * 1000

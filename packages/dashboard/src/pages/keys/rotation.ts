// The rotation of a key's secrets as steps. Where one stands follows from the states alone, so an operator may leave,
// come back tomorrow or on another machine, and mix it with the command line. Pure.

import type { Secret, SecretState } from "./wire.ts"

/** What can follow a state; the server has the same table and the last word. */
export const nextStates: Readonly<Record<SecretState, readonly SecretState[]>> = {
  standby: ["active", "revoked"],
  active: ["retiring", "standby", "revoked"],
  retiring: ["active", "revoked"],
  revoked: [],
}

/** Whether tokens of a secret in this state are let in. */
export const verifies = (state: SecretState): boolean => state === "active" || state === "retiring"

/** Whether the change ends tokens that would be let in now. */
export const endsTokens = (from: SecretState, to: SecretState): boolean => verifies(from) && !verifies(to)

/** Whether the server wants `force`: an active secret is revoked, or the last one that verifies goes. */
export function needsForce(secret: Secret, to: SecretState, ofKey: readonly Secret[]): boolean {
  if (secret.state === "active" && to === "revoked") return true
  return endsTokens(secret.state, to) && !ofKey.some(({ kid, state }) => kid !== secret.kid && verifies(state))
}

export type Rotation =
  /** No secret of the key verifies: there is nothing to rotate from. */
  | { readonly step: "none" }
  /** The next secret is not made yet. */
  | { readonly step: "make"; readonly old: Secret }
  /** The next one is there, and the old ones do not retire yet. It is active already where somebody went ahead. */
  | { readonly step: "activate"; readonly next: Secret; readonly retire: readonly Secret[] }
  /** The old one retires: its tokens are let in until they run out. */
  | { readonly step: "wait"; readonly next: Secret; readonly old: Secret }

/** Where the rotation of a key stands. What retires is seen to its end before another begins. */
export function rotationOf(secrets: readonly Secret[]): Rotation {
  const inState = (wanted: SecretState) => secrets.filter(({ state }) => state === wanted).toSorted(byAge)
  const [active, retiring, standby] = [inState("active"), inState("retiring"), inState("standby")]
  const oldest = retiring[0]
  const newest = active.at(-1)
  const waiting = standby.at(-1)
  if (oldest !== undefined && newest !== undefined) return { step: "wait", next: newest, old: oldest }
  if (waiting !== undefined && (newest !== undefined || oldest !== undefined)) {
    return { step: "activate", next: waiting, retire: active }
  }
  if (newest !== undefined && active.length > 1) {
    return { step: "activate", next: newest, retire: active.slice(0, -1) }
  }
  const old = newest ?? oldest
  return old === undefined ? { step: "none" } : { step: "make", old }
}

// Two of the same millisecond keep an order that does not depend on the list's.
const byAge = (a: Secret, b: Secret): number =>
  Date.parse(a.created_at) - Date.parse(b.created_at) || (a.kid < b.kid ? -1 : 1)

/** How a secret is called in a sentence. */
export const nameOf = ({ label, kid }: Pick<Secret, "label" | "kid">): string => (label === "" ? kid : label)

import { describe, expect, test } from "bun:test"
import { needsForce, rotationOf } from "./rotation.ts"
import type { Secret, SecretState } from "./wire.ts"

const secret = (kid: string, state: SecretState, day = 1): Secret => ({
  kid,
  state,
  alg: "HS256",
  label: "",
  imported: false,
  created_by: "someone",
  created_at: `2026-03-0${day}T00:00:00.000Z`,
  state_since: "2026-03-09T00:00:00.000Z",
  last_used_at: null,
  last_client: null,
  last_address: null,
  usage: { tokens: 0, users: 0, clients: [], by_client: [] },
})

/** Names instead of secrets, to compare. */
function shape(secrets: readonly Secret[]): object {
  const rotation = rotationOf(secrets)
  return {
    step: rotation.step,
    ...("old" in rotation ? { old: rotation.old.kid } : {}),
    ...("next" in rotation ? { next: rotation.next.kid } : {}),
    ...("retire" in rotation ? { retire: rotation.retire.map(({ kid }) => kid) } : {}),
  }
}

describe("a rotation's step follows from the states", () => {
  test("one active secret: the next one is to be made", () => {
    expect(shape([secret("a", "active")])).toEqual({ step: "make", old: "a" })
  })

  test("with a standby it is to be activated", () => {
    expect(shape([secret("b", "standby", 2), secret("a", "active")])).toEqual({
      step: "activate",
      next: "b",
      retire: ["a"],
    })
  })

  test("somebody activated it elsewhere: the newest active one is the next, all others retire", () => {
    expect(shape([secret("c", "active", 3), secret("a", "active"), secret("b", "active", 2)])).toEqual({
      step: "activate",
      next: "c",
      retire: ["a", "b"],
    })
  })

  test("a retiring one is waited for, the oldest first, though another stands by", () => {
    const secrets = [
      secret("d", "standby", 4),
      secret("c", "active", 3),
      secret("b", "retiring", 2),
      secret("a", "retiring"),
    ]
    expect(shape(secrets)).toEqual({ step: "wait", next: "c", old: "a" })
  })

  test("only retiring ones: nothing more retires when the standby comes", () => {
    expect(shape([secret("a", "retiring")])).toEqual({ step: "make", old: "a" })
    expect(shape([secret("a", "retiring"), secret("b", "standby", 2)])).toEqual({
      step: "activate",
      next: "b",
      retire: [],
    })
  })

  test("revoked ones do not count, and without one that verifies there is no rotation", () => {
    expect(shape([secret("a", "revoked"), secret("b", "active", 2)])).toEqual({ step: "make", old: "b" })
    expect(shape([secret("a", "revoked"), secret("b", "standby", 2)])).toEqual({ step: "none" })
    expect(shape([])).toEqual({ step: "none" })
  })
})

describe("force is asked for where the server wants it", () => {
  const active = secret("a", "active")
  const other = secret("b", "active", 2)
  const retiring = secret("c", "retiring", 3)

  test("an active secret is revoked, though others verify", () => {
    expect(needsForce(active, "revoked", [active, other])).toBe(true)
    expect(needsForce(retiring, "revoked", [active, retiring])).toBe(false)
  })

  test("the last one that verifies goes", () => {
    expect(needsForce(retiring, "revoked", [retiring, secret("d", "standby", 4)])).toBe(true)
    expect(needsForce(active, "standby", [active])).toBe(true)
    expect(needsForce(active, "standby", [active, retiring])).toBe(false)
    expect(needsForce(active, "retiring", [active])).toBe(false)
  })
})

import { describe, expect, test } from "bun:test"
import type { Proof } from "@weir/protocol"
import fc from "fast-check"
import type { RevocationQuestion } from "../../authenticate/authenticate.ts"
import { createTruth, levels } from "./rules.ts"
import type { Level, RevocationRow } from "./store.ts"

const app = 1
let ids = 0
const row = (over: Partial<RevocationRow>): RevocationRow => ({
  id: `r${ids++}`,
  seq: ids,
  app_id: app,
  level: "user",
  target: "jessica",
  before_ms: 100_000,
  mode: "enforce",
  terminal: 0,
  reason: "",
  created_by: "",
  created_at: 0,
  undone_at: null,
  shadow_hits: 0,
  shadow_users: 0,
  receipt: null,
  expires_at: null,
  ...over,
})
const question = (
  over: Partial<Omit<RevocationQuestion, "proof">> & { proof?: Partial<Proof> } = {},
): RevocationQuestion => ({
  appId: app,
  apiKey: "key",
  userId: "jessica",
  isServer: false,
  ...over,
  proof: {
    method: "jwt",
    kid: "kid",
    issuedAt: 50,
    expiresAt: null,
    jti: "jti",
    deviceId: "device",
    sha256: "hash",
    ...over.proof,
  },
})
const targets: Record<Level, string> = {
  app: "",
  user: "jessica",
  key: "key",
  kid: "kid",
  jti: "jti",
  token: "hash",
  device: "device",
}

describe("what a revocation ends", () => {
  for (const level of levels) {
    test(`case 35: ${level}: what it names, and nothing else`, () => {
      const truth = createTruth()
      truth.add(row({ level, target: targets[level] }))
      expect(truth.check(question(), null)?.level).toBe(level)
      expect(truth.check(question({ appId: 2 }), null)).toBeNull()
      const other = question({
        apiKey: "other",
        userId: "john",
        proof: { kid: "other", jti: "other", sha256: "other", deviceId: "other" },
      })
      expect(truth.check(other, null)?.level ?? null).toBe(level === "app" ? "app" : null)
      const nameless = question({ userId: null, proof: { kid: null, jti: null, sha256: "", deviceId: null } })
      expect(truth.check(nameless, null)?.level ?? null).toBe(level === "app" || level === "key" ? level : null)
    })
  }

  test("a cut-off for all users leaves servers alone; a key's and a secret's do not", () => {
    const server = question({ userId: null, isServer: true })
    for (const [level, isEnded] of [
      ["app", false],
      ["key", true],
      ["kid", true],
    ] as const) {
      const truth = createTruth()
      truth.add(row({ level, target: targets[level] }))
      expect(truth.check(server, null) !== null).toBe(isEnded)
    }
  })

  test.each([
    [99, true],
    [100, false],
    [100.9, false],
    [101, false],
    [null, true],
  ] as const)("cases 20 and 21: issued at %p with a cut-off at 100 s: ended is %p", (issuedAt, isEnded) => {
    const truth = createTruth()
    truth.add(row({ before_ms: 100_900 }))
    expect(truth.check(question({ proof: { issuedAt } }), null) !== null).toBe(isEnded)
  })

  test("without a cut-off it does not matter when the token was made", () => {
    const truth = createTruth()
    truth.add(row({ level: "jti", target: "jti", before_ms: null }))
    expect(truth.check(question({ proof: { issuedAt: 1e9 } }), null)).toMatchObject({ level: "jti", beforeMs: null })
  })

  test("a shadow ends nothing and is told of each hit", () => {
    const truth = createTruth()
    truth.add(row({ mode: "shadow" }))
    const hits: string[] = []
    expect(truth.check(question(), ({ id }) => hits.push(id))).toBeNull()
    expect(truth.check(question({ proof: { issuedAt: 200 } }), ({ id }) => hits.push(id))).toBeNull()
    expect(hits).toHaveLength(1)
  })
})

test("property, case 44: what is forgotten is what no living token can be older than, or has run out, and nothing else", () => {
  const lifeMs = 10_000
  const nowMs = 100_000
  const any = fc.record({
    level: fc.constantFrom(...levels),
    target: fc.constantFrom("", "a", "b"),
    before_ms: fc.option(fc.integer({ min: 80_000, max: nowMs }), { nil: null }),
    created_at: fc.integer({ min: 80_000, max: nowMs }),
    expires_at: fc.option(fc.integer({ min: 90_000, max: 110_000 }), { nil: null }),
    mode: fc.constantFrom("enforce" as const, "shadow" as const),
  })
  fc.assert(
    fc.property(
      fc.array(any, { maxLength: 20 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 5 }),
      (given, isBound, stride) => {
        const truth = createTruth()
        const rows = given.map(row)
        for (const one of rows) truth.add(one)
        const isOver = ({ level, before_ms, created_at, expires_at }: RevocationRow): boolean =>
          (expires_at !== null && expires_at < nowMs) ||
          (isBound &&
            (level === "app" || level === "user") &&
            before_ms !== null &&
            before_ms < nowMs - lifeMs &&
            created_at < nowMs - lifeMs)
        const walk = truth.prune(nowMs, () => (isBound ? lifeMs : null), stride)
        let step = walk.next()
        while (step.done !== true) step = walk.next()
        const over = rows.filter(isOver)
        expect(step.value).toBe(over.length)
        expect(truth.size).toBe(rows.length - over.length)
        // Each of those that stay can be taken out, none of the others can.
        for (const one of over) truth.remove(one)
        expect(truth.size).toBe(rows.length - over.length)
        for (const one of rows) truth.remove(one)
        expect(truth.size).toBe(0)
        expect(truth.appIds()).toEqual([])
      },
    ),
    { numRuns: 1_000 },
  )
})

const anyRow = fc.record({
  level: fc.constantFrom(...levels),
  isOwn: fc.boolean(),
  before_ms: fc.option(
    fc.integer({ min: 0, max: 20 }).map((seconds) => seconds * 1000),
    { nil: null },
  ),
  mode: fc.constantFrom("enforce" as const, "shadow" as const),
})
const rowOf = ({
  level,
  isOwn,
  ...rest
}: {
  level: Level
  isOwn: boolean
  before_ms: number | null
  mode: "enforce" | "shadow"
}) => row({ level, target: isOwn ? targets[level] : "somebody", ...rest })

test("property, cases 40 and 41: whatever is set, in any order, and undone in any order, the latest cut-off counts", () => {
  fc.assert(
    fc.property(
      fc.array(anyRow, { maxLength: 12 }),
      fc.array(fc.nat(11), { maxLength: 12 }),
      fc.option(fc.integer({ min: 0, max: 20 }), { nil: null }),
      fc.boolean(),
      (given, undone, issuedAt, isServer) => {
        const truth = createTruth()
        const rows = given.map(rowOf)
        for (const one of rows) truth.add(one)
        // News comes twice when two nodes tell it.
        for (const one of rows) truth.add(one)
        const gone = new Set(undone.filter((index) => index < rows.length))
        for (const index of gone) truth.remove(rows[index] as RevocationRow)
        expect(truth.size).toBe(rows.length - gone.size)
        const left = rows.filter((_, index) => !gone.has(index))
        const isEnded = left.some(
          ({ level, target, before_ms, mode }) =>
            mode === "enforce" &&
            !(level === "app" && (isServer || target !== "")) &&
            target === targets[level] &&
            (before_ms === null || issuedAt === null || issuedAt < before_ms / 1000),
        )
        const asked = question({ isServer, proof: { issuedAt } })
        expect(truth.check(asked, null) !== null).toBe(isEnded)
      },
    ),
    { numRuns: 2_000 },
  )
})

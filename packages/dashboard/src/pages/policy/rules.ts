// The rules of a token policy as the page speaks of them, and what a change of them would refuse. Pure.

import type { CallInput, CallOutput } from "../../api/client.ts"

export type Policy = CallOutput<"GetTokenPolicy">["policy"]
export type Warning = CallOutput<"GetTokenPolicy">["warnings"][number]
export type Session = CallOutput<"ListSessions">["sessions"][number]
export type PolicyChange = NonNullable<CallInput<"UpdateTokenPolicy">["body"]>
export type Kind = Policy["allowed_kinds"][number]
export type Rule = Exclude<keyof Policy, "preset">

export const kinds: readonly (readonly [kind: Kind, meaning: string])[] = [
  ["user", "one user's device"],
  ["server", "your backend, which may do everything"],
  ["call", "certain calls and channels only"],
  ["guest", "somebody without an account"],
  ["anonymous", "nobody in particular, without a token"],
  ["development", "unsigned, and only while the app's switch for it is on"],
  ["feeds", "the older tokens of feeds"],
]

const all = kinds.map(([kind]) => kind)

/** What each preset sets; the server has the same, and a test compares them. */
export const presets: Readonly<Record<Policy["preset"], Policy>> = {
  strict: {
    preset: "strict",
    require_exp: true,
    require_iat: true,
    max_lifetime_seconds: 86_400,
    server_max_age_seconds: 3_600,
    leeway_seconds: 5,
    allowed_kinds: all,
    iss: null,
    aud: null,
  },
  compatible: {
    preset: "compatible",
    require_exp: false,
    require_iat: false,
    max_lifetime_seconds: null,
    server_max_age_seconds: null,
    leeway_seconds: 5,
    allowed_kinds: all,
    iss: null,
    aud: null,
  },
}

const ruleNames: readonly Rule[] = [
  "require_exp",
  "require_iat",
  "max_lifetime_seconds",
  "server_max_age_seconds",
  "leeway_seconds",
  "allowed_kinds",
  "iss",
  "aud",
]

/** Rules that two policies do not have in common. */
export const differences = (a: Policy, b: Policy): Rule[] => ruleNames.filter((rule) => !isSame(a[rule], b[rule]))

const isSame = (a: unknown, b: unknown): boolean =>
  Array.isArray(a) && Array.isArray(b) ? a.length === b.length && a.every((item) => b.includes(item)) : a === b

/** What to send for a change; empty: there is none. A preset that stays is not sent, since it would reset the rules. */
export function changeOf(before: Policy, after: Policy): PolicyChange {
  const rules = differences(before, after)
  if (before.preset !== after.preset) {
    return { ...after, allowed_kinds: [...after.allowed_kinds] }
  }
  return Object.fromEntries(rules.map((rule) => [rule, after[rule]]))
}

/** What stops a policy from being saved; the server says the same. Null: nothing. */
export function contradiction({
  max_lifetime_seconds,
  require_exp,
  require_iat,
  allowed_kinds,
}: Policy): string | null {
  if (max_lifetime_seconds !== null && !(require_exp && require_iat)) {
    return "A bound on the life of tokens needs both exp and iat: without them nobody knows how long a token lives."
  }
  if (allowed_kinds.length === 0) return "No kind of token is allowed: nobody could do anything, your backend included."
  return null
}

/** Rules as warnings and refusals name them. */
export const warningRules: Readonly<Record<string, string>> = {
  require_exp: "no expiry (exp)",
  require_iat: "no time of issue (iat)",
  max_lifetime: "lives longer than a day",
  server_max_age: "server token without exp, older than an hour",
  allowed_kinds: "kind is not allowed",
  iss: "other issuer",
  aud: "other audience",
}

/** One thing that a change would refuse from then on. */
export interface Impact {
  readonly key: string
  readonly what: string
  /** Tokens that are let in now and would be refused, of the latest that were looked at; null: not known one by one. */
  readonly tokens: number | null
  readonly users: number
  /** How often such tokens came so far; null: that is not counted. */
  readonly count: number | null
  readonly lastSeen: string | null
  readonly clients: readonly string[]
}

interface Test {
  readonly key: string
  readonly what: string
  /** The warning that counts the same; null: none does. */
  readonly warning: string | null
  /** Whether the tokens themselves tell; server tokens are not kept one by one. */
  readonly refuses: ((session: Session) => boolean) | null
}

/** What a change would refuse, from the latest tokens and from what the policy has warned of. */
export function impactOf(
  before: Policy,
  after: Policy,
  sessions: readonly Session[],
  warnings: readonly Warning[],
): Impact[] {
  const letIn = sessions.filter(({ state }) => state === "live" || state === "recent")
  return testsOf(before, after).map(({ key, what, warning: rule, refuses }) => {
    const refused = refuses === null ? [] : letIn.filter(refuses)
    const warned = warnings.find((warning) => warning.rule === rule)
    const clients = [...refused.map(({ client }) => client), warned?.client ?? null]
    return {
      key,
      what,
      tokens: refuses === null ? null : refused.length,
      users: new Set(refused.map(({ user_id }) => user_id)).size,
      count: rule === null ? null : (warned?.count ?? 0),
      lastSeen:
        [...refused.map(({ last_seen }) => last_seen), ...(warned ? [warned.last_seen] : [])].toSorted().at(-1) ?? null,
      clients: [...new Set(clients.filter((client) => client !== null))],
    }
  })
}

function testsOf(before: Policy, after: Policy): Test[] {
  const tests: Test[] = []
  if (after.require_exp && !before.require_exp) {
    tests.push({
      key: "require_exp",
      what: "User tokens without an expiry",
      warning: "require_exp",
      refuses: (session) => isOfUser(session) && session.expires_at === null,
    })
  }
  if (after.require_iat && !before.require_iat) {
    tests.push({
      key: "require_iat",
      what: "User tokens that do not say when they were made",
      warning: "require_iat",
      refuses: (session) => isOfUser(session) && session.issued_at === null,
    })
  }
  const [max, maxBefore] = [after.max_lifetime_seconds, before.max_lifetime_seconds]
  if (max !== null && (maxBefore === null || max < maxBefore)) {
    tests.push({
      key: "max_lifetime",
      what: "User tokens that live longer",
      warning: maxBefore === null ? "max_lifetime" : null,
      refuses: (session) => isOfUser(session) && (lifeSecondsOf(session) ?? 0) > max,
    })
  }
  const [age, ageBefore] = [after.server_max_age_seconds, before.server_max_age_seconds]
  if (age !== null && (ageBefore === null || age < ageBefore)) {
    tests.push({
      key: "server_max_age",
      what: "Old server tokens without an expiry",
      warning: ageBefore === null ? "server_max_age" : null,
      refuses: null,
    })
  }
  for (const kind of before.allowed_kinds) {
    if (after.allowed_kinds.includes(kind)) continue
    tests.push({
      key: `kind:${kind}`,
      what: `Tokens of the kind ${kind}`,
      warning: null,
      refuses: kind === "server" || kind === "anonymous" ? null : (session) => session.kind === kind,
    })
  }
  for (const name of ["iss", "aud"] as const) {
    if (after[name] === null || after[name] === before[name]) continue
    tests.push({
      key: name,
      what: `Tokens whose ${name} is not ${JSON.stringify(after[name])}`,
      warning: null,
      refuses: null,
    })
  }
  return tests
}

const isOfUser = ({ kind }: Session): boolean => kind !== "server" && kind !== "development"

function lifeSecondsOf({ issued_at, expires_at }: Session): number | null {
  if (issued_at === null || expires_at === null) return null
  return (Date.parse(expires_at) - Date.parse(issued_at)) / 1_000
}

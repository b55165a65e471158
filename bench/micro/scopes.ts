// Question: what does it cost to ask a narrowed token's scopes, beside the same decision without any? Prints one JSON
// line per row: {"name", "nanoseconds"} of one answer. Patterns with one wildcard are the dear ones, because they are
// compared one after the other; the last of them matches, or none. The rows take turns in rounds of about a
// millisecond and the quarter of fast rounds decides, so that other load on the machine does not count.

import { parseScopes } from "@weir/protocol"
import { type Action, isAllowed, type Resource } from "../../packages/server/src/authorize/decide.ts"
import { compileGrants } from "../../packages/server/src/authorize/grants.ts"
import { isCovered } from "../../packages/server/src/authorize/scopes.ts"

const rounds = 400
const perRound = 2_000
const patternCounts = [1, 10, 100]

const action: Action = { id: "create-message", name: "CreateMessage", level: "write" }
const name = "chat:messaging:general-0099"
const others = Array.from({ length: 64 }, (_, at) => `chat:messaging:general-${String(at + 200).padStart(4, "0")}`)
const grants = compileGrants({ channel_member: ["create-message"] })
const resource: Resource = {
  kind: "channel",
  id: name.slice("chat:".length),
  name,
  scope: "messaging",
  grants,
  relationRoles: ["channel_member"],
  ownerId: null,
  team: null,
}

const numbered = (at: number): string => String(at).padStart(4, "0")
/** `count` patterns of which the last alone covers `name`. */
const claim = (count: number, pattern: (number: string) => string) =>
  parseScopes(
    Object.fromEntries(
      Array.from({ length: count }, (_, at) => [pattern(numbered(at + 100 - count)), ["read", "write"]]),
    ),
  )
const exact = (number: string): string => `chat:messaging:general-${number}`
const prefix = (number: string): string => `chat:messaging:*${number}`
const inBoth = (number: string): string => `chat:mess*ing:gen*${number}`

const user = {
  kind: "user",
  appId: 1,
  apiKey: "a1b2c3d4e5f6",
  userId: "jessica",
  role: "user",
  teams: [],
  issuedAt: null,
  expiresAt: null,
  calls: null,
  bans: null,
  proof: null,
} as const
const free = { ...user, scopes: null }
const narrowed = (count: number) => ({ ...user, scopes: claim(count, prefix) })

let hits = 0
const asks = (scopes: ReturnType<typeof claim>, names: readonly string[]) => (from: number) => {
  for (let at = from; at < from + perRound; at++) {
    if (isCovered(scopes, action, names[at % names.length] as string)) hits += 1
  }
}
const decides = (principal: typeof free | ReturnType<typeof narrowed>) => () => {
  for (let at = 0; at < perRound; at++) if (isAllowed(principal, action, resource)) hits += 1
}

const rows = [
  { name: "decision without scopes", run: decides(free) },
  ...patternCounts.map((count) => ({ name: `decision with ${count} patterns`, run: decides(narrowed(count)) })),
  ...patternCounts.flatMap((count) => [
    { name: `${count} exact, covered`, run: asks(claim(count, exact), [name]) },
    { name: `${count} with a wildcard, covered by the last`, run: asks(claim(count, prefix), [name]) },
    { name: `${count} with a wildcard, not covered`, run: asks(claim(count, prefix), others) },
    { name: `${count} with two wildcards, not covered`, run: asks(claim(count, inBoth), others) },
  ]),
]

const nanoseconds = rows.map((): number[] => [])
for (let round = 0; round < rounds; round++) {
  for (const [index, row] of rows.entries()) {
    const startedAt = Bun.nanoseconds()
    row.run(round * perRound)
    nanoseconds[index]?.push((Bun.nanoseconds() - startedAt) / perRound)
  }
}
if (hits === 0) throw new Error("nothing was covered")
for (const [index, row] of rows.entries()) {
  const sorted = (nanoseconds[index] as number[]).sort((a, b) => a - b)
  console.log(JSON.stringify({ name: row.name, nanoseconds: Math.round(sorted[Math.floor(rounds / 4)] as number) }))
}

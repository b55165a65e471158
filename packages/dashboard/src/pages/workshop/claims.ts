// Claims as rows: what each is, and times as people read them. Pure.

export interface ClaimRow {
  readonly name: string
  readonly value: string
  /** Milliseconds, where the claim is a time that a Date can hold. */
  readonly at: number | null
  readonly meaning: string | null
}

const times = new Set(["exp", "iat", "nbf"])
const meanings: Readonly<Record<string, string>> = {
  alg: "how it is signed",
  typ: "what it is",
  kid: "the secret that it names",
  user_id: "whom it is for",
  server: "for a backend",
  exp: "expires",
  iat: "issued",
  nbf: "not before",
  jti: "its id, by which it can be revoked",
  device_id: "the device that it is for",
  scopes: "what it is narrowed to",
  call_cids: "calls that it opens",
  channel_cids: "channels that it opens",
  role: "role on those calls",
  iss: "who issued it",
  aud: "whom it is meant for",
}

/** The members of a header or payload, in their order. */
export const claimRows = (claims: Readonly<Record<string, unknown>>): ClaimRow[] =>
  Object.entries(claims).map(([name, value]) => ({
    name,
    value: typeof value === "string" ? value : JSON.stringify(value),
    at: times.has(name) && typeof value === "number" ? timeOf(value) : null,
    meaning: meanings[name] ?? null,
  }))

// Claims may lie beyond what a Date can hold.
function timeOf(seconds: number): number | null {
  const at = seconds * 1_000
  return Number.isNaN(new Date(at).getTime()) ? null : at
}

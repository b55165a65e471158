// How sessions are spoken of: a session is a token that was seen, and the sockets that are open under it.

import { Badge, Text } from "@mantine/core"
import type { ReactNode } from "react"
import type { CallOutput } from "../../api/client.ts"
import type { Column } from "../../parts/table.tsx"
import { absoluteTime } from "../../parts/time.tsx"
import { When } from "../../parts/when.tsx"

export type Session = CallOutput<"ListSessions">["sessions"][number]
export type SessionState = Session["state"]

const stateWords: Readonly<Record<SessionState, { word: string; color: string }>> = {
  live: { word: "live", color: "teal" },
  recent: { word: "recent", color: "blue" },
  revoked: { word: "revoked", color: "red" },
  expired: { word: "expired", color: "gray" },
}

export const SessionState = ({ state }: { state: SessionState }) => (
  <Badge variant="light" color={stateWords[state].color} miw="max-content">
    {stateWords[state].word}
  </Badge>
)

/** Columns that every list of sessions shows. */
export const sessionColumns: readonly Column<Session>[] = [
  { header: "State", cell: ({ state }) => <SessionState state={state} /> },
  {
    header: "Client",
    cell: ({ client, address }) => (
      <>
        <Text size="sm" lineClamp={1} className="weir-break" maw={280}>
          {client ?? "unknown"}
        </Text>
        <Text size="sm" c="dimmed" ff="monospace">
          {address}
        </Text>
      </>
    ),
    wide: true,
  },
  { header: "Sockets", numeric: true, cell: ({ sockets }) => sockets.length, wide: true },
  { header: "Last seen", cell: ({ last_seen }) => <When at={last_seen} /> },
  { header: "Expires", cell: ({ expires_at }) => <When at={expires_at} />, wide: true },
]

/** Facts of a session, for its details. */
export const sessionFacts = (session: Session): (readonly [string, ReactNode])[] => [
  ["Token type", session.kind],
  ["API key", <code key="key">{session.api_key}</code>],
  ["Signed by secret", session.kid === null ? "no secret" : <code key="kid">{session.kid}</code>],
  ["Issued", session.issued_at === null ? "unknown" : absoluteTime(session.issued_at)],
  ["Expires", session.expires_at === null ? "never" : absoluteTime(session.expires_at)],
  ["First seen", absoluteTime(session.first_seen)],
  ["Last seen", absoluteTime(session.last_seen)],
  ["Uses", session.uses],
  ["Address", <code key="address">{session.address}</code>],
  ["Device", session.device_id ?? "unknown"],
  ["Token id (jti)", session.jti ?? "none"],
  ["Client", session.client ?? "unknown"],
]

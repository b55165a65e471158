// The secrets of a key as a table: those in use first, revoked ones at the end.

import { Text } from "@mantine/core"
import type { ReactNode } from "react"
import { type Column, DataTable } from "../../parts/table.tsx"
import { relativeTime, TimeAgo } from "../../parts/time.tsx"
import { ClientBadges } from "./client-badges.tsx"
import { counted } from "./cut-off.tsx"
import { StateBadge } from "./state-badge.tsx"
import type { Key, Secret, SecretState } from "./wire.ts"

const order: Readonly<Record<SecretState, number>> = { active: 0, retiring: 1, standby: 2, revoked: 3 }
const byState = (a: Secret, b: Secret): number =>
  order[a.state] - order[b.state] || Date.parse(b.created_at) - Date.parse(a.created_at)

const number = new Intl.NumberFormat("en")

const OneLine = ({ children }: { children: ReactNode }) => <div style={{ whiteSpace: "nowrap" }}>{children}</div>

const columns: readonly Column<Secret>[] = [
  {
    header: "Secret",
    cell: ({ kid, label, alg, imported, last_used_at, usage }) => (
      <>
        {label === "" ? null : (
          <Text size="sm" fw={600}>
            {label}
          </Text>
        )}
        <Text size="sm" ff="monospace">
          {kid}
        </Text>
        <Text size="xs" c="dimmed">
          {imported ? `${alg}, imported` : alg}
        </Text>
        <Text size="xs" c="dimmed" hiddenFrom="sm">
          {last_used_at === null
            ? "no use seen"
            : `${counted(usage.tokens, "token")}, used ${relativeTime(last_used_at)}`}
        </Text>
      </>
    ),
  },
  { header: "State", cell: ({ state }) => <StateBadge state={state} /> },
  {
    header: "Created",
    wide: true,
    cell: ({ created_at, created_by }) => (
      <>
        <OneLine>
          <TimeAgo at={created_at} />
        </OneLine>
        <Text size="xs" c="dimmed">
          by {created_by}
        </Text>
      </>
    ),
  },
  {
    header: "Last use",
    wide: true,
    cell: ({ last_used_at, last_address }) => (
      <>
        <OneLine>
          <TimeAgo at={last_used_at} fallback="no use seen" />
        </OneLine>
        {last_address === null ? null : (
          <Text size="xs" c="dimmed">
            from {last_address}
          </Text>
        )}
      </>
    ),
  },
  {
    header: "Tokens",
    numeric: true,
    wide: true,
    cell: ({ usage }) => (
      <>
        {number.format(usage.tokens)}
        <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
          of {counted(usage.users, "user")}
        </Text>
      </>
    ),
  },
  { header: "Clients", wide: true, cell: ({ usage }) => <ClientBadges clients={usage.clients} /> },
]

export interface SecretTableProps {
  apiKey: Key | undefined
  /** What can be done to a secret, in a last column. */
  actionsOf?: (secret: Secret) => ReactNode
  empty: ReactNode
  hideRevoked?: boolean
}

export function SecretTable({ apiKey, actionsOf, empty, hideRevoked = false }: SecretTableProps) {
  const rows = apiKey?.secrets.filter(({ state }) => !hideRevoked || state !== "revoked").toSorted(byState)
  return (
    <DataTable
      caption={apiKey === undefined ? "Secrets" : `Secrets of the key ${apiKey.label} ${apiKey.api_key}`}
      columns={actionsOf === undefined ? columns : [...columns, { header: "Actions", cell: actionsOf }]}
      rows={rows}
      keyOf={({ kid }) => kid}
      empty={empty}
    />
  )
}

// The secrets of a key as a table: those in use first, revoked ones at the end.

import { Text } from "@mantine/core"
import type { ReactNode } from "react"
import { type Column, DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { ClientBadges } from "./client-badges.tsx"
import { StateBadge } from "./state-badge.tsx"
import type { Key, Secret, SecretState } from "./wire.ts"

const order: Readonly<Record<SecretState, number>> = { active: 0, retiring: 1, standby: 2, revoked: 3 }
const byState = (a: Secret, b: Secret): number =>
  order[a.state] - order[b.state] || Date.parse(b.created_at) - Date.parse(a.created_at)

const number = new Intl.NumberFormat("en")

const columns: readonly Column<Secret>[] = [
  {
    header: "Secret",
    cell: ({ kid, label, imported }) => (
      <>
        {label === "" ? null : (
          <Text size="sm" fw={600}>
            {label}
          </Text>
        )}
        <Text size="sm" ff="monospace">
          {kid}
        </Text>
        {imported ? (
          <Text size="xs" c="dimmed">
            imported
          </Text>
        ) : null}
      </>
    ),
  },
  { header: "State", cell: ({ state }) => <StateBadge state={state} /> },
  { header: "Algorithm", cell: ({ alg }) => alg, wide: true },
  {
    header: "Made",
    wide: true,
    cell: ({ created_at, created_by }) => (
      <>
        <TimeAgo at={created_at} />
        <Text size="xs" c="dimmed">
          by {created_by}
        </Text>
      </>
    ),
  },
  {
    header: "Last use",
    cell: ({ last_used_at, last_address }) => (
      <>
        <TimeAgo at={last_used_at} fallback="no use seen" />
        {last_address === null ? null : (
          <Text size="xs" c="dimmed">
            from {last_address}
          </Text>
        )}
      </>
    ),
  },
  { header: "Tokens", numeric: true, cell: ({ usage }) => number.format(usage.tokens) },
  { header: "Users", numeric: true, wide: true, cell: ({ usage }) => number.format(usage.users) },
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
      caption={apiKey === undefined ? "Secrets" : `Secrets of the key ${apiKey.label || apiKey.api_key}`}
      columns={actionsOf === undefined ? columns : [...columns, { header: "Actions", cell: actionsOf }]}
      rows={rows}
      keyOf={({ kid }) => kid}
      empty={empty}
    />
  )
}

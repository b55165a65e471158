// What a change of the policy would refuse, before it is made.

import { Text } from "@mantine/core"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import type { Impact } from "./rules.ts"

const number = new Intl.NumberFormat("en")

export function ImpactTable({ impacts, looked }: { impacts: readonly Impact[]; looked: number }) {
  return (
    <>
      <DataTable
        caption="Tokens that the change would refuse"
        rows={impacts}
        keyOf={({ key }) => key}
        columns={[
          { header: "Would be refused", cell: ({ what }) => what },
          {
            header: "Tokens now",
            numeric: true,
            cell: ({ tokens, users }) =>
              tokens === null ? "not known" : tokens === 0 ? "0" : `${number.format(tokens)} of ${users} users`,
          },
          {
            header: "Times so far",
            numeric: true,
            cell: ({ count }) => (count === null ? "not counted" : number.format(count)),
          },
          { header: "Last seen", cell: ({ lastSeen }) => <TimeAgo at={lastSeen} fallback="none seen" /> },
          {
            header: "Clients",
            cell: ({ clients }) => (clients.length === 0 ? "–" : clients.slice(0, clientsShownMax).join(", ")),
          },
        ]}
        empty={
          <Text size="sm" px="md" pb="sm">
            The change refuses nothing that is let in now.
          </Text>
        }
      />
      {impacts.length === 0 ? null : (
        <Text size="xs" c="dimmed" p="md" pt="xs">
          Tokens now: those among the latest {number.format(looked)} user tokens that are let in at the moment. Times so
          far: what this policy has warned of.
        </Text>
      )}
    </>
  )
}

const clientsShownMax = 3

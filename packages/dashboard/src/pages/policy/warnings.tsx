// What came that a strict policy would have refused.

import { Text } from "@mantine/core"
import { CheckCircleIcon } from "@primer/octicons-react"
import { EmptyState } from "../../parts/empty.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { type Warning, warningRules } from "./rules.ts"

const number = new Intl.NumberFormat("en")

export function Warnings({ warnings }: { warnings: readonly Warning[] | undefined }) {
  return (
    <Section
      title="What strict would have refused"
      description="Tokens that this policy let pass. When the list stays still, strict hurts nobody."
      flush
    >
      <DataTable
        caption="Rules of the strict policy that tokens would have broken"
        rows={warnings}
        keyOf={({ rule, kid, client }) => `${rule}|${kid}|${client}`}
        columns={[
          {
            header: "Rule",
            cell: ({ rule }) => (
              <>
                <Text size="sm">{warningRules[rule] ?? rule}</Text>
                <Text size="xs" c="dimmed" ff="monospace">
                  {rule}
                </Text>
              </>
            ),
          },
          { header: "Times", numeric: true, cell: ({ count }) => number.format(count) },
          { header: "Last seen", cell: ({ last_seen }) => <TimeAgo at={last_seen} /> },
          { header: "First seen", wide: true, cell: ({ first_seen }) => <TimeAgo at={first_seen} /> },
          { header: "Latest client", cell: ({ client }) => client ?? "no name sent" },
          { header: "Secret", wide: true, cell: ({ kid }) => (kid === null ? "–" : <code>{kid}</code>) },
        ]}
        empty={
          <EmptyState icon={CheckCircleIcon} title="Nothing was seen that strict would refuse">
            Tokens are looked at as they come. Wait until each of your clients has been here once.
          </EmptyState>
        }
      />
    </Section>
  )
}

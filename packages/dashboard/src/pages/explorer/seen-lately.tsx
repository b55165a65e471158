// A list of what was asked for of late, as a way in where the API has no list.

import { Text } from "@mantine/core"
import { useLocation } from "wouter"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import type { Name } from "./open-by-name.tsx"
import { useSeen } from "./seen.ts"

export interface SeenLatelyProps {
  /** In the plural, such as «Calls». */
  what: string
  operations: readonly [string, string]
  /** Finds type and id in the path of a request. */
  pattern: RegExp
  addressOf: (name: Name) => string
}

const rowsMax = 15

export function SeenLately({ what, operations, pattern, addressOf }: SeenLatelyProps) {
  const [, go] = useLocation()
  const { allowed, rows, error } = useSeen(operations, pattern)
  if (!allowed) return null
  const lower = what.toLowerCase()
  return (
    <Section
      title="Recently used"
      description={`${what} in the latest requests of this app. Others are there as well: open one by its name.`}
      flush
    >
      <DataTable
        caption={`${what} that were asked for lately`}
        rows={rows?.slice(0, rowsMax)}
        error={error}
        keyOf={({ name }) => name}
        onOpen={(name) => go(addressOf(name))}
        columns={[
          {
            header: "Name",
            cell: ({ name }) => (
              <Text size="sm" fw={500} className="weir-break">
                {name}
              </Text>
            ),
          },
          { header: "By", cell: ({ user_id }) => user_id ?? "a backend", wide: true },
          { header: "When", cell: ({ at }) => <TimeAgo at={at} /> },
        ]}
        empty={
          <Text size="sm" c="dimmed" px="md" pb="md">
            The latest requests name no {lower}.
          </Text>
        }
      />
    </Section>
  )
}

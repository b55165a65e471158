// Roles: choosing one, and the table of what each may.

import { Radio, Stack, Text } from "@mantine/core"
import { CheckIcon } from "@primer/octicons-react"
import type { OperatorAction, OperatorRole } from "@weir/protocol"
import type { CallOutput } from "../../api/client.ts"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { actionTexts, roleTexts } from "./words.ts"

type Roles = CallOutput<"ListOperators">["roles"]

export interface RoleChoiceProps {
  value: OperatorRole
  onChange: (role: OperatorRole) => void
  /** Only owners make owners. */
  withOwner: boolean
}

export const RoleChoice = ({ value, onChange, withOwner }: RoleChoiceProps) => (
  <Radio.Group label="Role" value={value} onChange={(role) => onChange(role as OperatorRole)}>
    <Stack gap="xs" mt="xs">
      {(Object.keys(roleTexts) as OperatorRole[])
        .filter((role) => withOwner || role !== "owner")
        .map((role) => (
          <Radio key={role} value={role} label={role} description={roleTexts[role]} />
        ))}
    </Stack>
  </Radio.Group>
)

/** Undefined while they load. */
export function RoleMatrix({ roles }: { roles: Roles | undefined }) {
  const actions = Object.keys(actionTexts) as OperatorAction[]
  return (
    <Section flush title="What each role may" description="As the server decides it for every request.">
      <DataTable
        caption="Actions by role"
        rows={roles === undefined ? undefined : actions}
        keyOf={(action) => action}
        columns={[
          {
            header: "Action",
            cell: (action) => (
              <Stack gap={0}>
                <Text size="sm">{actionTexts[action]}</Text>
                <Text size="xs" c="dimmed">
                  {action}
                </Text>
              </Stack>
            ),
          },
          ...(roles ?? []).map(({ role, actions: held }) => ({
            header: role,
            cell: (action: OperatorAction) =>
              held.includes(action) ? (
                <CheckIcon aria-label="may" />
              ) : (
                <Text span size="sm" c="dimmed" aria-label="may not">
                  –
                </Text>
              ),
          })),
        ]}
        empty={null}
      />
    </Section>
  )
}

// One number that matters, with what to compare it with.

import { Group, Paper, Skeleton, Text } from "@mantine/core"
import type { ReactNode } from "react"

export interface StatProps {
  label: string
  /** Undefined while it loads. */
  value: ReactNode
  /** What it is compared with, or of what it is a part. */
  hint?: ReactNode
}

export const Stat = ({ label, value, hint }: StatProps) => (
  <Paper withBorder radius="md" p="md" component="section" aria-label={label}>
    <Text size="sm" c="dimmed">
      {label}
    </Text>
    {value === undefined ? (
      <Skeleton h={28} w={80} my={4} />
    ) : (
      <Group align="baseline" gap="xs">
        <Text fz={22} fw={650} className="weir-number" lh={1.4} style={{ whiteSpace: "nowrap" }}>
          {value}
        </Text>
      </Group>
    )}
    <Text size="xs" c="dimmed" mih={18}>
      {hint}
    </Text>
  </Paper>
)

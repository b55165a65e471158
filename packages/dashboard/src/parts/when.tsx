// A time in a table: on one line, however narrow the column.

import { Text } from "@mantine/core"
import { TimeAgo } from "./time.tsx"

export const When = ({ at }: { at: string | number | null }) => (
  <Text span size="sm" style={{ whiteSpace: "nowrap" }}>
    <TimeAgo at={at} />
  </Text>
)

// Names and values of one thing.

import { Box, SimpleGrid, Text } from "@mantine/core"
import type { ReactNode } from "react"

export function Facts({
  facts,
  cols = 3,
}: {
  facts: readonly (readonly [name: string, value: ReactNode])[]
  cols?: number
}) {
  return (
    <SimpleGrid component="dl" cols={{ base: 2, md: cols }} spacing="md" verticalSpacing="sm" m={0}>
      {facts.map(([name, value]) => (
        <Box key={name} style={{ minWidth: 0 }}>
          <Text component="dt" size="xs" c="dimmed">
            {name}
          </Text>
          <Box component="dd" m={0} fz="sm" className="weir-break">
            {value ?? "–"}
          </Box>
        </Box>
      ))}
    </SimpleGrid>
  )
}

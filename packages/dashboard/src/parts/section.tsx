// A card with a heading; pages are made of them.

import { Box, Group, Paper, Text, Title } from "@mantine/core"
import type { ReactNode } from "react"

export interface SectionProps {
  title?: string
  description?: ReactNode
  actions?: ReactNode
  children: ReactNode
  /** The content reaches the edges, as tables do. */
  flush?: boolean
}

export function Section({ title, description, actions, children, flush = false }: SectionProps) {
  return (
    <Paper component="section" withBorder radius="md" mb="lg" aria-label={title}>
      {title || actions ? (
        <Group justify="space-between" px="md" pt="md" pb={flush ? "sm" : 0} gap="sm">
          <Box maw={720}>
            {title ? (
              <Title order={2} size="h5">
                {title}
              </Title>
            ) : null}
            {description ? (
              <Text size="sm" c="dimmed">
                {description}
              </Text>
            ) : null}
          </Box>
          {actions ? <Group gap="xs">{actions}</Group> : null}
        </Group>
      ) : null}
      <Box p={flush ? 0 : "md"}>{children}</Box>
    </Paper>
  )
}

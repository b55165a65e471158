// A list without entries says what would be here and what to do next.

import { Box, Stack, Text, ThemeIcon, Title } from "@mantine/core"
import type { Icon } from "@primer/octicons-react"
import type { ReactNode } from "react"

export interface EmptyStateProps {
  icon: Icon
  title: string
  children?: ReactNode
  /** It is the whole page, and its title the page's. */
  isPage?: boolean
  /** What to do next. */
  action?: ReactNode
}

export function EmptyState({ icon: Shape, title, children, isPage = false, action }: EmptyStateProps) {
  return (
    <Box py={48} px="md">
      <Stack align="center" gap="sm">
        <ThemeIcon size={48} radius="xl" variant="light" aria-hidden>
          <Shape size={22} />
        </ThemeIcon>
        <Title order={isPage ? 1 : 2} size="h4" ta="center">
          {title}
        </Title>
        {children ? (
          <Text c="dimmed" size="sm" ta="center" maw={460}>
            {children}
          </Text>
        ) : null}
        {action}
      </Stack>
    </Box>
  )
}

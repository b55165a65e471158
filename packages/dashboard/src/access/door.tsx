// The frame of pages for those who are not logged in.

import { Center, Paper, Stack, Text, Title } from "@mantine/core"
import { type ReactNode, useEffect } from "react"
import { Mark } from "../shell/mark.tsx"

export function Door({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Weir`
  }, [title])
  return (
    <Center mih="100vh" p="md" component="main">
      <Stack w="100%" maw={420} gap="lg">
        <Stack align="center" gap="xs">
          <Mark size={44} />
          <Title order={1} size="h3" ta="center">
            {title}
          </Title>
          {lead ? (
            <Text c="dimmed" size="sm" ta="center">
              {lead}
            </Text>
          ) : null}
        </Stack>
        <Paper withBorder p="lg" radius="md">
          {children}
        </Paper>
      </Stack>
    </Center>
  )
}

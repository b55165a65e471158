// One user: connection, failures, what they do, and what happened to them.

import {
  Alert,
  Anchor,
  Avatar,
  Badge,
  Box,
  Group,
  Paper,
  ScrollArea,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  Title,
} from "@mantine/core"
import { CallSide } from "./call.tsx"
import { Chat, type SideProps } from "./chat.tsx"
import { FeedSide } from "./feed.tsx"
import type { DemoUserView, Failure, LogEntry } from "./user.ts"

export type Part = "chat" | "feed" | "call"

const parts = { chat: Chat, feed: FeedSide, call: CallSide } as const

const connections: Record<DemoUserView["connection"], readonly [word: string, color: string]> = {
  idle: ["not connected", "gray"],
  connecting: ["connecting", "gray"],
  online: ["online", "teal"],
  reconnecting: ["reconnecting", "yellow"],
  closed: ["closed", "gray"],
  failed: ["ended", "red"],
}

const failures: readonly [failure: Failure, label: string, hint: string][] = [
  ["expire", "Expire the token", "A token of 10 seconds that is not renewed"],
  ["revoke", "Revoke the user", "Every token and socket ends now, for good"],
  ["narrow", "Narrow the token", "Reading goes on, everything else is refused"],
]

export interface UserSideProps extends Omit<SideProps, "session"> {
  view: DemoUserView
  part: Part
  appId: number
  /** Both users are there, so that they can meet. */
  isReady: boolean
}

export function UserSide({ me, other, places, view, part, appId, isReady }: UserSideProps) {
  const [word, color] = connections[view.connection]
  return (
    <Paper withBorder radius="md" component="section" aria-label={me.name}>
      <Group justify="space-between" p="md" pb="sm" wrap="nowrap">
        <Group gap="sm" wrap="nowrap">
          <Avatar name={me.name} color="initials" radius="xl" size={36} />
          <div>
            <Title order={2} size="h5">
              {me.name}
            </Title>
            <Text size="xs" c="dimmed">
              {me.id}
            </Text>
          </div>
        </Group>
        <Badge color={color} variant="light" role="status">
          {word}
        </Badge>
      </Group>
      <Box px="md" pb="sm">
        <SimpleGrid component="fieldset" cols={{ base: 1, lg: 3 }} spacing="sm" verticalSpacing={6} bd={0} p={0} m={0}>
          <Text component="legend" size="xs" c="dimmed" p={0} mb={6}>
            What goes wrong for {me.name}
          </Text>
          {failures.map(([failure, label, hint]) => (
            <Switch
              key={failure}
              size="sm"
              label={label}
              description={hint}
              checked={view.failure === failure}
              disabled={view.busy || !isReady}
              onChange={(event) => void me.setFailure(event.currentTarget.checked ? failure : null)}
            />
          ))}
        </SimpleGrid>
      </Box>
      <Box px="md" py="sm" style={{ borderBlock: "1px solid var(--mantine-color-default-border)" }}>
        {isReady ? (
          // All three stay, so that a ring is heard while somebody chats.
          Object.entries(parts).map(([name, Shown]) => (
            <Box key={name} hidden={name !== part}>
              <Shown me={me} other={other} places={places} session={view.session} />
            </Box>
          ))
        ) : (
          <Box h={320} />
        )}
      </Box>
      {view.connection === "failed" ? (
        // Above the reason, and below what both have, which stays side by side.
        <Alert color="red" variant="light" radius={0} px="md" py="xs">
          <Text size="sm">{me.name} is logged out. Turn the switch off to log in with a new token.</Text>
        </Alert>
      ) : null}
      <Log entries={view.log} name={me.name} appId={appId} />
    </Paper>
  )
}

const clockTime = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" })
const colors: Record<LogEntry["tone"], string> = { info: "gray-5", good: "teal-7", bad: "red-7" }

const Log = ({ entries, name, appId }: { entries: readonly LogEntry[]; name: string; appId: number }) => (
  <ScrollArea
    h={220}
    type="auto"
    viewportProps={{ tabIndex: 0, role: "log", "aria-label": `What happened to ${name}, newest first` }}
  >
    <Stack gap={8} p="md">
      {entries.length === 0 ? (
        <Text size="sm" c="dimmed">
          What happens is written here.
        </Text>
      ) : null}
      {entries.map(({ id, at, tone, text, facts }) => (
        <Box key={id} pl="sm" style={{ borderLeft: `3px solid var(--mantine-color-${colors[tone]})` }}>
          <Group gap="xs" justify="space-between" wrap="nowrap" align="flex-start">
            <Text size="sm" className="weir-break">
              {text}
            </Text>
            <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }}>
              {clockTime.format(at)}
            </Text>
          </Group>
          {facts.length > 0 ? (
            <Group gap={6} mt={2}>
              {facts.map(([fact, value]) => (
                <Text key={fact} size="xs" c="dimmed" className="weir-break">
                  {fact}{" "}
                  {fact === "decision" ? (
                    <Anchor size="xs" href={`/dashboard/apps/${appId}/why/${value}`} target="_blank" rel="noreferrer">
                      {value}
                    </Anchor>
                  ) : (
                    <code>{value}</code>
                  )}
                </Text>
              ))}
            </Group>
          ) : null}
        </Box>
      ))}
    </Stack>
  </ScrollArea>
)

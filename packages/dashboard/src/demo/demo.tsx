// Two users of one app side by side, over the public SDK and nothing else, with a switch for each failure.

import {
  Alert,
  Anchor,
  Box,
  Container,
  Group,
  Loader,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Text,
  Title,
} from "@mantine/core"
import { AlertIcon } from "@primer/octicons-react"
import { useEffect, useState, useSyncExternalStore } from "react"
import { Mark } from "../shell/mark.tsx"
import { type DemoState, readState } from "./server.ts"
import { type Part, UserSide } from "./side.tsx"
import { createDemoUser, type DemoUser } from "./user.ts"

export function Demo() {
  const [state, setState] = useState<DemoState | null>(null)
  const [error, setError] = useState<string | null>(null)
  useEffect(() => {
    readState().then(setState, (failure) => setError(failure instanceof Error ? failure.message : String(failure)))
  }, [])
  return (
    <Container size="xl" py="lg" component="main">
      <Group justify="space-between" align="flex-start" mb="lg">
        <Group gap="sm" wrap="nowrap" align="flex-start">
          <Box style={{ flexShrink: 0 }}>
            <Mark size={36} />
          </Box>
          <div>
            <Title order={1} size="h3">
              Demo
            </Title>
            <Text size="sm" c="dimmed" maw={640}>
              Two users of the first app, each with a connection of their own. Switch a failure on and read on both
              sides what happens and why.
            </Text>
          </div>
        </Group>
        <Anchor href="/dashboard" size="sm">
          Open the dashboard
        </Anchor>
      </Group>
      {error !== null ? (
        <Alert color="red" icon={<AlertIcon />} title="The demo did not start" role="alert">
          {error}
        </Alert>
      ) : null}
      {state === null && error === null ? <Loader aria-label="Loading" /> : null}
      {state === null ? null : <Sides state={state} />}
    </Container>
  )
}

const useView = (user: DemoUser) => useSyncExternalStore(user.subscribe, user.view)

function Sides({ state }: { state: DemoState }) {
  const [[one, two]] = useState(
    () => state.users.map((user) => createDemoUser(state, user)) as unknown as readonly [DemoUser, DemoUser],
  )
  const [part, setPart] = useState<Part>("chat")
  const [isReady, setReady] = useState(false)
  useEffect(() => {
    // What they share needs both: a channel has members, and a feed belongs to somebody.
    void Promise.all([one.start(), two.start()]).then(() => setReady(true))
  }, [one, two])
  const [first, second] = [useView(one), useView(two)]
  return (
    <Stack>
      <Box>
        <SegmentedControl
          aria-label="What the two do"
          value={part}
          onChange={(value) => setPart(value as Part)}
          data={[
            { value: "chat", label: "Chat" },
            { value: "feed", label: "Feed" },
            { value: "call", label: "Call" },
          ]}
        />
      </Box>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <UserSide
          appId={state.app_id}
          me={one}
          other={two}
          places={state.places}
          view={first}
          part={part}
          isReady={isReady}
        />
        <UserSide
          appId={state.app_id}
          me={two}
          other={one}
          places={state.places}
          view={second}
          part={part}
          isReady={isReady}
        />
      </SimpleGrid>
    </Stack>
  )
}

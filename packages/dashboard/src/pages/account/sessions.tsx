// Where the operator is logged in, and how to end it there.

import { Badge, Button, Group, Text } from "@mantine/core"
import { DeviceDesktopIcon } from "@primer/octicons-react"
import { useMutation, useQuery } from "@tanstack/react-query"
import { askLogin } from "../../access/fresh.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { deviceOf } from "./device.ts"
import { sessionsKey, useRefresh } from "./refresh.ts"

interface LoginSession {
  readonly id: string
  readonly current: boolean
  readonly address: string | null
  readonly user_agent: string | null
  readonly created_at: string
  readonly verified_at: string | null
  readonly expires_at: string
}

export function Sessions() {
  const refresh = useRefresh()
  const sessions = useQuery({
    queryKey: sessionsKey,
    queryFn: () => askLogin("GET", "/list-sessions") as Promise<{ sessions: LoginSession[] }>,
  })
  const end = useMutation({
    mutationFn: (id: string | null) =>
      id === null ? askLogin("POST", "/revoke-other-sessions") : askLogin("POST", "/revoke-session", { id }),
    onSuccess: () => refresh(sessionsKey),
  })
  const rows = sessions.data?.sessions
  const others = rows?.filter(({ current }) => !current).length ?? 0
  return (
    <Section
      flush
      title="Sessions"
      description="Where you are logged in. What you do not know, end, and change your password."
      actions={
        others > 0 ? (
          <Button
            variant="light"
            color="red"
            loading={end.isPending && end.variables === null}
            onClick={() => end.mutate(null)}
          >
            End all others
          </Button>
        ) : null
      }
    >
      {end.error ? <ErrorAlert error={end.error} title="The session was not ended" /> : null}
      <DataTable
        caption="Your sessions"
        rows={rows}
        error={sessions.error}
        retry={() => void sessions.refetch()}
        keyOf={({ id }) => id}
        columns={[
          {
            header: "Device",
            cell: ({ user_agent, current }) => (
              <Group gap="xs">
                <Text size="sm">{deviceOf(user_agent)}</Text>
                {current ? <Badge variant="light">this one</Badge> : null}
              </Group>
            ),
          },
          { header: "Address", wide: true, cell: ({ address }) => address ?? "–" },
          { header: "Logged in", cell: ({ created_at }) => <TimeAgo at={created_at} /> },
          { header: "Expires", wide: true, cell: ({ expires_at }) => <TimeAgo at={expires_at} /> },
          {
            header: "End",
            cell: ({ id, current, user_agent }) =>
              current ? null : (
                <Button
                  size="compact-sm"
                  variant="subtle"
                  color="red"
                  loading={end.isPending && end.variables === id}
                  onClick={() => end.mutate(id)}
                  aria-label={`End the session on ${deviceOf(user_agent)}`}
                >
                  End
                </Button>
              ),
          },
        ]}
        empty={
          <EmptyState icon={DeviceDesktopIcon} title="No session">
            You are here by another way than a login.
          </EmptyState>
        }
      />
    </Section>
  )
}

// One session: the token, its open sockets, and ending it.

import { Alert, Anchor, Button, Drawer, Group, Stack, Text, Title } from "@mantine/core"
import { CheckCircleIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useChange } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { Copyable } from "../../parts/copy.tsx"
import { Facts } from "../../parts/facts.tsx"
import { Receipt, type ReceiptFacts } from "../../parts/receipt.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { type Session, SessionState, sessionFacts } from "./words.tsx"

export interface SessionDrawerProps {
  /** Null: closed. */
  session: Session | null
  onClose: () => void
}

export function SessionDrawer({ session, onClose }: SessionDrawerProps) {
  return (
    <Drawer
      closeButtonProps={{ "aria-label": "Close" }}
      opened={session !== null}
      onClose={onClose}
      title="Session"
      position="right"
      size="lg"
    >
      {session === null ? null : <SessionDetails key={session.id} session={session} />}
    </Drawer>
  )
}

function SessionDetails({ session }: { session: Session }) {
  const app = String(useApp())
  const path = useAppPath()
  const may = useMay()
  const [opened, setOpened] = useState(false)
  const end = useChange("EndSession", ["ListSessions", "ListRevocations", "ReadAppUser"])
  const { user_id: userId } = session
  const receipt = end.data?.receipt as ReceiptFacts | undefined
  const isOver = session.state === "revoked" || session.state === "expired" || receipt !== undefined
  return (
    <Stack>
      <Group justify="space-between">
        <Group gap="xs">
          {receipt === undefined ? <SessionState state={session.state} /> : <SessionState state="revoked" />}
          {userId === null ? (
            <Text size="sm" c="dimmed">
              no user
            </Text>
          ) : (
            <Anchor
              component={Link}
              href={path(`/users/${encodeURIComponent(userId)}`)}
              size="sm"
              className="weir-break"
            >
              {userId}
            </Anchor>
          )}
        </Group>
        {may("users.revoke") && !isOver ? (
          <Button color="red" variant="light" size="xs" onClick={() => setOpened(true)}>
            End session
          </Button>
        ) : null}
      </Group>
      {receipt === undefined ? null : (
        <>
          <Alert color="teal" icon={<CheckCircleIcon />} title="The session has ended on every node" role="status">
            Its token is refused from now on. The client may come back with a new one from your backend.
          </Alert>
          <Receipt receipt={receipt} />
        </>
      )}
      <Facts facts={sessionFacts(session)} cols={2} />
      <div>
        <Text size="xs" c="dimmed">
          SHA-256 of the token
        </Text>
        <Copyable value={session.id} label="SHA-256 of the token" shown={`${session.id.slice(0, 24)}…`} />
      </div>
      <Title order={3} size="h5">
        Open sockets
      </Title>
      {session.sockets.length === 0 || receipt !== undefined ? (
        <Text size="sm" c="dimmed">
          None.
        </Text>
      ) : (
        <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: "none" }}>
          {session.sockets.map((socket) => (
            <li key={socket.connection_id}>
              <Facts
                cols={2}
                facts={[
                  ["Connection", <code key="id">{socket.connection_id}</code>],
                  ["Node", <code key="node">{socket.node}</code>],
                  ["Connected", <TimeAgo key="at" at={socket.connected_at} />],
                  ["Address", <code key="address">{socket.address}</code>],
                ]}
              />
            </li>
          ))}
        </Stack>
      )}
      <ConfirmDialog
        opened={opened}
        onClose={() => setOpened(false)}
        title="End this session"
        confirm="End session"
        busy={end.isPending}
        error={end.error}
        onConfirm={() => end.mutate({ path: { app, id: session.id } }, { onSuccess: () => setOpened(false) })}
      >
        <Text size="sm">
          This token is refused from now on, on every node, and its sockets are closed. Other tokens of the same user go
          on working; to end them all, revoke the user.
        </Text>
      </ConfirmDialog>
    </Stack>
  )
}

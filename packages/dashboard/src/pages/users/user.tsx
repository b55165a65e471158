// One user: who they are, what they may not, and what is open in their name right now.

import { Alert, Anchor, Avatar, Button, Group, Menu, Skeleton, Text } from "@mantine/core"
import { AlertIcon, DownloadIcon, NoEntryIcon, QuestionIcon, XCircleIcon } from "@primer/octicons-react"
import { useMutation } from "@tanstack/react-query"
import { useState } from "react"
import { Link, useParams } from "wouter"
import { useMay } from "../../access/session.tsx"
import { ApiFailure, type CallOutput } from "../../api/client.ts"
import { download } from "../../api/download.ts"
import { useRead } from "../../api/queries.ts"
import { CodeBlock, Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { absoluteTime, TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { RevokeDialog } from "../revocations/revoke-dialog.tsx"
import { Bans, Revocations, Sockets, Tokens } from "./tables.tsx"
import { type AppUser, Teams, UserBadges } from "./words.tsx"

const refreshMs = 10_000

export default function User() {
  const path = useAppPath()
  const app = String(useApp())
  const { user: id = "" } = useParams<{ user: string }>()
  const { data, error, refetch } = useRead("ReadAppUser", { path: { app, user: id } }, { everyMs: refreshMs })
  if (error && data === undefined) {
    const isAbsent = error instanceof ApiFailure && error.status === 404
    return (
      <>
        <PageHeader trail={[["Users", path("/users")]]} title={id} />
        {isAbsent ? (
          <NoSuchUser id={id} />
        ) : (
          <ErrorAlert error={error} title="The user could not be read" retry={() => void refetch()} />
        )}
      </>
    )
  }
  return (
    <>
      <PageHeader
        trail={[["Users", path("/users")]]}
        title={data?.user.name ?? id}
        actions={<Actions id={id} tokens={data?.tokens ?? []} />}
      >
        Everything here is as it stands now, over all nodes.
      </PageHeader>
      {data === undefined ? <Skeleton height={400} radius="md" /> : <UserDetails found={data} />}
    </>
  )
}

// A token may come for a user whom nobody has made: their refusals lead here.
function NoSuchUser({ id }: { id: string }) {
  const path = useAppPath()
  return (
    <EmptyState
      icon={QuestionIcon}
      title="There is no such user in this app"
      action={
        <Button component={Link} href={path("/users")} variant="light">
          All users
        </Button>
      }
    >
      No user with the id {id} has been created. A token may name a user all the same: see{" "}
      <Anchor
        component={Link}
        href={path(`/refusals?user=${encodeURIComponent(id)}`)}
        size="sm"
        inherit
        underline="always"
      >
        their refusals
      </Anchor>
      .
    </EmptyState>
  )
}

function Actions({ id, tokens }: { id: string; tokens: CallOutput<"ReadAppUser">["tokens"] }) {
  const app = String(useApp())
  const path = useAppPath()
  const may = useMay()
  const [opened, setOpened] = useState(false)
  const name = encodeURIComponent(id)
  const save = useMutation({
    mutationFn: () => download("ExportUser", { path: { app, user: id } }, `weir-user-${id}.jsonl`),
  })
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default" loading={save.isPending}>
            More
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {may("decisions.read") ? (
            <>
              <Menu.Item component={Link} href={path(`/refusals?user=${name}`)} leftSection={<XCircleIcon />}>
                Refusals of this user
              </Menu.Item>
              <Menu.Item component={Link} href={path(`/why?user=${name}`)} leftSection={<QuestionIcon />}>
                What may they do?
              </Menu.Item>
            </>
          ) : null}
          {may("users.export") ? (
            <Menu.Item leftSection={<DownloadIcon />} onClick={() => save.mutate()}>
              Export everything stored
            </Menu.Item>
          ) : null}
        </Menu.Dropdown>
      </Menu>
      {may("users.revoke") ? (
        <Button color="red.9" leftSection={<NoEntryIcon />} onClick={() => setOpened(true)}>
          Revoke
        </Button>
      ) : null}
      {save.error ? <ErrorAlert error={save.error} title="Nothing was exported" /> : null}
      <RevokeDialog
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Revoke ${id}`}
        choices={[
          { level: "user", label: "Everything of this user", hint: "All their tokens and sockets.", target: id },
          {
            level: "device",
            label: "One device",
            hint: "All tokens with this claim device_id.",
            suggestions: known(tokens.map(({ device_id }) => device_id)),
          },
          {
            level: "jti",
            label: "One token",
            hint: "The token with this claim jti. One without it is ended under Recent tokens.",
            suggestions: known(tokens.map(({ jti }) => jti)),
          },
        ]}
      />
    </>
  )
}

/** Each once, without those that have none. */
const known = (values: readonly (string | null)[]): string[] => [
  ...new Set(values.filter((value): value is string => value !== null)),
]

function UserDetails({ found }: { found: CallOutput<"ReadAppUser"> }) {
  const { user, custom, bans, sockets, nodes_missing: missing, tokens, revocations } = found
  return (
    <>
      <Section>
        <Group mb="md" gap="sm">
          <Avatar name={user.name ?? user.id} color="initials" radius="xl" aria-hidden />
          <Copyable value={user.id} label="User id" />
          <UserBadges user={user} />
        </Group>
        <Facts facts={userFacts(user)} />
      </Section>
      {missing.length > 0 ? (
        <Alert color="yellow" icon={<AlertIcon />} title="Not every node answered" mb="md">
          Sockets on {missing.join(", ")} are not shown. The page asks again every {refreshMs / 1_000} seconds.
        </Alert>
      ) : null}
      <Section title="Open sockets" description="Connections in this user's name, on any node." flush>
        <Sockets sockets={sockets} />
      </Section>
      <Section title="Recent tokens" description="Used in the last 30 days, the newest 25." flush>
        <Tokens tokens={tokens} />
      </Section>
      <Section title="Bans" description="A banned user is let in and may read, but no longer write." flush>
        <Bans bans={bans} />
      </Section>
      <Section title="Revocations" description="Those that name this user, the newest 25." flush>
        <Revocations revocations={revocations} />
      </Section>
      <Section title="Custom data" description="What your backend or the client stored with the user.">
        {Object.keys(custom).length === 0 ? (
          <Text size="sm" c="dimmed">
            None.
          </Text>
        ) : (
          <CodeBlock code={JSON.stringify(custom, null, 2)} label="Custom data as JSON" />
        )}
      </Section>
    </>
  )
}

const userFacts = (user: AppUser) =>
  [
    ["Role", user.role],
    ["Teams", <Teams key="teams" teams={user.teams} />],
    ["Language", user.language === "" ? "not set" : user.language],
    ["Last active", <TimeAgo key="active" at={user.last_active} />],
    ["Created", <TimeAgo key="made" at={user.created_at} />],
    ["Updated", <TimeAgo key="changed" at={user.updated_at} />],
    ["Presence", user.invisible ? "hidden from others" : user.online ? "online" : "offline"],
    ...(user.banned
      ? ([["Ban ends", user.ban_expires === null ? "never" : absoluteTime(user.ban_expires)]] as const)
      : []),
    ...(user.deactivated_at === null ? [] : ([["Deactivated", absoluteTime(user.deactivated_at)]] as const)),
    ...(user.deleted_at === null ? [] : ([["Deleted", absoluteTime(user.deleted_at)]] as const)),
    [
      "Tokens refused that were issued before",
      user.revoke_tokens_issued_before === null ? "not set" : absoluteTime(user.revoke_tokens_issued_before),
    ],
  ] as const

// One call: its state, its members and its settings.

import { Badge, Button, Group, Skeleton, Text } from "@mantine/core"
import { QuestionIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link, useParams } from "wouter"
import { useMay } from "../../access/session.tsx"
import { ApiFailure } from "../../api/client.ts"
import { callPublic, type PublicOutput } from "../../api/public.ts"
import { usePublicChange, usePublicList, usePublicRead } from "../../api/public-queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { CodeBlock, Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { RowLink } from "../../parts/row-link.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { CustomData } from "../explorer/custom-data.tsx"
import { nameOf, namePath } from "../explorer/open-by-name.tsx"
import { Person } from "../explorer/person.tsx"

type CallFacts = PublicOutput<"GetCall">["call"]

const refreshMs = 10_000
const membersPageSize = 50

export default function Call() {
  const path = useAppPath()
  const may = useMay()
  const { type = "", id = "" } = useParams<{ type: string; id: string }>()
  const cid = `${type}:${id}`
  const [ending, setEnding] = useState(false)
  const { data, error, refetch } = usePublicRead(
    "GetCall",
    { path: { type, id }, query: { members_limit: 0 } },
    { everyMs: refreshMs },
  )
  if (error && data === undefined) {
    return (
      <>
        <PageHeader trail={[["Calls", path("/calls")]]} title={cid} />
        {error instanceof ApiFailure && error.status === 404 ? (
          <NoSuchCall cid={cid} />
        ) : (
          <ErrorAlert error={error} title="The call could not be read" retry={() => void refetch()} />
        )}
      </>
    )
  }
  const call = data?.call
  const isOver = call?.ended_at !== undefined
  return (
    <>
      <PageHeader
        trail={[["Calls", path("/calls")]]}
        title={cid}
        actions={
          call !== undefined && !isOver && may("content.manage") ? (
            <Button color="red" onClick={() => setEnding(true)}>
              End the call
            </Button>
          ) : null
        }
      >
        State, members and settings, as the app&rsquo;s own backend sees them.
      </PageHeader>
      {call === undefined ? (
        <Skeleton height={400} radius="md" />
      ) : (
        <>
          <Section>
            <Group mb="md" gap={6}>
              <CallBadges call={call} />
            </Group>
            <FactsOf call={call} />
          </Section>
          <CallMembers type={type} id={id} />
          <Section title="Settings" description="Those of the call's type, with what was changed for this call.">
            <CodeBlock code={JSON.stringify(call.settings, null, 2)} label="Settings as JSON" />
          </Section>
          <CustomData custom={call.custom} of="call" />
        </>
      )}
      <EndCall type={type} id={id} opened={ending} onClose={() => setEnding(false)} />
    </>
  )
}

function CallBadges({ call }: { call: CallFacts }) {
  const badges: readonly (readonly [shown: boolean, word: string, color: string])[] = [
    [call.ended_at !== undefined, "ended", "gray"],
    [call.ended_at === undefined, "open", "teal"],
    [call.backstage, "backstage", "yellow"],
    [call.recording, "recording", "red"],
    [call.transcribing, "transcribing", "cyan"],
    [call.egress.broadcasting, "broadcasting", "red"],
  ]
  return badges.map(([shown, word, color]) =>
    shown ? (
      <Badge key={word} variant="light" color={color}>
        {word}
      </Badge>
    ) : null,
  )
}

function FactsOf({ call }: { call: CallFacts }) {
  const path = useAppPath()
  const channel = call.channel_cid === undefined ? null : nameOf(call.channel_cid)
  return (
    <Facts
      facts={[
        ["Cid", <Copyable key="cid" value={call.cid} label="cid" />],
        ["Created by", <Person key="maker" user={call.created_by} />],
        ["Created", <TimeAgo key="made" at={call.created_at} />],
        ["Starts", <TimeAgo key="starts" at={call.starts_at} fallback="no set time" />],
        ["Ended", <TimeAgo key="ended" at={call.ended_at} fallback="not yet" />],
        ["Team", call.team ?? "none"],
        [
          "Channel",
          channel === null ? (
            (call.channel_cid ?? "none")
          ) : (
            <RowLink key="channel" href={path(`/channels${namePath(channel)}`)}>
              {call.channel_cid}
            </RowLink>
          ),
        ],
        ["Session", call.current_session_id === "" ? "none" : call.current_session_id],
        ["Blocked", call.blocked_user_ids.length === 0 ? "nobody" : call.blocked_user_ids.join(", ")],
      ]}
    />
  )
}

function CallMembers({ type, id }: { type: string; id: string }) {
  const list = usePublicList("QueryCallMembers", {
    of: { type, id },
    read: (app, next) =>
      callPublic(app, "QueryCallMembers", {
        body: { type, id, limit: membersPageSize, ...(next === null ? {} : { next }) },
      }),
    rowsOf: ({ members }) => members,
    nextOf: ({ next }) => next ?? null,
    everyMs: refreshMs,
  })
  return (
    <Section title="Members" description="Who was invited, whether they came or not." flush>
      <DataTable
        caption={`Members of ${type}:${id}`}
        rows={list.rows}
        error={list.error}
        retry={list.retry}
        more={list.more}
        keyOf={({ user_id }) => user_id}
        columns={[
          { header: "User", cell: ({ user }) => <Person user={user} /> },
          { header: "Role", cell: ({ role }) => role ?? "user" },
          { header: "Since", cell: ({ created_at }) => <TimeAgo at={created_at} />, wide: true },
        ]}
        empty={
          <Text size="sm" c="dimmed" px="md" pb="md">
            Nobody was invited.
          </Text>
        }
      />
    </Section>
  )
}

interface EndCallProps {
  type: string
  id: string
  opened: boolean
  onClose: () => void
}

function EndCall({ type, id, opened, onClose }: EndCallProps) {
  const end = usePublicChange("EndCall", ["GetCall", "QueryCallMembers"])
  const close = (): void => {
    end.reset()
    onClose()
  }
  return (
    <ConfirmDialog
      opened={opened}
      onClose={close}
      title="End the call"
      confirm="End for everybody"
      busy={end.isPending}
      error={end.error}
      onConfirm={() => end.mutate({ path: { type, id } }, { onSuccess: close })}
    >
      <Text size="sm">Everybody who is in it hears that it has ended. It cannot be opened again.</Text>
    </ConfirmDialog>
  )
}

function NoSuchCall({ cid }: { cid: string }) {
  const path = useAppPath()
  return (
    <EmptyState
      icon={QuestionIcon}
      title="There is no such call in this app"
      action={
        <Button component={Link} href={path("/calls")} variant="light">
          Find a call
        </Button>
      }
    >
      Nobody has made {cid}.
    </EmptyState>
  )
}

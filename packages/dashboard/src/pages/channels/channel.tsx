// One channel: what is said in it, and who is in it.

import { Button, Skeleton } from "@mantine/core"
import { QuestionIcon } from "@primer/octicons-react"
import { Link, useParams } from "wouter"
import { usePublicRead } from "../../api/public-queries.ts"
import { Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { CustomData } from "../explorer/custom-data.tsx"
import { Person } from "../explorer/person.tsx"
import { Members } from "./members.tsx"
import { Messages } from "./messages.tsx"
import { type Channel as ChannelFacts, nameOfChannel } from "./words.tsx"

const refreshMs = 10_000

export default function Channel() {
  const path = useAppPath()
  const { type = "", id = "" } = useParams<{ type: string; id: string }>()
  const cid = `${type}:${id}`
  // A query, because asking for the channel itself would make one where there is none.
  const { data, error, refetch } = usePublicRead(
    "QueryChannels",
    { body: { filter_conditions: { cid }, limit: 1, state: false } },
    { everyMs: refreshMs },
  )
  const found = data?.channels[0]
  if (error && data === undefined) {
    return (
      <>
        <PageHeader trail={[["Channels", path("/channels")]]} title={cid} />
        <ErrorAlert error={error} title="The channel could not be read" retry={() => void refetch()} />
      </>
    )
  }
  if (data !== undefined && found === undefined) {
    return (
      <>
        <PageHeader trail={[["Channels", path("/channels")]]} title={cid} />
        <NoSuchChannel cid={cid} />
      </>
    )
  }
  return (
    <>
      <PageHeader
        trail={[["Channels", path("/channels")]]}
        title={found === undefined ? cid : (nameOfChannel(found.channel) ?? cid)}
      >
        Messages, members and what they have read, as the app&rsquo;s own backend sees them.
      </PageHeader>
      {found === undefined ? (
        <Skeleton height={400} radius="md" />
      ) : (
        <>
          <Section>
            <Facts facts={factsOf(found.channel, found.watcher_count)} />
          </Section>
          <Messages type={type} id={id} />
          <Members type={type} id={id} />
          <CustomData custom={found.channel.custom} of="channel" />
        </>
      )}
    </>
  )
}

const factsOf = (channel: ChannelFacts, watchers: number) =>
  [
    ["Cid", <Copyable key="cid" value={channel.cid} label="cid" />],
    ["Created by", <Person key="maker" user={channel.created_by} />],
    ["Created", <TimeAgo key="made" at={channel.created_at} />],
    ["Last message", <TimeAgo key="last" at={channel.last_message_at} fallback="none yet" />],
    ["Members", channel.member_count ?? "–"],
    ["Watching now", watchers],
    ["Team", channel.team ?? "none"],
    ["Writing", channel.disabled ? "disabled" : channel.frozen ? "frozen: nobody may write" : "open to members"],
  ] as const

function NoSuchChannel({ cid }: { cid: string }) {
  const path = useAppPath()
  return (
    <EmptyState
      icon={QuestionIcon}
      title="There is no such channel in this app"
      action={
        <Button component={Link} href={path("/channels")} variant="light">
          All channels
        </Button>
      }
    >
      Nobody has made {cid}, or it was deleted.
    </EmptyState>
  )
}

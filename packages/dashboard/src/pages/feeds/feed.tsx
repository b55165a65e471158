// One feed: what stands in it, who follows it, and whom it follows.

import { Badge, Button, Skeleton, Tabs, Text } from "@mantine/core"
import { QuestionIcon } from "@primer/octicons-react"
import type { ReactNode } from "react"
import { Link, useParams } from "wouter"
import { usePublicList } from "../../api/public-queries.ts"
import { useFilter } from "../../parts/address-filter.tsx"
import { Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { CustomData } from "../explorer/custom-data.tsx"
import { Person } from "../explorer/person.tsx"
import { Activities } from "./activities.tsx"
import { Follows } from "./follows.tsx"
import { type FeedState, readFeed } from "./read-feed.ts"

const tabs = ["activities", "followers", "following", "members"] as const
type Tab = (typeof tabs)[number]

export default function Feed() {
  const path = useAppPath()
  const { group = "", id = "" } = useParams<{ group: string; id: string }>()
  const name = `${group}:${id}`
  const list = usePublicList("GetOrCreateFeed", {
    of: { group, id },
    read: (app, next) => readFeed(app, { group, id }, next),
    rowsOf: (page) => page?.activities ?? [],
    nextOf: (page) => page?.next ?? null,
  })
  const state = list.first
  if (list.error) {
    return (
      <>
        <PageHeader trail={[["Feeds", path("/feeds")]]} title={name} />
        <ErrorAlert error={list.error} title="The feed could not be read" retry={list.retry} />
      </>
    )
  }
  if (state === null) {
    return (
      <>
        <PageHeader trail={[["Feeds", path("/feeds")]]} title={name} />
        <NoSuchFeed name={name} />
      </>
    )
  }
  return (
    <>
      <PageHeader
        trail={[["Feeds", path("/feeds")]]}
        title={name}
        actions={
          <Button variant="default" onClick={list.retry} loading={list.isFetching}>
            Refresh
          </Button>
        }
      >
        {state === undefined || state.feed.name === "" ? "A feed of this app." : state.feed.name}
      </PageHeader>
      {state === undefined ? (
        <Skeleton height={400} radius="md" />
      ) : (
        <>
          <Section>
            <Facts facts={factsOf(state.feed)} />
          </Section>
          <Content state={state} activities={<Activities list={list} />} />
          <CustomData custom={state.feed.custom ?? {}} of="feed" />
        </>
      )}
    </>
  )
}

const factsOf = (feed: FeedState["feed"]) =>
  [
    ["Name", <Copyable key="name" value={feed.feed} label="feed" />],
    ["Of", <Person key="owner" user={feed.created_by} />],
    [
      "Visibility",
      <Badge key="visibility" variant="light">
        {feed.visibility ?? "unknown"}
      </Badge>,
    ],
    ["Activities", feed.activity_count],
    ["Followers", feed.follower_count],
    ["Follows", feed.following_count],
    ["Created", <TimeAgo key="made" at={feed.created_at} />],
    ["Updated", <TimeAgo key="changed" at={feed.updated_at} />],
    ["Tags", (feed.filter_tags ?? []).length === 0 ? "none" : (feed.filter_tags ?? []).join(", ")],
    ...(feed.description === "" ? [] : ([["Description", feed.description]] as const)),
  ] as const

function Content({ state, activities }: { state: FeedState; activities: ReactNode }) {
  const [chosen, setTab] = useFilter("tab")
  const tab: Tab = tabs.find((one) => one === chosen) ?? "activities"
  const { feed } = state.feed
  return (
    <Section flush>
      <Tabs value={tab} onChange={(value) => setTab(value === "activities" ? "" : (value ?? ""))} keepMounted={false}>
        <Tabs.List px="md" pt="xs" mb="sm">
          <Tabs.Tab value="activities">Activities</Tabs.Tab>
          <Tabs.Tab value="followers">Followers</Tabs.Tab>
          <Tabs.Tab value="following">Following</Tabs.Tab>
          <Tabs.Tab value="members">Members</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="activities">{activities}</Tabs.Panel>
        <Tabs.Panel value="followers">
          <Follows
            caption={`Feeds that follow ${feed}, newest first`}
            filter={{ target_feed: feed }}
            show={["source"]}
            empty={<None>Nobody follows this feed.</None>}
          />
        </Tabs.Panel>
        <Tabs.Panel value="following">
          <Follows
            caption={`Feeds that ${feed} follows, newest first`}
            filter={{ source_feed: feed }}
            show={["target"]}
            empty={<None>This feed follows no other.</None>}
          />
        </Tabs.Panel>
        <Tabs.Panel value="members">
          <DataTable
            caption={`Members of ${feed}`}
            rows={state.members}
            keyOf={({ user }) => user.id}
            columns={[
              { header: "User", cell: ({ user }) => <Person user={user} /> },
              { header: "Role", cell: ({ role }) => role },
              { header: "Since", cell: ({ created_at }) => <TimeAgo at={created_at} />, wide: true },
            ]}
            empty={<None>This feed has no members.</None>}
          />
          {state.feed.member_count > state.members.length ? (
            <None>{`The first ${state.members.length} of ${state.feed.member_count}.`}</None>
          ) : null}
        </Tabs.Panel>
      </Tabs>
    </Section>
  )
}

const None = ({ children }: { children: string }) => (
  <Text size="sm" c="dimmed" px="md" pb="md">
    {children}
  </Text>
)

function NoSuchFeed({ name }: { name: string }) {
  const path = useAppPath()
  return (
    <EmptyState
      icon={QuestionIcon}
      title="There is no such feed in this app"
      action={
        <Button component={Link} href={path("/feeds")} variant="light">
          Find a feed
        </Button>
      }
    >
      Nobody has made {name}. A feed is made when it is first asked for by a client or your backend.
    </EmptyState>
  )
}

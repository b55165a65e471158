// Finds channels by name, type and member.

import { Group, Select, Text } from "@mantine/core"
import { CommentDiscussionIcon, SearchIcon } from "@primer/octicons-react"
import { useLocation } from "wouter"
import { callPublic } from "../../api/public.ts"
import { nextOffset, usePublicList, usePublicRead } from "../../api/public-queries.ts"
import { FilterInput, useFilter } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { namePath } from "../explorer/open-by-name.tsx"
import { channelFilter } from "./filter.ts"
import { ChannelBadges, nameOfChannel } from "./words.tsx"

const soughtCharsMax = 255
const pageSize = 30
/** The API's own bound of offsets. */
const offsetMax = 1_000

export default function Channels() {
  const path = useAppPath()
  const [, go] = useLocation()
  const [sought] = useFilter("q")
  const [type, setType] = useFilter("type")
  const [member] = useFilter("member")
  const types = usePublicRead("ListChannelTypes", {})
  const filter = channelFilter(sought, type, member)
  const list = usePublicList("QueryChannels", {
    of: filter,
    read: (app, cursor) =>
      callPublic(app, "QueryChannels", {
        body: {
          filter_conditions: filter,
          sort: [{ field: "last_updated", direction: -1 }],
          limit: pageSize,
          offset: Number(cursor ?? 0),
          state: false,
        },
      }),
    rowsOf: ({ channels }) => channels,
    nextOf: ({ channels }, cursor) => nextOffset(cursor, channels.length, pageSize, offsetMax),
  })
  const isFiltered = sought !== "" || type !== "" || member !== ""
  return (
    <>
      <PageHeader title="Channels">
        Where the people of this app talk. Open one to read its messages and see who is in it.
      </PageHeader>
      <Group mb="md" align="flex-end" className="weir-filters">
        <FilterInput
          parameter="q"
          label="Name or cid"
          placeholder="Begins with…, or type:id"
          leftSection={<SearchIcon />}
          maxLength={soughtCharsMax}
          w={300}
        />
        <Select
          label="Type"
          placeholder="All types"
          size="sm"
          w={170}
          data={Object.keys(types.data?.channel_types ?? {})}
          value={type === "" ? null : type}
          onChange={(value) => setType(value ?? "")}
          clearable
          clearButtonProps={{ "aria-label": "Show every type" }}
        />
        <FilterInput parameter="member" label="Member" placeholder="User id" maxLength={soughtCharsMax} w={170} />
      </Group>
      <Section flush>
        <DataTable
          caption="Channels, the last active first"
          rows={list.rows}
          error={list.error}
          retry={list.retry}
          more={list.more}
          keyOf={({ channel }) => channel.cid}
          onOpen={({ channel }) => go(path(`/channels${namePath(channel)}`))}
          columns={[
            {
              header: "Channel",
              cell: ({ channel }) => (
                <>
                  <Text size="sm" fw={500} className="weir-break">
                    {nameOfChannel(channel) ?? channel.id}
                  </Text>
                  <Text size="xs" c="dimmed" className="weir-break">
                    {channel.cid}
                  </Text>
                </>
              ),
            },
            { header: "Members", numeric: true, cell: ({ channel }) => channel.member_count ?? "–", wide: true },
            {
              header: "Team",
              cell: ({ channel }) =>
                channel.team ?? (
                  <Text span size="sm" c="dimmed">
                    none
                  </Text>
                ),
              wide: true,
            },
            { header: "State", cell: ({ channel }) => <ChannelBadges channel={channel} />, wide: true },
            {
              header: "Last message",
              cell: ({ channel }) => <TimeAgo at={channel.last_message_at} fallback="none yet" />,
            },
            { header: "Created", cell: ({ channel }) => <TimeAgo at={channel.created_at} />, wide: true },
          ]}
          empty={
            isFiltered ? (
              <EmptyState icon={SearchIcon} title="No channel matches">
                The search looks at the words of names, or at a whole cid such as messaging:general. Take a filter away,
                or try fewer letters.
              </EmptyState>
            ) : (
              <EmptyState icon={CommentDiscussionIcon} title="No channel yet">
                A channel appears when a client or your backend asks for it for the first time.
              </EmptyState>
            )
          }
        />
      </Section>
    </>
  )
}

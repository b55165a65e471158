// Who is in a channel, and how far they have read.

import { Badge, Group, Text } from "@mantine/core"
import { callPublic } from "../../api/public.ts"
import { nextOffset, usePublicList } from "../../api/public-queries.ts"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { Person } from "../explorer/person.tsx"

const pageSize = 50
/** The API's own bound of offsets. */
const offsetMax = 10_000
const refreshMs = 10_000

export function Members({ type, id }: { type: string; id: string }) {
  const list = usePublicList("GetOrCreateChannel", {
    of: { type, id, what: "members" },
    // Members and reads come together here, page by page. The channel is there: the page has asked.
    read: (app, cursor) =>
      callPublic(app, "GetOrCreateChannel", {
        path: { type, id },
        body: { messages: { limit: 0 }, members: { limit: pageSize, offset: Number(cursor ?? 0) } },
      }),
    rowsOf: ({ members, read }) => {
      const reads = new Map(read.map((one) => [one.user.id, one]))
      return members.map((member) => ({ member, read: reads.get(member.user_id) }))
    },
    nextOf: ({ members }, cursor) => nextOffset(cursor, members.length, pageSize, offsetMax),
    everyMs: refreshMs,
  })
  return (
    <Section title="Members" description="A member who hides their reads is shown without them." flush>
      <DataTable
        caption="Members of the channel"
        rows={list.rows}
        error={list.error}
        retry={list.retry}
        more={list.more}
        keyOf={({ member }) => member.user_id}
        columns={[
          {
            header: "User",
            cell: ({ member }) => (
              <Group gap={6}>
                <Person user={member.user} />
                {member.banned ? (
                  <Badge variant="light" color="red">
                    banned here
                  </Badge>
                ) : null}
                {member.user.banned ? (
                  <Badge variant="light" color="red">
                    banned
                  </Badge>
                ) : null}
              </Group>
            ),
          },
          { header: "Role", cell: ({ member }) => member.channel_role, wide: true },
          { header: "Read up to", cell: ({ read }) => <TimeAgo at={read?.last_read} fallback="unknown" /> },
          { header: "Unread", numeric: true, cell: ({ read }) => read?.unread_messages ?? "–" },
          { header: "Joined", cell: ({ member }) => <TimeAgo at={member.created_at} />, wide: true },
        ]}
        empty={
          <Text size="sm" c="dimmed" px="md" pb="md">
            Nobody is a member. Whoever the channel type lets in may read it all the same.
          </Text>
        }
      />
    </Section>
  )
}

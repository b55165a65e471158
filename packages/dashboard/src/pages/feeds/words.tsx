// How feeds and follows are spoken of.

import { Badge, Text } from "@mantine/core"
import type { PublicOutput } from "../../api/public.ts"
import { RowLink } from "../../parts/row-link.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { namePath } from "../explorer/open-by-name.tsx"

export type Follow = PublicOutput<"QueryFollows">["follows"][number]
export type Feed = Follow["source_feed"]
export type Activity = PublicOutput<"GetOrCreateFeed">["activities"][number]

export function FeedLink({ feed }: { feed: Pick<Feed, "group_id" | "id" | "feed" | "name"> }) {
  const path = useAppPath()
  return (
    <>
      <RowLink href={path(`/feeds${namePath({ type: feed.group_id, id: feed.id })}`)}>{feed.feed}</RowLink>
      {feed.name === "" ? null : (
        <Text size="xs" c="dimmed" className="weir-break">
          {feed.name}
        </Text>
      )}
    </>
  )
}

const followColors = { accepted: "teal", pending: "yellow", rejected: "red" } as const

export const FollowState = ({ status }: Pick<Follow, "status">) => (
  <Badge variant="light" color={followColors[status]}>
    {status}
  </Badge>
)

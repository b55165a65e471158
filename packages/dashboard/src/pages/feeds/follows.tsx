// Who follows whom, page by page.

import { callPublic, type PublicInput } from "../../api/public.ts"
import { usePublicList } from "../../api/public-queries.ts"
import { type Column, DataTable, type DataTableProps } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { FeedLink, type Follow, FollowState } from "./words.tsx"

const pageSize = 25

export interface FollowsProps {
  caption: string
  /** As of QueryFollows. */
  filter: NonNullable<NonNullable<PublicInput<"QueryFollows">["body"]>["filter"]>
  /** Which of the two feeds is shown. */
  show: readonly ("source" | "target")[]
  empty: DataTableProps<Follow>["empty"]
}

export function Follows({ caption, filter, show, empty }: FollowsProps) {
  const list = usePublicList("QueryFollows", {
    of: filter,
    read: (app, next) =>
      callPublic(app, "QueryFollows", {
        body: {
          filter,
          sort: [{ field: "created_at", direction: -1 }],
          limit: pageSize,
          ...(next === null ? {} : { next }),
        },
      }),
    rowsOf: ({ follows }) => follows,
    nextOf: ({ next }) => next ?? null,
  })
  const columns: Column<Follow>[] = [
    { header: "Feed", cell: ({ source_feed }) => <FeedLink feed={source_feed} /> },
    {
      header: show.length === 2 ? "Follows" : "Feed",
      cell: ({ target_feed }) => <FeedLink feed={target_feed} />,
    },
  ]
  return (
    <DataTable
      caption={caption}
      rows={list.rows}
      error={list.error}
      retry={list.retry}
      more={list.more}
      keyOf={({ source_feed, target_feed }) => `${source_feed.feed} ${target_feed.feed}`}
      columns={[
        ...columns.filter((_, index) => show.includes(index === 0 ? "source" : "target")),
        { header: "State", cell: ({ status }) => <FollowState status={status} /> },
        { header: "Since", cell: ({ created_at }) => <TimeAgo at={created_at} />, wide: true },
      ]}
      empty={empty}
    />
  )
}

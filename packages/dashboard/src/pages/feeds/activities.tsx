// What stands in a feed, newest first.

import { ActionIcon, Avatar, Badge, Box, Button, Center, Code, Group, Menu, Stack, Text } from "@mantine/core"
import { KebabHorizontalIcon, RssIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import type { List } from "../../api/lists.ts"
import { usePublicChange } from "../../api/public-queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { CodeBlock } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { Attachments } from "../explorer/attachments.tsx"
import { Person } from "../explorer/person.tsx"
import type { FeedState } from "./read-feed.ts"
import type { Activity } from "./words.tsx"

interface Deleting {
  readonly activity: Activity
  readonly hard: boolean
}

export function Activities({ list: { rows = [], more } }: { list: List<Activity, FeedState | null> }) {
  const [deleting, setDeleting] = useState<Deleting | null>(null)
  if (rows.length === 0) {
    return (
      <EmptyState icon={RssIcon} title="No activity yet">
        What is added to this feed, or to those that it follows, appears here.
      </EmptyState>
    )
  }
  return (
    <Box px="md" pb="md">
      <Stack component="ol" gap="lg" p={0} m={0} style={{ listStyle: "none" }}>
        {rows.map((activity) => (
          <ActivityRow key={activity.id} activity={activity} onDelete={(hard) => setDeleting({ activity, hard })} />
        ))}
      </Stack>
      {more === null ? null : (
        <Center mt="md">
          <Button variant="default" size="sm" onClick={more.load} loading={more.loading}>
            Show older activities
          </Button>
        </Center>
      )}
      <DeleteActivity deleting={deleting} onClose={() => setDeleting(null)} />
    </Box>
  )
}

function ActivityRow({ activity, onDelete }: { activity: Activity; onDelete: (hard: boolean) => void }) {
  const may = useMay()
  const copy = (): void => void navigator.clipboard?.writeText(activity.id)
  return (
    <Group component="li" align="flex-start" gap="sm" wrap="nowrap">
      <Avatar name={activity.user.name ?? activity.user.id} color="initials" radius="xl" size={32} aria-hidden />
      <Box style={{ flex: 1, minWidth: 0 }}>
        <Group gap={8}>
          <Person user={activity.user} />
          <Text span size="xs" c="dimmed">
            <TimeAgo at={activity.created_at} />
          </Text>
          <Badge size="sm" variant="light" color="gray">
            {activity.type}
          </Badge>
          {activity.visibility === "private" ? (
            <Badge size="sm" variant="light" color="yellow">
              private
            </Badge>
          ) : null}
          {activity.edited_at === undefined ? null : (
            <Badge size="sm" variant="light" color="gray">
              edited
            </Badge>
          )}
        </Group>
        {activity.text === undefined || activity.text === "" ? null : (
          <Text size="sm" className="weir-break" style={{ whiteSpace: "pre-wrap" }}>
            {activity.text}
          </Text>
        )}
        <Attachments attachments={activity.attachments} />
        <Text size="xs" c="dimmed" className="weir-break">
          {[
            `in ${activity.feeds.join(", ")}`,
            ...(activity.filter_tags.length === 0 ? [] : [`tags: ${activity.filter_tags.join(", ")}`]),
          ].join(" · ")}
        </Text>
        <ActivityCustom custom={activity.custom} />
      </Box>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for the activity of ${activity.user.id}`}>
            <KebabHorizontalIcon />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={copy}>Copy its id</Menu.Item>
          {may("content.manage") ? (
            <>
              <Menu.Item color="red" onClick={() => onDelete(false)}>
                Take out of all feeds…
              </Menu.Item>
              <Menu.Item color="red" onClick={() => onDelete(true)}>
                Erase for good…
              </Menu.Item>
            </>
          ) : null}
        </Menu.Dropdown>
      </Menu>
    </Group>
  )
}

/** As long as this it stands in the line; longer it gets a block of its own, which scrolls. */
const inlineCharsMax = 160

function ActivityCustom({ custom }: { custom: object }) {
  if (Object.keys(custom).length === 0) return null
  const text = JSON.stringify(custom)
  return text.length <= inlineCharsMax ? (
    <Code className="weir-break">{text}</Code>
  ) : (
    <CodeBlock code={JSON.stringify(custom, null, 2)} label="Custom data of the activity as JSON" />
  )
}

function DeleteActivity({ deleting, onClose }: { deleting: Deleting | null; onClose: () => void }) {
  const remove = usePublicChange("DeleteActivity", ["GetOrCreateFeed"])
  const close = (): void => {
    remove.reset()
    onClose()
  }
  const isHard = deleting?.hard === true
  return (
    <ConfirmDialog
      opened={deleting !== null}
      onClose={close}
      title={isHard ? "Erase the activity" : "Take the activity out"}
      confirm={isHard ? "Erase" : "Take out"}
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => {
        if (deleting === null) return
        const { activity, hard } = deleting
        remove.mutate({ path: { id: activity.id }, query: hard ? { hard_delete: true } : {} }, { onSuccess: close })
      }}
    >
      <Text size="sm">
        {isHard
          ? "It leaves every feed, and what it said is forgotten for good."
          : "It leaves every feed that it stands in. Nobody sees it any more."}
      </Text>
    </ConfirmDialog>
  )
}

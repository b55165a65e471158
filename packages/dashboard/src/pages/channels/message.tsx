// One message of a channel, and what can be done with it.

import { ActionIcon, Avatar, Badge, Box, Button, Group, Menu, Text } from "@mantine/core"
import { KebabHorizontalIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import { usePublicRead } from "../../api/public-queries.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { Attachments } from "../explorer/attachments.tsx"
import { Person } from "../explorer/person.tsx"
import type { Message } from "./words.tsx"

export function MessageRow({ message, onDelete }: { message: Message; onDelete: (hard: boolean) => void }) {
  const may = useMay()
  const [uncovered, setUncovered] = useState(false)
  const isDeleted = message.deleted_at !== undefined
  const copy = (): void => void navigator.clipboard?.writeText(message.id)
  return (
    <Group component="li" align="flex-start" gap="sm" wrap="nowrap">
      <Avatar name={message.user.name ?? message.user.id} color="initials" radius="xl" size={32} aria-hidden />
      <Box style={{ flex: 1, minWidth: 0 }}>
        <Group gap={8}>
          <Person user={message.user} />
          <Text span size="xs" c="dimmed">
            <TimeAgo at={message.created_at} />
          </Text>
          <MessageBadges message={message} />
        </Group>
        {isDeleted ? (
          <>
            <Text size="sm" c="dimmed" fs="italic">
              Deleted <TimeAgo at={message.deleted_at} />
            </Text>
            {uncovered ? (
              <Uncovered id={message.id} />
            ) : (
              <Button size="compact-xs" variant="subtle" ml={-6} onClick={() => setUncovered(true)}>
                Show what it said
              </Button>
            )}
          </>
        ) : (
          <Said message={message} />
        )}
      </Box>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for the message of ${message.user.id}`}>
            <KebabHorizontalIcon />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={copy}>Copy its id</Menu.Item>
          {may("content.manage") ? (
            <>
              {isDeleted ? null : (
                <Menu.Item color="red" onClick={() => onDelete(false)}>
                  Delete…
                </Menu.Item>
              )}
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

function Said({ message }: { message: Message }) {
  const reactions = Object.entries(message.reaction_counts)
  return (
    <>
      {message.text === "" ? null : (
        <Text size="sm" className="weir-break" style={{ whiteSpace: "pre-wrap" }}>
          {message.text}
        </Text>
      )}
      <Attachments attachments={message.attachments} />
      {message.reply_count === 0 && reactions.length === 0 ? null : (
        <Text size="xs" c="dimmed">
          {[
            ...(message.reply_count === 0 ? [] : [`${message.reply_count} in its thread`]),
            ...reactions.map(([name, count]) => `${name} ${count}`),
          ].join(" · ")}
        </Text>
      )}
    </>
  )
}

// A deleted message goes on existing for the app's backend, until it is erased.
function Uncovered({ id }: { id: string }) {
  const { data, error, refetch } = usePublicRead("GetMessage", {
    path: { id },
    query: { show_deleted_message: true },
  })
  if (error) return <ErrorAlert error={error} title="It could not be read" retry={() => void refetch()} />
  if (data === undefined) {
    return (
      <Text size="sm" c="dimmed">
        …
      </Text>
    )
  }
  return <Said message={data.message} />
}

function MessageBadges({ message }: { message: Message }) {
  const badges: readonly (readonly [shown: boolean, word: string, color: string])[] = [
    [message.type === "system", "system", "gray"],
    [message.parent_id !== undefined, "reply", "gray"],
    [message.silent, "silent", "gray"],
    [message.shadowed, "shadowed", "yellow"],
    [message.message_text_updated_at !== undefined && message.deleted_at === undefined, "edited", "gray"],
  ]
  return badges.map(([shown, word, color]) =>
    shown ? (
      <Badge key={word} size="sm" variant="light" color={color}>
        {word}
      </Badge>
    ) : null,
  )
}

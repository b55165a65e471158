// What is said in a channel, newest last, as people read it. Older pages are asked for above.

import { Box, Button, Center, Group, Skeleton, Stack, Text } from "@mantine/core"
import { CommentIcon, SyncIcon } from "@primer/octicons-react"
import { useState } from "react"
import { callPublic } from "../../api/public.ts"
import { usePublicChange, usePublicList } from "../../api/public-queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { MessageRow } from "./message.tsx"
import type { Message } from "./words.tsx"

const pageSize = 25
const refreshMs = 10_000

export function Messages({ type, id }: { type: string; id: string }) {
  const list = usePublicList("GetOrCreateChannel", {
    of: { type, id, what: "messages" },
    read: (app, before) =>
      callPublic(app, "GetOrCreateChannel", {
        path: { type, id },
        body: {
          messages: { limit: pageSize, ...(before === null ? {} : { id_lt: before }) },
          members: { limit: 0 },
        },
      }),
    // Each page is oldest first and older than the page before it.
    rowsOf: ({ messages }) => messages.toReversed(),
    nextOf: ({ messages }) => (messages.length < pageSize ? null : (messages[0]?.id ?? null)),
    everyMs: refreshMs,
  })
  const [deleting, setDeleting] = useState<{ message: Message; hard: boolean } | null>(null)
  return (
    <Section
      title="Messages"
      description="Newest last. Replies stay in their threads, which the API does not list."
      actions={
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<SyncIcon />}
          onClick={list.retry}
          loading={list.isFetching}
        >
          Refresh
        </Button>
      }
    >
      {list.error ? (
        <ErrorAlert error={list.error} title="The messages could not be read" retry={list.retry} />
      ) : list.rows === undefined ? (
        <Stack gap="md" aria-busy="true" aria-label="Messages are being read">
          {[1, 2, 3, 4].map((row) => (
            <Skeleton key={row} height={44} radius="md" />
          ))}
        </Stack>
      ) : list.rows.length === 0 ? (
        <EmptyState icon={CommentIcon} title="No message yet">
          What members send appears here within seconds.
        </EmptyState>
      ) : (
        <Box>
          {list.more === null ? null : (
            <Center mb="md">
              <Button variant="default" size="sm" onClick={list.more.load} loading={list.more.loading}>
                Show older messages
              </Button>
            </Center>
          )}
          <Stack component="ol" gap="md" p={0} m={0} style={{ listStyle: "none" }}>
            {list.rows.toReversed().map((message) => (
              <MessageRow key={message.id} message={message} onDelete={(hard) => setDeleting({ message, hard })} />
            ))}
          </Stack>
        </Box>
      )}
      <DeleteMessage deleting={deleting} onClose={() => setDeleting(null)} />
    </Section>
  )
}

interface DeleteMessageProps {
  deleting: { readonly message: Message; readonly hard: boolean } | null
  onClose: () => void
}

function DeleteMessage({ deleting, onClose }: DeleteMessageProps) {
  const remove = usePublicChange("DeleteMessage", ["GetOrCreateChannel", "QueryChannels", "GetMessage"])
  const close = (): void => {
    remove.reset()
    onClose()
  }
  const isHard = deleting?.hard === true
  return (
    <ConfirmDialog
      opened={deleting !== null}
      onClose={close}
      title={isHard ? "Erase the message" : "Delete the message"}
      confirm={isHard ? "Erase" : "Delete"}
      busy={remove.isPending}
      error={remove.error}
      onConfirm={() => {
        if (deleting === null) return
        const { message, hard } = deleting
        remove.mutate({ path: { id: message.id }, query: hard ? { hard: true } : {} }, { onSuccess: close })
      }}
    >
      <Text size="sm">
        {isHard
          ? "Nothing of it stays: text, attachments and the replies to it are gone for good."
          : "Members see that a message was deleted, and no longer what it said. You can still read it here."}
      </Text>
      {deleting === null || deleting.message.text === "" ? null : (
        <Group gap="xs" wrap="nowrap">
          <Text size="sm" c="dimmed" lineClamp={3} className="weir-break">
            “{deleting.message.text}”
          </Text>
        </Group>
      )}
    </ConfirmDialog>
  )
}

// Attachments as links: what others uploaded is not loaded into the dashboard.

import { Anchor, Badge, Group, Text } from "@mantine/core"
import { PaperclipIcon } from "@primer/octicons-react"
import { attachmentLinks } from "./links.ts"

/** The attachments of a message or an activity, whatever their kinds. */
export function Attachments({ attachments }: { attachments: readonly object[] }) {
  if (attachments.length === 0) return null
  return (
    <Group gap="xs" mt={4} role="list" aria-label="Attachments">
      {attachmentLinks(attachments).map(({ key, type, title, url }) => (
        <Group key={key} gap={6} role="listitem" wrap="nowrap" maw="100%">
          <PaperclipIcon size={14} aria-hidden />
          {url === null ? (
            <Text size="sm" className="weir-break">
              {title}
            </Text>
          ) : (
            <Anchor size="sm" href={url} target="_blank" rel="noreferrer noopener" className="weir-break">
              {title}
            </Anchor>
          )}
          {type === null ? null : (
            <Badge size="sm" variant="light" color="gray">
              {type}
            </Badge>
          )}
        </Group>
      ))}
    </Group>
  )
}

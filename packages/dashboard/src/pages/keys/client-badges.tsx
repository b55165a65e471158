// Clients of a secret, short: the first few by name and version, the rest as a number.

import { Badge, Group, Text, Tooltip } from "@mantine/core"
import { clientName } from "./clients.ts"

const shownMax = 2

export function ClientBadges({ clients }: { clients: readonly string[] }) {
  if (clients.length === 0) {
    return (
      <Text span size="sm" c="dimmed">
        none seen
      </Text>
    )
  }
  const rest = clients.slice(shownMax)
  return (
    <Group gap={4}>
      {clients.slice(0, shownMax).map((client) => {
        const { name, version } = clientName(client)
        return (
          <Badge key={client} variant="default" fw={500} miw="max-content" title={client}>
            {version === null ? name : `${name} ${version}`}
          </Badge>
        )
      })}
      {rest.length > 0 ? (
        <Tooltip label={rest.join(", ")} multiline maw={320}>
          <Badge variant="default" fw={500} miw="max-content" tabIndex={0}>
            {`${rest.length} more`}
          </Badge>
        </Tooltip>
      ) : null}
    </Group>
  )
}

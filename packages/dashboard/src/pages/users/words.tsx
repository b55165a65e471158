// How the state of a user is spoken of.

import { Badge, Group, Text } from "@mantine/core"
import type { CallOutput } from "../../api/client.ts"

export type AppUser = CallOutput<"ListAppUsers">["users"][number]

/** What is out of the ordinary about a user, as badges; nothing for most. */
export function UserBadges({ user }: { user: AppUser }) {
  const { online, banned, banned_channels: channels, deactivated_at: deactivated, deleted_at: deleted } = user
  const badges: readonly (readonly [shown: boolean, word: string, color: string])[] = [
    [deleted !== null, "deleted", "red"],
    [deactivated !== null && deleted === null, "deactivated", "gray"],
    [banned, "banned", "red"],
    [!banned && channels > 0, `banned in ${channels} channel${channels === 1 ? "" : "s"}`, "yellow"],
    [online, "online", "teal"],
  ]
  return (
    <Group gap={6}>
      {badges.flatMap(([shown, word, color]) =>
        shown
          ? [
              <Badge key={word} variant="light" color={color} miw="max-content">
                {word}
              </Badge>,
            ]
          : [],
      )}
    </Group>
  )
}

export const Teams = ({ teams }: { teams: readonly string[] }) =>
  teams.length === 0 ? (
    <Text span size="sm" c="dimmed">
      none
    </Text>
  ) : (
    <Text span size="sm" className="weir-break">
      {teams.join(", ")}
    </Text>
  )

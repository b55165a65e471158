// How channels are spoken of.

import { Badge, Group } from "@mantine/core"
import type { PublicOutput } from "../../api/public.ts"

export type ChannelState = PublicOutput<"QueryChannels">["channels"][number]
export type Channel = ChannelState["channel"]
export type Message = PublicOutput<"GetOrCreateChannel">["messages"][number]

/** The name that the app gave it, where it gave one. */
export function nameOfChannel({ custom }: Channel): string | null {
  const { name } = custom
  return typeof name === "string" && name !== "" ? name : null
}

/** What is out of the ordinary about a channel; nothing for most. */
export function ChannelBadges({ channel }: { channel: Channel }) {
  return (
    <Group gap={6}>
      {channel.frozen ? (
        <Badge variant="light" color="cyan">
          frozen
        </Badge>
      ) : null}
      {channel.disabled ? (
        <Badge variant="light" color="red">
          disabled
        </Badge>
      ) : null}
    </Group>
  )
}

import { Badge, Tooltip } from "@mantine/core"
import type { SecretState } from "./wire.ts"

/** What each state means, in one sentence. */
const meaningOf: Readonly<Record<SecretState, string>> = {
  standby: "Created, but not in use: tokens signed with it are refused.",
  active: "Signs new tokens, and tokens signed with it are let in.",
  retiring: "Signs no new tokens; those in the field are let in until they run out.",
  revoked: "Ended for good: every token and open socket of it is gone.",
}

const looks = {
  standby: { color: "gray", variant: "outline" },
  active: { color: "cyan", variant: "filled" },
  retiring: { color: "yellow.4", variant: "filled", autoContrast: true },
  revoked: { color: "gray", variant: "light" },
} as const

export const StateBadge = ({ state }: { state: SecretState }) => (
  <Tooltip label={meaningOf[state]} multiline maw={280}>
    <Badge {...looks[state]} miw="max-content">
      {state}
    </Badge>
  </Tooltip>
)

export const OffBadge = () => (
  <Badge color="red" variant="filled" miw="max-content">
    disabled
  </Badge>
)

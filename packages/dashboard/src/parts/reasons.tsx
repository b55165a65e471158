// The checks of a decision in the order in which they were made: passed, failed, not reached.

import { Text, ThemeIcon, Timeline } from "@mantine/core"
import { CheckIcon, DashIcon, XIcon } from "@primer/octicons-react"

export interface Reason {
  readonly check: string
  readonly passed: boolean | null
  readonly detail: string | null
}

/** What it means that a check passed. */
const meanings: Readonly<Record<string, string>> = {
  lease: "this node is up to date with revocations",
  key: "the API key exists and is enabled",
  app: "the app is not suspended",
  kind: "this type of caller is accepted",
  token: "the token can be read",
  signature: "a secret of the key signed it",
  policy: "it meets the token policy",
  times: "it is valid by now and has not expired",
  revocation: "no revocation ends it",
  user: "the user is not deactivated or deleted",
  access: "the operation is open to this type of caller",
  "rate-limit": "the caller is within the rate limits",
  scope: "the scopes of the token cover it",
  "call-token": "the token lists this call or channel",
  ban: "the user is not banned",
}

/** What a check found, as a sentence of its own: the server names actions and roles of a grant and nothing else. */
export function detailText({ check, passed, detail }: Reason): string | null {
  const [, actions, roles] = (check === "grant" && /^(.+) for ([\w, -]+)$/.exec(detail ?? "")) || []
  if (actions === undefined || passed === null) return detail
  return `${actions} is ${passed ? "" : "not "}granted to ${roles}`
}

const looks = {
  passed: { color: "teal", icon: CheckIcon, word: "passed" },
  failed: { color: "red", icon: XIcon, word: "failed" },
  skipped: { color: "gray", icon: DashIcon, word: "not reached" },
} as const

export function Reasons({ reasons }: { reasons: readonly Reason[] }) {
  return (
    <Timeline bulletSize={22} lineWidth={2} role="list" className="weir-reasons">
      {reasons.map((reason, index) => {
        const { check, passed } = reason
        const found = detailText(reason)
        // What passed is passed over: one line is enough for it.
        const beside = passed ? (found ?? meanings[check]) : undefined
        const below = passed ? null : found
        const { color, icon: Shape, word } = looks[passed === null ? "skipped" : passed ? "passed" : "failed"]
        return (
          <Timeline.Item
            role="listitem"
            // biome-ignore lint/suspicious/noArrayIndexKey: a check may stand twice, and the order never changes
            key={index}
            bullet={
              <ThemeIcon size={22} radius="xl" color={color} variant={passed === null ? "light" : "filled"} aria-hidden>
                <Shape size={12} />
              </ThemeIcon>
            }
            title={
              <Text span size="sm" fw={600}>
                {check}{" "}
                <Text span size="xs" c="dimmed">
                  {beside === undefined ? word : `${word}: ${beside}`}
                </Text>
              </Text>
            }
          >
            {below ? (
              <Text size="sm" c="dimmed" className="weir-break">
                {below}
              </Text>
            ) : null}
          </Timeline.Item>
        )
      })}
    </Timeline>
  )
}

// The checks of a decision in the order in which they were made: passed, failed, not reached.

import { Text, ThemeIcon, Timeline } from "@mantine/core"
import { CheckIcon, DashIcon, XIcon } from "@primer/octicons-react"

export interface Reason {
  readonly check: string
  readonly passed: boolean | null
  readonly detail: string | null
}

const looks = {
  passed: { color: "teal", icon: CheckIcon, word: "passed" },
  failed: { color: "red", icon: XIcon, word: "failed" },
  skipped: { color: "gray", icon: DashIcon, word: "not reached" },
} as const

export function Reasons({ reasons }: { reasons: readonly Reason[] }) {
  return (
    <Timeline bulletSize={22} lineWidth={2} role="list">
      {reasons.map(({ check, passed, detail }, index) => {
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
                  {word}
                </Text>
              </Text>
            }
          >
            {detail ? (
              <Text size="sm" c="dimmed" className="weir-break">
                {detail}
              </Text>
            ) : null}
          </Timeline.Item>
        )
      })}
    </Timeline>
  )
}

// How long answers took: the histogram as it is counted, which the percentiles are worked out from.

import { Group, Progress, Skeleton, Stack, Text } from "@mantine/core"
import { Section } from "../../parts/section.tsx"
import { countText, shareText, type Traffic } from "./series.ts"

export function LatencyTable({ traffic }: { traffic: Traffic | undefined }) {
  const counts = traffic?.latency.counts ?? []
  const all = counts.reduce((sum, count) => sum + count, 0)
  const bounds = traffic?.latency.bounds_ms ?? []
  return (
    <Section title="How long answers took" description="Requests by time; percentiles are worked out from these.">
      {traffic === undefined ? <Skeleton h={240} /> : null}
      <Stack gap={6} component="ul" p={0} m={0} style={{ listStyle: "none" }}>
        {counts.map((count, index) => {
          const label = index < bounds.length ? `≤ ${bounds[index]} ms` : `> ${bounds.at(-1)} ms`
          return (
            <Group key={label} gap="sm" wrap="nowrap" component="li">
              <Text size="xs" w={76} ta="right" className="weir-number">
                {label}
              </Text>
              <Progress
                value={all === 0 ? 0 : (100 * count) / all}
                style={{ flex: 1 }}
                aria-label={`${label}: ${countText(count)}`}
              />
              <Text size="xs" w={84} className="weir-number" c="dimmed">
                {countText(count)} · {shareText(count, all)}
              </Text>
            </Group>
          )
        })}
      </Stack>
    </Section>
  )
}

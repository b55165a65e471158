// Attempts of the last day, over all hooks of the app.

import { Skeleton, Text } from "@mantine/core"
import { useMay } from "../../access/session.tsx"
import { useRead } from "../../api/queries.ts"
import { TimeChart } from "../../parts/charts.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp } from "../../shell/apps.tsx"
import { ranges, useRangeQuery } from "../traffic/range.ts"
import { countText, deliverySeries, pointsOf } from "../traffic/series.ts"

const refreshMs = 15_000

export function DeliveryChart() {
  const app = String(useApp())
  const allowed = useMay()("traffic.read")
  const query = useRangeQuery(ranges[1])
  const { data, error, refetch } = useRead(
    "ListTraffic",
    { path: { app }, query },
    { everyMs: refreshMs, keep: true, enabled: allowed },
  )
  if (!allowed) return null
  const attempts = data === undefined ? 0 : data.totals.deliveries_succeeded + data.totals.deliveries_failed
  return (
    <Section
      title="Attempts"
      description={
        data === undefined
          ? "24 hours"
          : `${countText(attempts)} within 24 hours, ${countText(data.totals.deliveries_failed)} of them failed`
      }
    >
      {error && data === undefined ? (
        <ErrorAlert error={error} title="The numbers could not be read" retry={() => void refetch()} />
      ) : data === undefined ? (
        <Skeleton h={200} radius="md" />
      ) : attempts === 0 ? (
        <Text size="sm" c="dimmed">
          No event was handed to a hook in this time.
        </Text>
      ) : (
        <TimeChart
          kind="bar"
          title="Attempts to deliver within 24 hours"
          points={pointsOf(data.points)}
          series={deliverySeries}
        />
      )}
    </Section>
  )
}

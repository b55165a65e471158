// The charts of an app's traffic, one in each section; the overview shows the same.

import { Box, SimpleGrid, Skeleton, Text } from "@mantine/core"
import type { ReactNode } from "react"
import { TimeChart } from "../../parts/charts.tsx"
import { Section } from "../../parts/section.tsx"
import {
  countText,
  deliverySeries,
  latencySeries,
  msText,
  pointsOf,
  refusalsOf,
  requestSeries,
  socketSeries,
  type Traffic,
} from "./series.ts"

const chartHeight = 200

/** Undefined while it loads. */
export function TrafficCharts({ traffic, span }: { traffic: Traffic | undefined; span: string }) {
  const points = traffic === undefined ? [] : pointsOf(traffic.points)
  const refusals = traffic === undefined ? { points: [], series: [] } : refusalsOf(traffic)
  const totals = traffic?.totals
  const chart = (isEmpty: boolean, empty: string, shown: ReactNode): ReactNode => {
    if (traffic === undefined) return <Skeleton h={chartHeight} radius="md" />
    if (!isEmpty) return shown
    return (
      <Box h={chartHeight} style={{ display: "grid", placeItems: "center" }}>
        <Text size="sm" c="dimmed" ta="center">
          {empty}
        </Text>
      </Box>
    )
  }
  const shared = { points, height: chartHeight }
  return (
    <>
      <Section
        title="Requests"
        description={totals === undefined ? span : `${countText(totals.requests)} within ${span}`}
      >
        {chart(
          totals?.requests === 0,
          "No request yet.",
          <TimeChart {...shared} kind="bar" title={`Requests by outcome within ${span}`} series={requestSeries} />,
        )}
      </Section>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg" verticalSpacing={0}>
        <Section title="Refusals by reason" description="The error of the answer, and the check that refused.">
          {chart(
            refusals.series.length === 0,
            "Nothing was refused.",
            <TimeChart
              height={chartHeight}
              kind="bar"
              title={`Refusals by reason within ${span}`}
              points={refusals.points}
              series={refusals.series}
              legend
            />,
          )}
        </Section>
        <Section
          title="Latency"
          description={totals === undefined ? "…" : `p95 ${msText(totals.p95_ms)}, mean ${msText(totals.mean_ms)}`}
        >
          {chart(
            totals?.requests === 0,
            "No request yet.",
            <TimeChart {...shared} title={`Latency percentiles within ${span}`} series={latencySeries} unit=" ms" />,
          )}
        </Section>
        <Section title="Connections" description="The most sockets open at one time.">
          {chart(
            totals !== undefined && totals.sockets_open === 0 && totals.sockets_opened === 0,
            "No socket was open.",
            <TimeChart {...shared} title={`Open sockets within ${span}`} series={socketSeries} />,
          )}
        </Section>
        <Section title="Deliveries" description="Attempts to deliver an event to a webhook.">
          {chart(
            totals !== undefined && totals.deliveries_succeeded + totals.deliveries_failed === 0,
            "No event went to a webhook.",
            <TimeChart {...shared} kind="bar" title={`Deliveries within ${span}`} series={deliverySeries} />,
          )}
        </Section>
      </SimpleGrid>
    </>
  )
}

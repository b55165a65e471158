// An app at a glance: its key, what to do next while nobody has called yet, then how it fares.

import { Alert, Anchor, Box, Group, SimpleGrid, Stack, Text } from "@mantine/core"
import { AlertIcon } from "@primer/octicons-react"
import { lazy, Suspense } from "react"
import { Link } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useRead } from "../../api/queries.ts"
import { Copyable } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { Stat } from "../../parts/stat.tsx"
import { useApp, useAppFacts, useAppPath } from "../../shell/apps.tsx"
import { ranges, useRangeQuery } from "../traffic/range.ts"
import { countText, msText, shareText } from "../traffic/series.ts"
import { FirstSteps } from "./first-steps.tsx"

// Charts are large, and the numbers need not wait for them.
const TrafficCharts = lazy(() => import("../traffic/charts.tsx").then((module) => ({ default: module.TrafficCharts })))

const refreshMs = 10_000
const [hour, day] = ranges

export default function Overview() {
  const app = String(useApp())
  const facts = useAppFacts()
  const may = useMay()
  const path = useAppPath()
  const overview = useRead("GetOverview", { path: { app } }, { everyMs: refreshMs, keep: true })
  const { data, error } = overview
  // What began within the hour would be a line at the edge of a day.
  const isYoung = data !== undefined && data.hour.requests === data.day.requests && data.day_before.requests === 0
  const range = isYoung ? hour : day
  const query = useRangeQuery(range)
  const traffic = useRead(
    "ListTraffic",
    { path: { app }, query },
    { everyMs: refreshMs, keep: true, enabled: data?.has_traffic === true },
  )
  return (
    <>
      <PageHeader title={facts?.name ?? "Overview"}>
        {facts === undefined ? "…" : `App ${facts.id}, in ${facts.environment}.`}
      </PageHeader>
      {facts?.suspended ? (
        <Alert color="red" icon={<AlertIcon />} title="This app is suspended" mb="lg">
          Nobody is let in until that is taken back in the app's settings.
        </Alert>
      ) : null}
      {error && data === undefined ? (
        <Box mb="lg">
          <ErrorAlert error={error} title="The overview could not be read" retry={() => void overview.refetch()} />
        </Box>
      ) : null}
      <Section title="API key" description="Public: every client of this app sends it along.">
        {data === undefined ? (
          <Text size="sm" c="dimmed">
            …
          </Text>
        ) : data.api_key === null ? (
          <Text size="sm">
            No key is enabled.{" "}
            {may("keys.read") ? (
              <Anchor component={Link} href={path("/keys")} size="sm" underline="always">
                Look at the keys
              </Anchor>
            ) : null}
          </Text>
        ) : (
          <Group justify="space-between">
            <Copyable value={data.api_key} label="API key" />
            {may("keys.read") ? (
              <Anchor component={Link} href={path("/keys")} size="sm">
                Keys and secrets
              </Anchor>
            ) : null}
          </Group>
        )}
      </Section>
      {data?.has_traffic === false ? <FirstSteps apiKey={data.api_key} /> : null}
      <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} mb="lg" spacing="md">
        <Stat
          label="Requests, 24 h"
          value={data && countText(data.day.requests)}
          hint={data && `${countText(data.day_before.requests)} the day before`}
        />
        <Stat
          label="Refused"
          value={data && countText(data.day.refused)}
          hint={data && `${shareText(data.day.refused, data.day.requests)} of requests`}
        />
        <Stat
          label="Failed"
          value={data && countText(data.day.failed)}
          hint={data && `${shareText(data.day.failed, data.day.requests)} of requests`}
        />
        <Stat
          label="Latency, p95"
          value={data && msText(data.day.p95_ms)}
          hint={data && `p99 ${msText(data.day.p99_ms)}`}
        />
        <Stat
          label="Open sockets"
          value={data && countText(data.sockets)}
          hint={data && nodesText(data.nodes.answering, data.nodes.silent)}
        />
        <Stat
          label="Users"
          value={data && `${data.users.is_bounded ? "≥ " : ""}${countText(data.users.count)}`}
          hint={
            may("users.read") ? (
              <Anchor component={Link} href={path("/users")} size="xs">
                Find one
              </Anchor>
            ) : null
          }
        />
      </SimpleGrid>
      {data?.has_traffic === true ? (
        <Stack gap={0}>
          {traffic.error && traffic.data === undefined ? (
            <ErrorAlert error={traffic.error} retry={() => void traffic.refetch()} />
          ) : (
            <Suspense fallback={<div style={{ minHeight: 280 }} />}>
              <TrafficCharts traffic={traffic.data} span={range.label} />
            </Suspense>
          )}
        </Stack>
      ) : null}
    </>
  )
}

const nodesText = (answering: number, silent: number): string =>
  `on ${answering} ${answering === 1 ? "node" : "nodes"}${silent === 0 ? "" : `, ${silent} silent`}`

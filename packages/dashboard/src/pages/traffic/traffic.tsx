// What the callers of an app do, over time, by operation and by key.

import { Code, Group, Progress, SegmentedControl, Text } from "@mantine/core"
import { GraphIcon } from "@primer/octicons-react"
import { useRead } from "../../api/queries.ts"
import { useFilter } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { RowLink } from "../../parts/row-link.tsx"
import { Section } from "../../parts/section.tsx"
import { type Column, DataTable } from "../../parts/table.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { TrafficCharts } from "./charts.tsx"
import { LatencyTable } from "./latency.tsx"
import { ranges, useRangeQuery } from "./range.ts"
import { countText, msText, shareText, type Traffic } from "./series.ts"

const refreshMs = 15_000

export default function TrafficPage() {
  const app = String(useApp())
  const path = useAppPath()
  const [name, setName] = useFilter("range")
  const range = ranges.find((known) => known.name === name) ?? ranges[1]
  const query = useRangeQuery(range)
  const { data, error, refetch } = useRead("ListTraffic", { path: { app }, query }, { everyMs: refreshMs, keep: true })
  const span = range.label
  return (
    <>
      <PageHeader
        title="Traffic"
        actions={
          <SegmentedControl
            aria-label="Span of time"
            value={range.name}
            onChange={setName}
            data={ranges.map(({ name, label }) => ({ value: name, label }))}
          />
        }
      >
        Requests, refusals, latency and connections of this app, counted on every node.
      </PageHeader>
      {error && data === undefined ? (
        <ErrorAlert error={error} title="The traffic could not be read" retry={() => void refetch()} />
      ) : (
        <>
          <TrafficCharts traffic={data} span={span} />
          <Section flush title="By operation" description={`Most requests first, within ${span}.`}>
            <DataTable
              caption={`Requests by operation within ${span}`}
              rows={data?.operations}
              keyOf={({ operation }) => operation}
              empty={nothing}
              columns={[
                {
                  header: "Operation",
                  cell: ({ operation }) =>
                    operation === "other" ? (
                      "Others together"
                    ) : (
                      <RowLink href={path(`/requests?operation=${encodeURIComponent(operation)}`)}>{operation}</RowLink>
                    ),
                },
                ...shares<Traffic["operations"][number]>(data?.totals.requests ?? 0),
              ]}
            />
          </Section>
          <Section flush title="By key" description={`Most requests first, within ${span}.`}>
            <DataTable
              caption={`Requests by API key within ${span}`}
              rows={data?.keys}
              keyOf={({ api_key }) => api_key}
              empty={nothing}
              columns={[
                {
                  header: "Key",
                  cell: ({ api_key }) => (api_key === "other" ? "Others together" : <Code>{api_key}</Code>),
                },
                ...shares<Traffic["keys"][number]>(data?.totals.requests ?? 0),
              ]}
            />
          </Section>
          <LatencyTable traffic={data} />
        </>
      )}
    </>
  )
}

const nothing = (
  <EmptyState icon={GraphIcon} title="No request in this time">
    Choose a longer span, or send a request with the key of this app.
  </EmptyState>
)

interface Share {
  readonly requests: number
  readonly refused: number
  readonly failed: number
  readonly mean_ms: number | null
}

const shares = <Row extends Share>(all: number): Column<Row>[] => [
  { header: "Requests", numeric: true, cell: ({ requests }) => countText(requests) },
  {
    header: "Share",
    wide: true,
    width: 160,
    cell: ({ requests }) => (
      <Group gap="xs" wrap="nowrap">
        <Progress
          value={all === 0 ? 0 : (100 * requests) / all}
          style={{ flex: 1 }}
          aria-label={`${shareText(requests, all)} of all requests`}
        />
        <Text size="xs" w={44} ta="right" className="weir-number">
          {shareText(requests, all)}
        </Text>
      </Group>
    ),
  },
  { header: "Refused", numeric: true, cell: ({ refused }) => countText(refused) },
  { header: "Failed", numeric: true, wide: true, cell: ({ failed }) => countText(failed) },
  { header: "Mean", numeric: true, wide: true, cell: ({ mean_ms }) => msText(mean_ms) },
]

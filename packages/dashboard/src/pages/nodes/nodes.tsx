// The processes that serve this deployment, and how each fares.

import { SimpleGrid, Text } from "@mantine/core"
import { ServerIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { Stat } from "../../parts/stat.tsx"
import { DataTable } from "../../parts/table.tsx"
import { duration, TimeAgo } from "../../parts/time.tsx"
import { countText, msText } from "../traffic/series.ts"
import { NodeDrawer } from "./node.tsx"
import { bytesText, type Node, NodeBadge } from "./state.tsx"

const refreshMs = 5_000
const oneLine = { whiteSpace: "nowrap" } as const

export default function Nodes() {
  const { data, error, refetch } = useRead("ListNodes", {}, { everyMs: refreshMs, keep: true })
  const [shownId, setShownId] = useState<string | null>(null)
  const nodes = data?.nodes
  const answering = nodes?.filter(({ status }) => status === "answering")
  const sum = (of: (state: NonNullable<Node["state"]>) => number): number | undefined =>
    answering?.reduce((total, { state }) => total + (state === null ? 0 : of(state)), 0)
  const most = (of: (state: NonNullable<Node["state"]>) => number): number | undefined =>
    answering?.reduce((highest, { state }) => Math.max(highest, state === null ? 0 : of(state)), 0)
  const shown = nodes?.find(({ id }) => id === shownId)
  const stat = (value: number | undefined): string | undefined => (value === undefined ? undefined : countText(value))
  return (
    <>
      <PageHeader title="Nodes">
        Each process of this deployment. A node that cannot hear of revocations lets nobody in until it can.
      </PageHeader>
      <SimpleGrid cols={{ base: 2, md: 4 }} mb="lg">
        <Stat
          label="Answering"
          value={stat(answering?.length)}
          hint={nodes && answering && `${nodes.length - answering.length} silent`}
        />
        <Stat label="Open sockets" value={stat(sum(({ sockets }) => sockets))} hint="over all nodes" />
        <Stat
          label="Requests a minute"
          value={stat(sum((state) => state.requests_per_minute))}
          hint="the last minute"
        />
        <Stat
          label="Revocation lag"
          value={
            most(({ revocations }) => revocations.age_ms) === undefined
              ? undefined
              : msText(Math.round(most(({ revocations }) => revocations.age_ms) ?? 0))
          }
          hint="of the slowest node"
        />
      </SimpleGrid>
      <Section flush>
        <DataTable
          caption="Nodes of this deployment"
          rows={nodes}
          error={data === undefined ? error : null}
          retry={() => void refetch()}
          keyOf={({ id }) => id}
          onOpen={({ id }) => setShownId(id)}
          columns={[
            {
              header: "Node",
              cell: ({ id, is_here, state }) => (
                <div style={oneLine}>
                  <Text size="sm">{id}</Text>
                  <Text size="xs" c="dimmed">
                    {[state?.version, is_here ? "serves this page" : undefined].filter(Boolean).join(", ")}
                  </Text>
                </div>
              ),
            },
            { header: "State", cell: (node) => <NodeBadge node={node} /> },
            {
              header: "Uptime",
              wide: true,
              cell: ({ state }) => (
                <span style={oneLine}>
                  {state === null ? "–" : duration((Date.now() - Date.parse(state.started_at)) / 1_000)}
                </span>
              ),
            },
            {
              header: "Sockets",
              numeric: true,
              wide: true,
              cell: ({ state }) => (state === null ? "–" : countText(state.sockets)),
            },
            {
              header: "Revocation lag",
              numeric: true,
              wide: true,
              cell: ({ state }) => (state === null ? "–" : msText(Math.round(state.revocations.age_ms))),
            },
            {
              header: "Event loop",
              numeric: true,
              wide: true,
              cell: ({ state }) => (state === null ? "–" : msText(state.event_loop.max_ms)),
            },
            {
              header: "Memory",
              numeric: true,
              wide: true,
              cell: ({ state }) => (state === null ? "–" : bytesText(state.memory.resident_bytes)),
            },
            { header: "Last heartbeat", wide: true, cell: ({ last_seen_at }) => <TimeAgo at={last_seen_at} /> },
          ]}
          empty={
            <EmptyState icon={ServerIcon} title="No node has reported yet">
              A node is listed as soon as it holds its lease; look again in a few seconds.
            </EmptyState>
          }
        />
      </Section>
      <NodeDrawer node={shown ?? null} onClose={() => setShownId(null)} />
    </>
  )
}

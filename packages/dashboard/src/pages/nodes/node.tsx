// One node: everything that it says of itself.

import { Alert, Code, Drawer, Stack, Text, Title } from "@mantine/core"
import { AlertIcon } from "@primer/octicons-react"
import type { ReactNode } from "react"
import { Facts } from "../../parts/facts.tsx"
import { absoluteTime, duration } from "../../parts/time.tsx"
import { countText, msText } from "../traffic/series.ts"
import { bytesText, type Node, NodeBadge } from "./state.tsx"

export function NodeDrawer({ node, onClose }: { node: Node | null; onClose: () => void }) {
  return (
    <Drawer
      opened={node !== null}
      onClose={onClose}
      position="right"
      size="lg"
      title={node === null ? "" : `Node ${node.id}`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {node === null ? null : <NodeDetails node={node} />}
    </Drawer>
  )
}

function NodeDetails({ node }: { node: Node }) {
  const { state } = node
  if (state === null) {
    return (
      <Stack>
        <NodeBadge node={node} />
        <Alert color="red" icon={<AlertIcon />} title="This node does not answer">
          <Text size="sm">
            Its last sign was at {absoluteTime(node.last_seen_at)}. If it was stopped, it leaves this list within an
            hour; if not, look whether it reaches the bus and the database.
          </Text>
        </Alert>
      </Stack>
    )
  }
  const { revocations, event_loop: loop, memory, database, dropped } = state
  return (
    <Stack gap="lg">
      <NodeBadge node={node} />
      <Facts
        cols={2}
        facts={[
          ["Version", state.version],
          ["Runtime", state.runtime],
          ["Started", absoluteTime(state.started_at)],
          ["Uptime", duration((Date.now() - Date.parse(state.started_at)) / 1_000)],
          ["Listens at", state.address === null ? null : <Code key="address">{state.address}</Code>],
          ["Open sockets", countText(state.sockets)],
          ["Requests since the start", countText(state.requests)],
          ["Requests in the last minute", countText(state.requests_per_minute)],
        ]}
      />
      <Part title="Revocations">
        <Facts
          cols={2}
          facts={[
            ["Asked for news", `${msText(Math.round(revocations.age_ms))} ago`],
            ["Changes not applied yet", countText(revocations.behind)],
            ["May go on without asking", msText(Math.round(revocations.lease_left_ms))],
          ]}
        />
      </Part>
      <Part title="Process">
        <Facts
          cols={2}
          facts={[
            ["Event loop, mean and worst", `${msText(loop.mean_ms)}, ${msText(loop.max_ms)}`],
            ["Heap", bytesText(memory.heap_bytes)],
            ["Memory", bytesText(memory.resident_bytes)],
            [
              "Left out of the records",
              `${countText(dropped.refusals)} refusals, ${countText(dropped.traffic_minutes)} minutes of traffic`,
            ],
          ]}
        />
      </Part>
      <Part title="What it leans on">
        <Facts
          cols={2}
          facts={[
            ["Bus", busTexts[state.bus]],
            ["Database", database.dialect],
            ["Round trip", database.ping_ms === null ? "no answer" : msText(database.ping_ms)],
            [
              "Clock, ahead of the database's",
              database.clock_offset_ms === null ? null : msText(database.clock_offset_ms),
            ],
          ]}
        />
      </Part>
    </Stack>
  )
}

const busTexts = {
  local: "none: this is the only node",
  connected: "connected",
  away: "away: this node hears nothing of the others",
} as const

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <Stack gap="xs" component="section" aria-label={title}>
    <Title order={3} size="h6">
      {title}
    </Title>
    {children}
  </Stack>
)

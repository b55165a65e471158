// The hooks of an app: where its events go, and how each fares.

import { Anchor, Button, SimpleGrid, Text } from "@mantine/core"
import { PlusIcon, WebhookIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link, useLocation } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { Stat } from "../../parts/stat.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { countText, msText } from "../traffic/series.ts"
import { DeliveryChart } from "./delivery-chart.tsx"
import { NewHook } from "./new-hook.tsx"
import { addressOf, HookState, kindLabels, pendingText, wantsText } from "./words.tsx"

const refreshMs = 5_000
/** Addresses break within a word; narrower than this nobody could read one. */
const addressWidth = 170
export default function Hooks() {
  const app = String(useApp())
  const path = useAppPath()
  const may = useMay()
  const [, go] = useLocation()
  const [adding, setAdding] = useState(false)
  const list = useRead("ListHooks", { path: { app } }, { everyMs: refreshMs })
  const stats = useRead("GetWebhookStats", { path: { app } }, { everyMs: refreshMs })
  const byId = new Map(stats.data?.hooks.map((one) => [one.hook_id, one]))
  const sum = (of: (one: NonNullable<typeof stats.data>["hooks"][number]) => number) =>
    stats.data?.hooks.reduce((total, one) => total + of(one), 0)
  const [pending, dead, delivered] = [
    sum((one) => one.pending),
    sum((one) => one.dead),
    sum((one) => one.delivered_last_hour),
  ]
  const newHook = may("hooks.manage") ? (
    <Button leftSection={<PlusIcon />} onClick={() => setAdding(true)}>
      New webhook
    </Button>
  ) : null
  const hasHooks = list.data === undefined || list.data.hooks.length > 0
  return (
    <>
      <PageHeader title="Webhooks" actions={hasHooks ? newHook : null}>
        Where the events of this app go: to your backend, or into a queue. Each delivery is signed, tried again until it
        arrives, and kept to be looked at.
      </PageHeader>
      {hasHooks ? (
        <SimpleGrid cols={{ base: 2, md: 4 }} spacing="md" mb="lg">
          <Stat
            label="Waiting"
            value={pending === undefined ? undefined : pendingText(pending)}
            hint="to be delivered"
          />
          <Stat
            label="Dead letters"
            value={dead === undefined ? undefined : countText(dead)}
            hint={
              dead ? (
                <Anchor component={Link} href={path("/deliveries?state=dead")} size="xs" underline="always">
                  Look at them and replay
                </Anchor>
              ) : (
                "none was given up"
              )
            }
          />
          <Stat
            label="Delivered"
            value={delivered === undefined ? undefined : countText(delivered)}
            hint="in the last hour"
          />
          <Stat
            label="On their way"
            value={stats.data === undefined ? undefined : countText(stats.data.node.in_flight)}
            hint="from the node that answers"
          />
        </SimpleGrid>
      ) : null}
      <Section flush>
        <DataTable
          caption="Webhooks of the app"
          rows={list.data?.hooks}
          error={list.data === undefined ? list.error : null}
          retry={() => void list.refetch()}
          keyOf={({ id }) => id}
          onOpen={({ id }) => go(path(`/hooks/${id}`))}
          columns={[
            {
              header: "Goes to",
              cell: (hook) => (
                <>
                  <Text size="sm" fw={500} className="weir-break" lineClamp={2} miw={addressWidth}>
                    {addressOf(hook)}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {kindLabels[hook.hook_type] ?? hook.hook_type}, {wantsText(hook)}
                  </Text>
                </>
              ),
            },
            { header: "State", cell: (hook) => <HookState hook={hook} stats={byId.get(hook.id)} /> },
            { header: "Waiting", numeric: true, cell: ({ status }) => pendingText(status.pending), wide: true },
            { header: "Dead", numeric: true, cell: ({ id }) => countText(byId.get(id)?.dead ?? 0), wide: true },
            {
              header: "p95",
              numeric: true,
              cell: ({ id }) => msText(byId.get(id)?.attempts_last_hour.p95_ms ?? null),
              wide: true,
            },
            {
              header: "Last delivered",
              cell: ({ status }) => <TimeAgo at={status.last_delivered_at} fallback="not recently" />,
              wide: true,
            },
          ]}
          empty={
            <EmptyState icon={WebhookIcon} title="No webhook yet" action={newHook}>
              Give an address of your backend, a queue or a stream, and every event of this app goes there. To try it on
              your own machine, run <code>weir webhooks listen</code>.
            </EmptyState>
          }
        />
      </Section>
      {hasHooks ? <DeliveryChart /> : null}
      <NewHook opened={adding} onClose={() => setAdding(false)} />
    </>
  )
}

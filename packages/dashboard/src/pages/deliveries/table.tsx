// A list of deliveries, newest first, of which some can be chosen and sent again.

import { Button, Checkbox, Group, Text } from "@mantine/core"
import { IterationsIcon, PaperAirplaneIcon } from "@primer/octicons-react"
import { type ReactNode, type SyntheticEvent, useState } from "react"
import { useLocation } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useList } from "../../api/lists.ts"
import { useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { type Column, DataTable } from "../../parts/table.tsx"
import { relativeTime, TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { addressOf } from "../hooks/words.tsx"
import { ReplayDialog } from "./replay.tsx"
import { type Delivery, type DeliveryFilter, DeliveryState, outcomeText } from "./words.tsx"

const pageSize = 50
const latestMax = 10
/** Types break within a word below this. */
const eventWidth = 120
/** Of one replay by ids. */
const chosenMax = 100

export interface DeliveriesTableProps {
  filter: DeliveryFilter
  everyMs?: number
  /** A few, without choosing. */
  latestOnly?: boolean
}

const stay = (event: SyntheticEvent): void => event.stopPropagation()

export function DeliveriesTable({ filter, everyMs, latestOnly = false }: DeliveriesTableProps) {
  const app = String(useApp())
  const path = useAppPath()
  const may = useMay()
  const [, go] = useLocation()
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [replaying, setReplaying] = useState(false)
  const list = useList(
    "ListDeliveries",
    { path: { app }, query: { ...filter, limit: latestOnly ? latestMax : pageSize } },
    ({ deliveries }) => deliveries,
    { everyMs },
  )
  // Of one hook it stands above the list.
  const hooks = useRead("ListHooks", { path: { app } }, { enabled: filter.hook_id === undefined })
  const addresses = new Map(hooks.data?.hooks.map((hook) => [hook.id, addressOf(hook)]))
  const choose = (id: string, isChosen: boolean): void => {
    const after = new Set(chosen)
    if (isChosen) after.add(id)
    else after.delete(id)
    setChosen(after)
  }
  const canChoose = may("hooks.manage") && !latestOnly
  const choosing: Column<Delivery> = {
    header: "Choose",
    width: 60,
    wide: true,
    cell: ({ id, type }) => (
      <Checkbox
        aria-label={`Choose ${type} ${id}`}
        checked={chosen.has(id)}
        disabled={!chosen.has(id) && chosen.size >= chosenMax}
        onChange={(event) => choose(id, event.currentTarget.checked)}
        onClick={stay}
        onKeyDown={stay}
      />
    ),
  }
  const ids = [...chosen]
  return (
    <>
      {ids.length === 0 ? null : (
        <Group px="md" py="sm" gap="sm" role="status">
          <Text size="sm">
            {ids.length} chosen{ids.length >= chosenMax ? ", which is the most at a time" : ""}
          </Text>
          <Button size="compact-sm" leftSection={<IterationsIcon />} onClick={() => setReplaying(true)}>
            Send again
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => setChosen(new Set())}>
            Choose none
          </Button>
        </Group>
      )}
      <DataTable
        caption="Deliveries, newest first"
        rows={list.rows}
        error={list.error}
        retry={list.retry}
        more={latestOnly ? null : list.more}
        keyOf={({ id }) => id}
        onOpen={({ id }) => go(path(`/deliveries/${id}`))}
        columns={[
          ...(canChoose ? [choosing] : []),
          {
            header: "Event",
            cell: ({ type, stream }) => (
              <>
                <Text size="sm" fw={500} className="weir-break" miw={eventWidth}>
                  {type}
                </Text>
                <Text size="xs" c="dimmed" className="weir-break" lineClamp={1}>
                  {stream}
                </Text>
              </>
            ),
          },
          { header: "State", cell: (delivery) => <DeliveryState delivery={delivery} /> },
          ...(filter.hook_id === undefined
            ? [
                {
                  header: "Webhook",
                  wide: true,
                  cell: ({ hook_id }: Delivery) => (
                    <Text size="sm" className="weir-break" lineClamp={2}>
                      {addresses.get(hook_id) ?? "removed"}
                    </Text>
                  ),
                },
              ]
            : []),
          {
            header: "Last attempt",
            cell: (delivery) => (
              <>
                <Text size="sm" className="weir-break">
                  {outcomeText(delivery)}
                </Text>
                {delivery.state === "pending" ? <Waiting delivery={delivery} /> : null}
              </>
            ),
            wide: true,
          },
          { header: "Attempts", numeric: true, cell: ({ attempts }) => attempts, wide: true },
          { header: "When", cell: ({ created_at }) => <TimeAgo at={created_at} /> },
        ]}
        empty={
          Object.keys(filter).some((name) => name !== "hook_id") ? (
            <EmptyState icon={PaperAirplaneIcon} title="No delivery matches">
              {list.more === null
                ? "Take a filter away to see more."
                : "Not in the newest ones. Those further back can be looked through as well."}
              {list.more === null ? null : (
                <Button
                  size="compact-sm"
                  variant="default"
                  mt="sm"
                  display="block"
                  mx="auto"
                  onClick={list.more.load}
                  loading={list.more.loading}
                >
                  Look further back
                </Button>
              )}
            </EmptyState>
          ) : (
            <EmptyState icon={PaperAirplaneIcon} title="No delivery yet">
              Deliveries that arrived are kept for a day, those that did not for 30. Send a test to see the first.
            </EmptyState>
          )
        }
      />
      <ReplayDialog
        what={{ ids }}
        opened={replaying}
        onClose={() => setReplaying(false)}
        onReplayed={() => setChosen(new Set())}
      />
    </>
  )
}

function Waiting({ delivery: { due_at } }: { delivery: Delivery }) {
  if (due_at === null) return <Said>on its way</Said>
  // What is due and is not sent stands behind another one: of its stream, or of a receiver that fails.
  if (Date.parse(due_at) <= Date.now()) return <Said>waits for its turn</Said>
  return <Said>next {relativeTime(due_at)}</Said>
}

const Said = ({ children }: { children: ReactNode }) => (
  <Text size="xs" c="dimmed">
    {children}
  </Text>
)

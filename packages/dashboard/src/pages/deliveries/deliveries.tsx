// What was sent to the app's hooks or waits for it, with dead letters as a filter.

import { Button, Group, Select } from "@mantine/core"
import { IterationsIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import { useRead } from "../../api/queries.ts"
import { FilterInput, useFilter } from "../../parts/address-filter.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp } from "../../shell/apps.tsx"
import { addressOf } from "../hooks/words.tsx"
import { ReplayDialog } from "./replay.tsx"
import { DeliveriesTable } from "./table.tsx"
import type { DeliveryFilter } from "./words.tsx"

const refreshMs = 5_000
const typeCharsMax = 128
const streamCharsMax = 1_024

const spans = [
  { value: "1h", label: "the last hour", ms: 3_600_000 },
  { value: "24h", label: "the last day", ms: 86_400_000 },
  { value: "7d", label: "the last week", ms: 7 * 86_400_000 },
]
const minuteMs = 60_000

/** The beginning of a span, to the minute, so that the list stays the same list while it is looked at. */
const sinceOf = (ms: number): string => new Date(Math.floor((Date.now() - ms) / minuteMs) * minuteMs).toISOString()

const states = ["pending", "delivered", "dead"] as const

export default function Deliveries() {
  const app = String(useApp())
  const may = useMay()
  const [state, setState] = useFilter("state")
  const [hook, setHook] = useFilter("hook")
  const [type] = useFilter("type")
  const [stream] = useFilter("stream")
  const [span, setSpan] = useFilter("span")
  const [replaying, setReplaying] = useState(false)
  const hooks = useRead("ListHooks", { path: { app } })
  const isType = /^[\w.:-]*\*?$/.test(type)
  const knownState = states.find((one) => one === state)
  const knownSpan = spans.find(({ value }) => value === span)
  const byFilter: DeliveryFilter = {
    ...(knownState === undefined ? {} : { state: knownState }),
    ...(/^[0-9a-f-]{36}$/.test(hook) ? { hook_id: hook } : {}),
    ...(type === "" || !isType ? {} : { type }),
    ...(knownSpan === undefined ? {} : { since: sinceOf(knownSpan.ms) }),
  }
  return (
    <>
      <PageHeader
        title="Deliveries"
        actions={
          may("hooks.manage") && stream === "" ? (
            <Button variant="default" leftSection={<IterationsIcon />} onClick={() => setReplaying(true)}>
              {knownState === undefined || knownState === "dead" ? "Replay dead letters" : "Replay what fits"}
            </Button>
          ) : null
        }
      >
        Each event for each webhook. What fails is tried again for three days and then becomes a dead letter, which
        waits to be sent again by hand.
      </PageHeader>
      <Group mb="md" align="flex-start" className="weir-filters">
        <Select
          label="State"
          placeholder="All"
          size="sm"
          w={140}
          data={[
            { value: "pending", label: "Waiting" },
            { value: "delivered", label: "Delivered" },
            { value: "dead", label: "Dead letters" },
          ]}
          value={knownState ?? null}
          onChange={(value) => setState(value ?? "")}
          clearable
          clearButtonProps={{ "aria-label": "Show every state" }}
        />
        <Select
          label="Webhook"
          placeholder="All"
          size="sm"
          w={190}
          data={(hooks.data?.hooks ?? []).map((one) => ({ value: one.id, label: addressOf(one) }))}
          value={hook === "" ? null : hook}
          onChange={(value) => setHook(value ?? "")}
          clearable
          clearButtonProps={{ "aria-label": "Show every webhook" }}
        />
        <FilterInput
          parameter="type"
          label="Event"
          placeholder="message.new, message.*"
          maxLength={typeCharsMax}
          error={isType ? undefined : "a type, or the beginning of some with a star"}
          w={220}
        />
        <FilterInput
          parameter="stream"
          label="Stream"
          placeholder="channel:messaging:general"
          maxLength={streamCharsMax}
          w={250}
        />
        <Select
          label="Time range"
          placeholder="Any time"
          size="sm"
          w={140}
          data={spans.map(({ value, label }) => ({ value, label }))}
          value={knownSpan?.value ?? null}
          onChange={(value) => setSpan(value ?? "")}
          clearable
          clearButtonProps={{ "aria-label": "Any time" }}
        />
      </Group>
      <Section flush>
        <DeliveriesTable
          key={JSON.stringify(byFilter)}
          filter={{ ...byFilter, ...(stream === "" ? {} : { stream }) }}
          everyMs={refreshMs}
        />
      </Section>
      <ReplayDialog what={byFilter} opened={replaying} onClose={() => setReplaying(false)} />
    </>
  )
}

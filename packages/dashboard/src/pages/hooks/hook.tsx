// One hook: how it fares, what it is set to, and what its deliveries are signed with.

import { Alert, Button, Group, Menu, SimpleGrid, Skeleton, Text } from "@mantine/core"
import { AlertIcon, InfoIcon, PlayIcon, QuestionIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link, useLocation, useParams } from "wouter"
import { useMay } from "../../access/session.tsx"
import { ApiFailure } from "../../api/client.ts"
import { useChange, useRead } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { Stat } from "../../parts/stat.tsx"
import { absoluteTime, relativeTime, TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { DeliveriesTable } from "../deliveries/table.tsx"
import { faultText } from "../deliveries/words.tsx"
import { countText, msText } from "../traffic/series.ts"
import { EditHook } from "./edit-hook.tsx"
import { HookSecrets } from "./hook-secrets.tsx"
import { TestEvent } from "./test-event.tsx"
import {
  addressOf,
  EventTypes,
  type Hook as HookFacts,
  HookState,
  type HookStats,
  isBackends,
  kindLabels,
  originText,
  pendingText,
  productLabels,
} from "./words.tsx"

const refreshMs = 5_000

export default function HookPage() {
  const path = useAppPath()
  const app = String(useApp())
  const { hook: id = "" } = useParams<{ hook: string }>()
  const { data, error, refetch } = useRead("ReadHook", { path: { app, hook: id } }, { everyMs: refreshMs })
  const stats = useRead("GetWebhookStats", { path: { app } }, { everyMs: refreshMs })
  const own = stats.data?.hooks.find(({ hook_id }) => hook_id === id)
  if (error && data === undefined) {
    // An id of another form is refused as input.
    const isAbsent = error instanceof ApiFailure && (error.status === 404 || error.status === 400)
    return (
      <>
        <PageHeader trail={[["Webhooks", path("/hooks")]]} title="Webhook" />
        {isAbsent ? (
          <NoSuchHook />
        ) : (
          <ErrorAlert error={error} title="The webhook could not be read" retry={() => void refetch()} />
        )}
      </>
    )
  }
  if (data === undefined) {
    return (
      <>
        <PageHeader trail={[["Webhooks", path("/hooks")]]} title="Webhook" />
        <Skeleton height={400} radius="md" />
      </>
    )
  }
  const { hook } = data
  return (
    <>
      <PageHeader
        trail={[["Webhooks", path("/hooks")]]}
        title={`${kindLabels[hook.hook_type] ?? hook.hook_type} webhook`}
        actions={<Actions hook={hook} />}
      >
        <span className="weir-break">{addressOf(hook)}</span>
      </PageHeader>
      <Warnings hook={hook} stats={own} />
      <SimpleGrid cols={{ base: 2, md: 4 }} spacing="md" mb="lg">
        <Stat
          label="Waiting"
          value={pendingText(hook.status.pending)}
          hint={
            hook.status.oldest_pending_at === null
              ? "nothing is late"
              : `the oldest since ${relativeTime(hook.status.oldest_pending_at)}`
          }
        />
        <Stat label="Dead letters" value={own === undefined ? undefined : countText(own.dead)} hint="not tried again" />
        <Stat
          label="Delivered"
          value={own === undefined ? undefined : countText(own.delivered_last_hour)}
          hint="in the last hour"
        />
        <Stat
          label="p95"
          value={own === undefined ? undefined : msText(own.attempts_last_hour.p95_ms)}
          hint={own === undefined ? "" : `p50 ${msText(own.attempts_last_hour.p50_ms)}, of the last hour`}
        />
      </SimpleGrid>
      <Section title="Settings">
        <Group mb="md">
          <HookState hook={hook} stats={own} />
        </Group>
        <Facts facts={factsOf(hook)} />
        <Text size="xs" c="dimmed" mt="md" mb={4}>
          Events
        </Text>
        <EventTypes types={hook.event_types} />
      </Section>
      {hook.hook_type === "listen" ? null : <HookSecrets hook={hook} />}
      <Section title="Latest deliveries" flush>
        <DeliveriesTable filter={{ hook_id: hook.id }} everyMs={refreshMs} latestOnly />
      </Section>
    </>
  )
}

function Warnings({ hook, stats }: { hook: HookFacts; stats: HookStats | undefined }) {
  const failingSince = stats?.node?.failing_since ?? hook.status.failing_since
  const faults = Object.entries(stats?.attempts_last_hour.faults ?? {}).sort(([, a], [, b]) => b - a)
  return (
    <>
      {hook.enabled && failingSince !== null ? (
        <Alert color="red" icon={<AlertIcon />} title="It is failing" mb="md">
          <Text size="sm">
            Nothing has arrived since {absoluteTime(failingSince)}. Deliveries wait and are tried again.
            {stats?.node?.circuit === "open" ? " It gets one at a time until one arrives." : ""}
          </Text>
          {faults.length === 0 ? null : (
            <Text size="sm">
              In the last hour: {faults.map(([fault, count]) => `${faultText(fault)} (${count})`).join(", ")}.
            </Text>
          )}
        </Alert>
      ) : null}
      {hook.disabled_reason === "gone" ? (
        <Alert color="yellow" icon={<AlertIcon />} title="Its receiver said that it is gone" mb="md">
          It answered 410, so the webhook was disabled. Enable it again once the receiver is back.
        </Alert>
      ) : null}
      {isBackends(hook) ? (
        <Alert icon={<InfoIcon />} mb="md" title="Your backend sets this webhook">
          It is {originText(hook.origin)}: what you change here is overwritten when the backend sets it again.
        </Alert>
      ) : null}
    </>
  )
}

const factsOf = (hook: HookFacts) =>
  [
    ["Id", <Copyable key="id" value={hook.id} label="webhook id" />],
    ["Product", productLabels[hook.product] ?? hook.product],
    ["Events of your own", hook.should_send_custom_events ? "sent as well" : "not sent"],
    ["Order", hook.ordered ? "one after the other, by channel, feed or call" : "as fast as possible"],
    ["Time-out", `${countText(hook.timeout_ms)} ms`],
    ["Compression", hook.compression],
    ["Origin", originText(hook.origin)],
    ["Created", <TimeAgo key="made" at={hook.created_at} />],
    ["Last delivered", <TimeAgo key="last" at={hook.status.last_delivered_at} fallback="not recently" />],
    ...(hook.hook_type === "redis"
      ? ([["Longest stream", hook.redis_length_max == null ? "no bound" : countText(hook.redis_length_max)]] as const)
      : []),
    ...(hook.sqs_region || hook.sns_region ? ([["Region", hook.sqs_region ?? hook.sns_region]] as const) : []),
  ] as const

function Actions({ hook }: { hook: HookFacts }) {
  const app = String(useApp())
  const path = useAppPath()
  const may = useMay()
  const [, go] = useLocation()
  const [dialog, setDialog] = useState<"test" | "edit" | "delete" | "off" | null>(null)
  const reads = ["ListHooks", "ReadHook", "GetWebhookStats"] as const
  const update = useChange("UpdateHook", reads)
  const remove = useChange("DeleteHook", reads)
  const close = (): void => {
    update.reset()
    remove.reset()
    setDialog(null)
  }
  const turn = (enabled: boolean): void =>
    update.mutate({ path: { app, hook: hook.id }, body: { enabled } }, { onSuccess: close })
  if (!may("hooks.manage") || hook.hook_type === "listen") {
    return (
      <Button component={Link} href={path(`/deliveries?hook=${hook.id}`)} variant="default">
        Deliveries
      </Button>
    )
  }
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default">More</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component={Link} href={path(`/deliveries?hook=${hook.id}`)}>
            All its deliveries
          </Menu.Item>
          <Menu.Item onClick={() => setDialog("edit")}>Change settings</Menu.Item>
          {hook.enabled ? <Menu.Item onClick={() => setDialog("off")}>Disable</Menu.Item> : null}
          <Menu.Item color="red" onClick={() => setDialog("delete")}>
            Remove
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {hook.enabled ? (
        <Button leftSection={<PlayIcon />} onClick={() => setDialog("test")}>
          Send a test
        </Button>
      ) : (
        <Button onClick={() => turn(true)} loading={update.isPending}>
          Enable
        </Button>
      )}
      {update.error && dialog === null ? <ErrorAlert error={update.error} title="It was not enabled" /> : null}
      <TestEvent hook={hook} opened={dialog === "test"} onClose={close} />
      <EditHook hook={hook} opened={dialog === "edit"} onClose={close} />
      <ConfirmDialog
        opened={dialog === "off"}
        onClose={close}
        title="Switch the webhook off"
        confirm="Disable"
        busy={update.isPending}
        error={update.error}
        onConfirm={() => turn(false)}
      >
        <Text size="sm">
          Events that happen meanwhile are not kept for it. What waits already is delivered when it is enabled again.
        </Text>
      </ConfirmDialog>
      <ConfirmDialog
        opened={dialog === "delete"}
        onClose={close}
        title="Remove the webhook"
        confirm="Remove"
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate({ path: { app, hook: hook.id } }, { onSuccess: () => go(path("/hooks")) })}
      >
        <Text size="sm">
          Its secrets go with it, and the {pendingText(hook.status.pending)} deliveries that wait are not delivered any
          more.
        </Text>
      </ConfirmDialog>
    </>
  )
}

function NoSuchHook() {
  const path = useAppPath()
  return (
    <EmptyState
      icon={QuestionIcon}
      title="There is no such webhook in this app"
      action={
        <Button component={Link} href={path("/hooks")} variant="light">
          All webhooks
        </Button>
      }
    >
      It may have been removed, or its listener has gone.
    </EmptyState>
  )
}

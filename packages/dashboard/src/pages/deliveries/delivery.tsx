// One delivery: the event as it was sent, and each attempt with request, answer and a check of its signatures.

import { Badge, Button, Code, Group, SimpleGrid, Skeleton, Tabs, Text, Title } from "@mantine/core"
import { IterationsIcon, QuestionIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link, useParams } from "wouter"
import { useMay } from "../../access/session.tsx"
import { ApiFailure, type CallOutput } from "../../api/client.ts"
import { useRead } from "../../api/queries.ts"
import { CodeBlock, Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { RowLink } from "../../parts/row-link.tsx"
import { Section } from "../../parts/section.tsx"
import { absoluteTime, TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { pretty } from "../api/send.ts"
import { msText } from "../traffic/series.ts"
import { ReplayDialog } from "./replay.tsx"
import { type Attempt, AttemptSummary, DeliveryState, SignatureCheck } from "./words.tsx"

type Whole = CallOutput<"ReadDelivery">["delivery"]

const refreshMs = 3_000

export default function DeliveryPage() {
  const path = useAppPath()
  const app = String(useApp())
  const may = useMay()
  const { delivery: id = "" } = useParams<{ delivery: string }>()
  const [replaying, setReplaying] = useState(false)
  const { data, error, refetch } = useRead("ReadDelivery", { path: { app, delivery: id } }, { everyMs: refreshMs })
  if (error && data === undefined) {
    // An id of another form is refused as input.
    const isAbsent = error instanceof ApiFailure && (error.status === 404 || error.status === 400)
    return (
      <>
        <PageHeader trail={[["Deliveries", path("/deliveries")]]} title="Delivery" />
        {isAbsent ? (
          <NoSuchDelivery />
        ) : (
          <ErrorAlert error={error} title="The delivery could not be read" retry={() => void refetch()} />
        )}
      </>
    )
  }
  const delivery = data?.delivery
  return (
    <>
      <PageHeader
        trail={[["Deliveries", path("/deliveries")]]}
        title={delivery?.type ?? "Delivery"}
        actions={
          delivery !== undefined && may("hooks.manage") ? (
            <Button leftSection={<IterationsIcon />} onClick={() => setReplaying(true)}>
              {delivery.state === "pending" ? "Try now" : "Send again"}
            </Button>
          ) : null
        }
      >
        One event on its way to one webhook.
      </PageHeader>
      {delivery === undefined ? (
        <Skeleton height={400} radius="md" />
      ) : (
        <>
          <Section>
            <Group mb="md">
              <DeliveryState delivery={delivery} />
            </Group>
            <FactsOf delivery={delivery} />
          </Section>
          <Attempts log={delivery.log} attempts={delivery.attempts} />
          <Section title="Event" description="What the signatures cover, shown here with line breaks and indents.">
            <CodeBlock code={pretty(delivery.body)} label="The event as JSON" />
          </Section>
        </>
      )}
      <ReplayDialog what={{ ids: [id] }} opened={replaying} onClose={() => setReplaying(false)} />
    </>
  )
}

function FactsOf({ delivery }: { delivery: Whole }) {
  const path = useAppPath()
  return (
    <Facts
      facts={[
        ["Id (webhook-id)", <Copyable key="id" value={delivery.id} label="delivery id" />],
        [
          "Webhook",
          <RowLink key="hook" href={path(`/hooks/${delivery.hook_id}`)}>
            {delivery.hook_id}
          </RowLink>,
        ],
        [
          "Stream",
          <RowLink key="stream" href={path(`/deliveries?stream=${encodeURIComponent(delivery.stream)}`)}>
            {delivery.stream}
          </RowLink>,
        ],
        ["When", <TimeAgo key="created" at={delivery.created_at} />],
        ["Attempts", delivery.attempts],
        [
          "Next attempt",
          delivery.state === "pending" ? <TimeAgo key="due" at={delivery.due_at} fallback="on its way" /> : "none",
        ],
        ["Ended", <TimeAgo key="finished" at={delivery.finished_at} fallback="not yet" />],
      ]}
    />
  )
}

function Attempts({ log, attempts }: { log: readonly Attempt[]; attempts: number }) {
  if (log.length === 0) {
    return (
      <Section title="Attempts">
        <Text size="sm" c="dimmed">
          It was not tried yet.
        </Text>
      </Section>
    )
  }
  return (
    <Section
      title="Attempts"
      description={
        attempts > log.length ? `The newest ${log.length} of ${attempts}, the last one first.` : "The last one first."
      }
    >
      {log.toReversed().map((attempt) => (
        <AttemptDetails key={attempt.at} attempt={attempt} />
      ))}
    </Section>
  )
}

function AttemptDetails({ attempt }: { attempt: Attempt }) {
  const { at, duration_ms, request, response, fault, signature_check: check } = attempt
  const responseText = response === null ? "" : response.body
  return (
    <section aria-label={`Attempt of ${absoluteTime(at)}`}>
      <Group gap="sm" mb="xs">
        <Title order={3} size="h6">
          {absoluteTime(at)}
        </Title>
        <Badge variant="light" color={fault === null ? "teal" : "red"}>
          {fault === null ? (response?.status ?? "delivered") : (response?.status ?? "no answer")}
        </Badge>
        <Text size="sm" c="dimmed">
          {msText(duration_ms)}
        </Text>
      </Group>
      <AttemptSummary attempt={attempt} />
      <SimpleGrid cols={{ base: 1, xs: 2 }} my="sm" maw={520}>
        <Group gap="xs">
          <Text size="sm">Webhook-Signature</Text>
          <SignatureCheck is={check.standard} isThere={request.headers["webhook-signature"] !== undefined} />
        </Group>
        <Group gap="xs">
          <Text size="sm">X-Signature</Text>
          <SignatureCheck is={check.api} isThere={request.headers["x-signature"] !== undefined} />
        </Group>
      </SimpleGrid>
      <Tabs defaultValue="response" keepMounted={false} mb="lg">
        <Tabs.List mb="sm">
          <Tabs.Tab value="response">Answer</Tabs.Tab>
          <Tabs.Tab value="request">Request</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="response">
          {response === null ? (
            <Text size="sm" c="dimmed">
              There was none.
            </Text>
          ) : (
            <>
              <Headers headers={response.headers} of="answer" />
              {responseText === "" ? (
                <Text size="sm" c="dimmed">
                  No body.
                </Text>
              ) : (
                <CodeBlock code={pretty(responseText)} label="Body of the answer" />
              )}
            </>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="request">
          <Text size="sm" mb="xs">
            To <Code className="weir-break">{request.target}</Code>
          </Text>
          <Headers headers={request.headers} of="request" />
        </Tabs.Panel>
      </Tabs>
    </section>
  )
}

function Headers({ headers, of }: { headers: Readonly<Record<string, string>>; of: string }) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  if (lines.length === 0) return null
  return (
    <div style={{ marginBottom: "0.5rem" }}>
      <CodeBlock code={lines.join("\n")} label={`Headers of the ${of}`} />
    </div>
  )
}

function NoSuchDelivery() {
  const path = useAppPath()
  return (
    <EmptyState
      icon={QuestionIcon}
      title="There is no such delivery in this app"
      action={
        <Button component={Link} href={path("/deliveries")} variant="light">
          All deliveries
        </Button>
      }
    >
      Deliveries that arrived are kept for a day, dead letters for 30 days.
    </EmptyState>
  )
}

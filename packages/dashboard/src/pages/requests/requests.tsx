// Requests one by one, as they are answered: from the memory of the nodes, without bodies and tokens.

import { Alert, Badge, Code, Drawer, Group, Select, Switch, Text } from "@mantine/core"
import { InfoIcon, PulseIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import { useRead } from "../../api/queries.ts"
import { FilterInput, useFilter } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { RowLink } from "../../parts/row-link.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { msText } from "../traffic/series.ts"
import { type AnsweredRequest, useRequestLog } from "./log.ts"
import { RequestDetails } from "./request.tsx"

const shownAtOnce = 50
const userIdCharsMax = 255
const operationCharsMax = 64
const statuses = [
  { value: "2xx", label: "2xx: succeeded" },
  { value: "4xx", label: "4xx: refused" },
  { value: "401", label: "401: not proved" },
  { value: "403", label: "403: not allowed" },
  { value: "404", label: "404: not there" },
  { value: "429", label: "429: too often" },
  { value: "5xx", label: "5xx: failed" },
]
const clockTime = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" })

export default function Requests() {
  const app = String(useApp())
  const path = useAppPath()
  const may = useMay()
  const [status, setStatus] = useFilter("status")
  const [apiKey, setApiKey] = useFilter("key")
  const [userId] = useFilter("user")
  const [operation] = useFilter("operation")
  const [live, setLive] = useState(true)
  const [shown, setShown] = useState<AnsweredRequest | null>(null)
  const [shownMax, setShownMax] = useState(shownAtOnce)
  const keys = useRead("ListKeys", { path: { app } }, { enabled: may("keys.read") })
  const isOperation = /^\w*$/.test(operation)
  const isFiltered = status !== "" || apiKey !== "" || userId !== "" || operation !== ""
  const log = useRequestLog(
    app,
    {
      ...(/^[1-5](?:\d\d|xx)$/.test(status) ? { status } : {}),
      ...(/^[a-z0-9]{12}$/.test(apiKey) ? { api_key: apiKey } : {}),
      ...(userId === "" ? {} : { user_id: userId }),
      ...(operation === "" || !isOperation ? {} : { operation }),
    },
    live,
  )
  return (
    <>
      <PageHeader
        title="Requests"
        actions={
          <Switch
            checked={live}
            onChange={(event) => setLive(event.currentTarget.checked)}
            label="Live"
            description={live ? "updates every 2 seconds" : "paused"}
          />
        }
      >
        The latest requests and connections of this app, from the memory of its nodes. Bodies, tokens and query values
        are never kept.
      </PageHeader>
      <Group mb="md" align="flex-end" className="weir-filters">
        <Select
          label="Status"
          placeholder="All"
          size="sm"
          w={170}
          data={statuses}
          value={status === "" ? null : status}
          onChange={(value) => setStatus(value ?? "")}
          clearable
          clearButtonProps={{ "aria-label": "Show every status" }}
        />
        {may("keys.read") ? (
          <Select
            label="API key"
            placeholder="All"
            size="sm"
            w={220}
            data={(keys.data?.keys ?? []).map(({ api_key, label }) => ({
              value: api_key,
              label: label === "" ? api_key : `${label} (${api_key})`,
            }))}
            value={apiKey === "" ? null : apiKey}
            onChange={(value) => setApiKey(value ?? "")}
            clearable
            clearButtonProps={{ "aria-label": "Show every key" }}
          />
        ) : null}
        <FilterInput parameter="user" label="User id" placeholder="All users" maxLength={userIdCharsMax} w={180} />
        <FilterInput
          parameter="operation"
          label="Endpoint"
          placeholder="All, or one such as SendMessage"
          maxLength={operationCharsMax}
          w={260}
          error={isOperation ? undefined : "letters and digits, such as SendMessage"}
        />
      </Group>
      {log.silentNodes.length > 0 || log.missed > 0 ? (
        <Alert color="yellow" icon={<InfoIcon />} mb="md" title="Not everything is here">
          {log.missed > 0 ? <Text size="sm">{log.missed} requests came too fast to be kept.</Text> : null}
          {log.silentNodes.length > 0 ? <Text size="sm">No answer from: {log.silentNodes.join(", ")}.</Text> : null}
        </Alert>
      ) : null}
      <Section flush>
        <DataTable
          caption="Requests, newest first"
          rows={log.rows?.slice(0, shownMax)}
          more={
            log.rows !== undefined && log.rows.length > shownMax
              ? { load: () => setShownMax(shownMax + shownAtOnce), loading: false }
              : null
          }
          error={log.rows === undefined ? log.error : null}
          retry={log.retry}
          keyOf={({ id }) => id}
          onOpen={setShown}
          columns={[
            { header: "When", cell: ({ at }) => <span className="weir-number">{clockTime.format(new Date(at))}</span> },
            { header: "Status", cell: ({ status }) => <StatusBadge status={status} /> },
            { header: "Endpoint", cell: ({ operation }) => <Code>{operation}</Code> },
            {
              header: "Path",
              wide: true,
              cell: ({ method, path }) => (
                <Text size="sm" maw={360} truncate title={`${method} ${path}`}>
                  {method} {path}
                </Text>
              ),
            },
            {
              header: "Caller",
              cell: ({ user_id, kind }) =>
                user_id !== null && may("users.read") ? (
                  <RowLink href={path(`/users/${encodeURIComponent(user_id)}`)}>{user_id}</RowLink>
                ) : (
                  <Text size="sm" c={user_id === null ? "dimmed" : undefined}>
                    {user_id ?? kind ?? "unknown"}
                  </Text>
                ),
            },
            {
              header: "Duration",
              numeric: true,
              wide: true,
              cell: ({ duration_ms }) => <span style={{ whiteSpace: "nowrap" }}>{msText(duration_ms)}</span>,
            },
          ]}
          empty={
            <EmptyState icon={PulseIcon} title={isFiltered ? "No request fits these filters" : "No request yet"}>
              {isFiltered
                ? "Clear a filter to see more, or wait: what fits appears here as it is answered."
                : "What is answered appears here within seconds. A node that starts anew begins with an empty list."}
            </EmptyState>
          }
        />
      </Section>
      <Drawer
        opened={shown !== null}
        onClose={() => setShown(null)}
        position="right"
        size="lg"
        title={shown === null ? "" : `${shown.operation}, ${shown.status}`}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        {shown === null ? null : <RequestDetails request={shown} />}
      </Drawer>
    </>
  )
}

function StatusBadge({ status }: { status: number }) {
  const color = status >= 500 ? "red" : status >= 400 ? "yellow" : "teal"
  return (
    <Badge color={color} variant="light">
      {status}
    </Badge>
  )
}

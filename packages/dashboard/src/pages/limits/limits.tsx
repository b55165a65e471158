// How often an app's callers may call: what holds, what of it is the app's own, and what is used in this minute.

import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Group,
  Progress,
  SegmentedControl,
  Stack,
  Text,
  TextInput,
} from "@mantine/core"
import { InfoIcon, MeterIcon, PencilIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import type { CallOutput } from "../../api/client.ts"
import { useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp } from "../../shell/apps.tsx"
import { countText } from "../traffic/series.ts"
import { LimitDialog } from "./limit-dialog.tsx"

export type LimitsView = CallOutput<"GetLimits">
export type OperationLimits = LimitsView["limits"][string]

const refreshMs = 3_000
/** Names break within a word below this. */
const nameWidth = 125
/** Stands for every operation without a number of its own. */
const everyOther = "*"
const platformNames = { server_side: "server", ios: "iOS", android: "Android", web: "web" } as const
type Platform = keyof typeof platformNames

interface Row {
  readonly name: string
  /** Null: the row of every other operation, for which the published numbers hold. */
  readonly limits: OperationLimits | null
  readonly isOwn: boolean
  /** The platform that has used most of what it may. */
  readonly used: { readonly platform: Platform; readonly taken: number; readonly limit: number } | null
}

export default function Limits() {
  const app = String(useApp())
  const may = useMay()
  const { data, error, refetch } = useRead("GetLimits", { path: { app } }, { everyMs: refreshMs, keep: true })
  const [shown, setShown] = useState<"all" | "used" | "own">("all")
  const [search, setSearch] = useState("")
  const [edited, setEdited] = useState<string | null>(null)
  const rows = data === undefined ? undefined : rowsOf(data)
  const wanted = rows
    ?.filter(({ isOwn, used }) => shown === "all" || (shown === "own" ? isOwn : used !== null))
    .filter(({ name }) => name.toLowerCase().includes(search.trim().toLowerCase()))
  const canChange = may("limits.manage")
  return (
    <>
      <PageHeader title="Rate limits">
        Requests that count in one minute, for each operation and each platform apart: of the whole app, of one user, of
        one address. Backends are exempt from the last two.
      </PageHeader>
      {data?.enforced === false ? (
        <Alert color="yellow" icon={<InfoIcon />} title="Nothing is counted" mb="md">
          This deployment runs with WEIR_RATE_LIMITS=off. Numbers can be set, and hold once it is on again.
        </Alert>
      ) : null}
      <Group mb="md" align="flex-end" className="weir-filters">
        <TextInput
          label="Operation"
          placeholder="Part of a name"
          size="sm"
          w={240}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          spellCheck={false}
        />
        <SegmentedControl
          aria-label="Which operations"
          size="sm"
          value={shown}
          onChange={(value) => setShown(value as typeof shown)}
          data={[
            { value: "all", label: "All" },
            { value: "used", label: "Used now" },
            { value: "own", label: "Changed here" },
          ]}
        />
        {data?.updated_at ? (
          <Text size="sm" c="dimmed" component="div">
            Changed <TimeAgo at={data.updated_at} />
          </Text>
        ) : null}
      </Group>
      <Section flush>
        <DataTable
          caption="Rate limits by operation"
          rows={wanted}
          error={data === undefined ? error : null}
          retry={() => void refetch()}
          keyOf={({ name }) => name}
          columns={[
            {
              header: "Operation",
              cell: ({ name, isOwn }) => (
                <Group gap="xs" miw={nameWidth}>
                  <Text size="sm" className="weir-break">
                    {name === everyOther ? "Every other operation" : name}
                  </Text>
                  {isOwn ? <Badge variant="light">own</Badge> : null}
                </Group>
              ),
            },
            { header: "App", numeric: true, cell: ({ limits }) => <Limit value={limits?.app} /> },
            { header: "User", numeric: true, wide: true, cell: ({ limits }) => <Limit value={limits?.user} /> },
            { header: "Address", numeric: true, wide: true, cell: ({ limits }) => <Limit value={limits?.address} /> },
            {
              header: "Used this minute",
              width: 200,
              wide: true,
              cell: ({ used }) =>
                used === null ? (
                  <Text size="sm" c="dimmed">
                    –
                  </Text>
                ) : (
                  <Used {...used} />
                ),
            },
            ...(canChange
              ? [
                  {
                    header: "Change",
                    cell: ({ name }: Row) => <Change name={name} onClick={() => setEdited(name)} />,
                  },
                ]
              : []),
          ]}
          empty={
            <EmptyState icon={MeterIcon} title={emptyTitles[shown]}>
              {search === "" ? "" : "No operation of that kind has this in its name."}
            </EmptyState>
          }
        />
      </Section>
      {edited !== null && data !== undefined ? (
        <LimitDialog
          app={app}
          operation={edited}
          title={edited === everyOther ? "Every other operation" : edited}
          own={data.overrides[edited] ?? null}
          holds={data.limits[edited] ?? null}
          onClose={() => setEdited(null)}
        />
      ) : null}
    </>
  )
}

/** On a phone its icon alone: the names of operations are long. */
function Change({ name, onClick }: { name: string; onClick: () => void }) {
  const label = `Change the limits of ${name === everyOther ? "every other operation" : name}`
  return (
    <>
      <Button
        size="compact-sm"
        variant="subtle"
        leftSection={<PencilIcon size={12} />}
        onClick={onClick}
        aria-label={label}
        visibleFrom="sm"
      >
        Change
      </Button>
      <ActionIcon variant="subtle" onClick={onClick} aria-label={label} hiddenFrom="sm">
        <PencilIcon size={14} />
      </ActionIcon>
    </>
  )
}

const emptyTitles = {
  all: "No operation has this name",
  used: "Nothing was called in this minute",
  own: "No limit was changed for this app",
} as const

const Limit = ({ value }: { value: number | null | undefined }) => (
  <Text span size="sm" c={value === null || value === undefined ? "dimmed" : undefined}>
    {value === undefined ? "as published" : value === null ? "none" : countText(value)}
  </Text>
)

function Used({ platform, taken, limit }: NonNullable<Row["used"]>) {
  const percent = (100 * taken) / limit
  return (
    <Stack gap={2}>
      <Text size="xs" className="weir-number">
        {countText(taken)} of {countText(limit)}, {platformNames[platform]}
      </Text>
      <Progress
        value={percent}
        color={percent >= 90 ? "red" : percent >= 70 ? "yellow" : undefined}
        aria-label={`${taken} of ${limit} requests used on ${platformNames[platform]}`}
      />
    </Stack>
  )
}

/** Those that are used most come first, then by name; the row for all others at the top. */
function rowsOf({ limits, overrides, usage }: LimitsView): Row[] {
  const rows = Object.entries(limits).map(([name, of]): Row => {
    const used = (Object.keys(platformNames) as Platform[])
      .flatMap((platform) => {
        const state = usage[platform][name]
        return state === undefined ? [] : [{ platform, taken: state.limit - state.remaining, limit: state.limit }]
      })
      .sort((a, b) => b.taken / b.limit - a.taken / a.limit)[0]
    return { name, limits: of, isOwn: name in overrides, used: used ?? null }
  })
  const part = ({ used }: Row): number => (used === null ? 0 : used.taken / used.limit)
  rows.sort((a, b) => part(b) - part(a) || (a.name < b.name ? -1 : 1))
  const others = overrides[everyOther]
  const limitsOfOthers = others === undefined ? null : { app: null, user: null, address: null, ...others }
  return [{ name: everyOther, limits: limitsOfOthers, isOwn: others !== undefined, used: null }, ...rows]
}

// The entries of the log, and one of them with what it changed.

import { Code, Drawer, Stack, Table, Text, TextInput, Title, VisuallyHidden } from "@mantine/core"
import { LogIcon } from "@primer/octicons-react"
import { useState } from "react"
import type { CallOutput } from "../../api/client.ts"
import type { List } from "../../api/lists.ts"
import { Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { Facts } from "../../parts/facts.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { absoluteTime } from "../../parts/time.tsx"
import { When } from "../../parts/when.tsx"
import { useApps } from "../../shell/apps.tsx"
import { changesOf, shownValue } from "./changes.ts"

type Entry = CallOutput<"ListAudit">["entries"][number]

export interface EntriesProps {
  list: List<Entry, unknown>
  /** The app of each entry is of interest. */
  shownApp: boolean
}

export function Entries({ list, shownApp }: EntriesProps) {
  const [sought, setSought] = useState("")
  const [open, setOpen] = useState<Entry | null>(null)
  const apps = useApps().data?.apps
  const nameOf = (appId: number | null): string =>
    appId === null ? "deployment" : (apps?.find(({ id }) => id === appId)?.name ?? `app ${appId}`)
  const words = sought.trim().toLowerCase()
  const rows = words === "" ? list.rows : list.rows?.filter((entry) => textOf(entry).includes(words))
  return (
    <>
      <TextInput
        label="Filter the entries below"
        description="By action, operator, address or target."
        placeholder="Such as key.created"
        value={sought}
        onChange={(event) => setSought(event.currentTarget.value)}
        maxLength={200}
        maw={360}
        mb="md"
      />
      <Section flush>
        <DataTable
          caption="Audit entries, newest first"
          rows={rows}
          error={list.error}
          retry={list.retry}
          more={list.more}
          keyOf={({ seq }) => String(seq)}
          onOpen={setOpen}
          columns={[
            { header: "No.", numeric: true, cell: ({ seq }) => seq, wide: true },
            {
              header: "When",
              cell: ({ at }) => <When at={at} />,
            },
            { header: "Action", cell: ({ action }) => <Code>{action}</Code> },
            {
              header: "By",
              cell: ({ actor }) => (
                <Text size="sm" truncate maw={200} title={actor}>
                  {actor}
                </Text>
              ),
            },
            ...(shownApp
              ? [
                  {
                    header: "App",
                    cell: ({ app_id }: Entry) => (
                      <Text size="sm" truncate maw={150} c={app_id === null ? "dimmed" : undefined}>
                        {nameOf(app_id)}
                      </Text>
                    ),
                    wide: true,
                  },
                ]
              : []),
            {
              header: "Target",
              cell: ({ target }) => (
                <Text span size="sm" c="dimmed" lineClamp={1} className="weir-break" maw={560}>
                  {target === null
                    ? "–"
                    : Object.entries(target)
                        .map(([name, value]) => `${name} ${shownValue(value)}`)
                        .join(", ")}
                </Text>
              ),
              wide: true,
            },
          ]}
          empty={
            words !== "" ? (
              <EmptyState icon={LogIcon} title="No entry matches">
                {list.more === null
                  ? "Nothing in this log has it."
                  : "None of those that were read. Clear the filter to read older ones."}
              </EmptyState>
            ) : (
              <EmptyState icon={LogIcon} title="Nothing has been done yet">
                Every change that an operator makes is written here, and cannot be taken out again.
              </EmptyState>
            )
          }
        />
      </Section>
      <Drawer
        closeButtonProps={{ "aria-label": "Close" }}
        opened={open !== null}
        onClose={() => setOpen(null)}
        title="Audit entry"
        position="right"
        size="lg"
      >
        {open === null ? null : <Details entry={open} app={nameOf(open.app_id)} />}
      </Drawer>
    </>
  )
}

const textOf = ({ action, actor, address, target }: Entry): string =>
  `${action} ${actor} ${address ?? ""} ${target === null ? "" : JSON.stringify(target)}`.toLowerCase()

function Details({ entry, app }: { entry: Entry; app: string }) {
  const { seq, at, action, actor, address, target, hash, prev_hash: prevHash } = entry
  return (
    <Stack gap="lg">
      <Facts
        cols={2}
        facts={[
          ["Action", <Code key="action">{action}</Code>],
          ["When", absoluteTime(at)],
          ["By", actor],
          ["Address", address ?? "the server itself"],
          ["App", app],
          ["Number", seq],
          ...Object.entries(target ?? {}).map(([name, value]) => [`Target: ${name}`, shownValue(value)] as const),
        ]}
      />
      <Changes entry={entry} />
      <section aria-label="Chain">
        <Title order={3} size="h5" mb="xs">
          Chain
        </Title>
        <Text size="xs" c="dimmed">
          Hash of this entry
        </Text>
        <Copyable value={hash} label="Hash" />
        <Text size="xs" c="dimmed" mt="xs">
          Hash of the entry before
        </Text>
        {prevHash === "" ? (
          <Text size="sm">none, this is the first</Text>
        ) : (
          <Copyable value={prevHash} label="Hash before" />
        )}
      </section>
    </Stack>
  )
}

/** Before and after side by side; what differs is marked by more than colour. */
function Changes({ entry: { before, after } }: { entry: Entry }) {
  const changes = changesOf(before, after)
  return (
    <section aria-label="What changed">
      <Title order={3} size="h5" mb="xs">
        What changed
      </Title>
      {changes.length === 0 ? (
        <Text size="sm" c="dimmed">
          The entry says nothing beyond its action and target.
        </Text>
      ) : (
        <Table verticalSpacing={6} layout="fixed">
          <Table.Caption p={0}>
            <VisuallyHidden>Fields before and after</VisuallyHidden>
          </Table.Caption>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Field</Table.Th>
              <Table.Th scope="col">Before</Table.Th>
              <Table.Th scope="col">After</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {changes.map(({ field, before, after, kind }) => (
              <Table.Tr key={field}>
                <Table.Th scope="row" fw={kind === "same" ? 400 : 600} className="weir-break">
                  {field}
                </Table.Th>
                <Value text={before} mark={kind === "changed" || kind === "removed" ? "del" : null} />
                <Value text={after} mark={kind === "changed" || kind === "added" ? "ins" : null} />
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </section>
  )
}

const markColors = { del: "var(--mantine-color-red-light)", ins: "var(--mantine-color-teal-light)" } as const

function Value({ text, mark: Mark }: { text: string | null; mark: "del" | "ins" | null }) {
  return (
    <Table.Td className="weir-break" {...(Mark === null ? {} : { bg: markColors[Mark] })}>
      {text === null ? (
        <Text span size="sm" c="dimmed">
          –
        </Text>
      ) : (
        <Text span size="sm" {...(Mark === null ? { c: "dimmed" } : { component: Mark })}>
          {text}
        </Text>
      )}
    </Table.Td>
  )
}

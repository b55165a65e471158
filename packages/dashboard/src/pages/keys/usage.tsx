// Use as bars: of each secret, and of each client by version. The numbers stand beside the bars, so that a table is
// also what those read who cannot see them.

import { Box, Table, Text, VisuallyHidden } from "@mantine/core"
import type { ReactNode } from "react"
import { useMay } from "../../access/session.tsx"
import { useList } from "../../api/lists.ts"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp } from "../../shell/apps.tsx"
import { byClient } from "./clients.ts"
import { nameOf } from "./rotation.ts"
import { type Secret, usageEveryMs } from "./wire.ts"

const number = new Intl.NumberFormat("en")
/** Bars of one chart; the rest are too small to see. */
const barsMax = 20
const sessionsReadMax = 100

interface Bar {
  readonly key: string
  readonly name: ReactNode
  readonly value: number
  readonly cells: readonly ReactNode[]
}

function BarTable({
  caption,
  of,
  unit,
  headers,
  bars,
}: {
  caption: string
  /** What a bar stands for. */
  of: string
  unit: string
  headers: readonly string[]
  bars: readonly Bar[]
}) {
  const most = Math.max(1, ...bars.map(({ value }) => value))
  return (
    <Table.ScrollContainer minWidth={360}>
      <Table horizontalSpacing="md" verticalSpacing={6} withRowBorders={false}>
        <Table.Caption p={0}>
          <VisuallyHidden>{caption}</VisuallyHidden>
        </Table.Caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{of}</Table.Th>
            <Table.Th scope="col" w="45%">
              {unit}
            </Table.Th>
            {headers.map((header) => (
              <Table.Th key={header} scope="col" ta="right">
                {header}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {bars.map(({ key, name, value, cells }) => (
            <Table.Tr key={key}>
              <Table.Th scope="row" fw={400} className="weir-break">
                {name}
              </Table.Th>
              <Table.Td>
                <Box style={{ display: "flex", alignItems: "center", gap: 8 }}>
                  <Box
                    aria-hidden
                    h={14}
                    bg="var(--mantine-primary-color-filled)"
                    style={{
                      width: `${(100 * value) / most}%`,
                      minWidth: value > 0 ? 3 : 0,
                      maxWidth: "calc(100% - 4rem)",
                      borderRadius: 3,
                    }}
                  />
                  <Text span size="sm" className="weir-number">
                    {number.format(value)}
                  </Text>
                </Box>
              </Table.Td>
              {cells.map((cell, index) => (
                <Table.Td key={headers[index]} ta="right" className="weir-number">
                  {cell}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

/** Tokens and users of each secret, over the last 30 days. */
export function UsageBars({ title, secrets }: { title: string; secrets: readonly Secret[] }) {
  const used = secrets
    .filter(({ usage, state }) => usage.tokens > 0 || state !== "revoked")
    .toSorted((a, b) => b.usage.tokens - a.usage.tokens)
    .slice(0, barsMax)
  if (used.length === 0) return null
  return (
    <Section
      title={title}
      description="Tokens that were seen in the last 30 days, by the secret that signed them."
      flush
    >
      <BarTable
        caption={`${title}: tokens and users of the last 30 days`}
        of="Secret"
        unit="Tokens"
        headers={["Users"]}
        bars={used.map((secret) => ({
          key: secret.kid,
          name: (
            <Text span size="sm">
              {nameOf(secret)}{" "}
              <Text span size="xs" c="dimmed">
                {secret.state}
              </Text>
            </Text>
          ),
          value: secret.usage.tokens,
          cells: [number.format(secret.usage.users)],
        }))}
      />
    </Section>
  )
}

/** Who comes with a key: the latest tokens of its users by client and version. */
export function ClientUsage({ apiKey }: { apiKey: string }) {
  const app = useApp()
  const may = useMay()
  const { rows, more } = useList(
    "ListSessions",
    { path: { app: String(app) }, query: { limit: sessionsReadMax } },
    ({ sessions }) => sessions,
    { everyMs: usageEveryMs, enabled: may("users.read") },
  )
  const ofKey = (rows ?? []).filter(({ api_key }) => api_key === apiKey)
  if (ofKey.length === 0) return null
  const clients = byClient(ofKey, "no name sent")
  return (
    <Section
      title="Clients by version"
      description={
        more === null
          ? `From the ${number.format(ofKey.length)} user tokens that came with this key in the last 30 days.`
          : `From the latest ${number.format(ofKey.length)} user tokens that came with this key.`
      }
      flush
    >
      <BarTable
        caption="User tokens by client and version"
        of="Client"
        unit="Tokens"
        headers={["Users", "Uses", "Last seen"]}
        bars={clients.slice(0, barsMax).map(({ client, name, version, tokens, users, uses, lastSeen }) => ({
          key: client,
          name: (
            <Text span size="sm" title={client}>
              {name}{" "}
              {version === null ? null : (
                <Text span size="sm" c="dimmed">
                  {version}
                </Text>
              )}
            </Text>
          ),
          value: tokens,
          cells: [number.format(users), number.format(uses), <TimeAgo key="at" at={lastSeen} />],
        }))}
      />
    </Section>
  )
}

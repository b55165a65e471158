// Use as bars: of each secret, and of each client by version. The numbers stand beside the bars, so that a table is
// also what those read who cannot see them.

import { Box, Table, Text } from "@mantine/core"
import type { ReactNode } from "react"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { clientName, clientUses } from "./clients.ts"
import { nameOf } from "./rotation.ts"
import type { Secret } from "./wire.ts"

const number = new Intl.NumberFormat("en")
/** Bars of one chart; the rest are too small to see. */
const barsMax = 20
const onWide = { visibleFrom: "sm" } as const

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
  /** Of the cells behind the bar; only the first stands on narrow screens. */
  headers: readonly string[]
  bars: readonly Bar[]
}) {
  const most = Math.max(1, ...bars.map(({ value }) => value))
  return (
    <Table.ScrollContainer
      minWidth={300}
      scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": caption } }}
    >
      <Table aria-label={caption} horizontalSpacing="md" verticalSpacing={6} withRowBorders={false}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{of}</Table.Th>
            <Table.Th scope="col" w="45%">
              {unit}
            </Table.Th>
            {headers.map((header, index) => (
              <Table.Th key={header} scope="col" ta="right" {...(index > 0 ? onWide : {})}>
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
                      // What is left over is for the number behind the longest bar.
                      width: `calc((100% - 4rem) * ${value / most})`,
                      minWidth: value > 0 ? 3 : 0,
                      borderRadius: 3,
                    }}
                  />
                  <Text span size="sm" className="weir-number">
                    {number.format(value)}
                  </Text>
                </Box>
              </Table.Td>
              {cells.map((cell, index) => (
                <Table.Td key={headers[index]} ta="right" className="weir-number" {...(index > 0 ? onWide : {})}>
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
    .filter(({ usage }) => usage.tokens > 0)
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

/** Who comes with a key: tokens of the last 30 days by client and version, and by secret where there are several. */
export function ClientUsage({ secrets }: { secrets: readonly Secret[] }) {
  const { uses, rest } = clientUses(secrets, barsMax)
  if (uses.length === 0) return null
  const isOne = new Set(uses.map(({ secret }) => secret.kid)).size === 1
  return (
    <Section
      title="Clients by version"
      description={`Tokens that were seen in the last 30 days, by what the client calls itself${
        rest === 0 ? "" : `; ${number.format(rest)} more came from others`
      }.`}
      flush
    >
      <BarTable
        caption="Tokens and users of the last 30 days, by client and version"
        of="Client"
        unit="Tokens"
        headers={["Users", ...(isOne ? [] : ["Secret"]), "Last seen"]}
        bars={uses.map(({ secret, client, tokens, users, lastSeenAt }) => ({
          key: `${secret.kid} ${client}`,
          name: <ClientName client={client} />,
          value: tokens,
          cells: [number.format(users), ...(isOne ? [] : [nameOf(secret)]), <TimeAgo key="at" at={lastSeenAt} />],
        }))}
      />
    </Section>
  )
}

function ClientName({ client }: { client: string | null }) {
  if (client === null) {
    return (
      <Text span size="sm" c="dimmed">
        no name sent
      </Text>
    )
  }
  const { name, version } = clientName(client)
  return (
    <Text span size="sm" title={client}>
      {name}{" "}
      {version === null ? null : (
        <Text span size="sm" c="dimmed">
          {version}
        </Text>
      )}
    </Text>
  )
}

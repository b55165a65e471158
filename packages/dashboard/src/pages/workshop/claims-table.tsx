import { Code, Table, Text } from "@mantine/core"
import { absoluteTime, relativeTime } from "../../parts/time.tsx"
import { claimRows } from "./claims.ts"

/** A header or payload as a table, with what each member means and its times spelt out. */
export function ClaimsTable({ caption, claims }: { caption: string; claims: Readonly<Record<string, unknown>> }) {
  const rows = claimRows(claims)
  if (rows.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        Empty.
      </Text>
    )
  }
  return (
    <Table.ScrollContainer
      minWidth={280}
      scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": caption } }}
    >
      <Table aria-label={caption} verticalSpacing={6} horizontalSpacing="sm">
        <Table.Tbody>
          {rows.map(({ name, value, at, meaning }) => (
            <Table.Tr key={name}>
              <Table.Th scope="row" w="32%" style={{ verticalAlign: "top" }}>
                <Text size="sm" ff="monospace" className="weir-break">
                  {name}
                </Text>
                {meaning === null ? null : (
                  <Text size="xs" c="dimmed" fw={400}>
                    {meaning}
                  </Text>
                )}
              </Table.Th>
              <Table.Td style={{ verticalAlign: "top" }}>
                <Code className="weir-break" style={{ whiteSpace: "pre-wrap" }}>
                  {value}
                </Code>
                {at === null ? null : (
                  <Text size="xs" c="dimmed" component="time" display="block" dateTime={new Date(at).toISOString()}>
                    {absoluteTime(at)}, {relativeTime(at)}
                  </Text>
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  )
}

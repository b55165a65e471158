// The settings that the node which answers runs with. They come from the environment, so they are read here only.

import { Alert, Badge, Code, Group, List, Stack, Text, TextInput } from "@mantine/core"
import { AlertIcon, GearIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"

const sources = {
  env: ["environment", "cyan"],
  file: ["file", "cyan"],
  default: ["default", "gray"],
} as const

export default function Settings() {
  const { data, error, refetch } = useRead("ReadSettings")
  const [search, setSearch] = useState("")
  const wanted = search.trim().toLowerCase()
  const rows = data?.settings.filter(({ name, doc }) => `${name} ${doc}`.toLowerCase().includes(wanted))
  return (
    <>
      <PageHeader title="Settings">
        {data === undefined
          ? "What the server runs with."
          : `Version ${data.version}, as node ${data.node} runs with them. They come from the environment: change them there and start the node again.`}
      </PageHeader>
      {data !== undefined && data.warnings.length > 0 ? (
        <Alert color="yellow" icon={<AlertIcon />} title="Worth a look" mb="md">
          <List size="sm">
            {data.warnings.map((warning) => (
              <List.Item key={warning}>{warning}</List.Item>
            ))}
          </List>
        </Alert>
      ) : null}
      <TextInput
        label="Find a setting"
        placeholder="Part of its name or meaning"
        size="sm"
        maw={320}
        mb="md"
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        spellCheck={false}
      />
      <Section flush>
        <DataTable
          caption="Settings in force"
          rows={rows}
          error={error}
          retry={() => void refetch()}
          keyOf={({ name }) => name}
          columns={[
            {
              header: "Setting",
              cell: ({ name, doc, form, value, source }) => (
                <Stack gap={2} maw={440}>
                  <Text size="sm" fw={600} className="weir-break">
                    {name}
                  </Text>
                  <Text size="sm" c="dimmed" className="weir-break">
                    {doc}
                  </Text>
                  <Text size="xs" c="dimmed" className="weir-break">
                    {form}
                  </Text>
                  <Group gap="xs" hiddenFrom="sm" mt={4}>
                    <Value value={value} />
                    <Source source={source} />
                  </Group>
                </Stack>
              ),
            },
            { header: "Value", wide: true, cell: ({ value }) => <Value value={value} /> },
            { header: "From", wide: true, cell: ({ source }) => <Source source={source} /> },
          ]}
          empty={
            <EmptyState icon={GearIcon} title="No setting has this in its name or meaning">
              Try a shorter word.
            </EmptyState>
          }
        />
      </Section>
    </>
  )
}

const Value = ({ value }: { value: string }) => <Code className="weir-break">{value}</Code>

const Source = ({ source }: { source: keyof typeof sources }) => (
  <Badge variant="light" color={sources[source][1]}>
    {sources[source][0]}
  </Badge>
)

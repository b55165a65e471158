// What came back: status, time, headers, body, or the fault that no answer came.

import { Badge, Button, Group, Tabs, Text } from "@mantine/core"
import { DownloadIcon } from "@primer/octicons-react"
import { saveText } from "../../api/download.ts"
import { CodeBlock } from "../../parts/copy.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { type Answer, bodyBytesMax, pretty, timeoutMs } from "./send.ts"

const milliseconds = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 })
const bytes = new Intl.NumberFormat("en")

const ends = {
  whole: null,
  cut: `The first ${bytes.format(bodyBytesMax)} bytes; the answer is longer. Ask for less, or use the code below.`,
  stopped: `Left before its end: it was stopped, or went on for ${timeoutMs / 1_000} seconds.`,
} as const

export function AnswerSection({ answer, fileName }: { answer: Answer; fileName: string }) {
  const { status, statusText, durationMs, headers, body } = answer
  const color = status >= 500 ? "red" : status >= 400 ? "yellow" : "teal"
  const end = ends[answer.end]
  const isJson = headers.some(([name, value]) => name === "content-type" && value.startsWith("application/json"))
  return (
    <Section
      title="Answer"
      actions={
        body === "" ? null : (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<DownloadIcon />}
            onClick={() => saveText(fileName, body, "text/plain")}
          >
            Save
          </Button>
        )
      }
    >
      <Group gap="sm" mb="sm" role="status">
        <Badge color={color} variant="light" size="lg">
          {`${status} ${statusText}`.trim()}
        </Badge>
        <Text size="sm">{milliseconds.format(durationMs)} ms</Text>
        <Text size="sm" c="dimmed">
          {bytes.format(answer.bytes)} bytes
        </Text>
      </Group>
      {end === null ? null : (
        <Text size="sm" c="dimmed" mb="sm">
          {end}
        </Text>
      )}
      <Tabs defaultValue="body" keepMounted={false}>
        <Tabs.List mb="sm">
          <Tabs.Tab value="body">Body</Tabs.Tab>
          <Tabs.Tab value="headers">Headers</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="body">
          {body === "" ? (
            <Text size="sm" c="dimmed">
              The answer has no body.
            </Text>
          ) : (
            <CodeBlock code={isJson ? pretty(body) : body} label="Body of the answer" />
          )}
        </Tabs.Panel>
        <Tabs.Panel value="headers">
          <DataTable
            caption="Headers of the answer"
            rows={headers}
            keyOf={([name]) => name}
            columns={[
              { header: "Header", cell: ([name]) => <code>{name}</code> },
              {
                header: "Value",
                cell: ([, value]) => (
                  <Text span size="sm" className="weir-break">
                    {value}
                  </Text>
                ),
              },
            ]}
            empty={<Text size="sm">None.</Text>}
          />
        </Tabs.Panel>
      </Tabs>
    </Section>
  )
}

// The body of a request as JSON, begun with a sample that has the operation's form.

import { Button, Group, ScrollArea, Spoiler, Table, Text, Textarea } from "@mantine/core"
import type { Schema } from "./document.ts"
import { sampleOf, typeText } from "./sample.ts"

const bodyCharsMax = 1024 * 1024

export const sampleText = (schema: Schema, optional: boolean): string =>
  JSON.stringify(sampleOf(schema, { optional, now: new Date() }), null, 2)

/** The value, or what is wrong with the text. */
export function parseBody(text: string): { readonly value: unknown } | { readonly fault: string } {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    return { fault: error instanceof Error ? `Not JSON: ${error.message}` : "Not JSON" }
  }
}

export interface BodyEditorProps {
  schema: Schema
  text: string
  onChange: (text: string) => void
}

export function BodyEditor({ schema, text, onChange }: BodyEditorProps) {
  const parsed = parseBody(text)
  return (
    <>
      <Textarea
        label="Body"
        description="JSON"
        value={text}
        onChange={(event) => onChange(event.currentTarget.value)}
        error={"fault" in parsed ? parsed.fault : null}
        autosize
        minRows={4}
        maxRows={24}
        maxLength={bodyCharsMax}
        spellCheck={false}
        autoComplete="off"
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: "0.8rem" } }}
      />
      <Group gap="xs" mt="xs">
        <Button size="compact-sm" variant="default" onClick={() => onChange(sampleText(schema, false))}>
          What is required
        </Button>
        <Button size="compact-sm" variant="default" onClick={() => onChange(sampleText(schema, true))}>
          Every field
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          disabled={"fault" in parsed}
          onClick={() => "value" in parsed && onChange(JSON.stringify(parsed.value, null, 2))}
        >
          Tidy
        </Button>
      </Group>
      <Fields schema={schema} />
    </>
  )
}

function Fields({ schema }: { schema: Schema }) {
  const fields = Object.entries(schema.properties ?? {})
  const required = new Set(schema.required)
  if (fields.length === 0) return null
  return (
    <Spoiler
      maxHeight={132}
      showLabel="Show all fields"
      hideLabel="Show fewer"
      mt="md"
      styles={{ control: { fontSize: "var(--mantine-font-size-sm)" } }}
    >
      <ScrollArea viewportProps={{ tabIndex: 0, role: "region", "aria-label": "Fields of the body" }}>
        <Table verticalSpacing={4} horizontalSpacing="xs" fz="xs">
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">Field</Table.Th>
              <Table.Th scope="col">Takes</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {fields.map(([name, field]) => (
              <Table.Tr key={name}>
                <Table.Td>
                  <code>{name}</code>
                  {required.has(name) ? (
                    <Text span size="xs" c="dimmed">
                      {" "}
                      required
                    </Text>
                  ) : null}
                </Table.Td>
                <Table.Td className="weir-break">
                  {typeText(field)}
                  {field.description === undefined || typeText(field) === "time" ? "" : `: ${field.description}`}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </ScrollArea>
    </Spoiler>
  )
}

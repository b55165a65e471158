// Inputs for what stands in the path and the query of a request.

import { Select, SimpleGrid, TagsInput, Textarea, TextInput } from "@mantine/core"
import type { Parameter } from "./document.ts"
import { choicesOf, typeText } from "./sample.ts"

/** By name, as it is typed; lists as they are. */
export type Values = Readonly<Record<string, string | readonly string[]>>

const valueCharsMax = 8_192
const listMax = 100

export interface InputsProps {
  parameters: readonly Parameter[]
  values: Values
  onChange: (values: Values) => void
}

/** What is wrong with a value; null when nothing is. */
export function faultOf({ required, schema, name }: Parameter, values: Values): string | null {
  const value = values[name] ?? ""
  if (value.length === 0) return required ? "is needed" : null
  if (typeof value !== "string" || !isObject(schema)) return null
  try {
    const parsed: unknown = JSON.parse(value)
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? null : "is no JSON object"
  } catch {
    return "is no JSON"
  }
}

const isObject = ({ type }: Parameter["schema"]): boolean => type === "object"

/** The values of one place, as they are sent. */
export const valuesIn = (where: Parameter["where"], parameters: readonly Parameter[], values: Values) =>
  Object.fromEntries(
    parameters.flatMap(({ name, where: place, schema }) => {
      const value = values[name]
      if (place !== where || value === undefined || value.length === 0) return []
      // Written anew without its line breaks.
      return [[name, typeof value === "string" && isObject(schema) ? JSON.stringify(JSON.parse(value)) : value]]
    }),
  )

export function Inputs({ parameters, values, onChange }: InputsProps) {
  return (
    <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
      {parameters.map((parameter) => {
        const { name, where, required, description, schema } = parameter
        const set = (value: string | readonly string[]) => onChange({ ...values, [name]: value })
        const value = values[name] ?? ""
        const shared = {
          label: name,
          description: `${where}: ${description ?? typeText(schema)}`,
          withAsterisk: required,
          required,
        }
        const choices = choicesOf(schema)
        if (choices !== null) {
          return (
            <Select
              key={name}
              {...shared}
              data={choices}
              value={typeof value === "string" && value !== "" ? value : null}
              onChange={(chosen) => set(chosen ?? "")}
              clearable={!required}
              clearButtonProps={{ "aria-label": `Clear ${name}` }}
            />
          )
        }
        if (schema.type === "array") {
          return (
            <TagsInput
              key={name}
              {...shared}
              value={typeof value === "string" ? [] : [...value]}
              onChange={set}
              maxTags={listMax}
              placeholder="Press Enter after each"
            />
          )
        }
        if (isObject(schema)) {
          return (
            <Textarea
              key={name}
              {...shared}
              value={String(value)}
              onChange={(event) => set(event.currentTarget.value)}
              error={value === "" ? null : faultOf(parameter, values)}
              autosize
              minRows={3}
              maxRows={12}
              maxLength={valueCharsMax}
              spellCheck={false}
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            />
          )
        }
        return (
          <TextInput
            key={name}
            {...shared}
            value={String(value)}
            onChange={(event) => set(event.currentTarget.value)}
            maxLength={valueCharsMax}
            spellCheck={false}
            autoComplete="off"
            autoCapitalize="off"
          />
        )
      })}
    </SimpleGrid>
  )
}

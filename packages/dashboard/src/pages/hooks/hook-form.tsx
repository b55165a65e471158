// The settings of a hook, for a new one and for one that is there.

import {
  Button,
  Group,
  NumberInput,
  PasswordInput,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  TagsInput,
  TextInput,
} from "@mantine/core"
import { type FormEvent, type ReactNode, useState } from "react"
import { events } from "../../../../protocol/src/webhooks/event-types.ts"
import { ApiFailure } from "../../api/client.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { type Draft, type Field, isComplete, kindFields, type Settings } from "./fields.ts"
import { hookKinds, kindLabels, productLabels } from "./words.tsx"

const textCharsMax = 2_048
const typesMax = 250
const timeoutMsMin = 100
const timeoutMsMax = 30_000
const suggestionsMax = 60

/** Every beginning that holds several types, and every type. */
const typeChoices: readonly string[] = [
  ...new Set(events.map(({ type }) => `${type.slice(0, type.lastIndexOf(".") + 1)}*`)),
  ...events.map(({ type }) => type),
]

export interface HookFormProps {
  start: Draft
  /** A hook keeps its kind. */
  isNew: boolean
  submit: string
  cancel?: ReactNode
  busy: boolean
  error: unknown
  errorTitle: string
  onSubmit: (draft: Draft) => void
}

export function HookForm({ start, isNew, submit, cancel, busy, error, errorTitle, onSubmit }: HookFormProps) {
  const [draft, setDraft] = useState(start)
  const { kind, fields, settings } = draft
  const faults = error instanceof ApiFailure ? error.details : {}
  const faultOf = (name: string): string | undefined => {
    const fault = faults[name]
    return typeof fault === "string" ? fault : undefined
  }
  const set = (change: Partial<Settings>) => setDraft({ ...draft, settings: { ...settings, ...change } })
  const send = (event: FormEvent): void => {
    event.preventDefault()
    onSubmit(draft)
  }
  return (
    <form onSubmit={send}>
      <Stack>
        {error ? <ErrorAlert error={error} title={errorTitle} /> : null}
        {isNew ? (
          <Select
            label="Where events go"
            data={hookKinds.map((value) => ({ value, label: kindLabels[value] ?? value }))}
            value={kind}
            onChange={(chosen) => setDraft({ ...draft, kind: hookKinds.find((one) => one === chosen) ?? kind })}
            allowDeselect={false}
            maw={280}
          />
        ) : null}
        <SimpleGrid cols={{ base: 1, sm: kindFields[kind].length > 1 ? 2 : 1 }}>
          {kindFields[kind].map((field) => (
            <FieldInput
              key={field.name}
              field={field}
              isNew={isNew}
              value={fields[field.name] ?? ""}
              fault={faultOf(field.name)}
              onChange={(value) => setDraft({ ...draft, fields: { ...fields, [field.name]: value } })}
            />
          ))}
        </SimpleGrid>
        <TagsInput
          label="Events"
          description="Types, or the beginning of some with a star. Empty: every event, those of later versions too."
          placeholder={settings.event_types.length === 0 ? "All" : undefined}
          data={[...typeChoices]}
          value={[...settings.event_types]}
          onChange={(types) => set({ event_types: types })}
          maxTags={typesMax}
          limit={suggestionsMax}
          maxDropdownHeight={240}
          error={faultOf("event_types")}
          clearable
          clearButtonProps={{ "aria-label": "Want every event" }}
          acceptValueOnBlur
        />
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Select
            label="Product"
            data={Object.entries(productLabels).map(([value, label]) => ({ value, label }))}
            value={settings.product}
            onChange={(product) => set({ product: product ?? "all" })}
            allowDeselect={false}
            error={faultOf("product")}
          />
          <NumberInput
            label="Time-out"
            description="Milliseconds that one attempt may take."
            value={settings.timeout_ms}
            onChange={(value) => set({ timeout_ms: Number(value) })}
            min={timeoutMsMin}
            max={timeoutMsMax}
            step={500}
            allowDecimal={false}
            error={faultOf("timeout_ms")}
          />
          <Switch
            label="In order"
            description="Events of one channel, feed or call arrive one after the other. One that fails holds up those behind it."
            checked={settings.ordered}
            onChange={(event) => set({ ordered: event.currentTarget.checked })}
          />
          <Switch
            label="Events of your own"
            description="Also those that your backend and clients send with types of their own."
            checked={settings.should_send_custom_events}
            onChange={(event) => set({ should_send_custom_events: event.currentTarget.checked })}
          />
          <Switch
            label="Compressed"
            description="With gzip, from a kilobyte on."
            checked={settings.compression === "gzip"}
            onChange={(event) => set({ compression: event.currentTarget.checked ? "gzip" : "none" })}
          />
        </SimpleGrid>
        <Group justify="flex-end">
          {cancel}
          <Button type="submit" loading={busy} disabled={!isComplete(draft, isNew)}>
            {submit}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

interface FieldInputProps {
  field: Field
  isNew: boolean
  value: string
  fault: string | undefined
  onChange: (value: string) => void
}

function FieldInput({ field, isNew, value, fault, onChange }: FieldInputProps) {
  const { label, description, placeholder, kind, required = false } = field
  const shared = { label, description, placeholder, error: fault, maxLength: textCharsMax }
  switch (kind) {
    case "switch":
      return (
        <Switch
          label={label}
          description={description}
          checked={value === "true"}
          onChange={(event) => onChange(event.currentTarget.checked ? "true" : "")}
        />
      )
    case "number":
      return (
        <NumberInput
          {...shared}
          value={value === "" ? "" : Number(value)}
          onChange={(number) => onChange(String(number))}
          min={1}
          allowDecimal={false}
        />
      )
    case "secret":
      return (
        <PasswordInput
          {...shared}
          description={isNew ? description : "Empty: it stays what it is."}
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
          required={required && isNew}
          autoComplete="off"
        />
      )
    default:
      return (
        <TextInput
          {...shared}
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
          required={required}
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
        />
      )
  }
}

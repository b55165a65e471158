// A bound in seconds, as people say it: a number with a unit, or no bound at all.

import { Group, NumberInput, Select, Stack, Switch, Text } from "@mantine/core"
import { useState } from "react"
import { duration } from "../../parts/time.tsx"

const unitSeconds = { minutes: 60, hours: 3_600, days: 86_400 } as const
type Unit = keyof typeof unitSeconds

/** Bounds of the server. */
const secondsMin = 60
const secondsMax = 31_536_000

export interface SecondsInputProps {
  label: string
  description: string
  /** Null: no bound. */
  value: number | null
  /** What it starts from when the bound is switched on. */
  start: number
  disabled: boolean
  onChange: (value: number | null) => void
}

/** The largest unit that gives a whole number. */
const unitOf = (seconds: number): Unit =>
  seconds % 86_400 === 0 ? "days" : seconds % 3_600 === 0 ? "hours" : "minutes"

export function SecondsInput({ label, description, value, start, disabled, onChange }: SecondsInputProps) {
  const [unit, setUnit] = useState<Unit>(unitOf(value ?? start))
  const set = (seconds: number): void => onChange(Math.min(secondsMax, Math.max(secondsMin, Math.round(seconds))))
  return (
    <Stack gap={6}>
      <Switch
        label={label}
        description={description}
        checked={value !== null}
        disabled={disabled}
        onChange={(event) => onChange(event.currentTarget.checked ? start : null)}
      />
      {value === null ? null : (
        <Group gap="xs" pl={52} align="center">
          <NumberInput
            aria-label={`${label}: how many ${unit}`}
            value={value / unitSeconds[unit]}
            onChange={(amount) => typeof amount === "number" && set(amount * unitSeconds[unit])}
            min={1}
            max={secondsMax / unitSeconds[unit]}
            decimalScale={2}
            disabled={disabled}
            w={100}
          />
          <Select
            aria-label={`${label}: unit`}
            data={Object.keys(unitSeconds)}
            value={unit}
            onChange={(chosen) => {
              const next = chosen as Unit
              set((value / unitSeconds[unit]) * unitSeconds[next])
              setUnit(next)
            }}
            allowDeselect={false}
            disabled={disabled}
            w={120}
          />
          <Text size="sm" c="dimmed">
            {duration(value)}
          </Text>
        </Group>
      )}
    </Stack>
  )
}

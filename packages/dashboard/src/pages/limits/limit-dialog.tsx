// An operation's own numbers: each either as published, a number, or no limit at all.

import { Button, Group, Modal, NumberInput, Select, Stack, Text } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { useChange } from "../../api/queries.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { countText } from "../traffic/series.ts"
import type { LimitsView, OperationLimits } from "./limits.tsx"

/** As the server has them. */
const perMinuteMin = 1
const perMinuteMax = 10_000_000

const scopes = [
  ["app", "Of the whole app"],
  ["user", "Of one user"],
  ["address", "Of one address"],
] as const
type Scope = (typeof scopes)[number][0]
type Own = LimitsView["overrides"][string]
type Choice = "published" | "number" | "none"
interface Entry {
  readonly choice: Choice
  readonly value: number | string
}

export interface LimitDialogProps {
  app: string
  operation: string
  title: string
  own: Own | null
  /** What holds now; null for the row of every other operation. */
  holds: OperationLimits | null
  onClose: () => void
}

export function LimitDialog({ app, operation, title, own, holds, onClose }: LimitDialogProps) {
  const update = useChange("UpdateLimits", ["GetLimits"])
  const [entries, setEntries] = useState<Readonly<Record<Scope, Entry>>>(() => ({
    app: entryOf(own?.app, holds?.app),
    user: entryOf(own?.user, holds?.user),
    address: entryOf(own?.address, holds?.address),
  }))
  const set = (scope: Scope, part: Partial<Entry>): void =>
    setEntries((before) => ({ ...before, [scope]: { ...before[scope], ...part } }))
  const isValid = scopes.every(([scope]) => {
    const { choice, value } = entries[scope]
    return choice !== "number" || (typeof value === "number" && value >= perMinuteMin && value <= perMinuteMax)
  })
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    const given = scopes.flatMap(([scope]): [Scope, number | null][] => {
      const { choice, value } = entries[scope]
      return choice === "published" ? [] : [[scope, choice === "none" ? null : Number(value)]]
    })
    const change = given.length === 0 ? null : Object.fromEntries(given)
    update.mutate({ path: { app }, body: { overrides: { [operation]: change } } }, { onSuccess: onClose })
  }
  return (
    <Modal opened onClose={onClose} title={`Limits: ${title}`} closeButtonProps={{ "aria-label": "Close" }}>
      <form onSubmit={submit}>
        <Stack>
          {update.error ? <ErrorAlert error={update.error} title="The limits were not changed" /> : null}
          <Text size="sm" c="dimmed">
            Requests a minute, on each platform apart. It holds on every node within seconds.
          </Text>
          {scopes.map(([scope, label]) => {
            const { choice, value } = entries[scope]
            return (
              <Group key={scope} grow align="flex-end" wrap="nowrap">
                <Select
                  label={label}
                  value={choice}
                  onChange={(next) => set(scope, { choice: (next ?? "published") as Choice })}
                  allowDeselect={false}
                  data={[
                    { value: "published", label: "As published" },
                    { value: "number", label: "A number" },
                    { value: "none", label: "No limit" },
                  ]}
                />
                <NumberInput
                  label="A minute"
                  aria-label={`${label}, requests a minute`}
                  value={choice === "number" ? value : ""}
                  onChange={(next) => set(scope, { value: next })}
                  disabled={choice !== "number"}
                  min={perMinuteMin}
                  max={perMinuteMax}
                  allowDecimal={false}
                  allowNegative={false}
                  thousandSeparator=","
                  placeholder={choice === "none" ? "none" : holdsText(holds?.[scope])}
                />
              </Group>
            )
          })}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={update.isPending} disabled={!isValid}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

const entryOf = (own: number | null | undefined, holds: number | null | undefined): Entry => ({
  choice: own === undefined ? "published" : own === null ? "none" : "number",
  value: own ?? holds ?? "",
})

const holdsText = (value: number | null | undefined): string =>
  value === undefined ? "" : value === null ? "none" : countText(value)

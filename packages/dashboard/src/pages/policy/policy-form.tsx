// The rules one by one, with what each means.

import { Checkbox, NumberInput, SimpleGrid, Stack, Switch, Text, TextInput } from "@mantine/core"
import { type Kind, kinds, type Policy, presets } from "./rules.ts"
import { SecondsInput } from "./seconds-input.tsx"

const leewaySecondsMax = 60
const nameCharsMax = 255

export interface PolicyFormProps {
  policy: Policy
  disabled: boolean
  onChange: (policy: Policy) => void
}

export function PolicyForm({ policy, disabled, onChange }: PolicyFormProps) {
  const set = (change: Partial<Policy>): void => onChange({ ...policy, ...change })
  return (
    <Stack gap="lg">
      <Switch
        label="User tokens need an expiry (exp)"
        description="A token without one never ends by itself: a copy of it is good until somebody revokes it."
        checked={policy.require_exp}
        disabled={disabled}
        onChange={(event) => set({ require_exp: event.currentTarget.checked })}
      />
      <Switch
        label="User tokens carry their time of issue (iat)"
        description="Without it nobody knows how old a token is, so any revocation by time ends it."
        checked={policy.require_iat}
        disabled={disabled}
        onChange={(event) => set({ require_iat: event.currentTarget.checked })}
      />
      <SecondsInput
        label="User tokens live no longer than"
        description="Counted from iat to exp. The shorter, the sooner a lost token is worth nothing, and a rotation is over."
        value={policy.max_lifetime_seconds}
        start={presets.strict.max_lifetime_seconds ?? 0}
        disabled={disabled}
        onChange={(max_lifetime_seconds) => set({ max_lifetime_seconds })}
      />
      <SecondsInput
        label="Server tokens without an expiry are no older than"
        description="Counted from iat. The server SDKs make a new one every few minutes."
        value={policy.server_max_age_seconds}
        start={presets.strict.server_max_age_seconds ?? 0}
        disabled={disabled}
        onChange={(server_max_age_seconds) => set({ server_max_age_seconds })}
      />
      <NumberInput
        label="Leeway, in seconds"
        description="How far iat and nbf may be ahead of this server's clock. There is none on the expiry."
        value={policy.leeway_seconds}
        min={0}
        max={leewaySecondsMax}
        allowDecimal={false}
        clampBehavior="strict"
        disabled={disabled}
        onChange={(value) => typeof value === "number" && set({ leeway_seconds: value })}
        maw={320}
      />
      <Checkbox.Group
        label="Accepted token types"
        description="Take away what your app does not use."
        value={[...policy.allowed_kinds]}
        onChange={(chosen) =>
          set({ allowed_kinds: kinds.flatMap(([kind]) => (chosen.includes(kind) ? [kind as Kind] : [])) })
        }
      >
        <SimpleGrid cols={{ base: 1, sm: 2 }} mt="xs" spacing="xs">
          {kinds.map(([kind, meaning]) => (
            <Checkbox key={kind} value={kind} label={kind} description={meaning} disabled={disabled} />
          ))}
        </SimpleGrid>
      </Checkbox.Group>
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <NameInput label="Issuer (iss)" value={policy.iss} disabled={disabled} onChange={(iss) => set({ iss })} />
        <NameInput label="Audience (aud)" value={policy.aud} disabled={disabled} onChange={(aud) => set({ aud })} />
      </SimpleGrid>
      <Text size="xs" c="dimmed">
        A server token is let in without exp and iat as long as its age is not bounded. Every rule is asked at each
        request, so a change counts for tokens that are in the field, too.
      </Text>
    </Stack>
  )
}

interface NameInputProps {
  label: string
  value: string | null
  disabled: boolean
  onChange: (value: string | null) => void
}

const NameInput = ({ label, value, disabled, onChange }: NameInputProps) => (
  <TextInput
    label={label}
    description="Empty: not looked at. Otherwise every token must carry exactly this."
    value={value ?? ""}
    maxLength={nameCharsMax}
    disabled={disabled}
    spellCheck={false}
    autoComplete="off"
    onChange={(event) => onChange(event.currentTarget.value === "" ? null : event.currentTarget.value)}
  />
)

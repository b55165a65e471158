// The fields of somebody who gets an account, or a new password to theirs: one that nobody guesses.

import { PasswordInput, TextInput } from "@mantine/core"

/** As the server has them. */
export const passwordCharsMin = 12
const passwordCharsMax = 128
const nameCharsMax = 100

export interface NewAccount {
  name: string
  password: string
}

export function NewAccountFields({ value, onChange }: { value: NewAccount; onChange: (value: NewAccount) => void }) {
  return (
    <>
      <TextInput
        label="Your name"
        description="As the team and the audit log show it."
        value={value.name}
        onChange={(event) => onChange({ ...value, name: event.currentTarget.value })}
        maxLength={nameCharsMax}
        autoComplete="name"
        required
      />
      <NewPasswordField
        label="Password"
        value={value.password}
        onChange={(password) => onChange({ ...value, password })}
      />
    </>
  )
}

interface NewPasswordFieldProps {
  label: string
  value: string
  onChange: (value: string) => void
}

export function NewPasswordField({ label, value, onChange }: NewPasswordFieldProps) {
  const missing = passwordCharsMin - value.length
  return (
    <PasswordInput
      label={label}
      description={`At least ${passwordCharsMin} characters; a sentence is easier to keep than a riddle.`}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      maxLength={passwordCharsMax}
      autoComplete="new-password"
      error={value !== "" && missing > 0 ? `${missing} more to go` : null}
      required
    />
  )
}

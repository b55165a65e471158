// The fields of somebody who gets an account: name and a password that nobody guesses.

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
  const isShort = value.password !== "" && value.password.length < passwordCharsMin
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
      <PasswordInput
        label="Password"
        description={`At least ${passwordCharsMin} characters; a sentence is easier to keep than a riddle.`}
        value={value.password}
        onChange={(event) => onChange({ ...value, password: event.currentTarget.value })}
        maxLength={passwordCharsMax}
        autoComplete="new-password"
        error={isShort ? `${passwordCharsMin - value.password.length} more to go` : null}
        required
      />
    </>
  )
}

// Another password; every other session ends with the old one.

import { Button, Group, PasswordInput, Stack, Text } from "@mantine/core"
import { notifications } from "@mantine/notifications"
import { useMutation } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { askLogin } from "../../access/fresh.ts"
import { NewPasswordField, passwordCharsMin } from "../../access/new-password.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { sessionsKey, useRefresh } from "./refresh.ts"

const passwordCharsMax = 128

export function Password({ email, hasPassword }: { email: string; hasPassword: boolean }) {
  const refresh = useRefresh()
  const [current, setCurrent] = useState("")
  const [next, setNext] = useState("")
  const change = useMutation({
    mutationFn: () =>
      askLogin("POST", "/change-password", { currentPassword: current, newPassword: next }) as Promise<{
        sessions_ended: number
      }>,
    async onSuccess({ sessions_ended: ended }) {
      setCurrent("")
      setNext("")
      notifications.show({
        color: "teal",
        title: "Password changed",
        message: ended === 0 ? "You had no other session." : `Other sessions ended: ${ended}.`,
      })
      await refresh(sessionsKey)
    },
  })
  if (!hasPassword) {
    return (
      <Section title="Password">
        <Text size="sm" c="dimmed">
          Your account has none: you log in with your company's provider or with a passkey. An owner can make a link to
          set one.
        </Text>
      </Section>
    )
  }
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    change.mutate()
  }
  return (
    <Section title="Password" description="Changing it ends your sessions on every other device.">
      <form onSubmit={submit}>
        <Stack maw={420}>
          {change.error ? <ErrorAlert error={change.error} title="The password was not changed" /> : null}
          <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
          <PasswordInput
            label="Current password"
            value={current}
            onChange={(event) => setCurrent(event.currentTarget.value)}
            maxLength={passwordCharsMax}
            autoComplete="current-password"
            required
          />
          <NewPasswordField label="New password" value={next} onChange={setNext} />
          <Group>
            <Button
              type="submit"
              loading={change.isPending}
              disabled={current === "" || next.length < passwordCharsMin}
            >
              Change password
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  )
}

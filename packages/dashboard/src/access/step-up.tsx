// Asks the operator to prove once more who they are, before a secret is shown or a key is revoked.

import { Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from "@mantine/core"
import { PasskeyFillIcon } from "@primer/octicons-react"
import { useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useEffect, useRef, useState } from "react"
import { listeners, requestJson } from "../api/client.ts"
import { ErrorAlert } from "../parts/errors.tsx"
import { logInWithPasskey } from "./passkeys.ts"
import { meKey, useMe } from "./session.tsx"

/** The call that asks for it may have come from a dialog or a drawer, which it has to cover. */
const aboveDialogs = 400

/** Stands once in the shell; a call that wants a fresh login opens it. */
export function StepUp() {
  const me = useMe()
  const client = useQueryClient()
  const [open, setOpen] = useState(false)
  const [password, setPassword] = useState("")
  const [code, setCode] = useState("")
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const waiting = useRef<((proved: boolean) => void)[]>([])

  useEffect(() => {
    listeners.stepUp = () =>
      new Promise((resolve) => {
        waiting.current.push(resolve)
        setOpen(true)
      })
    return () => {
      listeners.stepUp = async () => false
    }
  }, [])

  const end = (proved: boolean): void => {
    for (const resolve of waiting.current.splice(0)) resolve(proved)
    setOpen(false)
    setPassword("")
    setCode("")
    setError(null)
    if (proved) void client.invalidateQueries({ queryKey: meKey })
  }
  const attempt = async (prove: () => Promise<unknown>): Promise<void> => {
    setBusy(true)
    setError(null)
    try {
      await prove()
      end(true)
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    const body = me.has_totp ? { password, code } : { password }
    void attempt(() => requestJson("POST", "/dashboard/api/step-up", body))
  }
  return (
    <Modal
      opened={open}
      onClose={() => end(false)}
      title="Confirm that it is you"
      zIndex={aboveDialogs}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm" c="dimmed">
            This needs a login that is at most five minutes old.
          </Text>
          {error ? <ErrorAlert error={error} title="Not confirmed" /> : null}
          <PasswordInput
            label="Password"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            autoComplete="current-password"
            data-autofocus
            required
          />
          {me.has_totp ? (
            <TextInput
              label="Code from your authenticator"
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
              inputMode="numeric"
              autoComplete="one-time-code"
              required
            />
          ) : null}
          <Group justify="space-between">
            {me.passkeys > 0 ? (
              <Button
                variant="default"
                leftSection={<PasskeyFillIcon />}
                onClick={() => void attempt(logInWithPasskey)}
                disabled={busy}
              >
                Use a passkey
              </Button>
            ) : (
              <span />
            )}
            <Button type="submit" loading={busy}>
              Confirm
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}

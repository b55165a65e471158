// The first operator of a deployment makes their account, with the link that the server printed when it started.

import { Alert, Button, Stack, Text, TextInput } from "@mantine/core"
import { InfoIcon } from "@primer/octicons-react"
import { useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { useLocation } from "wouter"
import { Door } from "../../access/door.tsx"
import { tokenInAddress } from "../../access/fragment.ts"
import { NewAccountFields, passwordCharsMin } from "../../access/new-password.tsx"
import { type DashboardState, stateKey } from "../../access/session.tsx"
import { requestJson } from "../../api/client.ts"
import { ErrorAlert } from "../../parts/errors.tsx"

export default function Setup() {
  const client = useQueryClient()
  const [, go] = useLocation()
  const [token] = useState(tokenInAddress)
  const [email, setEmail] = useState("")
  const [account, setAccount] = useState({ name: "", password: "" })
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  if (token === "") {
    return (
      <Door title="Set up Weir">
        <Alert icon={<InfoIcon />} title="Open the link that the server printed">
          <Text size="sm">
            This deployment has no operator yet. When it starts it prints a link with a one-time token to its terminal
            or log; only who can read that may take the first account. Start it again for a new link.
          </Text>
        </Alert>
      </Door>
    )
  }
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    try {
      await requestJson("POST", "/dashboard/api/setup", { token, email, ...account })
      client.setQueryData<DashboardState>(stateKey, (state) => (state ? { ...state, setup_needed: false } : state))
      go("/", { replace: true })
    } catch (failure) {
      setError(failure)
      setBusy(false)
    }
  }
  return (
    <Door
      title="Welcome to Weir"
      lead="Create the account of the first operator. It owns this deployment and can invite others."
    >
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          {error ? <ErrorAlert error={error} title="The account was not created" /> : null}
          <TextInput
            label="Email"
            description="You log in with it. Weir sends no mail."
            type="email"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
            autoComplete="username"
            required
          />
          <NewAccountFields value={account} onChange={setAccount} />
          <Button type="submit" loading={busy} disabled={account.password.length < passwordCharsMin}>
            Create account
          </Button>
        </Stack>
      </form>
    </Door>
  )
}

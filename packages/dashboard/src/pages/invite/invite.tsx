// Somebody who was invited makes their account.

import { Alert, Button, Skeleton, Stack, Text } from "@mantine/core"
import { InfoIcon } from "@primer/octicons-react"
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { useLocation } from "wouter"
import { Door } from "../../access/door.tsx"
import { tokenInAddress } from "../../access/fragment.ts"
import { NewAccountFields, passwordCharsMin } from "../../access/new-password.tsx"
import { meKey } from "../../access/session.tsx"
import { requestJson } from "../../api/client.ts"
import { ErrorAlert } from "../../parts/errors.tsx"

interface InviteFacts {
  readonly email: string
  readonly role: string
  readonly invited_by: string
}

export default function Invite() {
  const client = useQueryClient()
  const [, go] = useLocation()
  const [token] = useState(tokenInAddress)
  const [account, setAccount] = useState({ name: "", password: "" })
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const invite = useQuery({
    queryKey: ["invite", token],
    // In the body, so that the token stands in no address.
    queryFn: () => requestJson("POST", "/dashboard/api/invite/read", { token }) as Promise<InviteFacts>,
    enabled: token !== "",
    retry: false,
  })
  if (token === "" || invite.error) {
    return (
      <Door title="Join the team">
        <Alert icon={<InfoIcon />} color="yellow" title="This link does not open anything">
          <Text size="sm">It may have been used, withdrawn, or be older than a week. Ask for a new one.</Text>
        </Alert>
      </Door>
    )
  }
  if (invite.data === undefined) {
    return (
      <Door title="Join the team">
        <Skeleton height={220} />
      </Door>
    )
  }
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault()
    setBusy(true)
    setError(null)
    try {
      await requestJson("POST", "/dashboard/api/invite/accept", { token, ...account })
      await client.invalidateQueries({ queryKey: meKey })
      go("/", { replace: true })
    } catch (failure) {
      setError(failure)
      setBusy(false)
    }
  }
  const { email, role, invited_by } = invite.data
  return (
    <Door title="Join the team" lead={`${invited_by} invites ${email} as ${role}.`}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          {error ? <ErrorAlert error={error} title="The account was not made" /> : null}
          <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
          <NewAccountFields value={account} onChange={setAccount} />
          <Button type="submit" loading={busy} disabled={account.password.length < passwordCharsMin}>
            Join
          </Button>
        </Stack>
      </form>
    </Door>
  )
}

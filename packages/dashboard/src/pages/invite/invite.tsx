// Whoever has a one-time link: somebody who was invited makes their account, somebody who lost their way in sets a new
// password.

import { Alert, Button, Skeleton, Stack, Text } from "@mantine/core"
import { InfoIcon } from "@primer/octicons-react"
import { useQuery, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { useLocation } from "wouter"
import { Door } from "../../access/door.tsx"
import { tokenInAddress } from "../../access/fragment.ts"
import { NewAccountFields, NewPasswordField, passwordCharsMin } from "../../access/new-password.tsx"
import { meKey } from "../../access/session.tsx"
import { requestJson } from "../../api/client.ts"
import { ErrorAlert } from "../../parts/errors.tsx"

interface LinkFacts {
  readonly kind: "invite" | "reset"
  readonly email: string
  readonly role: string
  readonly invited_by: string
}

/** What the page says, by what the link is for. */
const words = {
  invite: {
    title: "Join the team",
    lead: ({ email, role, invited_by }: LinkFacts) => `${invited_by} invites ${email} as ${role}.`,
    button: "Join",
    failure: "The account was not created",
  },
  reset: {
    title: "Set a new password",
    lead: ({ email }: LinkFacts) =>
      `For ${email}. Authenticator, recovery codes and passkeys of the account end with the old password, and so does every session.`,
    button: "Set the password",
    failure: "The password was not set",
  },
} as const

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
    queryFn: () => requestJson("POST", "/dashboard/api/invite/read", { token }) as Promise<LinkFacts>,
    enabled: token !== "",
    retry: false,
  })
  if (token === "" || invite.error) {
    return (
      <Door title="One-time link">
        <Alert icon={<InfoIcon />} color="yellow" title="This link does not open anything">
          <Text size="sm">
            It may have been used, withdrawn, or be too old: an invite lasts a week, a link to a new password an hour.
            Ask for a new one.
          </Text>
        </Alert>
      </Door>
    )
  }
  if (invite.data === undefined) {
    return (
      <Door title="One-time link">
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
  const { kind, email } = invite.data
  const { title, lead, button, failure } = words[kind]
  return (
    <Door title={title} lead={lead(invite.data)}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          {error ? <ErrorAlert error={error} title={failure} /> : null}
          <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
          {kind === "invite" ? (
            <NewAccountFields value={account} onChange={setAccount} />
          ) : (
            <NewPasswordField
              label="New password"
              value={account.password}
              onChange={(password) => setAccount({ ...account, password })}
            />
          )}
          <Button type="submit" loading={busy} disabled={account.password.length < passwordCharsMin}>
            {button}
          </Button>
        </Stack>
      </form>
    </Door>
  )
}

// Log in: password and a second factor, a passkey, or the company's own provider.

import { Anchor, Button, Checkbox, Divider, PasswordInput, Stack, Text, TextInput } from "@mantine/core"
import { PasskeyFillIcon } from "@primer/octicons-react"
import { useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useState } from "react"
import { useLocation, useSearch } from "wouter"
import { Door } from "../../access/door.tsx"
import { canUsePasskeys, logInWithPasskey } from "../../access/passkeys.ts"
import { meKey, useDashboardState } from "../../access/session.tsx"
import { ApiFailure, meAddress, requestJson } from "../../api/client.ts"
import { ErrorAlert } from "../../parts/errors.tsx"

const auth = "/dashboard/api/auth"

const notInvited = "Your provider knows you, but this deployment does not: ask for an invite to this address."
/** What the way back from the provider ended with. Words of our own: anybody can write an address. */
const ssoWords: Readonly<Record<string, string>> = {
  provider_away: "Your provider does not answer. Try again in a moment, or log in another way.",
  access_denied: "Your provider did not let you through.",
  login_not_fresh:
    "Your provider let you through without asking who you are. Confirm with a password or a passkey, or log out there first.",
  state_mismatch: "This login was begun elsewhere or too long ago. Begin it again.",
  please_restart_the_process: "This login was begun elsewhere or too long ago. Begin it again.",
}

type Step = "password" | "code" | "recovery"

export default function Login() {
  const client = useQueryClient()
  const state = useDashboardState()
  const [, go] = useLocation()
  const search = useSearch()
  const [step, setStep] = useState<Step>("password")
  const [email, setEmail] = useState("")
  const [password, setPassword] = useState("")
  const [code, setCode] = useState("")
  const [trust, setTrust] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)

  const enter = async (): Promise<void> => {
    try {
      client.setQueryData(meKey, await requestJson("GET", meAddress))
    } catch (failure) {
      // The login was right and yet nobody is in: the browser did not keep the cookie.
      if (!(failure instanceof ApiFailure) || failure.status !== 401) throw failure
      throw new Error(
        "You are logged in, but this browser did not keep the session. It needs https, or Chrome or Firefox on http://localhost, with cookies allowed.",
      )
    }
    go(wantedPage(search), { replace: true })
  }
  const attempt = async (prove: () => Promise<"in" | Step>): Promise<void> => {
    setBusy(true)
    setError(null)
    try {
      const next = await prove()
      if (next === "in") await enter()
      else setStep(next)
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  const submitPassword = (event: FormEvent): void => {
    event.preventDefault()
    void attempt(async () => {
      const answer = (await requestJson("POST", `${auth}/sign-in/email`, { email, password })) as {
        twoFactorRedirect?: boolean
      }
      return answer.twoFactorRedirect === true ? "code" : "in"
    })
  }
  const submitCode = (event: FormEvent): void => {
    event.preventDefault()
    const path = step === "code" ? "verify-totp" : "verify-backup-code"
    void attempt(async () => {
      await requestJson("POST", `${auth}/two-factor/${path}`, {
        code: code.trim(),
        ...(trust ? { trustDevice: true } : {}),
      })
      return "in"
    })
  }
  const ownProvider = (): void =>
    void attempt(async () => {
      const { url } = (await requestJson("POST", `${auth}/sign-in/social`, {
        callbackURL: `/dashboard${wantedPage(search)}`,
      })) as { url: string }
      location.assign(url)
      return step
    })

  if (step !== "password") {
    return (
      <Door title={step === "code" ? "Enter the code" : "Use a recovery code"} lead={`Logging in as ${email}`}>
        <form onSubmit={submitCode}>
          <Stack>
            {error ? <ErrorAlert error={error} title="Not logged in" /> : null}
            <TextInput
              key={step}
              label={step === "code" ? "Code from your authenticator" : "Recovery code"}
              description={step === "code" ? "Six digits; each code works once." : "Each recovery code works once."}
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
              inputMode={step === "code" ? "numeric" : "text"}
              autoComplete="one-time-code"
              autoFocus
              required
            />
            {step === "code" ? (
              <Checkbox
                label="Do not ask on this device for 30 days"
                checked={trust}
                onChange={(event) => setTrust(event.currentTarget.checked)}
              />
            ) : null}
            <Button type="submit" loading={busy}>
              Log in
            </Button>
            <Anchor
              component="button"
              type="button"
              size="sm"
              onClick={() => {
                setCode("")
                setError(null)
                setStep(step === "code" ? "recovery" : "code")
              }}
            >
              {step === "code" ? "Use a recovery code instead" : "Use the authenticator instead"}
            </Anchor>
          </Stack>
        </form>
      </Door>
    )
  }
  const ssoError = new URLSearchParams(search).get("error")
  return (
    <Door title="Log in to Weir">
      <Stack>
        {error ? <ErrorAlert error={error} title="Not logged in" /> : null}
        {ssoError && !error ? (
          <ErrorAlert
            error={new Error(Object.hasOwn(ssoWords, ssoError) ? ssoWords[ssoError] : notInvited)}
            title="Not logged in"
          />
        ) : null}
        <form onSubmit={submitPassword}>
          <Stack>
            <TextInput
              label="Email"
              type="email"
              value={email}
              onChange={(event) => setEmail(event.currentTarget.value)}
              autoComplete="username"
              autoFocus
              required
            />
            <PasswordInput
              label="Password"
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              autoComplete="current-password"
              required
            />
            <Button type="submit" loading={busy}>
              Log in
            </Button>
          </Stack>
        </form>
        {canUsePasskeys() || state.data?.sso ? <Divider label="or" /> : null}
        {canUsePasskeys() ? (
          <Button
            variant="default"
            leftSection={<PasskeyFillIcon />}
            disabled={busy}
            onClick={() => void attempt(async () => logInWithPasskey().then(() => "in" as const))}
          >
            Use a passkey
          </Button>
        ) : null}
        {state.data?.sso ? (
          <Button variant="default" disabled={busy} onClick={ownProvider}>
            Continue with {state.data.sso.name}
          </Button>
        ) : null}
        <Text size="xs" c="dimmed" ta="center">
          Weir {state.data?.version}
        </Text>
      </Stack>
    </Door>
  )
}

/** The page that was wanted before the login; only pages of this dashboard. */
function wantedPage(search: string): string {
  const to = new URLSearchParams(search).get("to") ?? "/"
  return /^\/(?![/\\])[\w\-./~%:!]*$/.test(to) ? to : "/"
}

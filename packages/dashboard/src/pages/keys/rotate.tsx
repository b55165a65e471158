// A rotation from beginning to end. The step follows from the states of the secrets, so one may leave and come back.

import { Box, Button, Progress, Skeleton, Stepper, Text } from "@mantine/core"
import { useMediaQuery } from "@mantine/hooks"
import { KeyIcon, SearchIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link, useParams } from "wouter"
import { useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { Done, DryRun, type Ended, Revoke } from "./rotate-end.tsx"
import { Activate, Make, Wait } from "./rotate-steps.tsx"
import { type Rotation, rotationOf } from "./rotation.ts"
import type { MadeSecret } from "./secret-form.tsx"
import { isAbsent, waitEveryMs } from "./wire.ts"

const steps = [
  ["Create", "a secret on standby"],
  ["Activate", "the old one retires"],
  ["Wait", "for the last old token"],
  ["Dry run", "who would notice"],
  ["Revoke", "with a receipt"],
] as const
const waitPlace = 2
const dryRunPlace = 3
const revokePlace = 4
const narrow = "(max-width: 48em)"

export default function Rotate() {
  const app = useApp()
  const path = useAppPath()
  const { key: apiKey = "" } = useParams<{ key: string }>()
  const { data, error, refetch } = useRead(
    "GetKey",
    { path: { app: String(app), api_key: apiKey } },
    { everyMs: waitEveryMs },
  )
  const [made, setMade] = useState<MadeSecret | null>(null)
  const [passed, setPassed] = useState<Passed | null>(null)
  const [ended, setEnded] = useState<Ended | null>(null)
  const keyPath = path(`/keys/${apiKey}`)

  if (error && data === undefined) {
    return isAbsent(error) ? (
      <EmptyState icon={SearchIcon} title="This app has no such key" action={<AllKeys href={path("/keys")} />}>
        It may belong to another app.
      </EmptyState>
    ) : (
      <ErrorAlert error={error} title="The key could not be read" retry={() => void refetch()} />
    )
  }
  const key = data?.key
  const rotation = key === undefined ? null : rotationOf(key.secrets)
  const place = ended !== null ? steps.length : rotation === null ? 0 : placeOf(rotation, passed)
  return (
    <>
      <PageHeader
        title="Rotate a secret"
        trail={[
          ["Keys", path("/keys")],
          [key?.label || apiKey, keyPath],
        ]}
      >
        Both secrets are let in until the old one is revoked, so no client and no user notices. You can leave at any
        step and come back: where it stands is read from the secrets themselves.
      </PageHeader>
      {rotation?.step === "none" ? (
        <EmptyState
          icon={KeyIcon}
          title="No secret of this key is in use"
          action={
            <Button component={Link} href={keyPath} variant="light">
              Open the key
            </Button>
          }
        >
          There is nothing to rotate from. Add a secret, or make a standby one active.
        </EmptyState>
      ) : (
        <>
          <Place place={place} />
          {key === undefined || rotation === null ? (
            <Skeleton height={260} radius="md" />
          ) : ended !== null ? (
            <Done ended={ended} href={keyPath} again={() => setEnded(null)} />
          ) : rotation.step === "make" ? (
            <Make apiKey={apiKey} old={rotation.old} onMade={setMade} />
          ) : rotation.step === "activate" ? (
            <Activate key={rotation.next.kid} apiKey={apiKey} rotation={rotation} made={made} />
          ) : place === waitPlace ? (
            <Wait
              apiKey={apiKey}
              rotation={rotation}
              made={made}
              onGoOn={() => setPassed({ kid: rotation.old.kid, place: dryRunPlace })}
            />
          ) : place === dryRunPlace ? (
            <DryRun
              apiKey={apiKey}
              rotation={rotation}
              onBack={() => setPassed(null)}
              onGoOn={() => setPassed({ kid: rotation.old.kid, place: revokePlace })}
            />
          ) : (
            <Revoke
              key={rotation.old.kid}
              apiKey={apiKey}
              rotation={rotation}
              ofKey={key.secrets}
              onBack={() => setPassed({ kid: rotation.old.kid, place: dryRunPlace })}
              onEnded={setEnded}
            />
          )}
        </>
      )}
    </>
  )
}

/** Where one is; on a phone as a line, because five steps would fill its screen. */
function Place({ place }: { place: number }) {
  const isNarrow = useMediaQuery(narrow)
  const [label, description] = steps[place] ?? ["Done", "the old secret is revoked"]
  if (isNarrow) {
    return (
      <Box mb="lg">
        <Text size="sm" fw={600} mb={6}>
          Step {Math.min(place + 1, steps.length)} of {steps.length}: {label}{" "}
          <Text span size="sm" c="dimmed">
            {description}
          </Text>
        </Text>
        <Progress value={(100 * place) / steps.length} aria-label="Progress of the rotation" />
      </Box>
    )
  }
  return (
    <Stepper active={place} allowNextStepsSelect={false} size="sm" mb="lg">
      {steps.map(([label, description]) => (
        <Stepper.Step key={label} label={label} description={description} allowStepSelect={false} />
      ))}
    </Stepper>
  )
}

const AllKeys = ({ href }: { href: string }) => (
  <Button component={Link} href={href} variant="light">
    All keys
  </Button>
)

/** What was passed on this page, of the secret that it was passed for; another one begins anew. */
interface Passed {
  readonly kid: string
  readonly place: typeof dryRunPlace | typeof revokePlace
}

function placeOf(rotation: Rotation, passed: Passed | null): number {
  if (rotation.step === "wait") return passed?.kid === rotation.old.kid ? passed.place : waitPlace
  return rotation.step === "activate" ? 1 : 0
}

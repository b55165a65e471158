// The end of a rotation: the dry run, and the revocation with its receipt.

import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core"
import { CheckCircleIcon } from "@primer/octicons-react"
import { type FormEvent, useState } from "react"
import { Link } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useChange, useRead } from "../../api/queries.ts"
import { Copyable } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { Receipt, type ReceiptFacts } from "../../parts/receipt.tsx"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp } from "../../shell/apps.tsx"
import { CutOffNote } from "./cut-off.tsx"
import { useRehearsal } from "./rehearsal.ts"
import { nameOf, needsForce, type Rotation } from "./rotation.ts"
import { type Secret, waitEveryMs } from "./wire.ts"

/** A secret that a rotation has ended, and the proof. */
export interface Ended {
  readonly secret: Secret
  readonly receipt: ReceiptFacts
}

interface EndProps {
  apiKey: string
  rotation: Extract<Rotation, { step: "wait" }>
  onBack: () => void
}

/** Open sockets of a secret, where the role may ask. */
function useSockets(kid: string): number | undefined {
  const app = useApp()
  const may = useMay()
  const { data } = useRead(
    "CreateRevocation",
    { path: { app: String(app) }, query: { dry_run: true }, body: { kid } },
    { everyMs: waitEveryMs, enabled: may("users.revoke") },
  )
  return data?.would?.sockets
}

export function DryRun({ apiKey, rotation: { old }, onBack, onGoOn }: EndProps & { onGoOn: () => void }) {
  const { data, error, refetch } = useRehearsal(apiKey, old)
  const sockets = useSockets(old.kid)
  return (
    <Section
      title={`Dry run: revoke ${nameOf(old)}`}
      description="What the revocation would end at this moment. It is counted again every few seconds, and changes nothing."
    >
      <Stack>
        {error ? <ErrorAlert error={error} title="The dry run failed" retry={() => void refetch()} /> : null}
        {error ? null : <CutOffNote cutOff={data?.cut_off} sockets={sockets} />}
        <Facts
          facts={[
            ["Secret id (kid)", <Copyable key="kid" value={old.kid} label="secret id" />],
            ["Last use", <TimeAgo key="at" at={old.last_used_at} fallback="none seen" />],
            ["Last client", old.last_client ?? "none seen"],
          ]}
        />
        <Group justify="space-between">
          <Button variant="subtle" color="gray" onClick={onBack}>
            Back: wait longer
          </Button>
          <Button onClick={onGoOn} disabled={data === undefined}>
            Continue to revoke
          </Button>
        </Group>
      </Stack>
    </Section>
  )
}

interface RevokeProps extends EndProps {
  ofKey: readonly Secret[]
  onEnded: (ended: Ended) => void
}

export function Revoke({ apiKey, rotation: { old }, ofKey, onBack, onEnded }: RevokeProps) {
  const app = useApp()
  // The key itself is read again by the page, once the end is shown.
  const update = useChange("UpdateSecret", ["ListKeys", "ListRevocations"])
  const { data } = useRehearsal(apiKey, old)
  const sockets = useSockets(old.kid)
  const [words, setWords] = useState("")
  const force = needsForce(old, "revoked", ofKey)
  const mustType = force || data?.cut_off.safe !== true
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    update.mutate(
      {
        path: { app: String(app), api_key: apiKey, kid: old.kid },
        query: force ? { force: true } : {},
        body: { state: "revoked" },
      },
      { onSuccess: ({ secret, receipt }) => onEnded({ secret, receipt: receipt as ReceiptFacts }) },
    )
  }
  return (
    <Section
      title={`Revoke ${nameOf(old)} for good`}
      description="Every token and open socket of it ends on every node. You get a signed receipt of when that held."
    >
      <form onSubmit={submit}>
        <Stack>
          {update.error ? <ErrorAlert error={update.error} title="The secret was not revoked" /> : null}
          <CutOffNote cutOff={data?.cut_off} sockets={sockets} />
          {mustType ? (
            <TextInput
              label={`Type ${old.kid} to confirm`}
              description="Somebody would notice, so this asks once more."
              value={words}
              onChange={(event) => setWords(event.currentTarget.value)}
              autoComplete="off"
              spellCheck={false}
              maw={360}
            />
          ) : null}
          <Group justify="space-between">
            <Button variant="subtle" color="gray" onClick={onBack} disabled={update.isPending}>
              Back: dry run
            </Button>
            <Button
              type="submit"
              color="red"
              loading={update.isPending}
              disabled={data === undefined || (mustType && words.trim() !== old.kid)}
            >
              Revoke for good
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  )
}

export function Done({ ended: { secret, receipt }, href, again }: { ended: Ended; href: string; again: () => void }) {
  return (
    <Section title="Done">
      <Stack>
        <Alert color="teal" icon={<CheckCircleIcon />} title={`${nameOf(secret)} is revoked`} role="status">
          <Text size="sm">
            The rotation has come to its end. Delete the old secret from your backend's configuration.
          </Text>
        </Alert>
        <Receipt receipt={receipt} />
        <Group justify="flex-end">
          <Button variant="default" onClick={again}>
            Rotate again
          </Button>
          <Button component={Link} href={href}>
            Open the key
          </Button>
        </Group>
      </Stack>
    </Section>
  )
}

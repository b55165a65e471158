// What each step of a rotation shows and does.

import { Alert, Button, Group, List, Paper, Progress, SimpleGrid, Stack, Text, Title } from "@mantine/core"
import { AlertIcon, CheckCircleIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import { useList } from "../../api/lists.ts"
import { useChange } from "../../api/queries.ts"
import { CodeBlock, Copyable } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp } from "../../shell/apps.tsx"
import { ClientBadges } from "./client-badges.tsx"
import { CutOffNote, counted } from "./cut-off.tsx"
import { useRehearsal } from "./rehearsal.ts"
import { nameOf, type Rotation } from "./rotation.ts"
import { MadeOnce, type MadeSecret, SecretForm } from "./secret-form.tsx"
import { StateBadge } from "./state-badge.tsx"
import { StepBack } from "./step-back.tsx"
import { type Secret, waitEveryMs } from "./wire.ts"

const changed = ["ListKeys", "GetKey"] as const
const sessionsReadMax = 100
/** No new token of a secret for so long: nobody signs with it any more. */
const signingStoppedMs = 10 * 60_000

export function Make({ apiKey, old, onMade }: { apiKey: string; old: Secret; onMade: (made: MadeSecret) => void }) {
  return (
    <Section
      title="Create the next secret"
      description={`It stands by beside ${nameOf(old)}: nothing is signed with it and nothing changes for anybody yet.`}
    >
      <SecretForm apiKey={apiKey} state="standby" alg={old.alg} submit="Create the secret" onMade={onMade} />
    </Section>
  )
}

interface ActivateProps {
  apiKey: string
  rotation: Extract<Rotation, { step: "activate" }>
  made: MadeSecret | null
}

export function Activate({ apiKey, rotation: { next, retire }, made }: ActivateProps) {
  const app = useApp()
  const update = useChange("UpdateSecret", changed)
  const [asking, setAsking] = useState(false)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const isActive = next.state === "active"
  const move = (kid: string, state: "active" | "retiring" | "standby" | "revoked") =>
    update.mutateAsync({ path: { app: String(app), api_key: apiKey, kid }, body: { state } })
  // The new one first: at no moment is there less that verifies than before. What fails in between is taken up again
  // here, since the step follows from the states.
  const activate = async (): Promise<void> => {
    setBusy(true)
    setError(null)
    try {
      if (!isActive) await move(next.kid, "active")
      for (const { kid } of retire) await move(kid, "retiring")
    } catch (failure) {
      setError(failure)
    } finally {
      setBusy(false)
    }
  }
  const oldNames = retire.map(nameOf).join(", ")
  return (
    <Section title={isActive ? `Let ${oldNames} retire` : `Make ${nameOf(next)} active`}>
      <Stack>
        {error ? <ErrorAlert error={error} title="The states were not changed" /> : null}
        {made?.secret.kid === next.kid ? <MadeOnce made={made} /> : <NewSecret secret={next} />}
        <List type="ordered" size="sm" spacing="xs">
          <List.Item>
            Put the new secret where your backend reads its configuration, beside the old one.{" "}
            {isActive ? null : "Do not sign with it yet: a standby secret is refused."}
          </List.Item>
          <List.Item>
            {isActive ? "The new one is active already." : "Make it active here."}{" "}
            {retire.length === 0
              ? "From then on it may sign."
              : `From then on both are let in, and ${oldNames} retires: its tokens count until they run out.`}
          </List.Item>
          <List.Item>
            Then let your backend sign with the new one, and name its kid so that no other is tried:
          </List.Item>
        </List>
        <DeployCode apiKey={apiKey} kid={next.kid} />
        <Group justify="space-between">
          <Button variant="default" onClick={() => setAsking(true)} disabled={busy}>
            {isActive ? "Back: put it on standby" : "Back: discard it"}
          </Button>
          <Button onClick={() => void activate()} loading={busy}>
            {isActive ? "Let the old one retire" : "Make it active"}
          </Button>
        </Group>
      </Stack>
      {asking ? (
        <StepBack
          apiKey={apiKey}
          title={isActive ? "Put the new secret on standby" : "Discard the new secret"}
          confirm={isActive ? "Put on standby" : "Discard"}
          counts={isActive ? next : null}
          moves={[[next.kid, isActive ? "standby" : "revoked"]]}
          onClose={() => setAsking(false)}
        >
          {isActive
            ? "Tokens that it signed are refused until it is active again."
            : "It is revoked for good. Nothing was signed with it, so nobody notices; the next rotation makes another."}
        </StepBack>
      ) : null}
    </Section>
  )
}

interface WaitProps {
  apiKey: string
  rotation: Extract<Rotation, { step: "wait" }>
  made: MadeSecret | null
  onGoOn: () => void
}

export function Wait({ apiKey, rotation: { next, old }, made, onGoOn }: WaitProps) {
  const [asking, setAsking] = useState(false)
  const { data, error } = useRehearsal(apiKey, old)
  const signedLate = useSignedLate(old)
  const cutOff = data?.cut_off
  const total = (cutOff?.tokens ?? 0) + next.usage.tokens
  const isSeen = next.last_used_at !== null
  return (
    <Section
      title={`Wait until ${nameOf(old)} is no longer needed`}
      description="This page updates every few seconds. It may take as long as your longest token lives."
    >
      <Stack>
        {error ? <ErrorAlert error={error} title="It could not be counted who uses the old secret" /> : null}
        {made?.secret.kid === next.kid ? <MadeOnce made={made} /> : null}
        {isSeen ? null : (
          <Alert color="blue" icon={<AlertIcon />} title="The new secret has not been used yet">
            <Text size="sm" mb="xs">
              It is active: let your backend sign with it now.
            </Text>
            <DeployCode apiKey={apiKey} kid={next.kid} />
          </Alert>
        )}
        {signedLate === null ? null : (
          <Alert color="orange" icon={<AlertIcon />} title="Something still signs with the old secret">
            <Text size="sm">
              {counted(signedLate.tokens, "token")} of the latest {sessionsReadMax}{" "}
              {signedLate.tokens === 1 ? "was" : "were"} issued with it after it began to retire, the last one{" "}
              <TimeAgo at={signedLate.latest} />. Look for a backend that was not restarted.
            </Text>
          </Alert>
        )}
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Side title="Old" secret={old}>
            {cutOff === undefined
              ? "Counting"
              : `${counted(cutOff.tokens, "token")} of ${counted(cutOff.users, "user")} not expired yet`}
          </Side>
          <Side title="New" secret={next}>
            {`${counted(next.usage.tokens, "token")} of ${counted(next.usage.users, "user")} seen`}
          </Side>
        </SimpleGrid>
        {total === 0 || cutOff === undefined ? null : (
          <div>
            <Progress.Root size="lg" aria-hidden>
              <Progress.Section value={(100 * cutOff.tokens) / total} color="orange" />
              <Progress.Section value={(100 * next.usage.tokens) / total} />
            </Progress.Root>
            <Text size="xs" c="dimmed" mt={4}>
              Of {counted(total, "token")} that count, {Math.round((100 * next.usage.tokens) / total)}% are of the new
              secret.
            </Text>
          </div>
        )}
        <CutOffNote cutOff={cutOff} />
        <Group justify="space-between">
          <Button variant="default" onClick={() => setAsking(true)}>
            Back: keep the old one
          </Button>
          <Button onClick={onGoOn} variant={cutOff?.safe ? "filled" : "default"}>
            {cutOff?.safe ? "Continue to the dry run" : "Continue anyway"}
          </Button>
        </Group>
      </Stack>
      {asking ? (
        <StepBack
          apiKey={apiKey}
          title="Go back to the old secret"
          confirm="Go back"
          counts={next}
          moves={[
            [old.kid, "active"],
            [next.kid, "standby"],
          ]}
          onClose={() => setAsking(false)}
        >
          {nameOf(old)} becomes active again, and {nameOf(next)} stands by: tokens that it signed are refused until it
          is active. Let your backend sign with the old one first.
        </StepBack>
      ) : null}
    </Section>
  )
}

function Side({ title, secret, children }: { title: string; secret: Secret; children: string }) {
  return (
    <Paper withBorder p="md" radius="md">
      <Group gap="xs" mb="xs">
        <Title order={3} size="h6">
          {title}: {nameOf(secret)}
        </Title>
        <StateBadge state={secret.state} />
      </Group>
      <Text size="sm" fw={600} mb="sm" aria-live="polite">
        {children}
      </Text>
      <Facts
        cols={2}
        facts={[
          ["Last use", <TimeAgo key="at" at={secret.last_used_at} fallback="none seen" />],
          ["From", secret.last_address ?? "–"],
          ["Clients", <ClientBadges key="clients" clients={secret.usage.clients} />],
        ]}
      />
    </Paper>
  )
}

/** Tokens that were issued with a secret after it began to retire, while that still goes on; null: it does not. */
function useSignedLate({ kid, state_since }: Secret): { tokens: number; latest: string } | null {
  const app = useApp()
  const may = useMay()
  const { rows } = useList(
    "ListSessions",
    { path: { app: String(app) }, query: { limit: sessionsReadMax } },
    ({ sessions }) => sessions,
    { everyMs: waitEveryMs, enabled: may("users.read") },
  )
  const issued = (rows ?? [])
    .flatMap(({ kid: signer, issued_at }) => (signer === kid && issued_at !== null ? [issued_at] : []))
    .filter((at) => at > state_since)
    .toSorted()
  const latest = issued.at(-1)
  if (latest === undefined || Date.now() - Date.parse(latest) > signingStoppedMs) return null
  return { tokens: issued.length, latest }
}

function NewSecret({ secret }: { secret: Secret }) {
  return (
    <Alert color="blue" icon={<CheckCircleIcon />} title={`${nameOf(secret)} was made`}>
      <Text size="sm" mb="xs">
        Its text was shown once, when it was made <TimeAgo at={secret.created_at} /> by {secret.created_by}. If nobody
        kept it, go back and make another.
      </Text>
      <Copyable value={secret.kid} label="secret id" />
    </Alert>
  )
}

const DeployCode = ({ apiKey, kid }: { apiKey: string; kid: string }) => (
  <CodeBlock
    label="The backend with the new secret"
    code={[
      'import { createWeirServer } from "@weir/sdk-server"',
      "",
      "const weir = createWeirServer({",
      `  apiKey: "${apiKey}",`,
      "  apiSecret: process.env.WEIR_API_SECRET, // the new secret",
      `  kid: "${kid}",`,
      "})",
    ].join("\n")}
  />
)

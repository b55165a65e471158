// The app itself: its name, its environment, and the switches that open or close its gate.

import { Alert, Anchor, Button, Group, Skeleton, Stack, Switch, Text, TextInput } from "@mantine/core"
import { notifications } from "@mantine/notifications"
import { AlertIcon } from "@primer/octicons-react"
import { type FormEvent, type ReactNode, useState } from "react"
import { Link } from "wouter"
import { useMay } from "../../access/session.tsx"
import type { CallInput, CallOutput } from "../../api/client.ts"
import { useChange, useRead } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { Copyable } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"

type App = CallOutput<"ReadApp">["app"]
type Change = NonNullable<CallInput<"UpdateAppState">["body"]>

const nameCharsMax = 100
const refreshed = ["ListApps", "ReadApp", "GetTokenPolicy"] as const

/** A change that is asked about before it is made. */
interface Question {
  readonly title: string
  readonly text: ReactNode
  readonly confirm: string
  readonly change: Change
  readonly dangerous: boolean
  /** Words to type first. */
  readonly typed?: string
}

export default function AppSettings() {
  const app = useApp()
  const { data, error, refetch } = useRead("ReadApp", { path: { app: String(app) } })
  return (
    <>
      <PageHeader title="App settings">What holds for the whole app, whichever key a request comes with.</PageHeader>
      {error ? <ErrorAlert error={error} title="The app could not be read" retry={() => void refetch()} /> : null}
      {data === undefined && !error ? <Skeleton height={320} radius="md" /> : null}
      {data === undefined ? null : <Settings key={data.app.id} app={data.app} />}
    </>
  )
}

function Settings({ app }: { app: App }) {
  const path = useAppPath()
  const canManage = useMay()("apps.manage")
  const update = useChange("UpdateAppState", refreshed)
  const [question, setQuestion] = useState<Question | null>(null)
  const change = (body: Change): void =>
    update.mutate(
      { path: { app: String(app.id) }, body },
      {
        onSuccess: () => {
          setQuestion(null)
          notifications.show({ message: "Saved.", closeButtonProps: { "aria-label": "Close" } })
        },
      },
    )
  const isProduction = app.environment === "production"
  const questions = questionsOf(app)
  return (
    <>
      {app.suspended ? (
        <Alert color="red" icon={<AlertIcon />} title="This app is suspended" mb="lg">
          <Text size="sm">Every request and every socket of it is refused, until it is let run again below.</Text>
        </Alert>
      ) : null}
      {app.disable_auth_checks ? (
        <Alert color="orange" icon={<AlertIcon />} title="Development tokens are accepted" mb="lg">
          <Text size="sm">
            Whoever knows a key of this app can be any of its users. Switch it off before others come.
          </Text>
        </Alert>
      ) : null}
      {update.error && question === null ? (
        <Stack mb="lg">
          <ErrorAlert error={update.error} title="The settings were not saved" />
        </Stack>
      ) : null}
      <Section title="General">
        <Stack>
          <Facts
            facts={[
              ["App id", <Copyable key="id" value={String(app.id)} label="app id" />],
              ["Environment", app.environment],
              ["Created", <TimeAgo key="at" at={app.created_at} />],
              ["Updated", <TimeAgo key="changed" at={app.updated_at} />],
              [
                "Users' tokens end that were issued before",
                <TimeAgo key="before" at={app.revoke_tokens_issued_before} fallback="no cut-off" />,
              ],
            ]}
          />
          <Rename app={app} disabled={!canManage} busy={update.isPending} onSave={(name) => change({ name })} />
        </Stack>
      </Section>
      <Section title="Environment" description="A production app refuses what only makes development easier.">
        <Row
          title={isProduction ? "Production" : "Development"}
          text={
            isProduction
              ? "Development tokens and the demo are off, and the token policy begins strict."
              : "Development tokens can be enabled, and the token policy begins compatible."
          }
        >
          <Button variant="default" disabled={!canManage} onClick={() => setQuestion(questions.environment)}>
            {isProduction ? "Switch to development" : "Switch to production"}
          </Button>
        </Row>
      </Section>
      <Section title="Authentication">
        <Stack gap="lg">
          <Switch
            label="Backends may log in with key and secret"
            description="HTTP Basic, over TLS or from the same machine only. A token or a signed request is better: neither hands over the secret."
            checked={app.allow_basic_auth}
            disabled={!canManage || update.isPending}
            onChange={(event) =>
              event.currentTarget.checked ? setQuestion(questions.basic) : change({ allow_basic_auth: false })
            }
          />
          <Switch
            label="Development tokens"
            description={
              isProduction
                ? "Not for production apps: anybody could be anybody."
                : "Tokens without a signature are accepted, so whoever knows the key can be any user."
            }
            checked={app.disable_auth_checks}
            disabled={!canManage || isProduction || update.isPending}
            onChange={(event) =>
              event.currentTarget.checked ? setQuestion(questions.development) : change({ disable_auth_checks: false })
            }
          />
          <Text size="sm" c="dimmed">
            What a token must carry is said by the{" "}
            <Anchor component={Link} href={path("/policy")} size="sm" underline="always">
              token policy
            </Anchor>
            .
          </Text>
        </Stack>
      </Section>
      <Section title={app.suspended ? "Let it run again" : "Suspend"}>
        <Row
          title={app.suspended ? "The app is suspended" : "Refuse every request"}
          text={
            app.suspended
              ? "Its users and backends come back with the tokens that they have."
              : "Of users and of backends, on every node. All sockets close. Nothing is deleted or revoked."
          }
        >
          <Button
            color={app.suspended ? undefined : "red"}
            variant={app.suspended ? "filled" : "outline"}
            disabled={!canManage}
            onClick={() => setQuestion(questions.suspension)}
          >
            {app.suspended ? "Let it run again" : "Suspend the app"}
          </Button>
        </Row>
      </Section>
      {question === null ? null : (
        <ConfirmDialog
          opened
          onClose={() => {
            setQuestion(null)
            update.reset()
          }}
          title={question.title}
          confirm={question.confirm}
          dangerous={question.dangerous}
          {...(question.typed === undefined ? {} : { typed: question.typed })}
          busy={update.isPending}
          error={update.error}
          onConfirm={() => change(question.change)}
        >
          <Text size="sm">{question.text}</Text>
        </ConfirmDialog>
      )}
    </>
  )
}

function questionsOf({ name, environment, suspended, disable_auth_checks }: App) {
  const isProduction = environment === "production"
  return {
    environment: isProduction
      ? {
          title: "Switch to development",
          text: "Development tokens can be enabled afterwards. Without a token policy of its own it becomes compatible: tokens without an expiry are let in.",
          confirm: "Switch to development",
          change: { environment: "development" },
          dangerous: true,
        }
      : {
          title: "Switch to production",
          text: `${disable_auth_checks ? "Development tokens are disabled. " : ""}Without a token policy of its own it becomes strict: look at the warnings of the token policy first to see whom that refuses.`,
          confirm: "Switch to production",
          change: { environment: "production" },
          dangerous: false,
        },
    basic: {
      title: "Let backends log in with key and secret",
      text: "The secret then travels with every request. Use it for tools that cannot sign, and over TLS.",
      confirm: "Allow it",
      change: { allow_basic_auth: true },
      dangerous: false,
    },
    development: {
      title: "Accept development tokens",
      text: "Nobody's signature is checked any more: whoever knows a key can read and write as any user of this app.",
      confirm: "Accept them",
      change: { disable_auth_checks: true },
      dangerous: true,
      typed: name,
    },
    suspension: suspended
      ? {
          title: "Let the app run again",
          text: "Its users and backends are let in again at once, with the tokens that they have.",
          confirm: "Let it run again",
          change: { suspended: false },
          dangerous: false,
        }
      : {
          title: "Suspend the app",
          text: "All of its users and backends are shut out at once, until you let it run again.",
          confirm: "Suspend the app",
          change: { suspended: true },
          dangerous: true,
          typed: name,
        },
  } as const satisfies Readonly<Record<string, Question>>
}

function Row({ title, text, children }: { title: string; text: string; children: ReactNode }) {
  return (
    <Group justify="space-between" gap="md">
      <div style={{ flex: "1 1 260px" }}>
        <Text size="sm" fw={600}>
          {title}
        </Text>
        <Text size="sm" c="dimmed" maw={640}>
          {text}
        </Text>
      </div>
      {children}
    </Group>
  )
}

interface RenameProps {
  app: App
  disabled: boolean
  busy: boolean
  onSave: (name: string) => void
}

function Rename({ app, disabled, busy, onSave }: RenameProps) {
  const [name, setName] = useState(app.name)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    onSave(name.trim())
  }
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="xs">
        <TextInput
          label="Name"
          description="For you and your team; users never see it."
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={nameCharsMax}
          disabled={disabled}
          required
          flex="1 1 240px"
          maw={420}
        />
        <Button
          type="submit"
          variant="default"
          disabled={disabled || name.trim() === "" || name.trim() === app.name}
          loading={busy}
        >
          Rename
        </Button>
      </Group>
    </form>
  )
}

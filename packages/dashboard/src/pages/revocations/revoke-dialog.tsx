// Revoking in three steps: what, what that would end, and the receipt of when it held.

import {
  Alert,
  Autocomplete,
  Button,
  Checkbox,
  Group,
  Input,
  List,
  Modal,
  Radio,
  SegmentedControl,
  Select,
  Stack,
  Text,
  TextInput,
} from "@mantine/core"
import { CheckCircleIcon } from "@primer/octicons-react"
import { type FormEvent, useState } from "react"
import { useMay } from "../../access/session.tsx"
import type { CallInput } from "../../api/client.ts"
import { useChange } from "../../api/queries.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Receipt, type ReceiptFacts } from "../../parts/receipt.tsx"
import { useApp, useAppFacts } from "../../shell/apps.tsx"
import { fieldOf, isOneToken, type Level, levelWords, Target } from "./words.tsx"

/** What can be chosen to end: with a target it is settled, without one it is typed. */
export interface RevokeChoice {
  readonly level: Level
  readonly label: string
  readonly hint: string
  readonly target?: string
  /** Targets that are known, where one is typed. */
  readonly suggestions?: readonly string[]
}

/** Everything that a revocation can name. */
const everyChoice: readonly RevokeChoice[] = [
  { level: "user", label: levelWords.user, hint: "Id of the user; all their tokens end." },
  { level: "jti", label: levelWords.jti, hint: "The claim jti of one token." },
  { level: "token", label: levelWords.token, hint: "SHA-256 of the token in hex; Sessions show it." },
  { level: "device", label: levelWords.device, hint: "The claim device_id; all tokens that carry it end." },
  { level: "key", label: levelWords.key, hint: "All tokens that came with this key, those of servers too." },
  { level: "kid", label: levelWords.kid, hint: "Id of a secret; all tokens that it signed end." },
  { level: "app", label: levelWords.app, hint: "All tokens of users and guests. Servers go on working.", target: "" },
]
/** These reach far beyond one user, and the server asks for more. */
const farReaching: readonly Level[] = ["key", "kid", "app"]

const reasonCharsMax = 500
const targetCharsMax = 255

export interface RevokeDialogProps {
  opened: boolean
  onClose: () => void
  title: string
  /** Everything that the role allows, unless given. */
  choices?: readonly RevokeChoice[]
}

export function RevokeDialog({ opened, onClose, title, choices }: RevokeDialogProps) {
  const may = useMay()
  const offered = choices ?? everyChoice.filter(({ level }) => may("secrets.manage") || !farReaching.includes(level))
  return (
    <Modal closeButtonProps={{ "aria-label": "Close" }} opened={opened} onClose={onClose} title={title} size="lg">
      <Steps choices={offered} onClose={onClose} />
    </Modal>
  )
}

interface Plan {
  readonly level: Level
  readonly target: string
  readonly body: NonNullable<CallInput<"CreateRevocation">["body"]>
}

function Steps({ choices, onClose }: { choices: readonly RevokeChoice[]; onClose: () => void }) {
  const [draft, setDraft] = useState<Draft>(() => newDraft(choices[0]))
  const [plan, setPlan] = useState<Plan | null>(null)
  const app = useApp()
  const probe = useChange("CreateRevocation")
  const revoke = useChange("CreateRevocation", [
    "ListRevocations",
    "GetRevocation",
    "ListSessions",
    "ReadAppUser",
    "ListAppUsers",
  ])
  const path = { app: String(app) }
  const receipt = revoke.data?.receipt
  if (receipt) return <Done receipt={receipt} onClose={onClose} />
  const would = probe.data?.would
  if (plan !== null && would) {
    return (
      <Preview
        plan={plan}
        would={would}
        busy={revoke.isPending}
        error={revoke.error}
        onBack={() => {
          probe.reset()
          revoke.reset()
        }}
        onRevoke={() => revoke.mutate({ path, body: plan.body })}
      />
    )
  }
  return (
    <RevokeForm
      choices={choices}
      draft={draft}
      onChange={setDraft}
      busy={probe.isPending}
      error={probe.error}
      onClose={onClose}
      onSubmit={(made) => {
        setPlan(made)
        probe.mutate({ path, query: { dry_run: true }, body: made.body })
      }}
    />
  )
}

interface Draft {
  readonly level: Level
  readonly typed: string
  /** As the input of the browser has it: local, without a zone. */
  readonly before: string
  readonly shadow: boolean
  readonly terminal: boolean
  readonly reason: string
}

const newDraft = (first: RevokeChoice | undefined): Draft => ({
  level: first?.level ?? "user",
  typed: "",
  before: "",
  shadow: false,
  terminal: false,
  reason: "",
})

function planOf(draft: Draft, choice: RevokeChoice): Plan {
  const { level } = choice
  const target = choice.target ?? draft.typed.trim()
  const named: Plan["body"] = level === "app" ? { all: true } : { [fieldOf[level]]: target }
  return {
    level,
    target,
    body: {
      ...named,
      ...(draft.before === "" || isOneToken(level) ? {} : { before: new Date(draft.before).toISOString() }),
      ...(draft.shadow ? { mode: "shadow" } : {}),
      ...(draft.terminal && !draft.shadow ? { terminal: true } : {}),
      ...(draft.reason.trim() === "" ? {} : { reason: draft.reason.trim() }),
    },
  }
}

interface RevokeFormProps {
  choices: readonly RevokeChoice[]
  draft: Draft
  onChange: (draft: Draft) => void
  busy: boolean
  error: unknown
  onClose: () => void
  onSubmit: (plan: Plan) => void
}

/** A few choices are shown at once, many in a list. */
const radiosMax = 3

function RevokeForm({ choices, draft, onChange, busy, error, onClose, onSubmit }: RevokeFormProps) {
  const choice = choices.find(({ level }) => level === draft.level) ?? choices[0]
  if (choice === undefined) return null
  const set = (change: Partial<Draft>): void => onChange({ ...draft, ...change })
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    onSubmit(planOf(draft, choice))
  }
  const chooseLevel = (level: string): void => set({ level: level as Level, typed: "" })
  return (
    <form onSubmit={submit}>
      <Stack>
        {error ? <ErrorAlert error={error} title="It could not be counted" /> : null}
        {choices.length > radiosMax ? (
          <Select
            label="What to end"
            description={choice.hint}
            data={choices.map(({ level, label }) => ({ value: level, label }))}
            value={choice.level}
            onChange={(level) => level !== null && chooseLevel(level)}
            allowDeselect={false}
          />
        ) : (
          <Radio.Group label="What to end" value={choice.level} onChange={chooseLevel}>
            <Stack gap={8} mt={6}>
              {choices.map(({ level, label, hint }) => (
                <Radio key={level} value={level} label={label} description={hint} />
              ))}
            </Stack>
          </Radio.Group>
        )}
        {choice.target === undefined ? (
          <Autocomplete
            label={choice.label}
            value={draft.typed}
            onChange={(typed) => set({ typed })}
            data={[...(choice.suggestions ?? [])]}
            maxLength={targetCharsMax}
            required
            autoComplete="off"
            spellCheck={false}
          />
        ) : null}
        {isOneToken(choice.level) ? null : (
          <TextInput
            type="datetime-local"
            step={1}
            label="Only tokens issued before"
            description="Your local time. Empty: every token that exists now."
            value={draft.before}
            onChange={(event) => set({ before: event.currentTarget.value })}
          />
        )}
        <div>
          <Input.Label component="div" id="revoke-mode" display="block">
            Mode
          </Input.Label>
          <SegmentedControl
            aria-labelledby="revoke-mode"
            value={draft.shadow ? "shadow" : "enforce"}
            onChange={(mode) => set({ shadow: mode === "shadow" })}
            data={[
              { value: "enforce", label: "Revoke" },
              { value: "shadow", label: "Count only" },
            ]}
          />
          <Text size="xs" c="dimmed" mt={4}>
            {draft.shadow
              ? "Refuses nobody, and counts the requests that would have been refused."
              : "Refuses these tokens on every node, and closes the sockets that were opened with them."}
          </Text>
        </div>
        {draft.shadow ? null : (
          <Checkbox
            label="Tell clients to stay away"
            description="Their sockets are closed for good, instead of coming back with a new token."
            checked={draft.terminal}
            onChange={(event) => set({ terminal: event.currentTarget.checked })}
          />
        )}
        <TextInput
          label="Reason"
          description="For the audit log; users never see it."
          value={draft.reason}
          onChange={(event) => set({ reason: event.currentTarget.value })}
          maxLength={reasonCharsMax}
        />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy}>
            See what would end
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

interface PreviewProps {
  plan: Plan
  would: { readonly sockets: number; readonly tokens: number; readonly users: number }
  busy: boolean
  error: unknown
  onBack: () => void
  onRevoke: () => void
}

function Preview({ plan, would, busy, error, onBack, onRevoke }: PreviewProps) {
  const name = useAppFacts()?.name
  const [typed, setTyped] = useState("")
  const isShadow = plan.body.mode === "shadow"
  const needsName = plan.level === "app" && !isShadow
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    onRevoke()
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        {error ? <ErrorAlert error={error} title="Nothing was revoked" /> : null}
        <Group gap={6}>
          <Text size="sm">{isShadow ? "Would count:" : "Will end:"}</Text>
          <Target level={plan.level} target={plan.target} />
        </Group>
        <Alert color={isShadow ? "yellow" : "red"} title="At this moment that is">
          <List size="sm">
            <List.Item>{counted(would.sockets, "open socket")} over all nodes</List.Item>
            <List.Item>
              {counted(would.tokens, "token")} seen here, of {counted(would.users, "user")}
            </List.Item>
          </List>
          <Text size="sm" mt="xs">
            Tokens that have not been used here yet are not counted, and end all the same.
          </Text>
        </Alert>
        {needsName ? (
          <TextInput
            label={name === undefined ? "Type the name of the app to confirm" : `Type ${name} to confirm`}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            spellCheck={false}
            data-autofocus
          />
        ) : null}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onBack}>
            Back
          </Button>
          <Button
            type="submit"
            color={isShadow ? undefined : "red.9"}
            loading={busy}
            disabled={needsName && (name === undefined || typed.trim() !== name)}
          >
            {isShadow ? "Start counting" : "Revoke now"}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function Done({ receipt, onClose }: { receipt: ReceiptFacts; onClose: () => void }) {
  const isShadow = receipt.mode === "shadow"
  return (
    <Stack>
      <Alert
        color="teal"
        icon={<CheckCircleIcon />}
        title={isShadow ? "Every node counts" : "It holds on every node"}
        role="status"
      >
        {isShadow
          ? "See under Revocations how many requests would have been refused."
          : "Such a token is refused from now on, and nothing reaches a socket that was opened with one."}
      </Alert>
      <Receipt receipt={receipt} />
      <Group justify="flex-end">
        <Button onClick={onClose}>Close</Button>
      </Group>
    </Stack>
  )
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

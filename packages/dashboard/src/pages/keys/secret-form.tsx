// Adds a secret to a key: made here and shown this once, imported, or the public half of a pair.

import { Alert, Button, Checkbox, Group, Radio, Select, Stack, Text, Textarea, TextInput } from "@mantine/core"
import { AlertIcon } from "@primer/octicons-react"
import { type FormEvent, type ReactNode, useState } from "react"
import type { CallInput, CallOutput } from "../../api/client.ts"
import { useChange } from "../../api/queries.ts"
import { CodeBlock, Copyable, SecretOnce } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { useApp } from "../../shell/apps.tsx"
import {
  type Algorithm,
  importedSecretCharsMax,
  kidCharsMax,
  labelCharsMax,
  publicKeyCharsMax,
  type SecretState,
} from "./wire.ts"

type Body = NonNullable<CallInput<"CreateSecret">["body"]>
export type MadeSecret = CallOutput<"CreateSecret">
type Origin = "made" | "imported" | "public"

export interface SecretFormProps {
  apiKey: string
  /** Set where the place decides it, as the rotation does. */
  state?: Extract<SecretState, "standby" | "active">
  alg?: Algorithm
  submit: string
  cancel?: ReactNode
  onMade: (made: MadeSecret) => void
}

const stateChoices = [
  { value: "", label: "standby, or active when no other secret of the key is in use" },
  { value: "standby", label: "standby: not in use yet" },
  { value: "active", label: "active: in use at once" },
]

export function SecretForm({ apiKey, state, alg: startAlg = "HS256", submit, cancel, onMade }: SecretFormProps) {
  const app = useApp()
  const create = useChange("CreateSecret", ["ListKeys", "GetKey"])
  const [origin, setOrigin] = useState<Origin>("made")
  const [alg, setAlg] = useState<Algorithm>(startAlg)
  const [label, setLabel] = useState("")
  const [kid, setKid] = useState("")
  const [prefixed, setPrefixed] = useState(true)
  const [value, setValue] = useState("")
  const [wantedState, setWantedState] = useState("")
  const kinds: readonly Algorithm[] = origin === "public" ? ["ES256", "EdDSA"] : ["HS256", "ES256", "EdDSA"]
  const chosenAlg = origin === "imported" ? "HS256" : kinds.includes(alg) ? alg : "ES256"

  const send = (event: FormEvent): void => {
    event.preventDefault()
    const startsIn = state ?? (wantedState === "" ? undefined : (wantedState as "standby" | "active"))
    const body: Body = {
      alg: chosenAlg,
      label: label.trim(),
      ...(kid.trim() === "" ? {} : { kid: kid.trim() }),
      ...(startsIn === undefined ? {} : { state: startsIn }),
      ...(origin === "imported" ? { value } : {}),
      ...(origin === "public" ? { public_key: publicKeyOf(value) } : {}),
      ...(origin === "made" && chosenAlg === "HS256" ? { prefixed } : {}),
    }
    create.mutate({ path: { app: String(app), api_key: apiKey }, body }, { onSuccess: onMade })
  }
  return (
    <form onSubmit={send}>
      <Stack>
        {create.error ? <ErrorAlert error={create.error} title="The secret was not added" /> : null}
        <Radio.Group label="Where it comes from" value={origin} onChange={(chosen) => setOrigin(chosen as Origin)}>
          <Stack gap="xs" mt={6}>
            <Radio value="made" label="Generated here" description="Shown once, and kept sealed." />
            <Radio
              value="imported"
              label="Imported"
              description="A secret that is in use elsewhere, so that tokens in the field go on working. 32 bytes or more."
            />
            <Radio
              value="public"
              label="Public key"
              description="Your backend keeps the private half, which never comes here."
            />
          </Stack>
        </Radio.Group>
        {origin === "imported" ? null : (
          <Select
            label="Algorithm"
            description={
              chosenAlg === "HS256"
                ? "One secret that both sides know."
                : "A pair: this server holds the public half only, and can make no tokens with it."
            }
            data={[...kinds]}
            value={chosenAlg}
            onChange={(chosen) => setAlg(chosen as Algorithm)}
            allowDeselect={false}
            maw={280}
          />
        )}
        {origin === "made" && chosenAlg === "HS256" ? (
          <Checkbox
            label="Recognisable by secret scanners"
            description="It begins with weir_sk_ and carries a checksum, so that a leak in a repository is found."
            checked={prefixed}
            onChange={(event) => setPrefixed(event.currentTarget.checked)}
          />
        ) : null}
        {origin === "imported" ? (
          <TextInput
            label="Secret"
            description="It is not shown again. An app without a token policy of its own becomes compatible with it."
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            maxLength={importedSecretCharsMax}
            autoComplete="off"
            spellCheck={false}
            required
          />
        ) : null}
        {origin === "public" ? (
          <Textarea
            label="Public key"
            description="SPKI in PEM, or a JWK."
            placeholder="-----BEGIN PUBLIC KEY-----"
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            maxLength={publicKeyCharsMax}
            autosize
            minRows={4}
            maxRows={10}
            spellCheck={false}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
            required
          />
        ) : null}
        <TextInput
          label="Name"
          maw={480}
          description="Such as the season, or the service that signs with it."
          value={label}
          onChange={(event) => setLabel(event.currentTarget.value)}
          maxLength={labelCharsMax}
        />
        <TextInput
          label="Secret id (kid)"
          maw={480}
          description="Tokens may carry it. One is made unless you need a certain one."
          value={kid}
          onChange={(event) => setKid(event.currentTarget.value)}
          maxLength={kidCharsMax}
          pattern="[\w.\-]+"
          autoComplete="off"
          spellCheck={false}
        />
        {state === undefined ? (
          <Select
            label="State"
            maw={480}
            data={stateChoices}
            value={wantedState}
            onChange={(chosen) => setWantedState(chosen ?? "")}
            allowDeselect={false}
          />
        ) : null}
        <Group justify="flex-end">
          {cancel}
          <Button type="submit" loading={create.isPending} disabled={origin !== "made" && value.trim() === ""}>
            {submit}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** A JWK where it is one, otherwise the text as it is: the server says what is wrong with it. */
function publicKeyOf(text: string): string | Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // PEM is no JSON.
  }
  return text.trim()
}

/** What was made, this once; and a warning where the same secret stands elsewhere. */
export function MadeOnce({ made }: { made: MadeSecret }) {
  const { secret, value, shared_with } = made
  return (
    <Stack gap="sm">
      {value === null ? null : secret.alg === "HS256" ? (
        <SecretOnce value={value} label="Secret" />
      ) : (
        <Alert color="yellow" icon={<AlertIcon />} title="Private key: copy it now">
          <Text size="sm" mb="xs">
            It is shown this once and is not kept: this server holds the public half only.
          </Text>
          <CodeBlock code={value} label="Private key" />
        </Alert>
      )}
      <div>
        <Text size="sm" c="dimmed">
          Secret id (kid)
        </Text>
        <Copyable value={secret.kid} label="secret id" />
      </div>
      {shared_with.length === 0 ? null : (
        <Alert color="yellow" icon={<AlertIcon />} title="Another key has this secret too">
          Tokens signed with it are let in with {shared_with.join(", ")} as well. Revoke it there when that is not
          meant.
        </Alert>
      )}
    </Stack>
  )
}

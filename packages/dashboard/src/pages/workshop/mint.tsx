// A token to try something out with, and the code that makes the same on a backend.

import {
  Alert,
  Button,
  Group,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core"
import { KeyIcon } from "@primer/octicons-react"
import { type FormEvent, useState } from "react"
import { useMay } from "../../access/session.tsx"
import type { CallOutput } from "../../api/client.ts"
import { useChange, useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { duration } from "../../parts/time.tsx"
import { useApp } from "../../shell/apps.tsx"
import type { Wish } from "./code.ts"
import { Minted } from "./minted.tsx"
import { type ScopeRow, ScopesInput, scopesOf } from "./scopes-input.tsx"

type Kind = Wish["kind"]

const userIdCharsMax = 255
const cidsMax = 100
const roleCharsMax = 64
const hourSeconds = 3_600
const daySeconds = 86_400
/** Of server tokens; the management API makes none that live longer. */
const serverLifeSecondsMax = hourSeconds
const lives = [60, 600, hourSeconds, 8 * hourSeconds, daySeconds, 7 * daySeconds, 30 * daySeconds]

const kinds: readonly { value: Kind; label: string; text: string }[] = [
  { value: "user", label: "User", text: "For one user's device. It may do what this user's role allows." },
  { value: "call", label: "Call", text: "Opens only the listed calls and channels, for a user or for anybody." },
  { value: "guest", label: "Guest", text: "Creates a guest, somebody without an account, with a token for them." },
  {
    value: "server",
    label: "Server",
    text: "For a backend, which may do everything. It must never leave your servers.",
  },
]

export interface MintTabProps {
  onInspect: (token: string, apiKey: string) => void
}

export function MintTab({ onInspect }: MintTabProps) {
  const app = useApp()
  const path = { app: String(app) }
  const keys = useRead("ListKeys", { path })
  const policy = useRead("GetTokenPolicy", { path })
  const mint = useChange("MintToken", ["ListSessions"])
  const may = useMay()
  // A server token may do what the secret's holder may, so the server makes one only for who may have the secret.
  const offered = kinds.filter(({ value }) => value !== "server" || may("secrets.manage"))
  const [kind, setKind] = useState<Kind>("user")
  const [userId, setUserId] = useState("")
  const [name, setName] = useState("")
  const [calls, setCalls] = useState<string[]>([])
  const [channels, setChannels] = useState<string[]>([])
  const [role, setRole] = useState("")
  const [life, setLife] = useState(hourSeconds)
  const [scopes, setScopes] = useState<readonly ScopeRow[]>([])
  const [apiKey, setApiKey] = useState<string | null>(null)
  const [made, setMade] = useState<{ readonly wish: Wish; readonly minted: CallOutput<"MintToken"> } | null>(null)

  const signing = (keys.data?.keys ?? []).filter(canSign)
  if (keys.error) {
    return <ErrorAlert error={keys.error} title="The keys could not be read" retry={() => void keys.refetch()} />
  }
  if (keys.data !== undefined && signing.length === 0) {
    return (
      <EmptyState icon={KeyIcon} title="No key can sign here">
        A token is signed with an active HS256 secret of a key that is enabled. Of a pair this server holds the public
        half only, so tokens of such a key are made where the private half is.
      </EmptyState>
    )
  }
  const lifeMax = Math.min(
    kind === "server" ? serverLifeSecondsMax : (lives.at(-1) ?? 0),
    kind === "server"
      ? Number.POSITIVE_INFINITY
      : (policy.data?.policy.max_lifetime_seconds ?? Number.POSITIVE_INFINITY),
  )
  const choices = lives.filter((seconds) => seconds <= lifeMax)
  const chosenLife = choices.includes(life) ? life : (choices.at(-1) ?? lifeMax)
  const narrowed = scopesOf(scopes)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    const wish: Wish = {
      kind,
      ...(kind !== "server" && userId.trim() !== "" ? { user_id: userId.trim() } : {}),
      ...(kind === "guest" && name.trim() !== "" ? { name: name.trim() } : {}),
      ...(kind === "call" ? { call_cids: calls } : {}),
      ...(kind === "call" && channels.length > 0 ? { channel_cids: channels } : {}),
      ...(kind === "call" && role.trim() !== "" ? { role: role.trim() } : {}),
      ...(narrowed === undefined ? {} : { scopes: narrowed }),
      expires_in: chosenLife,
      ...(apiKey === null ? {} : { api_key: apiKey }),
    }
    mint.mutate({ path, body: wish }, { onSuccess: (minted) => setMade({ wish, minted }) })
  }
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg" style={{ alignItems: "start" }}>
      <Section title="What it is for">
        <form onSubmit={submit}>
          <Stack>
            {mint.error ? <ErrorAlert error={mint.error} title="The token was not created" /> : null}
            <div>
              <SegmentedControl
                aria-label="Token type"
                value={kind}
                onChange={(value) => setKind(value as Kind)}
                data={offered.map(({ value, label }) => ({ value, label }))}
                fullWidth
              />
              <Text size="sm" c="dimmed" mt={6}>
                {kinds.find(({ value }) => value === kind)?.text}
              </Text>
            </div>
            {kind === "server" ? null : (
              <TextInput
                label={kind === "guest" ? "Id of the guest" : "User id"}
                description={
                  kind === "user"
                    ? "The user need not be there yet."
                    : kind === "call"
                      ? "Empty: for anybody who holds the token."
                      : "Something before it is made up, so that no guest is a user. Empty: all of it is."
                }
                value={userId}
                onChange={(event) => setUserId(event.currentTarget.value)}
                maxLength={userIdCharsMax}
                pattern="[\w@\-]+"
                title="letters, digits, @, _ and -"
                required={kind === "user"}
                autoComplete="off"
                spellCheck={false}
              />
            )}
            {kind === "guest" ? (
              <TextInput
                label="Name"
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                maxLength={userIdCharsMax}
              />
            ) : null}
            {kind === "call" ? (
              <>
                <TagsInput
                  label="Calls"
                  description="type:id of each, such as default:standup. Press Enter after each."
                  value={calls}
                  onChange={setCalls}
                  maxTags={cidsMax}
                  splitChars={[",", " "]}
                  acceptValueOnBlur
                />
                <TagsInput
                  label="Channels besides"
                  description="type:id of each, such as messaging:standup."
                  value={channels}
                  onChange={setChannels}
                  maxTags={cidsMax}
                  splitChars={[",", " "]}
                  acceptValueOnBlur
                />
                <TextInput
                  label="Role on those calls"
                  value={role}
                  onChange={(event) => setRole(event.currentTarget.value)}
                  maxLength={roleCharsMax}
                  pattern="[\w\-]+"
                  autoComplete="off"
                />
              </>
            ) : null}
            <Group grow align="flex-start">
              <Select
                label="Expires after"
                description={lifeMax === lives.at(-1) ? undefined : `At most ${duration(lifeMax)} here.`}
                data={choices.map((seconds) => ({ value: String(seconds), label: duration(seconds) }))}
                value={String(chosenLife)}
                onChange={(value) => setLife(Number(value))}
                allowDeselect={false}
              />
              <Select
                label="Key"
                data={signing.map(({ api_key, label }) => ({ value: api_key, label: label || api_key }))}
                value={apiKey ?? signing[0]?.api_key ?? null}
                onChange={setApiKey}
                allowDeselect={false}
              />
            </Group>
            {kind === "guest" ? null : <ScopesInput rows={scopes} onChange={setScopes} />}
            <Group justify="flex-end">
              <Button
                type="submit"
                loading={mint.isPending}
                disabled={keys.data === undefined || (kind === "call" && calls.length === 0)}
              >
                Create the token
              </Button>
            </Group>
          </Stack>
        </form>
      </Section>
      {made === null ? (
        <Section title="The token">
          <Alert color="gray" variant="light">
            <Text size="sm">
              It appears here with its claims and the code that makes the same on your backend. It is real: whoever
              holds it is let in until it ends. Making one is written to the audit log.
            </Text>
          </Alert>
        </Section>
      ) : (
        <Minted key={made.minted.jti} wish={made.wish} minted={made.minted} onInspect={onInspect} />
      )}
    </SimpleGrid>
  )
}

const canSign = ({ disabled, secrets }: CallOutput<"ListKeys">["keys"][number]): boolean =>
  !disabled && secrets.some(({ state, alg }) => state === "active" && alg === "HS256")

// The question: who, does what, to what.

import {
  Autocomplete,
  Button,
  Input,
  JsonInput,
  SegmentedControl,
  Select,
  Stack,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core"
import { useDebouncedValue } from "@mantine/hooks"
import { type FormEvent, useState } from "react"
import { useSearchParams } from "wouter"
import { useMay } from "../../access/session.tsx"
import type { CallInput } from "../../api/client.ts"
import { useRead } from "../../api/queries.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { useApp } from "../../shell/apps.tsx"

type Body = NonNullable<CallInput<"Explain">["body"]>
type ResourceType = Body["resource"]["type"]

const resources: Readonly<Record<ResourceType, { label: string; id: string; example: string; product: string }>> = {
  channel: { label: "Channel", id: "Channel, as type:id", example: "messaging:general", product: "chat" },
  call: { label: "Call", id: "Call, as type:id", example: "default:standup", product: "video" },
  feed: { label: "Feed", id: "Feed, as group:id", example: "user:jessica", product: "feeds" },
  user: { label: "User", id: "User id", example: "jessica", product: "app" },
  app: { label: "The app itself", id: "App", example: "", product: "app" },
}
const resourceTypes = Object.keys(resources) as ResourceType[]

const tokenCharsMax = 8_192
const idCharsMax = 512
const actionCharsMax = 64
const settleMs = 250
const suggestionsMax = 10

export interface QuestionFormProps {
  busy: boolean
  onAsk: (body: Body) => void
  /** The question is another one now. */
  onChange: () => void
}

export function QuestionForm({ busy, onAsk, onChange }: QuestionFormProps) {
  const app = String(useApp())
  const may = useMay()
  const [parameters] = useSearchParams()
  const [by, setBy] = useState<"user" | "token">("user")
  const [userId, setUserId] = useState(parameters.get("user") ?? "")
  const [token, setToken] = useState("")
  const [apiKey, setApiKey] = useState<string | null>(null)
  const [type, setType] = useState<ResourceType>("channel")
  const [id, setId] = useState("")
  const [action, setAction] = useState<string | null>(null)
  const [scopes, setScopes] = useState("")
  const [scopesError, setScopesError] = useState<string | null>(null)
  const keys = useRead("ListKeys", { path: { app } }, { enabled: by === "token" && may("keys.read") })
  const grants = useRead("ReadGrants", { path: { app } })
  const change = <Value,>(set: (value: Value) => void) => {
    return (value: Value): void => {
      set(value)
      onChange()
    }
  }
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (action === null) return
    const narrowed = by === "user" ? scopesOf(scopes) : undefined
    if (narrowed === null) {
      setScopesError('An object of lists, such as {"chat:messaging:*": ["read"]}')
      return
    }
    onAsk({
      ...(by === "user" ? { user_id: userId.trim() } : { token: token.trim() }),
      ...(by === "token" && apiKey !== null ? { api_key: apiKey } : {}),
      action: action.trim(),
      resource: { type, id: type === "app" ? app : id.trim() },
      ...(narrowed === undefined ? {} : { scopes: narrowed }),
    })
  }
  const resource = resources[type]
  return (
    <form onSubmit={submit}>
      <Stack>
        {grants.error ? (
          <ErrorAlert error={grants.error} title="The actions could not be read" retry={() => void grants.refetch()} />
        ) : null}
        <div>
          <Input.Label component="div" id="why-who" display="block">
            Who
          </Input.Label>
          <SegmentedControl
            aria-labelledby="why-who"
            fullWidth
            value={by}
            onChange={(value) => change(setBy)(value as typeof by)}
            data={[
              { value: "user", label: "A user" },
              { value: "token", label: "The bearer of a token" },
            ]}
          />
        </div>
        {by === "user" ? (
          <UserInput app={app} value={userId} onChange={change(setUserId)} />
        ) : (
          <>
            <Textarea
              label="Token"
              description="It is checked as the gate would, and forgotten with the answer."
              value={token}
              onChange={(event) => change(setToken)(event.currentTarget.value)}
              maxLength={tokenCharsMax}
              autosize
              minRows={3}
              maxRows={8}
              required
              spellCheck={false}
              autoComplete="off"
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 12 } }}
            />
            <Select
              label="API key that it comes with"
              placeholder="The app's first key"
              data={(keys.data?.keys ?? []).map((key) => ({
                value: key.api_key,
                label: key.label === "" ? key.api_key : `${key.api_key} (${key.label})`,
              }))}
              value={apiKey}
              onChange={change(setApiKey)}
              clearable
            />
          </>
        )}
        <Select
          label="Resource type"
          data={resourceTypes.map((value) => ({ value, label: resources[value].label }))}
          value={type}
          onChange={(value) => {
            if (value === null) return
            change(setType)(value as ResourceType)
            setAction(null)
          }}
          allowDeselect={false}
        />
        {type === "app" ? null : (
          <TextInput
            label={resource.id}
            placeholder={resource.example}
            value={id}
            onChange={(event) => change(setId)(event.currentTarget.value)}
            maxLength={idCharsMax}
            required
            spellCheck={false}
            autoComplete="off"
          />
        )}
        {type === "app" ? (
          // No grant speaks of the app itself, so there is no list to choose from.
          <TextInput
            label="Action"
            description="Id of an action. Only servers may do something to the app itself."
            placeholder="update-app"
            value={action ?? ""}
            onChange={(event) => change(setAction)(event.currentTarget.value || null)}
            maxLength={actionCharsMax}
            required
            spellCheck={false}
            autoComplete="off"
          />
        ) : (
          <Select
            label="Action"
            placeholder={grants.isPending ? "Loading…" : "Choose an action"}
            data={actionChoices(grants.data?.scopes ?? [], resource.product)}
            value={action}
            onChange={change(setAction)}
            searchable
            required
            nothingFoundMessage="No such action"
            maxDropdownHeight={320}
          />
        )}
        {by === "user" ? (
          <JsonInput
            label="Scopes"
            description="Optional: what a token of this user would be narrowed to."
            placeholder={'{"chat:messaging:*": ["read"]}'}
            value={scopes}
            onChange={(value) => {
              change(setScopes)(value)
              setScopesError(null)
            }}
            error={scopesError}
            autosize
            minRows={2}
            maxRows={8}
          />
        ) : null}
        <Button type="submit" loading={busy} disabled={action === null}>
          Check access
        </Button>
      </Stack>
    </form>
  )
}

/** A user's id, with those that begin like it. */
function UserInput({ app, value, onChange }: { app: string; value: string; onChange: (value: string) => void }) {
  const [asked] = useDebouncedValue(value.trim(), settleMs)
  const may = useMay()
  const found = useRead(
    "ListAppUsers",
    { path: { app }, query: { ...(asked === "" ? {} : { q: asked }), limit: suggestionsMax } },
    { enabled: may("users.read"), keep: true },
  )
  const users = found.data?.users ?? []
  const names = new Map(users.map(({ id, name }) => [id, name]))
  return (
    <Autocomplete
      label="User id"
      value={value}
      onChange={onChange}
      data={users.map(({ id }) => id)}
      // The server has chosen already, by id and by name.
      filter={({ options }) => options}
      renderOption={({ option }) => (
        <div>
          <Text size="sm">{option.value}</Text>
          {names.get(option.value) ? (
            <Text size="xs" c="dimmed">
              {names.get(option.value)}
            </Text>
          ) : null}
        </div>
      )}
      required
      spellCheck={false}
      autoComplete="off"
    />
  )
}

type Scope = { readonly product: string; readonly actions: readonly { id: string; title: string; level: string }[] }

const levelWords: Readonly<Record<string, string>> = { read: "Read", write: "Write", manage: "Manage" }

/** Each action of a product once, grouped by what it takes. */
function actionChoices(scopes: readonly Scope[], product: string) {
  const found = new Map(
    scopes
      .filter((scope) => scope.product === product)
      .flatMap(({ actions }) => actions)
      .map((action) => [action.id, action]),
  )
  return Object.entries(levelWords).flatMap(([level, group]) => {
    const items = [...found.values()]
      .filter((action) => action.level === level)
      .map(({ id, title }) => ({ value: id, label: title }))
      .sort((a, b) => (a.label < b.label ? -1 : 1))
    return items.length === 0 ? [] : [{ group, items }]
  })
}

/** Undefined: none were given. Null: this is no object of lists of texts. */
function scopesOf(text: string): Record<string, string[]> | undefined | null {
  if (text.trim() === "") return undefined
  try {
    const value: unknown = JSON.parse(text)
    const isScopes =
      typeof value === "object" &&
      value !== null &&
      !Array.isArray(value) &&
      Object.values(value).every((item) => Array.isArray(item) && item.every((word) => typeof word === "string"))
    return isScopes ? (value as Record<string, string[]>) : null
  } catch {
    return null
  }
}

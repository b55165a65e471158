// What a token is, who signed it, and whether it would be let in now.

import { Button, Group, Select, Stack, Text, Textarea } from "@mantine/core"
import { SearchIcon } from "@primer/octicons-react"
import { type FormEvent, useEffect, useRef, useState } from "react"
import { useChange, useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp } from "../../shell/apps.tsx"
import { Examined } from "./examined.tsx"

/** Twice the longest token that is let in. */
const tokenCharsMax = 16_384

export interface InspectTabProps {
  /** A token that was just made. */
  handed: { readonly token: string; readonly apiKey: string } | null
}

export function InspectTab({ handed }: InspectTabProps) {
  const app = useApp()
  const path = { app: String(app) }
  const keys = useRead("ListKeys", { path })
  const inspect = useChange("InspectToken")
  const [token, setToken] = useState(handed?.token ?? "")
  const [apiKey, setApiKey] = useState(handed?.apiKey ?? "")
  const ask = (): void =>
    inspect.mutate({ path, body: { token: token.trim(), ...(apiKey === "" ? {} : { api_key: apiKey }) } })
  // What was just made is asked about at once; the tab is made anew for each.
  const first = useRef(handed === null ? null : ask)
  useEffect(() => {
    first.current?.()
    first.current = null
  }, [])
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    ask()
  }
  return (
    <>
      <Section>
        <form onSubmit={submit}>
          <Stack>
            <Textarea
              label="Token"
              description="With or without the word Bearer. It is not kept: it is forgotten with the answer."
              placeholder="eyJ…"
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              maxLength={tokenCharsMax}
              autosize
              minRows={3}
              maxRows={8}
              spellCheck={false}
              autoComplete="off"
              required
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)", wordBreak: "break-all" } }}
            />
            <Group align="flex-end" justify="space-between">
              <Select
                label="Key that it comes with"
                data={[
                  { value: "", label: "the one whose secret signed it" },
                  ...(keys.data?.keys ?? []).map(({ api_key, label }) => ({
                    value: api_key,
                    label: label === "" ? api_key : `${label} (${api_key})`,
                  })),
                ]}
                value={apiKey}
                onChange={(value) => setApiKey(value ?? "")}
                allowDeselect={false}
                w={{ base: "100%", xs: 310 }}
              />
              <Button type="submit" loading={inspect.isPending} disabled={token.trim() === ""}>
                Inspect
              </Button>
            </Group>
          </Stack>
        </form>
      </Section>
      {inspect.error ? <ErrorAlert error={inspect.error} title="The token could not be inspected" /> : null}
      {inspect.data ? (
        <Examined answer={inspect.data} onAgain={ask} />
      ) : inspect.error || inspect.isPending ? null : (
        <EmptyState icon={SearchIcon} title="Paste a token">
          You are told what it is, which secret signed it, and every check of the gate in its order.{" "}
          <Text span inherit>
            Nothing is changed, and it does not count as a use.
          </Text>
        </EmptyState>
      )}
    </>
  )
}

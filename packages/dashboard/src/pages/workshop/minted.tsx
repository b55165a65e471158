// A token that was made, this once, with its claims and the code that makes the same.

import { Button, Group, SegmentedControl, Stack, Text } from "@mantine/core"
import { useState } from "react"
import { Link } from "wouter"
import type { CallOutput } from "../../api/client.ts"
import { CodeBlock, SecretOnce } from "../../parts/copy.tsx"
import { Facts } from "../../parts/facts.tsx"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { ClaimsTable } from "./claims-table.tsx"
import { curlCode, nodeCode, pythonCode, type Wish } from "./code.ts"

const languages = { node: ["Node", nodeCode], python: ["Python", pythonCode], curl: ["curl", curlCode] } as const
type Language = keyof typeof languages

export interface MintedProps {
  wish: Wish
  minted: CallOutput<"MintToken">
  onInspect: (token: string, apiKey: string) => void
}

export function Minted({ wish, minted, onInspect }: MintedProps) {
  const path = useAppPath()
  const [language, setLanguage] = useState<Language>("node")
  const { token, api_key, kid, jti, user_id, claims, expires_at, issued_at } = minted
  const expiresIn = Math.round((Date.parse(expires_at) - Date.parse(issued_at)) / 1_000)
  const [title, codeOf] = languages[language]
  const code = codeOf({ wish, origin: location.origin, apiKey: api_key, kid, expiresIn })
  return (
    <div>
      <Section title="The token">
        <Stack>
          <SecretOnce
            value={token}
            label="Token"
            hint="It is shown this once and kept nowhere. Whoever holds it is let in until it ends."
          />
          <Facts
            facts={[
              ["Expires", <TimeAgo key="at" at={expires_at} />],
              ["For", user_id ?? (wish.kind === "server" ? "a backend" : "anybody")],
              ["Comes with the key", <code key="key">{api_key}</code>],
              ["Signed with", kid === null ? "the key's secret" : <code key="kid">{kid}</code>],
              ["Its id (jti)", <code key="jti">{jti}</code>],
            ]}
          />
          <Group gap="xs">
            <Button variant="default" onClick={() => onInspect(token, api_key)}>
              Inspect it
            </Button>
            <Button component={Link} href={path("/revocations")} variant="subtle">
              Revoke it by its id
            </Button>
          </Group>
        </Stack>
      </Section>
      <Section title="Claims">
        <ClaimsTable caption="Claims of the token" claims={claims} />
      </Section>
      <Section
        title="The same in code"
        description={
          language === "curl"
            ? wish.kind === "guest"
              ? "Creates a guest; the answer holds the token."
              : "A request with the token, from the variable TOKEN."
            : wish.kind === "guest"
              ? "Creates a guest; no secret is needed."
              : "Runs on your backend, with the secret in WEIR_API_SECRET."
        }
        actions={
          <SegmentedControl
            aria-label="Language"
            size="xs"
            value={language}
            onChange={(value) => setLanguage(value as Language)}
            data={Object.entries(languages).map(([value, [label]]) => ({ value, label }))}
          />
        }
      >
        <CodeBlock code={code} label={`${title} code`} />
        {language !== "curl" && wish.kind !== "guest" ? (
          <Text size="xs" c="dimmed" mt="xs">
            Create a token only after your own login has proved who is asking.
          </Text>
        ) : null}
      </Section>
    </div>
  )
}

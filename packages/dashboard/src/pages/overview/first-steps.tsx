// What to do with a new app, each step with code that runs as it stands.

import { Anchor, Stack, Tabs, Text, Timeline, Title } from "@mantine/core"
import type { ReactNode } from "react"
import { Link } from "wouter"
import { useMay } from "../../access/session.tsx"
import { CodeBlock } from "../../parts/copy.tsx"
import { Section } from "../../parts/section.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { connectWithNode, connectWithSocket, mintWithNode, mintWithShell } from "./snippets.ts"

export function FirstSteps({ apiKey }: { apiKey: string | null }) {
  const path = useAppPath()
  const may = useMay()
  const key = apiKey ?? "YOUR_API_KEY"
  const origin = location.origin
  const link = (to: string, text: string): ReactNode => (
    <Anchor component={Link} href={path(to)} size="sm" underline="always">
      {text}
    </Anchor>
  )
  return (
    <Section title="First steps" description="Nobody has called this app yet. Three steps, and somebody has.">
      <Timeline bulletSize={26} lineWidth={2} component="ol" m={0} style={{ listStyle: "none" }}>
        <Step number={1} title="Copy the API key">
          <Text size="sm">
            It stands above and is no secret. The secret was shown when the key was made; if it is lost, add another one
            {may("keys.read") ? <> under {link("/keys", "Keys")}</> : null}.
          </Text>
        </Step>
        <Step number={2} title="Create a token for a user">
          <Text size="sm">
            Your backend signs it with the secret: it says who the user is and until when.{" "}
            {may("tokens.mint") ? <>Without a backend, {link("/workshop", "make one in the token workshop")}.</> : null}
          </Text>
          <Snippets
            label="How to create a token"
            tabs={[
              ["Node", mintWithNode(key)],
              ["Shell", mintWithShell(origin)],
            ]}
          />
        </Step>
        <Step number={3} title="Connect">
          <Text size="sm">The client connects with the key and the token; this page shows it within seconds.</Text>
          <Snippets
            label="How to connect"
            tabs={[
              ["JavaScript", connectWithNode(key, origin)],
              ["Shell", connectWithSocket(key, origin)],
            ]}
          />
        </Step>
      </Timeline>
    </Section>
  )
}

const Step = ({ number, title, children }: { number: number; title: string; children: ReactNode }) => (
  <Timeline.Item
    component="li"
    bullet={
      <Text span size="xs" fw={700} aria-hidden="true">
        {number}
      </Text>
    }
    title={
      <Title order={3} size="h6">
        {title}
      </Title>
    }
  >
    <Stack gap="xs" mt={4}>
      {children}
    </Stack>
  </Timeline.Item>
)

const Snippets = ({ label, tabs }: { label: string; tabs: readonly (readonly [name: string, code: string])[] }) => (
  <Tabs defaultValue={tabs[0]?.[0] ?? ""} keepMounted={false}>
    <Tabs.List aria-label={label}>
      {tabs.map(([name]) => (
        <Tabs.Tab key={name} value={name}>
          {name}
        </Tabs.Tab>
      ))}
    </Tabs.List>
    {tabs.map(([name, code]) => (
      <Tabs.Panel key={name} value={name} pt="xs">
        <CodeBlock code={code} label={`${label} with ${name}`} />
      </Tabs.Panel>
    ))}
  </Tabs>
)

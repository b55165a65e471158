// One refusal: what was asked, which check said no, the smallest change that would have allowed it, and what is known of
// the caller and their token.

import { Alert, Anchor, Badge, Group, Stack, Text, Title } from "@mantine/core"
import { LightBulbIcon } from "@primer/octicons-react"
import type { ReactNode } from "react"
import { Link } from "wouter"
import type { CallOutput } from "../../api/client.ts"
import { Copyable } from "../../parts/copy.tsx"
import { Facts } from "../../parts/facts.tsx"
import { Reasons } from "../../parts/reasons.tsx"
import { absoluteTime, duration, TimeAgo } from "../../parts/time.tsx"
import { useAppPath } from "../../shell/apps.tsx"

export type Decision = CallOutput<"ListDecisions">["decisions"][number]

export function DecisionDetails({ decision }: { decision: Decision }) {
  return (
    <Stack gap="lg">
      <div>
        <Group gap="xs" mb={6}>
          <Badge color="red" variant="light">
            refused {decision.status}
          </Badge>
          <Text span size="sm">
            <TimeAgo at={decision.at} />
          </Text>
          <Anchor size="sm" href={`/errors/${decision.code}`} target="_blank" rel="noreferrer">
            About error {decision.code}
          </Anchor>
        </Group>
        <Text size="sm" className="weir-break">
          {decision.reason}
        </Text>
      </div>
      <Remedy text={decision.remedy} />
      <Part title="Why">
        <Facts
          cols={2}
          facts={[
            ["Check that failed", decision.failed.check],
            ["Rule", decision.failed.rule ?? "none of its own"],
            ["Operation", decision.operation],
            ["Action", decision.action],
            ["Resource", decision.resource],
            ["Stage", decision.stage],
            ...Object.entries(decision.facts)
              // Action and resource are facts of some checks, too.
              .filter(([name, value]) => value !== (decision as Readonly<Record<string, unknown>>)[name])
              .map(([name, value]) => [wordsOf(name), shownFact(value)] as const),
          ]}
        />
      </Part>
      <Part title="Checks in order">
        <Reasons reasons={decision.checks} />
      </Part>
      <Part title="Caller">
        <Facts cols={2} facts={callerFacts(decision.caller, <UserLink id={decision.caller.user_id} />)} />
      </Part>
      <Part title="Token">
        <TokenFacts token={decision.token} />
      </Part>
      <div>
        <Text size="xs" c="dimmed">
          Decision, as the caller's X-Decision-Id names it
        </Text>
        <Copyable value={decision.id} label="Decision id" />
      </div>
    </Stack>
  )
}

/** The smallest change that would have helped. */
export const Remedy = ({ text }: { text: string }) => (
  <Alert color="cyan" icon={<LightBulbIcon />} title="The smallest change that would allow it">
    <Text size="sm" className="weir-break">
      {sentence(text)}
    </Text>
  </Alert>
)

/** The server's remedies are clauses; alone they stand as a sentence. */
const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?…]$/.test(text) ? "" : "."}`

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <section aria-label={title}>
    <Title order={3} size="h5" mb="xs">
      {title}
    </Title>
    {children}
  </section>
)

function UserLink({ id }: { id: string | null }) {
  const path = useAppPath()
  if (id === null || id.startsWith("!")) return <>{id ?? "none"}</>
  return (
    <Anchor component={Link} href={path(`/users/${encodeURIComponent(id)}`)} size="sm">
      {id}
    </Anchor>
  )
}

const callerFacts = (caller: Decision["caller"], user: ReactNode): (readonly [string, ReactNode])[] => [
  ["Kind", caller.kind ?? "not known: refused before that was proved"],
  ["User", user],
  ["Role", caller.role],
  ["API key", caller.api_key === null ? "none" : <code key="key">{caller.api_key}</code>],
  ["Address", <code key="address">{caller.address}</code>],
  ["Client", caller.client ?? "unknown"],
]

function TokenFacts({ token }: { token: Decision["token"] }) {
  if (token === null) {
    return (
      <Text size="sm" c="dimmed">
        No token came along.
      </Text>
    )
  }
  return (
    <Stack gap="sm">
      {token.proved ? null : (
        <Text size="sm" c="dimmed">
          Nothing of this is proved: it is what the token says of itself.
        </Text>
      )}
      <Facts
        cols={2}
        facts={[
          ["Kind", token.kind],
          ["User", token.user_id],
          ["Algorithm", token.alg],
          ["Secret (kid)", token.kid],
          ["Token id (jti)", token.jti],
          ["Narrowed by scopes", token.narrowed ? "yes" : "no"],
          ["Issued", agedText(token.issued_at, token.age_seconds)],
          ["Expires", expiryText(token.expires_at, token.expires_in_seconds)],
          ...(token.skew_ms === null
            ? []
            : ([["Ahead of this server's clock", duration(token.skew_ms / 1_000)]] as const)),
        ]}
      />
    </Stack>
  )
}

const agedText = (at: string | null, seconds: number | null): string | null =>
  at === null || seconds === null
    ? null
    : `${absoluteTime(at)}, ${seconds >= 0 ? `${duration(seconds)} before` : `${duration(-seconds)} after`} the request`

const expiryText = (at: string | null, seconds: number | null): string =>
  at === null || seconds === null
    ? "never"
    : `${absoluteTime(at)}, ${seconds >= 0 ? `${duration(seconds)} after` : `${duration(-seconds)} before`} the request`

const wordsOf = (name: string): string => {
  const words = name.replaceAll("_", " ")
  return words.charAt(0).toUpperCase() + words.slice(1)
}
const shownFact = (value: string | number | boolean | null): string => (value === null ? "none" : String(value))

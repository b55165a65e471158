// The answer about a token: the verdict first, then why, then everything that stands in it.

import { Alert, Anchor, Badge, Button, Group, List, SimpleGrid, Stack, Text } from "@mantine/core"
import { AlertIcon, CheckCircleIcon, XCircleIcon } from "@primer/octicons-react"
import { Link } from "wouter"
import type { CallOutput } from "../../api/client.ts"
import { Copyable } from "../../parts/copy.tsx"
import { Facts } from "../../parts/facts.tsx"
import { Reasons } from "../../parts/reasons.tsx"
import { Section } from "../../parts/section.tsx"
import { duration, TimeAgo } from "../../parts/time.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { StateBadge } from "../keys/state-badge.tsx"
import { warningRules } from "../policy/rules.ts"
import { ClaimsTable } from "./claims-table.tsx"

type Answer = CallOutput<"InspectToken">

export function Examined({ answer, onAgain }: { answer: Answer; onAgain: () => void }) {
  const { reasons, problems, header, claims, revocations, user, warnings } = answer
  return (
    <>
      <Verdict answer={answer} onAgain={onAgain} />
      {problems.length === 0 ? null : (
        <Alert color="orange" icon={<AlertIcon />} title="Its form is wrong" mb="lg">
          <List size="sm">
            {problems.map((problem) => (
              <List.Item key={problem}>{sentence(problem)}</List.Item>
            ))}
          </List>
        </Alert>
      )}
      {warnings.length === 0 ? null : (
        <Alert color="orange" icon={<AlertIcon />} title="A strict policy would refuse it" mb="lg">
          <Text size="sm">{sentence(warnings.map((rule) => warningRules[rule] ?? rule).join("; "))}</Text>
        </Alert>
      )}
      <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
        <div>
          <Section title="What it is">
            <What answer={answer} />
          </Section>
          <Section title="Checks of the gate" description="In the order in which they are made.">
            <Reasons reasons={reasons} />
          </Section>
        </div>
        <div>
          {header === null ? null : (
            <Section title="Header">
              <ClaimsTable caption="Header of the token" claims={header} />
            </Section>
          )}
          {claims === null ? null : (
            <Section
              title="Claims"
              description={answer.signed_by === null ? "Unproved: it is what the token says of itself." : undefined}
            >
              <ClaimsTable caption="Claims of the token" claims={claims} />
            </Section>
          )}
          {revocations.length === 0 ? null : <Revocations revocations={revocations} />}
          {user === null ? null : <Owner user={user} />}
        </div>
      </SimpleGrid>
    </>
  )
}

function Verdict({ answer: { passes, failed, remedy }, onAgain }: { answer: Answer; onAgain: () => void }) {
  return (
    <Alert
      color={passes ? "teal" : "red"}
      icon={passes ? <CheckCircleIcon /> : <XCircleIcon />}
      title={passes ? "It would be let in now" : "It would be refused now"}
      mb="lg"
      role="status"
    >
      <Stack gap={6}>
        {passes ? <Text size="sm">Every check of the gate passes at this moment.</Text> : null}
        {failed === null ? null : (
          <Text size="sm" className="weir-break">
            {sentence(failed.detail ?? `the check ${failed.check} failed`)}
            {failed.rule === null ? null : (
              <>
                {" "}
                Rule <code>{failed.rule}</code>.
              </>
            )}
          </Text>
        )}
        {remedy === null ? null : (
          <Text size="sm" className="weir-break">
            <b>What helps:</b> {sentence(remedy)}
          </Text>
        )}
        <div>
          <Button size="compact-sm" variant="default" onClick={onAgain}>
            Ask again
          </Button>
        </div>
      </Stack>
    </Alert>
  )
}

function What({ answer }: { answer: Answer }) {
  const path = useAppPath()
  const { kind, signed_by, api_key, sha256, issued_at, not_before, expires_at, expires_in_seconds, leeway_seconds } =
    answer
  return (
    <Facts
      cols={2}
      facts={[
        ["Kind", kind ?? "not to be told"],
        [
          "Signed by",
          signed_by === null ? (
            "no secret of this app"
          ) : (
            <Group key="by" gap={6}>
              <Anchor component={Link} href={path(`/keys/${signed_by.api_key}`)} size="sm" underline="always">
                {signed_by.label || signed_by.kid}
              </Anchor>
              <StateBadge state={signed_by.state} />
              <Text span size="sm" c="dimmed">
                {signed_by.alg}
              </Text>
            </Group>
          ),
        ],
        ["Asked about with the key", api_key === null ? "the app has none" : <code key="key">{api_key}</code>],
        ["Issued", <TimeAgo key="iat" at={issued_at} fallback="does not say" />],
        [
          "Expires",
          <span key="exp">
            <TimeAgo at={expires_at} fallback="never by itself" />
            {expires_in_seconds === null ? null : (
              <Text size="xs" c="dimmed">
                {expires_in_seconds < 0
                  ? `expired ${duration(-expires_in_seconds)} ago`
                  : `${duration(expires_in_seconds)} left`}
              </Text>
            )}
          </span>,
        ],
        ["Not before", <TimeAgo key="nbf" at={not_before} fallback="at once" />],
        ["Leeway for clocks", leeway_seconds === null ? null : `${leeway_seconds} s`],
        [
          "Called, among sessions",
          <Copyable key="sha" value={sha256} label="SHA-256" shown={`${sha256.slice(0, 16)}…`} />,
        ],
      ]}
    />
  )
}

function Revocations({ revocations }: { revocations: Answer["revocations"] }) {
  const path = useAppPath()
  return (
    <Section title="Revocations that name it">
      <Stack gap="sm">
        {revocations.map(({ id, level, mode, reason, created_at, created_by }) => (
          <div key={id}>
            <Group gap={6}>
              <Anchor component={Link} href={path(`/revocations/${id}`)} size="sm" underline="always">
                By {level}
              </Anchor>
              <Badge variant="outline" color={mode === "shadow" ? "gray" : "red"}>
                {mode === "shadow" ? "shadow: counts only" : "in force"}
              </Badge>
            </Group>
            <Text size="sm" c="dimmed">
              <TimeAgo at={created_at} /> by {created_by}
              {reason === "" ? "" : `: ${reason}`}
            </Text>
          </div>
        ))}
      </Stack>
    </Section>
  )
}

function Owner({ user }: { user: NonNullable<Answer["user"]> }) {
  const path = useAppPath()
  const { id, name, role, teams, deactivated_at, deleted_at, bans } = user
  return (
    <Section title="The user that it names">
      <Facts
        cols={2}
        facts={[
          [
            "User",
            <Anchor
              key="user"
              component={Link}
              href={path(`/users/${encodeURIComponent(id)}`)}
              size="sm"
              underline="always"
            >
              {name === null || name === "" ? id : `${name} (${id})`}
            </Anchor>,
          ],
          ["Role", role],
          ["Teams", teams.length === 0 ? "none" : teams.join(", ")],
          [
            "State",
            deleted_at !== null ? (
              <span key="deleted">
                deleted <TimeAgo at={deleted_at} />
              </span>
            ) : deactivated_at !== null ? (
              <span key="off">
                deactivated <TimeAgo at={deactivated_at} />
              </span>
            ) : (
              "active"
            ),
          ],
          [
            "Bans",
            bans.length === 0 ? "none" : bans.map(({ channel_cid }) => channel_cid ?? "the whole app").join(", "),
          ],
        ]}
      />
    </Section>
  )
}

/** A half sentence of the server as a whole one. */
function sentence(words: string): string {
  const first = `${words.charAt(0).toUpperCase()}${words.slice(1)}`
  return /[.!?]$/.test(first) ? first : `${first}.`
}

// Would this user, or the bearer of this token, be allowed to do that? Asks the rules of the server and changes nothing.

import { Alert, Button, Grid, Group, Stack, TextInput } from "@mantine/core"
import { CheckCircleIcon, QuestionIcon, XCircleIcon } from "@primer/octicons-react"
import { type FormEvent, useState } from "react"
import { useLocation } from "wouter"
import type { CallOutput } from "../../api/client.ts"
import { useChange } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { detailText, Reasons } from "../../parts/reasons.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { Remedy } from "../refusals/decision.tsx"
import { QuestionForm } from "./question.tsx"

export default function Why() {
  const app = String(useApp())
  const explain = useChange("Explain")
  return (
    <>
      <PageHeader title="Access check">
        Ask whether somebody may do something, and read the reasons in the order in which they are checked. Asking
        changes nothing.
      </PageHeader>
      <Grid gap="lg">
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Section title="Question">
            <QuestionForm
              busy={explain.isPending}
              onAsk={(body) => explain.mutate({ path: { app }, body })}
              onChange={() => explain.reset()}
            />
          </Section>
          <LookUp />
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 7 }}>
          <div aria-live="polite">
            {explain.error ? (
              <ErrorAlert error={explain.error} title="The question could not be answered" />
            ) : explain.data ? (
              <Answer answer={explain.data} />
            ) : (
              <Section>
                <EmptyState icon={QuestionIcon} title="No question yet">
                  Fill in the question. The answer says whether it is allowed, shows each check in order, and names the
                  smallest change that would allow it.
                </EmptyState>
              </Section>
            )}
          </div>
        </Grid.Col>
      </Grid>
    </>
  )
}

function Answer({ answer }: { answer: CallOutput<"Explain"> }) {
  const { allowed, checks, failed, remedy, roles } = answer
  return (
    <Stack>
      <Alert
        color={allowed ? "teal" : "red"}
        icon={allowed ? <CheckCircleIcon /> : <XCircleIcon />}
        title={allowed ? "Allowed" : "Not allowed"}
        role="status"
      >
        {failed === null
          ? "Every check passes."
          : `Refused by the check "${failed.check}". ${detailText({ ...failed, passed: false }) ?? ""}`}
      </Alert>
      {remedy === null ? null : <Remedy text={remedy} />}
      <div>
        <Section title="Checks in order">
          <Reasons reasons={checks} />
        </Section>
        {roles.length === 0 ? null : (
          <Section title="Roles that counted">
            <Facts cols={2} facts={roles.map(({ role, from }) => [role, `from ${from}`] as const)} />
          </Section>
        )}
      </div>
    </Stack>
  )
}

const decisionId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** A refused caller is given an id; with it, the whole decision is found. */
function LookUp() {
  const path = useAppPath()
  const [, go] = useLocation()
  const [id, setId] = useState("")
  const [wrong, setWrong] = useState(false)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    const given = id.trim().toLowerCase()
    if (decisionId.test(given)) go(path(`/why/${given}`))
    else setWrong(true)
  }
  return (
    <Section title="Look up a refusal" description="A refused response carries the id in X-Decision-Id.">
      <form onSubmit={submit}>
        <Group align="flex-start" gap="xs">
          <TextInput
            aria-label="Decision id"
            placeholder="019a3c52-…"
            value={id}
            onChange={(event) => {
              setId(event.currentTarget.value)
              setWrong(false)
            }}
            error={
              wrong
                ? "This is no decision id: it has 36 characters, such as 019a3c52-7a0e-7000-8000-000000000000."
                : null
            }
            maxLength={64}
            required
            spellCheck={false}
            autoComplete="off"
            style={{ flex: 1 }}
          />
          <Button type="submit" variant="default">
            Look up
          </Button>
        </Group>
      </form>
    </Section>
  )
}

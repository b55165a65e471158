// One decision by the id that the refused caller was given.

import { Skeleton } from "@mantine/core"
import { useParams } from "wouter"
import { useRead } from "../../api/queries.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { DecisionDetails } from "../refusals/decision.tsx"

export default function OneDecision() {
  const app = String(useApp())
  const path = useAppPath()
  const { decision: id = "" } = useParams<{ decision: string }>()
  const { data, error, refetch } = useRead("GetDecision", { path: { app, id } })
  return (
    <>
      <PageHeader trail={[["Refusals", path("/refusals")]]} title="Why it was refused">
        One refusal, with everything that was known when it was made.
      </PageHeader>
      {error ? (
        <ErrorAlert error={error} title="This decision could not be read" retry={() => void refetch()} />
      ) : data === undefined ? (
        <Skeleton height={320} radius="md" />
      ) : (
        <Section title="Refusal">
          <DecisionDetails decision={data.decision} />
        </Section>
      )}
    </>
  )
}

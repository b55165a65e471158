// Which role may do what, as it stands: a matrix of actions and roles for each scope.

import { Alert, Group, Select, Skeleton, Text, TextInput } from "@mantine/core"
import { InfoIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useRead } from "../../api/queries.ts"
import { useFilter } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp } from "../../shell/apps.tsx"
import { Legend, Matrix, type Scope } from "./matrix.tsx"

const productWords: Readonly<Record<Scope["product"], string>> = {
  app: "App",
  chat: "Chat",
  feeds: "Feeds",
  video: "Video",
}

export default function Roles() {
  const app = String(useApp())
  const { data, error, refetch } = useRead("ReadGrants", { path: { app } })
  const [chosen, setChosen] = useFilter("scope")
  const [sought, setSought] = useState("")
  const scopes = data?.scopes ?? []
  const scope = scopes.find(({ id }) => id === chosen) ?? scopes[0]
  const products = Object.keys(productWords) as Scope["product"][]
  return (
    <>
      <PageHeader title="Roles and grants">
        What each role may do, in each scope. A user's role counts everywhere; roles such as channel_member count where
        the user has that relation.
      </PageHeader>
      {error ? <ErrorAlert error={error} title="The grants could not be read" retry={() => void refetch()} /> : null}
      <Alert color="gray" icon={<InfoIcon />} mb="md">
        This page shows the grants and cannot change them. Servers need no grant: a server token may do everything that
        its scopes leave.
      </Alert>
      <Group mb="md" align="flex-end" className="weir-filters">
        <Select
          label="Scope"
          data={products
            .map((product) => ({
              group: productWords[product],
              items: scopes
                .filter((one) => one.product === product)
                .map(({ id, title }) => ({ value: id, label: title })),
            }))
            .filter(({ items }) => items.length > 0)}
          value={scope?.id ?? null}
          onChange={(id) => id !== null && setChosen(id)}
          allowDeselect={false}
          placeholder={data === undefined ? "Loading…" : "No scope"}
          w={280}
        />
        <TextInput
          label="Find an action"
          placeholder="Such as message"
          value={sought}
          onChange={(event) => setSought(event.currentTarget.value)}
          maxLength={64}
          w={220}
        />
        <Legend />
      </Group>
      {data === undefined && !error ? <Skeleton height={360} radius="md" /> : null}
      {scope === undefined ? null : (
        <Section flush>
          {scope.actions.length === 0 ? (
            <EmptyState icon={InfoIcon} title="Nothing can be done here">
              This scope has no action yet.
            </EmptyState>
          ) : (
            <Matrix scope={scope} sought={sought.trim().toLowerCase()} />
          )}
        </Section>
      )}
      <Text size="xs" c="dimmed">
        What is not granted is refused. The access check says which role counted for one user and one resource.
      </Text>
    </>
  )
}

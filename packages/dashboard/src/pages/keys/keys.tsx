// The keys of an app, each with its secrets.

import { Badge, Button, Group, Text, TextInput } from "@mantine/core"
import { useDisclosure } from "@mantine/hooks"
import { KeyIcon, SearchIcon, SyncIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useRead } from "../../api/queries.ts"
import { Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { NewKey } from "./new-key.tsx"
import { rotationOf } from "./rotation.ts"
import { SecretTable } from "./secret-table.tsx"
import { OffBadge } from "./state-badge.tsx"
import { UsageBars } from "./usage.tsx"
import { type Key, usageEveryMs } from "./wire.ts"

/** From so many keys on there is a field to find one. */
const searchFrom = 6

export default function Keys() {
  const app = useApp()
  const may = useMay()
  const { data, error, refetch } = useRead("ListKeys", { path: { app: String(app) } }, { everyMs: usageEveryMs })
  const [adding, { open, close }] = useDisclosure(false)
  const [wanted, setWanted] = useState("")
  const keys = data?.keys ?? []
  const word = wanted.trim().toLowerCase()
  const shown = keys.filter(({ api_key, label, secrets }) =>
    [api_key, label, ...secrets.map(({ kid }) => kid)].some((text) => text.toLowerCase().includes(word)),
  )
  const make = may("secrets.manage") ? <Button onClick={open}>New key</Button> : null
  return (
    <>
      <PageHeader title="Keys" actions={make}>
        A key is public and stands in every client. Its secrets sign tokens, stay on your backend, and can be rotated
        without any client noticing.
      </PageHeader>
      {error ? <ErrorAlert error={error} title="The keys could not be read" retry={() => void refetch()} /> : null}
      {data !== undefined && keys.length === 0 ? (
        <EmptyState icon={KeyIcon} title="No key yet" action={make}>
          Clients name a key with every request. Create one to let them in.
        </EmptyState>
      ) : null}
      {keys.length >= searchFrom ? (
        <TextInput
          label="Find a key"
          placeholder="Name, key or secret id"
          leftSection={<SearchIcon size={14} />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
          maw={320}
          mb="lg"
        />
      ) : null}
      {data === undefined && !error ? (
        <Section title="Secrets" flush>
          <SecretTable apiKey={undefined} empty={null} />
        </Section>
      ) : null}
      {shown.map((key) => (
        <KeyCard key={key.api_key} apiKey={key} />
      ))}
      {keys.length > 0 && shown.length === 0 ? (
        <EmptyState icon={SearchIcon} title="No key matches">
          Names, keys and ids of secrets are searched.
        </EmptyState>
      ) : null}
      {keys.some(({ secrets }) => secrets.length > 0) ? (
        <UsageBars title="Use of each secret" secrets={keys.flatMap(({ secrets }) => secrets)} />
      ) : null}
      <NewKey opened={adding} onClose={close} />
    </>
  )
}

function KeyCard({ apiKey: key }: { apiKey: Key }) {
  const path = useAppPath()
  const may = useMay()
  const { step } = rotationOf(key.secrets)
  const isRotating = step === "activate" || step === "wait"
  const revoked = key.secrets.filter(({ state }) => state === "revoked").length
  return (
    <Section
      title={key.label || `Key ${key.api_key}`}
      flush
      actions={
        <>
          {may("secrets.manage") && step !== "none" ? (
            <Button
              component={Link}
              href={path(`/keys/${key.api_key}/rotate`)}
              variant={isRotating ? "filled" : "default"}
              size="sm"
              leftSection={<SyncIcon size={14} />}
            >
              {isRotating ? "Continue rotation" : "Rotate"}
            </Button>
          ) : null}
          <Button component={Link} href={path(`/keys/${key.api_key}`)} variant="default" size="sm">
            Open
          </Button>
        </>
      }
    >
      <Group px="md" pb="sm" gap="sm">
        <Copyable value={key.api_key} label="API key" />
        {key.disabled ? <OffBadge /> : null}
        {isRotating ? (
          <Badge color="yellow.4" variant="filled" autoContrast>
            rotation under way
          </Badge>
        ) : null}
        {revoked > 0 ? (
          <Text size="sm" c="dimmed">
            {revoked === 1 ? "1 revoked secret" : `${revoked} revoked secrets`} not shown
          </Text>
        ) : null}
      </Group>
      <SecretTable
        apiKey={key}
        hideRevoked
        empty={
          <Text size="sm" c="dimmed" px="md" pb="md">
            No secret is in use. Open the key to add one.
          </Text>
        }
      />
    </Section>
  )
}

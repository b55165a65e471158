// One revocation: what it ends, its receipt, and taking it back.

import { Button, Skeleton, Text } from "@mantine/core"
import { notifications } from "@mantine/notifications"
import { UndoIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useParams } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useChange, useRead } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { Copyable } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Receipt } from "../../parts/receipt.tsx"
import { Section } from "../../parts/section.tsx"
import { absoluteTime, TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { levelWords, type Revocation as RevocationFacts, RevocationState, Target } from "./words.tsx"

export default function Revocation() {
  const path = useAppPath()
  const app = String(useApp())
  const { revocation: id = "" } = useParams<{ revocation: string }>()
  const { data, error, refetch } = useRead("GetRevocation", { path: { app, id } })
  const may = useMay()
  const [opened, setOpened] = useState(false)
  const undo = useChange("UndoRevocation", ["GetRevocation", "ListRevocations", "ListSessions", "ReadAppUser"])
  const revocation = data?.revocation
  const canUndo = revocation !== undefined && revocation.undone_at === null && may("secrets.manage")
  return (
    <>
      <PageHeader
        trail={[["Revocations", path("/revocations")]]}
        title="Revocation"
        actions={
          canUndo ? (
            <Button variant="default" leftSection={<UndoIcon />} onClick={() => setOpened(true)}>
              Take back
            </Button>
          ) : null
        }
      >
        What it ends, and when that held on which node.
      </PageHeader>
      {error ? (
        <ErrorAlert error={error} title="The revocation could not be read" retry={() => void refetch()} />
      ) : revocation === undefined ? (
        <Skeleton height={180} radius="md" />
      ) : (
        <>
          <Section title="What it ends">
            <RevocationDetails revocation={revocation} />
          </Section>
          <Section title="Receipt">
            {revocation.receipt === null ? (
              <Text size="sm" c="dimmed">
                None was asked for: this revocation came with another change, such as the revocation of a secret.
              </Text>
            ) : (
              <Receipt receipt={revocation.receipt} />
            )}
          </Section>
          <ConfirmDialog
            opened={opened}
            onClose={() => {
              setOpened(false)
              undo.reset()
            }}
            title="Take this revocation back"
            confirm="Take back"
            busy={undo.isPending}
            error={undo.error}
            onConfirm={() =>
              undo.mutate(
                { path: { app, id } },
                {
                  onSuccess: () => {
                    setOpened(false)
                    notifications.show({ message: "The revocation was taken back." })
                  },
                },
              )
            }
          >
            <Text size="sm">
              Tokens that only this revocation has ended are let in again, until they expire. Sockets that were closed
              stay closed.
            </Text>
          </ConfirmDialog>
        </>
      )}
    </>
  )
}

function RevocationDetails({ revocation }: { revocation: RevocationFacts }) {
  const { level, target, before, mode, terminal, reason, created_by, created_at, undone_at, expires_at } = revocation
  return (
    <Facts
      facts={[
        ["Ends", <Target key="target" level={level} target={target} />],
        ["State", <RevocationState key="state" revocation={revocation} />],
        ["Tokens issued before", before === null ? "whenever they were issued" : absoluteTime(before)],
        ["Mode", mode === "shadow" ? "counts only, refuses nobody" : "refuses"],
        ["Clients", terminal ? "are told to stay away" : "may come back with a new token"],
        ["Reason", reason === "" ? "none given" : reason],
        ["Created", <TimeAgo key="made" at={created_at} />],
        ["By", created_by],
        ["Taken back", <TimeAgo key="undone" at={undone_at} />],
        ["What it ends runs out", expires_at === null ? "not known" : absoluteTime(expires_at)],
        ...(revocation.shadow === null
          ? []
          : ([
              ["Requests that would have been refused", revocation.shadow.hits],
              ["Users who sent them", revocation.shadow.users],
            ] as const)),
        ...(level === "app"
          ? []
          : ([[levelWords[level], <Copyable key="copy" value={target} label={levelWords[level]} />]] as const)),
        ["Id", <Copyable key="id" value={revocation.id} label="Revocation id" />],
      ]}
    />
  )
}

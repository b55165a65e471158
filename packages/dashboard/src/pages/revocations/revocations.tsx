// What has ended before its time in this app, newest first.

import { Button, Text } from "@mantine/core"
import { NoEntryIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useLocation } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useList } from "../../api/lists.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { When } from "../../parts/when.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { RevokeDialog } from "./revoke-dialog.tsx"
import { RevocationState, Target } from "./words.tsx"

export default function Revocations() {
  const app = useApp()
  const path = useAppPath()
  const [, go] = useLocation()
  const may = useMay()
  const [opened, setOpened] = useState(false)
  const list = useList("ListRevocations", { path: { app: String(app) } }, ({ revocations }) => revocations)
  const revoke = may("users.revoke") ? (
    <Button color="red.9" leftSection={<NoEntryIcon />} onClick={() => setOpened(true)}>
      Revoke
    </Button>
  ) : null
  return (
    <>
      <PageHeader title="Revocations" actions={revoke}>
        A revocation ends tokens before they expire, on every node, and closes the sockets that were opened with them.
        Its receipt says when it held.
      </PageHeader>
      <Section flush>
        <DataTable
          caption="Revocations, newest first"
          rows={list.rows}
          error={list.error}
          retry={list.retry}
          more={list.more}
          keyOf={({ id }) => id}
          onOpen={({ id }) => go(path(`/revocations/${id}`))}
          columns={[
            { header: "Ends", cell: ({ level, target }) => <Target level={level} target={target} /> },
            { header: "State", cell: (row) => <RevocationState revocation={row} /> },
            { header: "Created", cell: ({ created_at }) => <When at={created_at} /> },
            {
              header: "By",
              cell: ({ created_by }) => (
                <Text span size="sm" className="weir-break">
                  {created_by}
                </Text>
              ),
              wide: true,
            },
            {
              header: "Reason",
              cell: ({ reason }) => (
                <Text span size="sm" c={reason === "" ? "dimmed" : undefined} lineClamp={2} className="weir-break">
                  {reason === "" ? "none given" : reason}
                </Text>
              ),
              wide: true,
            },
            {
              header: "Held after",
              numeric: true,
              cell: ({ receipt, shadow }) =>
                shadow !== null
                  ? `${shadow.hits} would be refused`
                  : receipt === null
                    ? "–"
                    : `${receipt.max_lag_ms} ms`,
              wide: true,
            },
          ]}
          empty={
            <EmptyState icon={NoEntryIcon} title="Nothing has been revoked" action={revoke}>
              When a device is lost or a token leaks, end it here. A preview shows first what would end.
            </EmptyState>
          }
        />
      </Section>
      <RevokeDialog opened={opened} onClose={() => setOpened(false)} title="Revoke" />
    </>
  )
}

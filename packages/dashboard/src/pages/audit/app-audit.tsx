// What was done to one app.

import { Anchor } from "@mantine/core"
import { Link } from "wouter"
import { useList } from "../../api/lists.ts"
import { PageHeader } from "../../parts/header.tsx"
import { useApp } from "../../shell/apps.tsx"
import { Entries } from "./entries.tsx"
import { ExportButton } from "./export-button.tsx"

export default function AppAudit() {
  const app = useApp()
  const list = useList("ListAppAudit", { path: { app: String(app) } }, ({ entries }) => entries)
  return (
    <>
      <PageHeader title="Audit" actions={<ExportButton app={app} />}>
        What operators did to this app, and what happened to its security. The chain spans all apps; it is checked in
        the{" "}
        <Anchor component={Link} href="/audit" size="sm" inherit underline="always">
          deployment audit
        </Anchor>
        .
      </PageHeader>
      <Entries list={list} shownApp={false} />
    </>
  )
}

// What was done to any app and to the deployment itself, and whether the chain is whole.

import { useList } from "../../api/lists.ts"
import { PageHeader } from "../../parts/header.tsx"
import { ChainCheck } from "./chain-check.tsx"
import { Entries } from "./entries.tsx"
import { ExportButton } from "./export-button.tsx"

export default function DeploymentAudit() {
  const list = useList("ListAudit", {}, ({ entries }) => entries)
  return (
    <>
      <PageHeader title="Deployment audit" actions={<ExportButton app={null} />}>
        Everything that operators did, in all apps. Each entry carries the hash of the one before, so that a change
        shows.
      </PageHeader>
      <ChainCheck />
      <Entries list={list} shownApp={true} />
    </>
  )
}

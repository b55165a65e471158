// Makes tokens and takes them apart.

import { Tabs } from "@mantine/core"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import { useFilter } from "../../parts/address-filter.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { InspectTab } from "./inspect.tsx"
import { MintTab } from "./mint.tsx"

export default function Workshop() {
  const may = useMay()
  const [tab, setTab] = useFilter("tab")
  // The token stays out of the address, which is kept in histories and logs.
  const [handed, setHanded] = useState<{ readonly token: string; readonly apiKey: string } | null>(null)
  const canMint = may("tokens.mint")
  const shown = tab === "inspect" || !canMint ? "inspect" : "mint"
  return (
    <>
      <PageHeader title="Token workshop">
        Create a token to try something, or paste one to see what it is and whether it would be let in.
      </PageHeader>
      <Tabs value={shown} onChange={(value) => setTab(value === "inspect" ? "inspect" : "")} keepMounted>
        <Tabs.List mb="lg">
          {canMint ? <Tabs.Tab value="mint">Create a token</Tabs.Tab> : null}
          <Tabs.Tab value="inspect">Inspect a token</Tabs.Tab>
        </Tabs.List>
        {canMint ? (
          <Tabs.Panel value="mint">
            <MintTab
              onInspect={(token, apiKey) => {
                setHanded({ token, apiKey })
                setTab("inspect")
              }}
            />
          </Tabs.Panel>
        ) : null}
        <Tabs.Panel value="inspect">
          <InspectTab key={handed?.token ?? ""} handed={handed} />
        </Tabs.Panel>
      </Tabs>
    </>
  )
}

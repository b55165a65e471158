// Tokens that were seen in the last 30 days, and the sockets that are open under them.

import { Alert, Button, Group, Input, SegmentedControl, Text } from "@mantine/core"
import { AlertIcon, DeviceMobileIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useList } from "../../api/lists.ts"
import { FilterInput, isUserIdLike, useFilter, userIdRule } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { RowLink } from "../../parts/row-link.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { SessionDrawer } from "./session-drawer.tsx"
import { type Session, sessionColumns } from "./words.tsx"

const refreshMs = 10_000
const userIdCharsMax = 255

export default function Sessions() {
  const app = String(useApp())
  const path = useAppPath()
  const [typedUser] = useFilter("user")
  const userId = isUserIdLike(typedUser) ? typedUser : ""
  const [state, setState] = useFilter("state")
  const [shown, setShown] = useState<Session | null>(null)
  const list = useList(
    "ListSessions",
    { path: { app }, query: userId === "" ? {} : { user_id: userId } },
    ({ sessions }) => sessions,
    { everyMs: refreshMs },
  )
  const missing = list.first?.nodes_missing ?? []
  const rows = state === "" ? list.rows : list.rows?.filter((session) => session.state === state)
  const isFiltered = userId !== "" || state !== ""
  return (
    <>
      <PageHeader title="Sessions">
        Tokens that were used in the last 30 days, with the sockets that are open under each on any node. The text of a
        token is never kept.
      </PageHeader>
      {missing.length > 0 ? (
        <Alert color="yellow" icon={<AlertIcon />} title="Not every node answered" mb="md">
          Sockets on {missing.join(", ")} are not shown. The list asks again every {refreshMs / 1_000} seconds.
        </Alert>
      ) : null}
      <Group mb="md" align="flex-start" className="weir-filters">
        <FilterInput
          parameter="user"
          label="User id"
          placeholder="All users"
          maxLength={userIdCharsMax}
          w={240}
          error={typedUser !== userId ? userIdRule : undefined}
        />
        <div>
          <Input.Label component="div" id="session-state" display="block">
            State
          </Input.Label>
          <SegmentedControl
            aria-labelledby="session-state"
            size="sm"
            fullWidth
            value={state}
            onChange={setState}
            data={[
              { value: "", label: "All" },
              { value: "live", label: "Live" },
              { value: "recent", label: "Recent" },
              { value: "revoked", label: "Revoked" },
              { value: "expired", label: "Expired" },
            ]}
          />
        </div>
      </Group>
      <Section flush>
        <DataTable
          caption="Sessions, the last used first"
          rows={rows}
          error={list.error}
          retry={list.retry}
          more={list.more}
          keyOf={({ id }) => id}
          onOpen={setShown}
          columns={[
            {
              header: "User",
              cell: ({ user_id, kind }) =>
                user_id === null ? (
                  <Text span size="sm" c="dimmed">
                    {kind}
                  </Text>
                ) : (
                  <RowLink href={path(`/users/${encodeURIComponent(user_id)}`)}>{user_id}</RowLink>
                ),
            },
            ...sessionColumns,
          ]}
          empty={
            isFiltered ? (
              <EmptyState
                icon={DeviceMobileIcon}
                title="No session matches"
                action={
                  list.more === null ? null : (
                    <Button variant="default" onClick={list.more.load} loading={list.more.loading}>
                      Read older ones
                    </Button>
                  )
                }
              >
                {list.more === null
                  ? "Take a filter away, or check the user's id."
                  : "None among those that were read; there are older ones."}
              </EmptyState>
            ) : (
              <EmptyState icon={DeviceMobileIcon} title="No token has been used yet">
                Sessions appear here as soon as a client comes with a token of one of this app's users.
              </EmptyState>
            )
          }
        />
      </Section>
      <SessionDrawer session={shown} onClose={() => setShown(null)} />
    </>
  )
}

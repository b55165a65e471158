// Finds a user of the app by id or name.

import { Group, Select, Text } from "@mantine/core"
import { PeopleIcon, SearchIcon } from "@primer/octicons-react"
import { useLocation } from "wouter"
import { useList } from "../../api/lists.ts"
import { FilterInput, useFilter } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { When } from "../../parts/when.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { Teams, UserBadges } from "./words.tsx"

const soughtCharsMax = 255
const roleCharsMax = 64

export default function Users() {
  const app = String(useApp())
  const path = useAppPath()
  const [, go] = useLocation()
  const [sought] = useFilter("q")
  const [typedRole] = useFilter("role")
  const role = /^[\w-]+$/.test(typedRole) ? typedRole : ""
  const [banned, setBanned] = useFilter("banned")
  const list = useList(
    "ListAppUsers",
    {
      path: { app },
      query: {
        ...(sought === "" ? {} : { q: sought }),
        ...(role === "" ? {} : { role }),
        ...(banned === "" ? {} : { banned: banned === "yes" }),
      },
    },
    ({ users }) => users,
  )
  const isFiltered = sought !== "" || role !== "" || banned !== ""
  return (
    <>
      <PageHeader title="Users">
        The people of this app, as your backend and their clients created them. Open one to see their tokens and
        sockets, and to end them.
      </PageHeader>
      <Group mb="md" align="flex-start" className="weir-filters">
        <FilterInput
          parameter="q"
          label="Id or name"
          placeholder="Begins with…"
          leftSection={<SearchIcon />}
          maxLength={soughtCharsMax}
          w={260}
        />
        <FilterInput
          parameter="role"
          label="Role"
          placeholder="All roles"
          maxLength={roleCharsMax}
          w={160}
          error={typedRole !== role ? "letters, digits, _ and -" : undefined}
        />
        <Select
          label="Bans"
          size="sm"
          data={[
            { value: "", label: "All users" },
            { value: "yes", label: "Banned somewhere" },
            { value: "no", label: "Not banned" },
          ]}
          value={banned}
          onChange={(value) => setBanned(value ?? "")}
          allowDeselect={false}
          w={170}
        />
      </Group>
      <Section flush>
        <DataTable
          caption={sought === "" ? "Users, newest first" : "Users whose id or name begins with the text"}
          rows={list.rows}
          error={list.error}
          retry={list.retry}
          more={list.more}
          keyOf={({ id }) => id}
          onOpen={({ id }) => go(path(`/users/${encodeURIComponent(id)}`))}
          columns={[
            {
              header: "User",
              cell: ({ id, name }) => (
                <>
                  <Text size="sm" fw={500} className="weir-break">
                    {name ?? id}
                  </Text>
                  {name === null ? null : (
                    <Text size="xs" c="dimmed" className="weir-break">
                      {id}
                    </Text>
                  )}
                </>
              ),
            },
            { header: "Role", cell: ({ role }) => role },
            { header: "Teams", cell: ({ teams }) => <Teams teams={teams} />, wide: true },
            { header: "State", cell: (user) => <UserBadges user={user} /> },
            { header: "Last active", cell: ({ last_active }) => <When at={last_active} />, wide: true },
            { header: "Created", cell: ({ created_at }) => <When at={created_at} />, wide: true },
          ]}
          empty={
            isFiltered ? (
              <EmptyState icon={SearchIcon} title="No user matches">
                The search looks at the beginning of ids and names. Take a filter away, or try fewer letters.
              </EmptyState>
            ) : (
              <EmptyState icon={PeopleIcon} title="No user yet">
                A user appears when your backend creates one, or when a client connects with its first token.
              </EmptyState>
            )
          }
        />
      </Section>
    </>
  )
}

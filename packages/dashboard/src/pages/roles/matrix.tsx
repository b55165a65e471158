// Actions down, roles across. A cell says how far the grant reaches, in a word as well as in its look.

import { Badge, Group, ScrollArea, Table, Text, Tooltip, VisuallyHidden } from "@mantine/core"
import { CheckIcon, PersonIcon } from "@primer/octicons-react"
import { Fragment } from "react"
import type { CallOutput } from "../../api/client.ts"

export type Scope = CallOutput<"ReadGrants">["scopes"][number]
type Action = Scope["actions"][number]
type Grant = Action["grants"][number]

const levels: readonly (readonly [level: string, title: string])[] = [
  ["read", "Reading"],
  ["write", "Writing"],
  ["manage", "Managing"],
]

export function Matrix({ scope, sought }: { scope: Scope; sought: string }) {
  const { roles } = scope
  const actions = scope.actions.filter(
    ({ id, title, name }) => sought === "" || [id, title, name].some((text) => text.toLowerCase().includes(sought)),
  )
  if (actions.length === 0) {
    return (
      <Text size="sm" c="dimmed" p="md">
        No action has this in its name.
      </Text>
    )
  }
  return (
    <ScrollArea
      type="auto"
      viewportProps={{ tabIndex: 0, role: "region", "aria-label": `Grants in ${scope.title}, scrolls sideways` }}
    >
      <Table verticalSpacing={6} horizontalSpacing="sm" highlightOnHover miw="100%" withColumnBorders>
        <Table.Caption p={0}>
          <VisuallyHidden>Actions and the roles that may do them in {scope.title}</VisuallyHidden>
        </Table.Caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col" style={stickyStyle}>
              Action
            </Table.Th>
            {roles.map((role) => (
              <Table.Th key={role} scope="col" ta="center" style={{ whiteSpace: "nowrap" }}>
                {role}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {levels.map(([level, title]) => {
            const inLevel = actions.filter((action) => action.level === level)
            if (inLevel.length === 0) return null
            return (
              <Fragment key={level}>
                <Table.Tr>
                  <Table.Th scope="rowgroup" colSpan={roles.length + 1} style={{ ...stickyStyle, zIndex: 0 }}>
                    <Text size="xs" fw={600} c="dimmed">
                      {title}
                    </Text>
                  </Table.Th>
                </Table.Tr>
                {inLevel.map((action) => (
                  <Row key={action.id} action={action} roles={roles} />
                ))}
              </Fragment>
            )
          })}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  )
}

// The names of the actions stay in sight while the roles scroll by.
const stickyStyle = { position: "sticky", left: 0, zIndex: 1, background: "var(--mantine-color-body)" } as const

function Row({ action, roles }: { action: Action; roles: readonly string[] }) {
  return (
    <Table.Tr>
      <Table.Th scope="row" style={{ ...stickyStyle, minWidth: "min(14rem, 42vw)" }} fw={400}>
        <Text size="sm">{action.title}</Text>
        <Text size="xs" c="dimmed" ff="monospace" visibleFrom="sm">
          {action.id}
        </Text>
      </Table.Th>
      {roles.map((role) => (
        <Table.Td key={role} ta="center">
          <Cell grants={action.grants.filter((grant) => grant.role === role)} />
        </Table.Td>
      ))}
    </Table.Tr>
  )
}

function Cell({ grants }: { grants: readonly Grant[] }) {
  if (grants.length === 0) return <VisuallyHidden>no</VisuallyHidden>
  return (
    <Group gap={4} justify="center" wrap="nowrap">
      {grants.map(({ extent, any_team: anyTeam }) => (
        <Extent key={`${extent}${anyTeam}`} extent={extent} anyTeam={anyTeam} />
      ))}
    </Group>
  )
}

function Extent({ extent, anyTeam }: { extent: Grant["extent"]; anyTeam: boolean }) {
  const words = `${extent === "own" ? "own only" : "yes"}${anyTeam ? ", in any team" : ""}`
  return (
    <Tooltip label={words}>
      <Badge
        variant="light"
        color={extent === "own" ? "yellow" : "teal"}
        px={6}
        miw="max-content"
        leftSection={extent === "own" ? <PersonIcon size={12} /> : <CheckIcon size={12} />}
      >
        <span aria-hidden="true">{extent === "own" ? "own" : anyTeam ? "any" : "yes"}</span>
        <VisuallyHidden>{words}</VisuallyHidden>
      </Badge>
    </Tooltip>
  )
}

/** What the marks mean. */
export const Legend = () => (
  <Group gap="md" pb={6}>
    <Group gap={6} wrap="nowrap">
      <Extent extent="all" anyTeam={false} />
      <Text size="xs">everything in reach</Text>
    </Group>
    <Group gap={6} wrap="nowrap">
      <Extent extent="own" anyTeam={false} />
      <Text size="xs">what the user made or is</Text>
    </Group>
    <Group gap={6} wrap="nowrap">
      <Extent extent="all" anyTeam={true} />
      <Text size="xs">across teams too</Text>
    </Group>
  </Group>
)

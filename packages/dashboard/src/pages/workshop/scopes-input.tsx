// What a token is narrowed to, row by row: a pattern of resources and the actions on them.

import { ActionIcon, Button, Group, Menu, Stack, TagsInput, Text, TextInput } from "@mantine/core"
import { PlusIcon, TrashIcon } from "@primer/octicons-react"

export interface ScopeRow {
  readonly key: number
  readonly pattern: string
  readonly actions: readonly string[]
}

const patternCharsMax = 512
const rowsMax = 20
const actions = ["read", "write", "manage", "join", "create-message"]

const samples: readonly (readonly [title: string, pattern: string, actions: readonly string[]])[] = [
  ["Read all chat", "chat:*:*", ["read"]],
  ["Read and write in one channel", "chat:messaging:general", ["read", "write"]],
  ["Read one feed", "feeds:user:jessica", ["read"]],
  ["Join one call", "video:default:standup", ["join"]],
]

export interface ScopesInputProps {
  rows: readonly ScopeRow[]
  onChange: (rows: readonly ScopeRow[]) => void
}

/** The claim of these rows; undefined where there are none. */
export function scopesOf(rows: readonly ScopeRow[]): Record<string, string[]> | undefined {
  if (rows.length === 0) return undefined
  const scopes: Record<string, string[]> = {}
  for (const { pattern, actions } of rows) {
    scopes[pattern.trim()] = [...new Set([...(scopes[pattern.trim()] ?? []), ...actions])]
  }
  return scopes
}

const nextKey = (rows: readonly ScopeRow[]): number => Math.max(0, ...rows.map(({ key }) => key)) + 1

export function ScopesInput({ rows, onChange }: ScopesInputProps) {
  const set = (key: number, change: Partial<ScopeRow>): void =>
    onChange(rows.map((row) => (row.key === key ? { ...row, ...change } : row)))
  const add = (pattern: string, actions: readonly string[]): void =>
    onChange([...rows, { key: nextKey(rows), pattern, actions }])
  return (
    <Stack gap="xs" role="group" aria-labelledby="scopes-label">
      <div>
        <Text size="sm" fw={600} id="scopes-label">
          Scopes
        </Text>
        <Text size="xs" c="dimmed">
          {rows.length === 0
            ? "None: it may do whatever its bearer may."
            : "It reaches only these, and only as far as its bearer may anyway."}
        </Text>
      </div>
      {rows.map(({ key, pattern, actions: chosen }, index) => (
        <Group key={key} gap="xs" align="flex-start" wrap="nowrap">
          <Stack gap={4} flex={1} style={{ minWidth: 0 }}>
            <TextInput
              aria-label={`Scope ${index + 1}: pattern`}
              placeholder="product:type:id, with one * in each"
              value={pattern}
              maxLength={patternCharsMax}
              spellCheck={false}
              autoComplete="off"
              required
              onChange={(event) => set(key, { pattern: event.currentTarget.value })}
            />
            <TagsInput
              aria-label={`Scope ${index + 1}: actions`}
              placeholder={chosen.length === 0 ? "Actions" : ""}
              data={actions}
              value={[...chosen]}
              onChange={(actions) => set(key, { actions })}
              clearable
            />
          </Stack>
          <ActionIcon
            variant="subtle"
            color="gray"
            size={36}
            aria-label={`Remove scope ${index + 1}`}
            onClick={() => onChange(rows.filter((row) => row.key !== key))}
          >
            <TrashIcon />
          </ActionIcon>
        </Group>
      ))}
      {rows.length >= rowsMax ? null : (
        <Group gap="xs">
          <Button
            variant="default"
            size="compact-sm"
            leftSection={<PlusIcon size={12} />}
            onClick={() => add("", ["read"])}
          >
            Add a scope
          </Button>
          <Menu position="bottom-start">
            <Menu.Target>
              <Button variant="subtle" size="compact-sm">
                From a sample
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {samples.map(([title, pattern, chosen]) => (
                <Menu.Item key={title} onClick={() => add(pattern, chosen)}>
                  {title}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        </Group>
      )}
    </Stack>
  )
}

// Lists of things: a caption for screen readers, skeletons while it loads, and a row that can be opened by keyboard.

import { Box, Button, Group, ScrollArea, Skeleton, Table, VisuallyHidden } from "@mantine/core"
import type { KeyboardEvent, ReactNode } from "react"
import { ErrorAlert } from "./errors.tsx"

export interface Column<Row> {
  readonly header: string
  readonly cell: (row: Row) => ReactNode
  /** Right-aligned digits. */
  readonly numeric?: boolean
  /** Left out on narrow screens. */
  readonly wide?: boolean
  readonly width?: number | string
}

export interface DataTableProps<Row> {
  /** What the table lists, for those who cannot see it. */
  caption: string
  columns: readonly Column<Row>[]
  /** Undefined while they load. */
  rows: readonly Row[] | undefined
  keyOf: (row: Row) => string
  error?: unknown
  retry?: () => void
  /** Shown instead of the table when there are no rows. */
  empty: ReactNode
  onOpen?: (row: Row) => void
  /** There are more; loads them. */
  more?: { load: () => void; loading: boolean } | null
}

const skeletonRows = 4

export function DataTable<Row>({
  caption,
  columns,
  rows,
  keyOf,
  error,
  retry,
  empty,
  onOpen,
  more = null,
}: DataTableProps<Row>) {
  if (error) {
    return (
      <Box p="md">
        <ErrorAlert error={error} title="The list could not be read" {...(retry ? { retry } : {})} />
      </Box>
    )
  }
  if (rows !== undefined && rows.length === 0) return <>{empty}</>
  const open = (row: Row) => (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return
    event.preventDefault()
    onOpen?.(row)
  }
  return (
    <>
      <ScrollArea type="auto" viewportProps={{ tabIndex: 0, role: "region", "aria-label": caption }}>
        <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover={onOpen !== undefined} miw="100%">
          <Table.Caption p={0}>
            <VisuallyHidden>{caption}</VisuallyHidden>
          </Table.Caption>
          <Table.Thead>
            <Table.Tr>
              {columns.map(({ header, numeric, wide, width }) => (
                <Table.Th
                  key={header}
                  ta={numeric ? "right" : "left"}
                  {...(wide ? { visibleFrom: "sm" } : {})}
                  style={{ whiteSpace: "nowrap", width }}
                  scope="col"
                >
                  {header}
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows === undefined
              ? Array.from({ length: skeletonRows }, (_, index) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have nothing else
                  <Table.Tr key={index}>
                    {columns.map(({ header, wide }) => (
                      <Table.Td key={header} {...(wide ? { visibleFrom: "sm" } : {})}>
                        <Skeleton height={14} my={3} radius="sm" />
                      </Table.Td>
                    ))}
                  </Table.Tr>
                ))
              : rows.map((row) => (
                  <Table.Tr
                    key={keyOf(row)}
                    {...(onOpen
                      ? { className: "weir-row", tabIndex: 0, onClick: () => onOpen(row), onKeyDown: open(row) }
                      : {})}
                  >
                    {columns.map(({ header, cell, numeric, wide }) => (
                      <Table.Td
                        key={header}
                        ta={numeric ? "right" : "left"}
                        className={numeric ? "weir-number" : undefined}
                        {...(wide ? { visibleFrom: "sm" } : {})}
                      >
                        {cell(row)}
                      </Table.Td>
                    ))}
                  </Table.Tr>
                ))}
          </Table.Tbody>
        </Table>
      </ScrollArea>
      {more ? (
        <Group justify="center" p="sm">
          <Button variant="default" size="sm" onClick={more.load} loading={more.loading}>
            Show more
          </Button>
        </Group>
      ) : null}
    </>
  )
}

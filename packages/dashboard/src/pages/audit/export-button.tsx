// Saves the log as JSON Lines. The server asks for a fresh login first.

import { Button, Popover, Stack, Text } from "@mantine/core"
import { DownloadIcon } from "@primer/octicons-react"
import { useMutation } from "@tanstack/react-query"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import { download } from "../../api/download.ts"
import { ErrorAlert } from "../../parts/errors.tsx"

export interface ExportButtonProps {
  /** Null: the whole deployment. */
  app: number | null
}

export function ExportButton({ app }: ExportButtonProps) {
  const may = useMay()
  const [opened, setOpened] = useState(false)
  const save = useMutation({
    mutationFn: () =>
      download(
        "ExportAudit",
        { query: app === null ? {} : { app } },
        `weir-audit-${app === null ? "" : `app-${app}-`}${new Date().toISOString().slice(0, 10)}.jsonl`,
      ),
    // It would cover the question who one is.
    onMutate: () => setOpened(false),
    onError: () => setOpened(true),
  })
  if (!may("audit.export")) return null
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-end" width={320} withinPortal trapFocus>
      <Popover.Target>
        <Button
          variant="default"
          leftSection={<DownloadIcon />}
          loading={save.isPending}
          onClick={() => setOpened(!opened)}
        >
          Export
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="sm">
          <Text size="sm">
            {app === null
              ? "The whole log as JSON Lines, in the order of the chain. Check it anywhere with weir audit verify."
              : "The entries of this app as JSON Lines. Only an export of the whole deployment can be verified."}
          </Text>
          {save.error ? <ErrorAlert error={save.error} title="Nothing was exported" /> : null}
          <Button onClick={() => save.mutate()}>Save file</Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  )
}

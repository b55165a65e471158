// Walks the chain on the server and says whether an entry was changed, moved, put in or taken out.

import { Alert, Button, Group, Text } from "@mantine/core"
import { ShieldCheckIcon, ShieldXIcon } from "@primer/octicons-react"
import { useRead } from "../../api/queries.ts"
import { Copyable } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"

export function ChainCheck() {
  const { data, error, isFetching, refetch, dataUpdatedAt } = useRead("VerifyAudit", {}, { enabled: false })
  return (
    <Section
      title="Chain"
      description="Reads every entry again and compares the hashes. A long log takes some seconds."
      actions={
        <Button variant="default" onClick={() => void refetch()} loading={isFetching}>
          Check the chain
        </Button>
      }
    >
      <div aria-live="polite">
        {error ? (
          <ErrorAlert error={error} title="The chain could not be checked" />
        ) : data === undefined ? (
          <Text size="sm" c="dimmed">
            Not checked since this page was opened.
          </Text>
        ) : data.whole ? (
          <Alert color="teal" icon={<ShieldCheckIcon />} title="The chain is whole">
            <Text size="sm" component="div" mb={data.head ? "xs" : 0}>
              {data.rows} entries, checked <TimeAgo at={dataUpdatedAt} />. Note the newest one elsewhere: then a log
              that was written anew as a whole is found too.
            </Text>
            {data.head ? (
              <Group gap="xs">
                <Text size="sm">Entry {data.head.seq}</Text>
                <Copyable
                  value={`${data.head.seq}:${data.head.hash}`}
                  label="Newest entry"
                  shown={`${data.head.hash.slice(0, 24)}…`}
                />
              </Group>
            ) : null}
          </Alert>
        ) : (
          <Alert color="red" icon={<ShieldXIcon />} title="The chain is broken" role="alert">
            <Text size="sm">
              Entry {data.fault?.seq}: {data.fault?.what}. The {data.rows} entries before it are as they were written.
              Keep a copy of the database and of your exports before anything else is done.
            </Text>
          </Alert>
        )}
      </div>
    </Section>
  )
}

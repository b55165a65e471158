// Every operation of this server, to read about and to try out. The explorer proves who is asking by itself.

import { Box, Grid, NavLink, ScrollArea, Skeleton, Text, TextInput, Title, VisuallyHidden } from "@mantine/core"
import { CodeSquareIcon, SearchIcon } from "@primer/octicons-react"
import { useQuery } from "@tanstack/react-query"
import { useMemo, useState } from "react"
import { request } from "../../api/client.ts"
import { useFilter } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { type ApiDocument, type ApiOperation, readDocument, search } from "./document.ts"
import { MethodBadge } from "./method-badge.tsx"
import { OperationPanel } from "./operation.tsx"

const soughtCharsMax = 100

export default function Api() {
  const [chosen, setChosen] = useFilter("op")
  const { data, error, refetch } = useQuery({
    queryKey: ["openapi"],
    queryFn: async () => readDocument(await (await request("GET", "/openapi.json")).json()),
    staleTime: Number.POSITIVE_INFINITY,
  })
  const operation = data?.operations.find(({ id }) => id === chosen)
  return (
    <>
      <PageHeader title="API explorer">
        Try any operation on this app. Calls of the public API carry a server token of ten minutes that reaches as far
        as your role; the management API is asked as you.
      </PageHeader>
      {error ? (
        <ErrorAlert error={error} title="The API's document could not be read" retry={() => void refetch()} />
      ) : (
        <Grid gap="lg">
          <Grid.Col span={{ base: 12, md: 4 }} visibleFrom={operation === undefined ? undefined : "md"}>
            <Operations document={data} chosen={chosen} onChoose={setChosen} />
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 8 }}>
            {operation === undefined ? (
              <Box visibleFrom="md">
                <EmptyState icon={CodeSquareIcon} title="Choose an operation">
                  {data === undefined
                    ? "The list is on its way."
                    : `There are ${data.operations.length}. Whatever changes something asks before it is sent.`}
                </EmptyState>
              </Box>
            ) : (
              <OperationPanel key={operation.id} operation={operation} onBack={() => setChosen("")} />
            )}
          </Grid.Col>
        </Grid>
      )}
    </>
  )
}

interface OperationsProps {
  document: ApiDocument | undefined
  chosen: string
  onChoose: (id: string) => void
}

function Operations({ document, chosen, onChoose }: OperationsProps) {
  const [text, setText] = useState("")
  const found = useMemo(() => search(document?.operations ?? [], text), [document, text])
  return (
    <>
      <TextInput
        label="Find an operation"
        placeholder="Name, path or what it does"
        leftSection={<SearchIcon />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        maxLength={soughtCharsMax}
        mb="sm"
      />
      <VisuallyHidden role="status">{document === undefined ? "" : `${found.length} operations`}</VisuallyHidden>
      {document === undefined ? (
        <Skeleton height={320} radius="md" />
      ) : found.length === 0 ? (
        <Text size="sm" c="dimmed">
          Nothing matches. Try a single word, such as message.
        </Text>
      ) : (
        <ScrollArea.Autosize
          mah="calc(100vh - 16rem)"
          type="auto"
          scrollbars="y"
          viewportProps={{ tabIndex: 0, role: "region", "aria-label": "Operations" }}
        >
          {document.tags.map((tag) => (
            <Group
              key={tag.name}
              title={tag.description || tag.name}
              operations={found.filter((operation) => operation.tag === tag.name)}
              chosen={chosen}
              onChoose={onChoose}
            />
          ))}
        </ScrollArea.Autosize>
      )}
    </>
  )
}

interface GroupProps {
  title: string
  operations: readonly ApiOperation[]
  chosen: string
  onChoose: (id: string) => void
}

function Group({ title, operations, chosen, onChoose }: GroupProps) {
  if (operations.length === 0) return null
  return (
    <Box component="section" mb="md" aria-label={title}>
      <Title order={2} size="xs" c="dimmed" mb={4} px="xs">
        {title}
      </Title>
      {operations.map(({ id, method, path }) => (
        <NavLink
          key={id}
          component="button"
          type="button"
          active={id === chosen}
          aria-current={id === chosen ? "true" : undefined}
          label={id}
          description={path}
          leftSection={<MethodBadge method={method} />}
          onClick={() => onChoose(id)}
          styles={{
            label: { overflowWrap: "anywhere" },
            description: { overflowWrap: "anywhere" },
            section: { alignSelf: "flex-start" },
          }}
        />
      ))}
    </Box>
  )
}

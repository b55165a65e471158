// All apps of the deployment: the first page after the login.

import { Badge, Button, Group, Paper, SimpleGrid, Skeleton, Stack, Text, Title } from "@mantine/core"
import { AppsIcon } from "@primer/octicons-react"
import { Link } from "wouter"
import { useMay } from "../../access/session.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApps } from "../../shell/apps.tsx"

export default function Apps() {
  const { data, error, refetch } = useApps()
  const may = useMay()
  const make = may("apps.manage") ? (
    <Button component={Link} href="/apps/new">
      New app
    </Button>
  ) : null
  return (
    <>
      <PageHeader title="Apps" actions={make}>
        An app is one product of yours, with its own users, keys and content. Nothing is shared between apps.
      </PageHeader>
      {error ? <ErrorAlert error={error} title="The apps could not be read" retry={() => void refetch()} /> : null}
      {data?.apps.length === 0 ? (
        <EmptyState icon={AppsIcon} title="No app yet" action={make}>
          Create one to get its API key and secret; that is all a backend needs to begin.
        </EmptyState>
      ) : null}
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }}>
        {data === undefined && !error
          ? [1, 2, 3].map((key) => <Skeleton key={key} height={118} radius="md" />)
          : data?.apps.map(({ id, name, environment, suspended, created_at }) => (
              <Paper key={id} component={Link} href={`/apps/${id}`} withBorder p="md" className="weir-card-link">
                <Stack gap="xs">
                  <Group justify="space-between" wrap="nowrap">
                    <Title order={2} size="h5" className="weir-break">
                      {name}
                    </Title>
                    <Text size="xs" c="dimmed">
                      {id}
                    </Text>
                  </Group>
                  <Group gap={6}>
                    <Badge variant="light" color={environment === "production" ? "cyan" : "gray"}>
                      {environment}
                    </Badge>
                    {suspended ? (
                      <Badge variant="light" color="red">
                        suspended
                      </Badge>
                    ) : null}
                  </Group>
                  <Text size="sm" c="dimmed" component="div">
                    Created <TimeAgo at={created_at} />
                  </Text>
                </Stack>
              </Paper>
            ))}
      </SimpleGrid>
    </>
  )
}

// How a refusal or a fault is shown: what happened, and where to read why.

import { Alert, Anchor, Button, Group, Text } from "@mantine/core"
import { AlertIcon } from "@primer/octicons-react"
import { ApiFailure } from "../api/client.ts"

export interface ErrorAlertProps {
  error: unknown
  /** What was being done, such as «The keys could not be read». */
  title?: string
  retry?: () => void
}

export function ErrorAlert({ error, title = "That did not work", retry }: ErrorAlertProps) {
  const failure = error instanceof ApiFailure ? error : null
  return (
    <Alert color="red" icon={<AlertIcon />} title={title} role="alert">
      <Text size="sm" className="weir-break">
        {wordsOf(error)}
      </Text>
      <Group gap="md" mt={retry || failure ? "xs" : 0}>
        {failure !== null && failure.code !== 0 ? (
          <Anchor size="sm" href={`/errors/${failure.code}`} target="_blank" rel="noreferrer">
            About error {failure.code}
          </Anchor>
        ) : null}
        {failure?.decisionId ? (
          <Text size="sm" c="dimmed">
            Decision <code>{failure.decisionId}</code>
          </Text>
        ) : null}
        {retry ? (
          <Button size="compact-sm" variant="light" color="red" onClick={retry}>
            Try again
          </Button>
        ) : null}
      </Group>
    </Alert>
  )
}

/** Servers name the operation first, as clients of the API expect it; here the title says what was being done. */
const operationFirst = /^\w+ failed with error: "(.*)"$/s

function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  const words = operationFirst.exec(text)?.[1] ?? text
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`
}

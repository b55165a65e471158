// Values to copy, and secrets that are shown this once.

import { ActionIcon, Alert, Box, Code, CopyButton, Group, Stack, Text, Tooltip } from "@mantine/core"
import { CheckIcon, CopyIcon, ShieldLockIcon } from "@primer/octicons-react"

export interface CopyableProps {
  value: string
  /** What it is, for the button's name. */
  label: string
  /** Shown instead of the value, which is copied whole. */
  shown?: string
}

export function Copyable({ value, label, shown = value }: CopyableProps) {
  return (
    <Group gap={4} wrap="nowrap" style={{ minWidth: 0 }}>
      <Code className="weir-break">{shown}</Code>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? "Copied" : `Copy ${label}`}>
            <ActionIcon
              variant="subtle"
              color={copied ? "teal" : "gray"}
              size="sm"
              onClick={copy}
              aria-label={copied ? `${label} copied` : `Copy ${label}`}
            >
              {copied ? <CheckIcon size={14} /> : <CopyIcon size={14} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  )
}

export interface CodeBlockProps {
  code: string
  label: string
}

/** Code to copy as a whole; long lines scroll. */
export function CodeBlock({ code, label }: CodeBlockProps) {
  return (
    <Box pos="relative">
      <Code block tabIndex={0} aria-label={label} style={{ maxHeight: "28rem", overflow: "auto" }}>
        {code}
      </Code>
      <Box pos="absolute" top={6} right={6}>
        <CopyButton value={code}>
          {({ copied, copy }) => (
            <ActionIcon
              variant="default"
              size="sm"
              onClick={copy}
              aria-label={copied ? `${label} copied` : `Copy ${label}`}
            >
              {copied ? <CheckIcon size={14} /> : <CopyIcon size={14} />}
            </ActionIcon>
          )}
        </CopyButton>
      </Box>
    </Box>
  )
}

/** A secret that the server shows this one time. */
export function SecretOnce({ value, label, hint }: { value: string; label: string; hint?: string }) {
  return (
    <Alert color="yellow" icon={<ShieldLockIcon />} title={`${label}: copy it now`}>
      <Stack gap="xs">
        <Text size="sm">{hint ?? "It is shown this once and is kept sealed: nobody can read it again."}</Text>
        <Copyable value={value} label={label} />
      </Stack>
    </Alert>
  )
}

// How revocations are spoken of: what they end, and whether they still do.

import { Badge, Group, Text } from "@mantine/core"
import type { CallInput, CallOutput } from "../../api/client.ts"
import { RowLink } from "../../parts/row-link.tsx"
import { useAppPath } from "../../shell/apps.tsx"

export type Revocation = CallOutput<"ListRevocations">["revocations"][number]
export type Level = Revocation["level"]

export const levelWords: Readonly<Record<Level, string>> = {
  app: "Every user of the app",
  user: "User",
  key: "API key",
  kid: "Secret",
  jti: "Token id",
  token: "Token",
  device: "Device",
}

type Body = NonNullable<CallInput<"CreateRevocation">["body"]>

/** The member of the request that names a target of this level. */
export const fieldOf = {
  user: "user_id",
  key: "api_key",
  kid: "kid",
  jti: "jti",
  token: "token_sha256",
  device: "device_id",
} as const satisfies Readonly<Record<Exclude<Level, "app">, keyof Body>>

/** One token has no times: it ends whenever it was issued. */
export const isOneToken = (level: Level): boolean => level === "jti" || level === "token"

export function Target({ level, target }: { level: Level; target: string }) {
  const path = useAppPath()
  if (level === "app") {
    return (
      <Text span size="sm">
        {levelWords.app}
      </Text>
    )
  }
  return (
    <Group gap={6} wrap="nowrap" style={{ minWidth: 0 }}>
      <Text span size="sm" c="dimmed" style={{ whiteSpace: "nowrap" }}>
        {levelWords[level]}
      </Text>
      {level === "user" ? (
        <RowLink href={path(`/users/${encodeURIComponent(target)}`)}>{target}</RowLink>
      ) : (
        <Text span size="sm" ff="monospace" title={target}>
          {target.length > shownCharsMax ? `${target.slice(0, shownCharsMax)}…` : target}
        </Text>
      )}
    </Group>
  )
}

const shownCharsMax = 16

/** What it does at this moment. */
function stateOf(
  { mode, undone_at, expires_at }: Revocation,
  nowMs = Date.now(),
): {
  word: string
  color: string
} {
  if (undone_at !== null) return { word: "taken back", color: "gray" }
  if (expires_at !== null && Date.parse(expires_at) <= nowMs) return { word: "run out", color: "gray" }
  return mode === "shadow" ? { word: "counting only", color: "yellow" } : { word: "in force", color: "red" }
}

export function RevocationState({ revocation }: { revocation: Revocation }) {
  const { word, color } = stateOf(revocation)
  return (
    <Badge variant="light" color={color} miw="max-content">
      {word}
    </Badge>
  )
}

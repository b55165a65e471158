// One request: everything that is kept of it, and the way to why it was refused.

import { Button, Code, Stack, Text } from "@mantine/core"
import { Link } from "wouter"
import { useMay } from "../../access/session.tsx"
import { Facts } from "../../parts/facts.tsx"
import { absoluteTime } from "../../parts/time.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { msText } from "../traffic/series.ts"
import type { AnsweredRequest } from "./log.ts"

export function RequestDetails({ request }: { request: AnsweredRequest }) {
  const path = useAppPath()
  const may = useMay()
  const { decision_id: decisionId, code, reason } = request
  return (
    <Stack>
      <Code block className="weir-break" style={{ whiteSpace: "pre-wrap" }}>
        {request.method} {request.path}
      </Code>
      {reason === null ? null : (
        <Text size="sm">
          Refused: {reason}
          {code === null ? "" : ` (code ${code})`}
        </Text>
      )}
      {decisionId !== null && may("decisions.read") ? (
        <Button component={Link} href={path(`/why/${decisionId}`)} variant="light">
          Why it was refused
        </Button>
      ) : null}
      <Facts
        cols={2}
        facts={[
          ["When", absoluteTime(request.at)],
          ["Duration", msText(request.duration_ms)],
          ["Caller", request.kind ?? "not known"],
          ["User", request.user_id],
          ["API key", request.api_key === null ? null : <Code key="key">{request.api_key}</Code>],
          ["Client", request.client],
          ["Address", request.address],
          ["Node", request.node],
          ["Decision", decisionId],
          ["Request", request.id],
        ]}
      />
    </Stack>
  )
}

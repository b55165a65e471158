// What the app demands of tokens, and what a change would refuse.

import { Badge, Button, Group, Modal, Paper, Radio, Skeleton, Stack, Text } from "@mantine/core"
import { notifications } from "@mantine/notifications"
import { useState } from "react"
import { useMay } from "../../access/session.tsx"
import { useChange, useRead } from "../../api/queries.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { useApp } from "../../shell/apps.tsx"
import { ImpactTable } from "./impact.tsx"
import { PolicyForm } from "./policy-form.tsx"
import { changeOf, contradiction, differences, type Impact, impactOf, type Policy, presets } from "./rules.ts"
import { Warnings } from "./warnings.tsx"

const warningsEveryMs = 15_000
const sessionsReadMax = 100

const meanings = {
  strict: "For production: every user token expires within a day, and server tokens are fresh.",
  compatible: "For clients in the field that send tokens without times: they pass, and are counted.",
} as const

export default function PolicyPage() {
  const app = useApp()
  const may = useMay()
  const path = { app: String(app) }
  const { data, error, refetch } = useRead("GetTokenPolicy", { path }, { everyMs: warningsEveryMs })
  const sessions = useRead(
    "ListSessions",
    { path, query: { limit: sessionsReadMax } },
    { enabled: may("policy.manage") && may("users.read") },
  )
  const update = useChange("UpdateTokenPolicy", ["GetTokenPolicy"])
  const [draft, setDraft] = useState<Policy | null>(null)
  const [asking, setAsking] = useState(false)

  const now = data?.policy
  const shown = draft ?? now
  const change = now !== undefined && draft !== null ? changeOf(now, draft) : {}
  const isChanged = Object.keys(change).length > 0
  const known = sessions.data?.sessions ?? []
  const impacts = now !== undefined && draft !== null ? impactOf(now, draft, known, data?.warnings ?? []) : []
  const fault = shown === undefined ? null : contradiction(shown)
  const canManage = may("policy.manage")
  const save = (): void =>
    update.mutate(
      { path, body: change },
      {
        onSuccess: () => {
          setDraft(null)
          setAsking(false)
          notifications.show({
            message: "The token policy is saved and holds on every node.",
            closeButtonProps: { "aria-label": "Close" },
          })
        },
      },
    )
  return (
    <>
      <PageHeader title="Token policy">
        What this app demands of tokens beyond a good signature. It is asked at every request, of tokens that are in the
        field as well.
      </PageHeader>
      {error ? <ErrorAlert error={error} title="The policy could not be read" retry={() => void refetch()} /> : null}
      {shown === undefined && !error ? <Skeleton height={360} radius="md" mb="lg" /> : null}
      {shown === undefined || now === undefined ? null : (
        <>
          <Section title="Preset" actions={<Standing policy={now} />}>
            <Radio.Group
              aria-label="Preset"
              value={shown.preset}
              onChange={(name) => setDraft(presets[name as Policy["preset"]])}
            >
              <Group gap="sm" align="stretch">
                {(["strict", "compatible"] as const).map((name) => (
                  <Radio.Card key={name} value={name} p="md" radius="md" flex="1 1 260px" disabled={!canManage}>
                    <Group wrap="nowrap" align="flex-start">
                      <Radio.Indicator />
                      <div>
                        <Text fw={600} size="sm">
                          {name}
                        </Text>
                        <Text size="sm" c="dimmed">
                          {meanings[name]}
                        </Text>
                      </div>
                    </Group>
                  </Radio.Card>
                ))}
              </Group>
            </Radio.Group>
          </Section>
          <Section title="Rules" description="A preset sets all of them; each can be changed on top of it.">
            <PolicyForm policy={shown} disabled={!canManage} onChange={setDraft} />
          </Section>
        </>
      )}
      {error ? null : <Warnings warnings={data?.warnings} />}
      {isChanged && now !== undefined && shown !== undefined ? (
        <Paper withBorder shadow="md" p="md" radius="md" component="section" aria-label="Your change" style={sticky}>
          <Group justify="space-between">
            <div style={{ flex: "1 1 260px" }} aria-live="polite">
              <Text size="sm" fw={600}>
                {fault ?? summaryOf(impacts, known.length)}
              </Text>
              <Text size="xs" c="dimmed" className="weir-break">
                Not saved yet: {differences(now, shown).join(", ") || "the preset"}
              </Text>
            </div>
            <Group gap="xs">
              <Button variant="default" onClick={() => setDraft(null)}>
                Discard
              </Button>
              <Button disabled={fault !== null} onClick={() => setAsking(true)}>
                Review and save
              </Button>
            </Group>
          </Group>
        </Paper>
      ) : null}
      <Modal
        closeButtonProps={{ "aria-label": "Close" }}
        opened={asking}
        onClose={() => setAsking(false)}
        title="Save the token policy"
        size="xl"
      >
        <Stack>
          {update.error ? <ErrorAlert error={update.error} title="The policy was not saved" /> : null}
          <Text size="sm">
            {impacts.length === 0
              ? "The change refuses nothing that is let in now."
              : "It holds from the next request on, on every node. Sockets that were opened with such tokens close."}
          </Text>
          {impacts.length === 0 ? null : <ImpactTable impacts={impacts} looked={known.length} />}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={() => setAsking(false)}>
              Cancel
            </Button>
            <Button onClick={save} loading={update.isPending} color={refusesSome(impacts) ? "red" : undefined}>
              Save
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  )
}

const sticky = { position: "sticky", bottom: "var(--mantine-spacing-md)", zIndex: 2 } as const

/** What the change would do, in one sentence. */
function summaryOf(impacts: readonly Impact[], looked: number): string {
  if (impacts.length === 0) return "This change refuses nothing that is let in now."
  const most = Math.max(...impacts.map(({ tokens }) => tokens ?? 0))
  const warned = impacts.reduce((total, { count }) => total + (count ?? 0), 0)
  const times = warned === 0 ? "" : ` Such tokens came ${warned === 1 ? "once" : `${warned} times`} so far.`
  return most === 0
    ? `None of the latest ${looked} user tokens would be refused.${times}`
    : `It would refuse ${most} or more of the latest ${looked} user tokens.${times}`
}

const refusesSome = (impacts: readonly Impact[]): boolean =>
  impacts.some(({ tokens, count }) => (tokens ?? 0) > 0 || (count ?? 0) > 0)

/** How the policy in force stands to its preset. */
function Standing({ policy }: { policy: Policy }) {
  const changed = differences(policy, presets[policy.preset])
  return (
    <Badge variant="default" size="lg">
      {policy.preset} in force
      {changed.length === 0 ? "" : `, ${changed.length} ${changed.length === 1 ? "rule" : "rules"} changed`}
    </Badge>
  )
}

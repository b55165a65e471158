// Who was refused of late, and why: the newest first, as they come.

import { Button, Code, Drawer, Group, Switch, Text } from "@mantine/core"
import { LinkIcon, XCircleIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link } from "wouter"
import { useList } from "../../api/lists.ts"
import { FilterInput, isUserIdLike, useFilter, userIdRule } from "../../parts/address-filter.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { detailText } from "../../parts/reasons.tsx"
import { RowLink } from "../../parts/row-link.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { When } from "../../parts/when.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { type Decision, DecisionDetails } from "./decision.tsx"

const liveMs = 3_000
const userIdCharsMax = 255
const operationCharsMax = 64

export default function Refusals() {
  const app = String(useApp())
  const path = useAppPath()
  const [typedUser] = useFilter("user")
  const userId = isUserIdLike(typedUser) ? typedUser : ""
  const [code] = useFilter("code")
  const [typedOperation] = useFilter("operation")
  const operation = /^\w+$/.test(typedOperation) ? typedOperation : ""
  const [live, setLive] = useState(true)
  const [shown, setShown] = useState<Decision | null>(null)
  const isCode = /^-?\d{1,9}$/.test(code)
  const list = useList(
    "ListDecisions",
    {
      path: { app },
      query: {
        ...(userId === "" ? {} : { user_id: userId }),
        ...(isCode ? { code: Number(code) } : {}),
        ...(operation === "" ? {} : { operation }),
      },
    },
    ({ decisions }) => decisions,
    { everyMs: live ? liveMs : undefined },
  )
  const isFiltered = userId !== "" || isCode || operation !== ""
  // Older pages would move under the reader's eyes while new ones come in.
  const more = list.more && {
    ...list.more,
    load: () => {
      setLive(false)
      list.more?.load()
    },
  }
  return (
    <>
      <PageHeader
        title="Refusals"
        actions={
          <Switch
            checked={live}
            onChange={(event) => setLive(event.currentTarget.checked)}
            label="Live"
            description={live ? "updates every 3 seconds" : "paused"}
          />
        }
      >
        Requests of this app that were refused, each with the check that said no and the smallest change that would have
        allowed it.
      </PageHeader>
      <Group mb="md" align="flex-start" className="weir-filters">
        <FilterInput
          parameter="user"
          label="User id"
          placeholder="All users"
          maxLength={userIdCharsMax}
          w={200}
          error={typedUser !== userId ? userIdRule : undefined}
        />
        <FilterInput
          parameter="code"
          label="Error code"
          placeholder="All codes"
          inputMode="numeric"
          w={140}
          error={code !== "" && !isCode ? "a number, such as 17" : undefined}
        />
        <FilterInput
          parameter="operation"
          label="Operation"
          placeholder="All, or one such as SendMessage"
          maxLength={operationCharsMax}
          error={typedOperation !== operation ? "one word, such as SendMessage" : undefined}
          w={260}
        />
      </Group>
      <Section flush>
        <DataTable
          caption="Refusals, newest first"
          rows={list.rows}
          error={list.error}
          retry={list.retry}
          more={more}
          keyOf={({ id }) => id}
          onOpen={setShown}
          columns={[
            {
              header: "When",
              cell: ({ at }) => <When at={at} />,
            },
            {
              header: "Caller",
              cell: ({ caller, token, failed, reason }) => (
                <>
                  <Caller caller={caller} claimed={token?.user_id ?? null} />
                  <Text size="xs" c="dimmed" lineClamp={2} className="weir-break" hiddenFrom="sm">
                    {wrongText(failed, reason)}
                  </Text>
                </>
              ),
            },
            { header: "Operation", cell: ({ operation }) => <Code>{operation}</Code>, wide: true },
            {
              header: "Code",
              numeric: true,
              wide: true,
              cell: ({ code, status }) => (
                <>
                  {code}
                  <Text size="xs" c="dimmed">
                    {status}
                  </Text>
                </>
              ),
            },
            {
              header: "Check",
              cell: ({ failed }) => (
                <>
                  <Text size="sm" fw={500}>
                    {failed.check}
                  </Text>
                  {failed.rule === null ? null : (
                    <Text size="xs" c="dimmed" className="weir-break">
                      {failed.rule}
                    </Text>
                  )}
                </>
              ),
              wide: true,
            },
            {
              header: "What was wrong",
              cell: ({ failed, reason }) => (
                <Text span size="sm" lineClamp={2} className="weir-break" maw={460}>
                  {wrongText(failed, reason)}
                </Text>
              ),
              wide: true,
            },
          ]}
          empty={
            isFiltered ? (
              <EmptyState icon={XCircleIcon} title="No refusal matches">
                Take a filter away to see more. Refusals are kept for 7 days.
              </EmptyState>
            ) : (
              <EmptyState icon={XCircleIcon} title="Nobody has been refused">
                When a request of this app is refused, it appears here with its reasons.
              </EmptyState>
            )
          }
        />
      </Section>
      <Drawer
        closeButtonProps={{ "aria-label": "Close" }}
        opened={shown !== null}
        onClose={() => setShown(null)}
        title="Refusal"
        position="right"
        size="lg"
      >
        {shown === null ? null : (
          <>
            <DecisionDetails decision={shown} />
            <Group mt="lg">
              <Button
                component={Link}
                href={path(`/why/${shown.id}`)}
                variant="default"
                size="sm"
                leftSection={<LinkIcon />}
              >
                Open on its own page
              </Button>
            </Group>
          </>
        )}
      </Drawer>
    </>
  )
}

/** What the check found; without words of its own, what the caller was told. */
const wrongText = (failed: Decision["failed"], reason: string): string =>
  detailText({ ...failed, passed: false }) ?? reason

/** Who was proved to call, or whom the token claims. */
function Caller({ caller, claimed }: { caller: Decision["caller"]; claimed: string | null }) {
  const path = useAppPath()
  const { user_id: userId, kind } = caller
  if (userId !== null && !userId.startsWith("!")) {
    return <RowLink href={path(`/users/${encodeURIComponent(userId)}`)}>{userId}</RowLink>
  }
  return (
    <Text span size="sm" c="dimmed" className="weir-break">
      {claimed !== null ? `claims ${claimed}` : (kind ?? "unknown")}
    </Text>
  )
}

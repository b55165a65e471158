// Sends a hook a sample of an event, or a body of one's own, and follows what becomes of it.

import { Button, Group, Loader, Modal, Select, Stack, Switch, Text, Textarea } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { Link } from "wouter"
import { types } from "../../../../protocol/src/webhooks/event-types.ts"
import { useChange, useRead } from "../../api/queries.ts"
import { ErrorAlert } from "../../parts/errors.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { AttemptSummary, DeliveryState } from "../deliveries/words.tsx"
import type { Hook } from "./words.tsx"

const followMs = 1_000
const bodyCharsMax = 256 * 1024

export interface TestEventProps {
  hook: Hook
  opened: boolean
  onClose: () => void
}

export function TestEvent({ hook, opened, onClose }: TestEventProps) {
  return (
    <Modal opened={opened} onClose={onClose} title="Send a test" size="lg" closeButtonProps={{ "aria-label": "Close" }}>
      <Content hook={hook} onClose={onClose} />
    </Modal>
  )
}

// Its own component, so that it starts anew each time.
function Content({ hook, onClose }: Omit<TestEventProps, "opened">) {
  const app = String(useApp())
  const send = useChange("SendTestEvent", ["ListDeliveries", "ReadHook", "GetWebhookStats"])
  const [type, setType] = useState("message.new")
  const [isOwn, setIsOwn] = useState(false)
  const [text, setText] = useState('{\n  "type": "message.new"\n}')
  const body = isOwn ? objectOf(text) : undefined
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    if (body === null) return
    send.mutate({ path: { app, hook: hook.id }, body: body === undefined ? { type } : { body } })
  }
  if (send.data) return <Followed id={send.data.delivery.id} onAgain={send.reset} onClose={onClose} />
  return (
    <form onSubmit={submit}>
      <Stack>
        {send.error ? <ErrorAlert error={send.error} title="Nothing was sent" /> : null}
        <Text size="sm">
          It is signed and tried again as any other, and marked as a test in the list of deliveries.
        </Text>
        <Switch label="A body of my own" checked={isOwn} onChange={(event) => setIsOwn(event.currentTarget.checked)} />
        {isOwn ? (
          <Textarea
            label="Body"
            description="A JSON object. Its type says what event it is."
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            error={body === null ? "This is no JSON object" : null}
            maxLength={bodyCharsMax}
            autosize
            minRows={6}
            maxRows={18}
            spellCheck={false}
            styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
          />
        ) : (
          <Select
            label="Event"
            description="A sample with the ids and texts of the documentation."
            data={[...types]}
            value={type}
            onChange={(value) => setType(value ?? "message.new")}
            allowDeselect={false}
            searchable
            maxDropdownHeight={240}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={send.isPending} disabled={body === null}>
            Send
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}

function Followed({ id, onAgain, onClose }: { id: string; onAgain: () => void; onClose: () => void }) {
  const app = String(useApp())
  const path = useAppPath()
  const { data, error, refetch } = useRead("ReadDelivery", { path: { app, delivery: id } }, { everyMs: followMs })
  const last = data?.delivery.log.at(-1)
  return (
    <Stack>
      {error && data === undefined ? (
        <ErrorAlert error={error} title="The delivery could not be read" retry={() => void refetch()} />
      ) : data === undefined || (last === undefined && data.delivery.state === "pending") ? (
        <Group gap="sm" role="status">
          <Loader size="sm" />
          <Text size="sm">On its way</Text>
        </Group>
      ) : (
        <div role="status">
          <Group gap="sm" mb="xs">
            <DeliveryState delivery={data.delivery} />
            <Text size="sm">{data.delivery.type}</Text>
          </Group>
          {last === undefined ? null : <AttemptSummary attempt={last} />}
        </div>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={onAgain}>
          Send another
        </Button>
        <Button component={Link} href={path(`/deliveries/${id}`)} variant="default">
          See the whole delivery
        </Button>
        <Button onClick={onClose}>Done</Button>
      </Group>
    </Stack>
  )
}

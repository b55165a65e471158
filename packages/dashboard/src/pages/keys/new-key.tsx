// Makes a key, and shows its first secret this once.

import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core"
import { type FormEvent, useState } from "react"
import { Link } from "wouter"
import { useChange } from "../../api/queries.ts"
import { Copyable, SecretOnce } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { labelCharsMax } from "./wire.ts"

export function NewKey({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal closeButtonProps={{ "aria-label": "Close" }} opened={opened} onClose={onClose} title="New key" size="lg">
      <Content onClose={onClose} />
    </Modal>
  )
}

// Its own component, so that the secret is forgotten when the dialog closes.
function Content({ onClose }: { onClose: () => void }) {
  const app = useApp()
  const path = useAppPath()
  const create = useChange("CreateKey", ["ListKeys"])
  const [label, setLabel] = useState("")
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    create.mutate({ path: { app: String(app) }, body: { label: label.trim() } })
  }
  if (create.data) {
    const { key, secret } = create.data
    return (
      <Stack>
        <div>
          <Text size="sm" c="dimmed">
            API key: public, every client carries it
          </Text>
          <Copyable value={key.api_key} label="API key" />
        </div>
        <SecretOnce value={secret} label="API secret" />
        <Group justify="flex-end">
          <Button component={Link} href={path(`/keys/${key.api_key}`)} variant="default">
            Open the key
          </Button>
          <Button onClick={onClose}>I have copied it</Button>
        </Group>
      </Stack>
    )
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        {create.error ? <ErrorAlert error={create.error} title="The key was not created" /> : null}
        <TextInput
          label="Name"
          description="What it is for, such as the website or a partner. It can be changed."
          value={label}
          onChange={(event) => setLabel(event.currentTarget.value)}
          maxLength={labelCharsMax}
          data-autofocus
        />
        <Text size="sm" c="dimmed">
          The key comes with an active secret. Both belong to this app only.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Create key
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

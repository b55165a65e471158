// Makes a hook and shows what its deliveries are signed with, this once.

import { Button, Group, Modal, Stack } from "@mantine/core"
import { Link } from "wouter"
import { useChange } from "../../api/queries.ts"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { createBody, newSettings } from "./fields.ts"
import { HookForm } from "./hook-form.tsx"
import { NewSecrets } from "./new-secrets.tsx"

export function NewHook({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="New webhook" size="xl" closeButtonProps={{ "aria-label": "Close" }}>
      <Content onClose={onClose} />
    </Modal>
  )
}

// Its own component, so that the secrets are forgotten when the dialog closes.
function Content({ onClose }: { onClose: () => void }) {
  const app = String(useApp())
  const path = useAppPath()
  const create = useChange("CreateHook", ["ListHooks", "GetWebhookStats"])
  if (create.data) {
    const { hook, secrets } = create.data
    return (
      <Stack>
        <NewSecrets secrets={secrets} kind={hook.hook_type} />
        <Group justify="flex-end">
          <Button component={Link} href={path(`/hooks/${hook.id}`)} variant="default">
            Open the webhook
          </Button>
          <Button onClick={onClose}>I have copied it</Button>
        </Group>
      </Stack>
    )
  }
  return (
    <HookForm
      start={{ kind: "webhook", fields: {}, settings: newSettings }}
      isNew
      submit="Create webhook"
      cancel={
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
      }
      busy={create.isPending}
      error={create.error}
      errorTitle="The webhook was not created"
      onSubmit={(draft) => create.mutate({ path: { app }, body: createBody(draft) })}
    />
  )
}

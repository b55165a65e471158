// Changes the settings of a hook.

import { Button, Modal } from "@mantine/core"
import { useChange } from "../../api/queries.ts"
import { useApp } from "../../shell/apps.tsx"
import { draftOf, updateBody } from "./fields.ts"
import { HookForm } from "./hook-form.tsx"
import type { Hook } from "./words.tsx"

export interface EditHookProps {
  hook: Hook
  opened: boolean
  onClose: () => void
}

export function EditHook({ hook, opened, onClose }: EditHookProps) {
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title="Change the webhook"
      size="xl"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <Content hook={hook} onClose={onClose} />
    </Modal>
  )
}

// Its own component, so that it begins with the hook as it is when the dialog opens.
function Content({ hook, onClose }: Omit<EditHookProps, "opened">) {
  const app = String(useApp())
  const update = useChange("UpdateHook", ["ListHooks", "ReadHook"])
  const start = draftOf(hook)
  return (
    <HookForm
      start={start}
      isNew={false}
      submit="Save"
      cancel={
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
      }
      busy={update.isPending}
      error={update.error}
      errorTitle="The webhook was not changed"
      onSubmit={(draft) => {
        const body = updateBody(start, draft)
        if (Object.keys(body).length === 0) onClose()
        else update.mutate({ path: { app, hook: hook.id }, body }, { onSuccess: onClose })
      }}
    />
  )
}

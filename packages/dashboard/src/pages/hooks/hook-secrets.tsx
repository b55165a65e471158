// What the deliveries of a hook are signed with, and its rotation: old and new sign side by side for a while.

import { Badge, Button, Group, Modal, Select, Stack, Text } from "@mantine/core"
import { PlusIcon } from "@primer/octicons-react"
import { type FormEvent, useState } from "react"
import { useMay } from "../../access/session.tsx"
import type { CallOutput } from "../../api/client.ts"
import { useChange, useRead } from "../../api/queries.ts"
import { ConfirmDialog } from "../../parts/confirm-dialog.tsx"
import { Copyable } from "../../parts/copy.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp } from "../../shell/apps.tsx"
import { NewSecrets } from "./new-secrets.tsx"
import type { Hook } from "./words.tsx"

type Secret = CallOutput<"ListHookSecrets">["secrets"][number]
type Alg = Secret["alg"]

const refreshMs = 30_000
const algLabels: Readonly<Record<Alg, string>> = { hmac: "shared secret", ed25519: "key pair" }
const overlaps = [
  { value: "0", label: "not at all" },
  { value: "3600", label: "one hour" },
  { value: "86400", label: "one day" },
  { value: "604800", label: "one week" },
]
const overlapDefault = "86400"

const hasEnded = ({ expires_at }: Secret): boolean => expires_at !== null && Date.parse(expires_at) <= Date.now()

export function HookSecrets({ hook }: { hook: Hook }) {
  const app = String(useApp())
  const may = useMay()
  const path = { app, hook: hook.id }
  const { data, error, refetch } = useRead("ListHookSecrets", { path }, { everyMs: refreshMs })
  const [adding, setAdding] = useState(false)
  const [retiring, setRetiring] = useState<Secret | null>(null)
  const retire = useChange("RetireHookSecret", ["ListHookSecrets"])
  const closeRetire = (): void => {
    retire.reset()
    setRetiring(null)
  }
  return (
    <Section
      title="Signing secrets"
      description="Every secret that has not ended signs each delivery, so a receiver can change from one to the next in its own time."
      actions={
        may("hooks.manage") ? (
          <Button size="compact-sm" variant="default" leftSection={<PlusIcon />} onClick={() => setAdding(true)}>
            New secret
          </Button>
        ) : null
      }
      flush
    >
      <DataTable
        caption="Signing secrets, newest first"
        rows={data?.secrets}
        error={data === undefined ? error : null}
        retry={() => void refetch()}
        keyOf={({ id }) => id}
        columns={[
          { header: "Secret", cell: ({ id }) => <code>{id}</code> },
          { header: "Kind", wide: true, cell: ({ alg }) => algLabels[alg] },
          {
            header: "Public key",
            cell: ({ public_key }) => (public_key === null ? "–" : <Copyable value={public_key} label="public key" />),
            wide: true,
          },
          {
            header: "State",
            cell: (secret) =>
              hasEnded(secret) ? (
                <Badge variant="light" color="gray">
                  ended
                </Badge>
              ) : secret.expires_at === null ? (
                <Badge variant="light" color="teal">
                  active
                </Badge>
              ) : (
                <Group gap={6}>
                  <Badge variant="light" color="yellow">
                    ends
                  </Badge>
                  <TimeAgo at={secret.expires_at} />
                </Group>
              ),
          },
          { header: "Created", cell: ({ created_at }) => <TimeAgo at={created_at} />, wide: true },
          ...(may("hooks.manage")
            ? [
                {
                  header: "Actions",
                  cell: (secret: Secret) => (
                    <Button size="compact-sm" variant="subtle" color="red" onClick={() => setRetiring(secret)}>
                      Retire
                    </Button>
                  ),
                },
              ]
            : []),
        ]}
        empty={
          <Text size="sm" c="dimmed" px="md" pb="md">
            None: its deliveries carry no signature of their own.
          </Text>
        }
      />
      <Modal
        opened={adding}
        onClose={() => setAdding(false)}
        title="New signing secret"
        size="lg"
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <NewSecretForm hook={hook} onClose={() => setAdding(false)} />
      </Modal>
      <ConfirmDialog
        opened={retiring !== null}
        onClose={closeRetire}
        title="Retire the secret"
        confirm="Retire"
        busy={retire.isPending}
        error={retire.error}
        onConfirm={() => {
          if (retiring !== null) {
            retire.mutate({ path: { ...path, secret: retiring.id } }, { onSuccess: closeRetire })
          }
        }}
      >
        <Text size="sm">
          Nothing is signed with it any more, from now on. A receiver that knows no newer one refuses every delivery.
        </Text>
      </ConfirmDialog>
    </Section>
  )
}

// Its own component, so that the secret is forgotten when the dialog closes.
function NewSecretForm({ hook, onClose }: { hook: Hook; onClose: () => void }) {
  const app = String(useApp())
  const create = useChange("CreateHookSecret", ["ListHookSecrets"])
  const [alg, setAlg] = useState<Alg>("hmac")
  const [overlap, setOverlap] = useState(overlapDefault)
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    create.mutate({ path: { app, hook: hook.id }, body: { alg, overlap_seconds: Number(overlap) } })
  }
  if (create.data) {
    return (
      <Stack>
        <NewSecrets secrets={[create.data.secret]} kind={hook.hook_type} />
        <Text size="sm" c="dimmed">
          Give it to the receiver beside the old one, and take the old one away when that has ended.
        </Text>
        <Group justify="flex-end">
          <Button onClick={onClose}>I have copied it</Button>
        </Group>
      </Stack>
    )
  }
  return (
    <form onSubmit={submit}>
      <Stack>
        {create.error ? <ErrorAlert error={create.error} title="No secret was created" /> : null}
        <Select
          label="Kind"
          data={[
            { value: "hmac", label: "Shared secret: the receiver holds it too" },
            { value: "ed25519", label: "Key pair: the receiver holds the public half" },
          ]}
          value={alg}
          onChange={(value) => setAlg(value === "ed25519" ? "ed25519" : "hmac")}
          allowDeselect={false}
        />
        <Select
          label="How long older ones of this kind go on signing"
          description="Both signatures stand in each delivery meanwhile, so nothing is refused."
          data={overlaps}
          value={overlap}
          onChange={(value) => setOverlap(value ?? overlapDefault)}
          allowDeselect={false}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Create secret
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

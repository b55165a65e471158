// One key: its secrets, what can be done to them, and who comes with it.

import { ActionIcon, Alert, Button, Menu, Modal, Text } from "@mantine/core"
import { useDisclosure } from "@mantine/hooks"
import { AlertIcon, KebabHorizontalIcon, SearchIcon, ShieldLockIcon, SyncIcon } from "@primer/octicons-react"
import { useState } from "react"
import { Link, useParams } from "wouter"
import { useMay } from "../../access/session.tsx"
import { useRead } from "../../api/queries.ts"
import { Copyable } from "../../parts/copy.tsx"
import { EmptyState } from "../../parts/empty.tsx"
import { ErrorAlert } from "../../parts/errors.tsx"
import { Facts } from "../../parts/facts.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { useApp, useAppPath } from "../../shell/apps.tsx"
import { RenameKey, SwitchKey } from "./key-dialogs.tsx"
import { RevokedReceipt } from "./revoked-receipt.tsx"
import { nameOf, nextStates, rotationOf, verifies } from "./rotation.ts"
import { MadeOnce, type MadeSecret, SecretForm } from "./secret-form.tsx"
import { SecretTable } from "./secret-table.tsx"
import { OffBadge } from "./state-badge.tsx"
import { StateDialog, stepTitle } from "./state-dialog.tsx"
import { ClientUsage, UsageBars } from "./usage.tsx"
import { isAbsent, type Secret, type SecretState, usageEveryMs } from "./wire.ts"

export default function KeyPage() {
  const app = useApp()
  const path = useAppPath()
  const may = useMay()
  const { key: apiKey = "" } = useParams<{ key: string }>()
  const { data, error, refetch } = useRead(
    "GetKey",
    { path: { app: String(app), api_key: apiKey } },
    { everyMs: usageEveryMs },
  )
  const [adding, { open, close }] = useDisclosure(false)
  const [change, setChange] = useState<{ secret: Secret; to: SecretState } | null>(null)
  const [receiptOf, setReceiptOf] = useState<Secret | null>(null)
  const [dialog, setDialog] = useState<"rename" | "switch" | null>(null)
  const key = data?.key
  if (error) {
    return isAbsent(error) ? (
      <EmptyState
        icon={SearchIcon}
        title="This app has no such key"
        action={
          <Button component={Link} href={path("/keys")} variant="light">
            All keys
          </Button>
        }
      >
        It may belong to another app, or the address may be mistyped.
      </EmptyState>
    ) : (
      <ErrorAlert error={error} title="The key could not be read" retry={() => void refetch()} />
    )
  }
  const secrets = key?.secrets ?? []
  const { step } = rotationOf(secrets)
  const isRotating = step === "activate" || step === "wait"
  const isShut = key !== undefined && !secrets.some(({ state }) => verifies(state))
  return (
    <>
      <PageHeader
        title={key?.label || apiKey}
        trail={[["Keys", path("/keys")]]}
        actions={
          key === undefined ? null : (
            <>
              {may("secrets.manage") && step !== "none" ? (
                <Button
                  component={Link}
                  href={path(`/keys/${apiKey}/rotate`)}
                  variant={isRotating ? "filled" : "default"}
                  leftSection={<SyncIcon size={14} />}
                >
                  {isRotating ? "Continue rotation" : "Rotate"}
                </Button>
              ) : null}
              {may("secrets.manage") ? (
                <Button variant="default" onClick={open}>
                  Add a secret
                </Button>
              ) : null}
              {may("keys.manage") ? (
                <Menu position="bottom-end">
                  <Menu.Target>
                    <ActionIcon variant="default" size={36} aria-label="More of this key">
                      <KebabHorizontalIcon />
                    </ActionIcon>
                  </Menu.Target>
                  <Menu.Dropdown>
                    <Menu.Item onClick={() => setDialog("rename")}>Rename</Menu.Item>
                    <Menu.Item onClick={() => setDialog("switch")} color={key.disabled ? undefined : "red"}>
                      {key.disabled ? "Enable" : "Disable"}
                    </Menu.Item>
                  </Menu.Dropdown>
                </Menu>
              ) : null}
            </>
          )
        }
      >
        Clients name this key with every request; it stays the same when its secrets change.
      </PageHeader>
      {key?.disabled ? (
        <Alert color="red" icon={<AlertIcon />} title="This key is disabled" mb="lg">
          Every request that names it is refused. Nothing is revoked: enable it and the same tokens count again.
        </Alert>
      ) : null}
      {isShut && !key.disabled ? (
        <Alert color="orange" icon={<AlertIcon />} title="No secret of this key is in use" mb="lg">
          Every token that comes with it is refused. Add a secret, or make a standby one active.
        </Alert>
      ) : null}
      <Section>
        <Facts
          facts={[
            ["API key", <Copyable key="key" value={apiKey} label="API key" />],
            ["State", key === undefined ? null : key.disabled ? <OffBadge key="off" /> : "enabled"],
            ["Created", key === undefined ? null : <TimeAgo key="at" at={key.created_at} />],
          ]}
        />
      </Section>
      <Section title="Secrets" flush description="Counted over the last 30 days.">
        <SecretTable
          apiKey={key}
          empty={
            <EmptyState icon={ShieldLockIcon} title="No secret yet">
              Add one to sign tokens that come with this key.
            </EmptyState>
          }
          actionsOf={(secret) => (
            <SecretActions
              secret={secret}
              onChange={(to) => setChange({ secret, to })}
              onReceipt={() => setReceiptOf(secret)}
            />
          )}
        />
      </Section>
      <UsageBars title="Use of each secret" secrets={secrets} />
      <ClientUsage secrets={secrets} />
      <AddSecret apiKey={apiKey} opened={adding} onClose={close} />
      <StateDialog apiKey={apiKey} change={change} ofKey={secrets} onClose={() => setChange(null)} />
      {receiptOf === null ? null : <RevokedReceipt secret={receiptOf} onClose={() => setReceiptOf(null)} />}
      {dialog === "rename" && key ? <RenameKey apiKey={key} onClose={() => setDialog(null)} /> : null}
      {dialog === "switch" && key ? <SwitchKey apiKey={key} onClose={() => setDialog(null)} /> : null}
    </>
  )
}

interface SecretActionsProps {
  secret: Secret
  onChange: (to: SecretState) => void
  onReceipt: () => void
}

function SecretActions({ secret, onChange, onReceipt }: SecretActionsProps) {
  const may = useMay()
  if (secret.state === "revoked") {
    return may("users.read") ? (
      <Button size="compact-sm" variant="default" onClick={onReceipt}>
        Receipt
      </Button>
    ) : null
  }
  if (!may("secrets.manage")) return null
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button size="compact-sm" variant="default" aria-label={`Change ${nameOf(secret)}`}>
          Change
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {nextStates[secret.state].map((to) => (
          <Menu.Item key={to} onClick={() => onChange(to)} color={to === "revoked" ? "red" : undefined}>
            {stepTitle(to)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

function AddSecret({ apiKey, opened, onClose }: { apiKey: string; opened: boolean; onClose: () => void }) {
  const [made, setMade] = useState<MadeSecret | null>(null)
  const end = (): void => {
    setMade(null)
    onClose()
  }
  return (
    <Modal
      closeButtonProps={{ "aria-label": "Close" }}
      opened={opened}
      onClose={end}
      title={made === null ? "Add a secret" : "The secret was added"}
      size="lg"
      closeOnClickOutside={made === null}
    >
      {made === null ? (
        <SecretForm
          apiKey={apiKey}
          submit="Add"
          onMade={setMade}
          cancel={
            <Button variant="default" onClick={end}>
              Cancel
            </Button>
          }
        />
      ) : (
        <>
          <MadeOnce made={made} />
          <Text size="sm" c="dimmed" mt="md">
            Its state is {made.secret.state}.
          </Text>
          <Button mt="md" onClick={end}>
            Done
          </Button>
        </>
      )}
    </Modal>
  )
}

// Everybody who can log in, what each may, and who is invited.

import { Badge, Button, Group, Menu, Stack, Text } from "@mantine/core"
import { KebabHorizontalIcon, MailIcon, PeopleIcon } from "@primer/octicons-react"
import { useState } from "react"
import { useMay, useMe } from "../../access/session.tsx"
import type { CallOutput } from "../../api/client.ts"
import { useRead } from "../../api/queries.ts"
import { EmptyState } from "../../parts/empty.tsx"
import { PageHeader } from "../../parts/header.tsx"
import { Section } from "../../parts/section.tsx"
import { DataTable } from "../../parts/table.tsx"
import { TimeAgo } from "../../parts/time.tsx"
import { InviteDialog, WithdrawDialog } from "./invite.tsx"
import { DisableDialog, RemoveDialog, ResetDialog, RoleDialog } from "./operator-dialogs.tsx"
import { RoleMatrix } from "./roles.tsx"

export type Operator = CallOutput<"ListOperators">["operators"][number]
export type Invite = CallOutput<"ListInvites">["invites"][number]

type Dialog =
  | { readonly kind: "invite" }
  | { readonly kind: "withdraw"; readonly invite: Invite }
  | { readonly kind: "role" | "disable" | "remove" | "reset"; readonly operator: Operator }

export default function Team() {
  const may = useMay()
  const me = useMe()
  const team = useRead("ListOperators")
  const invites = useRead("ListInvites")
  const [dialog, setDialog] = useState<Dialog | null>(null)
  const close = (): void => setDialog(null)
  const canManage = may("team.manage")
  const invite = canManage ? <Button onClick={() => setDialog({ kind: "invite" })}>Invite somebody</Button> : null
  return (
    <>
      <PageHeader title="Team" actions={invite}>
        The operators of this deployment. What a role may is enforced by the server; this page only shows it.
      </PageHeader>
      <Section flush title="Operators">
        <DataTable
          caption="Operators of this deployment"
          rows={team.data?.operators}
          error={team.error}
          retry={() => void team.refetch()}
          keyOf={({ id }) => id}
          columns={[
            {
              header: "Operator",
              cell: ({ id, name, email, disabled }) => (
                <Stack gap={0}>
                  <Group gap="xs">
                    <Text size="sm" fw={600} className="weir-break">
                      {name}
                    </Text>
                    {id === me.operator.id ? <Badge variant="light">you</Badge> : null}
                    {disabled ? (
                      <Badge variant="light" color="red">
                        shut out
                      </Badge>
                    ) : null}
                  </Group>
                  <Text size="xs" c="dimmed" className="weir-break">
                    {email}
                  </Text>
                </Stack>
              ),
            },
            { header: "Role", cell: ({ role }) => role },
            {
              header: "Second factor",
              wide: true,
              cell: (operator) => <Factors operator={operator} />,
            },
            { header: "Sessions", numeric: true, wide: true, cell: ({ sessions }) => sessions },
            { header: "Last login", wide: true, cell: ({ last_login_at }) => <TimeAgo at={last_login_at} /> },
            ...(canManage
              ? [
                  {
                    header: "Change",
                    cell: (operator: Operator) =>
                      operator.role === "owner" && me.operator.role !== "owner" ? (
                        <Text size="xs" c="dimmed">
                          by owners
                        </Text>
                      ) : (
                        <OperatorMenu
                          operator={operator}
                          isOwner={me.operator.role === "owner"}
                          isSelf={operator.id === me.operator.id}
                          onChoose={(kind) => setDialog({ kind, operator })}
                        />
                      ),
                  },
                ]
              : []),
          ]}
          empty={
            <EmptyState icon={PeopleIcon} title="Nobody has an account yet" action={invite}>
              You came with the admin token. The set-up link that the server prints at its start makes the first
              account.
            </EmptyState>
          }
        />
      </Section>
      <Section flush title="Invites" description="Open ones. Each link works once and for seven days.">
        <DataTable
          caption="Open invites"
          rows={invites.data?.invites}
          error={invites.error}
          retry={() => void invites.refetch()}
          keyOf={({ id }) => id}
          columns={[
            { header: "Email", cell: ({ email }) => <span className="weir-break">{email}</span> },
            { header: "Role", cell: ({ role }) => role },
            { header: "Invited by", wide: true, cell: ({ invited_by }) => invited_by },
            { header: "Expires", wide: true, cell: ({ expires_at }) => <TimeAgo at={expires_at} /> },
            ...(canManage
              ? [
                  {
                    header: "Withdraw",
                    cell: (row: Invite) => (
                      <Button
                        size="compact-sm"
                        variant="subtle"
                        color="red"
                        onClick={() => setDialog({ kind: "withdraw", invite: row })}
                        aria-label={`Withdraw the invite of ${row.email}`}
                      >
                        Withdraw
                      </Button>
                    ),
                  },
                ]
              : []),
          ]}
          empty={
            <EmptyState icon={MailIcon} title="No open invite">
              {canManage
                ? "Invite somebody and hand them the link yourself; no mail is sent."
                : "Somebody who is admin or owner can invite."}
            </EmptyState>
          }
        />
      </Section>
      <RoleMatrix roles={team.data?.roles} />
      {dialog?.kind === "invite" ? <InviteDialog onClose={close} /> : null}
      {dialog?.kind === "withdraw" ? <WithdrawDialog invite={dialog.invite} onClose={close} /> : null}
      {dialog?.kind === "role" ? <RoleDialog operator={dialog.operator} onClose={close} /> : null}
      {dialog?.kind === "disable" ? <DisableDialog operator={dialog.operator} onClose={close} /> : null}
      {dialog?.kind === "remove" ? <RemoveDialog operator={dialog.operator} onClose={close} /> : null}
      {dialog?.kind === "reset" ? <ResetDialog operator={dialog.operator} onClose={close} /> : null}
    </>
  )
}

function Factors({ operator: { has_totp, passkeys } }: { operator: Operator }) {
  if (!has_totp && passkeys === 0) {
    return (
      <Badge variant="light" color="yellow">
        none
      </Badge>
    )
  }
  const words = [
    ...(has_totp ? ["authenticator"] : []),
    ...(passkeys === 0 ? [] : [`${passkeys} ${passkeys === 1 ? "passkey" : "passkeys"}`]),
  ]
  return <Text size="sm">{words.join(", ")}</Text>
}

interface OperatorMenuProps {
  operator: Operator
  isOwner: boolean
  isSelf: boolean
  onChoose: (kind: "role" | "disable" | "remove" | "reset") => void
}

const OperatorMenu = ({ operator, isOwner, isSelf, onChoose }: OperatorMenuProps) => (
  <Menu position="bottom-end" width={220}>
    <Menu.Target>
      <Button size="compact-sm" variant="subtle" aria-label={`Change ${operator.name}`}>
        <KebabHorizontalIcon />
      </Button>
    </Menu.Target>
    <Menu.Dropdown>
      <Menu.Item onClick={() => onChoose("role")}>Change the role</Menu.Item>
      {isSelf ? null : (
        <Menu.Item onClick={() => onChoose("disable")}>{operator.disabled ? "Let in again" : "Shut out"}</Menu.Item>
      )}
      {isOwner ? <Menu.Item onClick={() => onChoose("reset")}>Create a link for a new password</Menu.Item> : null}
      <Menu.Divider />
      <Menu.Item color="red" onClick={() => onChoose("remove")}>
        Remove
      </Menu.Item>
    </Menu.Dropdown>
  </Menu>
)

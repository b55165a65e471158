// The lists on the page of one user.

import { Anchor, Text } from "@mantine/core"
import { useState } from "react"
import { Link, useLocation } from "wouter"
import type { CallOutput } from "../../api/client.ts"
import { DataTable } from "../../parts/table.tsx"
import { When } from "../../parts/when.tsx"
import { useAppPath } from "../../shell/apps.tsx"
import { RevocationState } from "../revocations/words.tsx"
import { SessionDrawer } from "../sessions/session-drawer.tsx"
import { sessionColumns } from "../sessions/words.tsx"

type Found = CallOutput<"ReadAppUser">

const None = ({ children }: { children: string }) => (
  <Text size="sm" c="dimmed" px="md" pb="md">
    {children}
  </Text>
)

export function Sockets({ sockets }: { sockets: Found["sockets"] }) {
  return (
    <DataTable
      caption="Open sockets of the user"
      rows={sockets}
      keyOf={({ connection_id }) => connection_id}
      columns={[
        { header: "Connection", cell: ({ connection_id }) => <code className="weir-break">{connection_id}</code> },
        { header: "Node", cell: ({ node }) => <code>{node}</code>, wide: true },
        { header: "Connected", cell: ({ connected_at }) => <When at={connected_at} /> },
        { header: "Address", cell: ({ address }) => <code className="weir-break">{address}</code>, wide: true },
        { header: "Client", cell: ({ client }) => client ?? "unknown", wide: true },
      ]}
      empty={<None>No socket is open.</None>}
    />
  )
}

export function Tokens({ tokens }: { tokens: Found["tokens"] }) {
  const [shown, setShown] = useState<Found["tokens"][number] | null>(null)
  return (
    <>
      <DataTable
        caption="Tokens of the user that were seen, the last used first"
        rows={tokens}
        keyOf={({ id }) => id}
        onOpen={setShown}
        columns={[
          ...sessionColumns,
          {
            header: "Device",
            cell: ({ device_id }) => (
              <Text span size="sm" className="weir-break">
                {device_id ?? "unknown"}
              </Text>
            ),
            wide: true,
          },
        ]}
        empty={<None>No token of this user was used in the last 30 days.</None>}
      />
      <SessionDrawer session={shown} onClose={() => setShown(null)} />
    </>
  )
}

export function Bans({ bans }: { bans: Found["bans"] }) {
  const path = useAppPath()
  return (
    <DataTable
      caption="Bans of the user, newest first"
      rows={bans}
      keyOf={({ channel_cid }) => channel_cid ?? "app"}
      columns={[
        {
          header: "From",
          cell: ({ channel_cid }) =>
            channel_cid === null ? "the whole app" : <code className="weir-break">{channel_cid}</code>,
        },
        {
          header: "By",
          cell: ({ banned_by_id }) =>
            banned_by_id === null ? (
              "a backend"
            ) : (
              <Anchor component={Link} href={path(`/users/${encodeURIComponent(banned_by_id)}`)} size="sm">
                {banned_by_id}
              </Anchor>
            ),
        },
        {
          header: "Reason",
          cell: ({ reason }) => (
            <Text span size="sm" lineClamp={2} className="weir-break">
              {reason ?? "none given"}
            </Text>
          ),
          wide: true,
        },
        { header: "Since", cell: ({ created_at }) => <When at={created_at} />, wide: true },
        { header: "Ends", cell: ({ expires }) => <When at={expires} /> },
      ]}
      empty={<None>Not banned anywhere.</None>}
    />
  )
}

export function Revocations({ revocations }: { revocations: Found["revocations"] }) {
  const path = useAppPath()
  const [, go] = useLocation()
  return (
    <DataTable
      caption="Revocations of the user, newest first"
      rows={revocations}
      keyOf={({ id }) => id}
      onOpen={({ id }) => go(path(`/revocations/${id}`))}
      columns={[
        { header: "State", cell: (row) => <RevocationState revocation={row} /> },
        { header: "Created", cell: ({ created_at }) => <When at={created_at} /> },
        { header: "By", cell: ({ created_by }) => created_by },
        { header: "Reason", cell: ({ reason }) => (reason === "" ? "none given" : reason), wide: true },
        {
          header: "Held after",
          numeric: true,
          cell: ({ receipt }) => (receipt === null ? "–" : `${receipt.max_lag_ms} ms`),
          wide: true,
        },
      ]}
      empty={<None>None.</None>}
    />
  )
}

// Somebody named in content: a link to their page for those who may see users.

import { Text } from "@mantine/core"
import { useMay } from "../../access/session.tsx"
import { RowLink } from "../../parts/row-link.tsx"
import { useAppPath } from "../../shell/apps.tsx"

export interface PersonProps {
  user: { readonly id: string; readonly name?: string | undefined } | undefined
}

export function Person({ user }: PersonProps) {
  const path = useAppPath()
  const may = useMay()
  if (user === undefined) {
    return (
      <Text span size="sm" c="dimmed">
        nobody
      </Text>
    )
  }
  const name = user.name === undefined || user.name === "" ? user.id : user.name
  if (!may("users.read")) {
    return (
      <Text span size="sm" className="weir-break">
        {name}
      </Text>
    )
  }
  return <RowLink href={path(`/users/${encodeURIComponent(user.id)}`)}>{name}</RowLink>
}

// Where there is nothing, or nothing for this operator.

import { Button } from "@mantine/core"
import { LockIcon, SearchIcon } from "@primer/octicons-react"
import type { OperatorAction } from "@weir/protocol"
import { Link } from "wouter"
import { useMe } from "../access/session.tsx"
import { EmptyState } from "../parts/empty.tsx"

export const NoSuchPage = () => (
  <EmptyState
    icon={SearchIcon}
    title="There is no such page"
    isPage
    action={
      <Button component={Link} href="/" variant="light">
        All apps
      </Button>
    }
  >
    The address may be mistyped, or the page may have moved.
  </EmptyState>
)

export const NoSuchApp = () => (
  <EmptyState
    icon={SearchIcon}
    title="There is no such app"
    isPage
    action={
      <Button component={Link} href="/" variant="light">
        All apps
      </Button>
    }
  >
    The address may be mistyped, or belong to another deployment.
  </EmptyState>
)

export function NotForYou({ needs }: { needs: OperatorAction | null }) {
  const { operator } = useMe()
  return (
    <EmptyState icon={LockIcon} title="Your role does not open this page" isPage>
      It needs <code>{needs}</code>, and you are {operator.role}. An owner or admin can change roles under Team.
    </EmptyState>
  )
}

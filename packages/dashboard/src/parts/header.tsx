// The top of a page: what it is, one sentence about it, and what can be done.

import { Anchor, Group, Stack, Text, Title } from "@mantine/core"
import { Fragment, type ReactNode, useEffect } from "react"
import { Link } from "wouter"

export interface PageHeaderProps {
  title: string
  /** The pages above this one, outermost first. */
  trail?: readonly (readonly [title: string, href: string])[]
  children?: ReactNode
  actions?: ReactNode
}

export function PageHeader({ title, trail = [], children, actions }: PageHeaderProps) {
  useEffect(() => {
    document.title = `${title} · Weir`
  }, [title])
  return (
    <Group justify="space-between" align="flex-start" mb="lg" gap="md">
      <Stack gap={4} maw={720} miw={0}>
        {trail.length > 0 ? <Trail of={trail} /> : null}
        <Title order={1} size="h2" tabIndex={-1} className="weir-break">
          {title}
        </Title>
        {children ? (
          <Text c="dimmed" size="sm">
            {children}
          </Text>
        ) : null}
      </Stack>
      {actions ? <Group gap="xs">{actions}</Group> : null}
    </Group>
  )
}

const Trail = ({ of }: { of: NonNullable<PageHeaderProps["trail"]> }) => (
  <Group component="nav" aria-label="Where this page is" gap={6}>
    {of.map(([title, href], index) => (
      <Fragment key={href}>
        {index === 0 ? null : (
          <Text span size="sm" c="dimmed" aria-hidden>
            /
          </Text>
        )}
        <Anchor component={Link} href={href} size="sm" className="weir-break">
          {title}
        </Anchor>
      </Fragment>
    ))}
  </Group>
)

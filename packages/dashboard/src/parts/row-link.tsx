// A link inside a row that opens something itself: it leads to its own place, by mouse and by keyboard.

import { Anchor } from "@mantine/core"
import type { ReactNode, SyntheticEvent } from "react"
import { Link } from "wouter"

const stay = (event: SyntheticEvent): void => event.stopPropagation()

export function RowLink({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Anchor component={Link} href={href} size="sm" className="weir-break" onClick={stay} onKeyDown={stay}>
      {children}
    </Anchor>
  )
}

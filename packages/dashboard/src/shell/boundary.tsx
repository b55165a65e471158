// A page that fails to show leaves the frame standing: its fault is said in its place.

import { Button } from "@mantine/core"
import { AlertIcon } from "@primer/octicons-react"
import { Component, type ReactNode } from "react"
import { EmptyState } from "../parts/empty.tsx"

interface BoundaryProps {
  children: ReactNode
}

/** Give it the address as key, so that another page begins anew. React asks for a class here. */
export class Boundary extends Component<BoundaryProps, { readonly failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children
    return (
      <div role="alert">
        <EmptyState
          icon={AlertIcon}
          title="This page could not be shown"
          isPage
          action={<Button onClick={() => location.reload()}>Load it again</Button>}
        >
          The server may have been updated since the dashboard was opened. The browser's console says more.
        </EmptyState>
      </div>
    )
  }
}

// A page is a value: where it stands, who may see it, and what shows it. A folder below pages/ makes one.

import type { Icon } from "@primer/octicons-react"
import type { OperatorAction } from "@weir/protocol"
import { type ComponentType, lazy } from "react"

export const navGroups = ["Overview", "Credentials", "People", "Content", "Events", "Monitoring", "Deployment"] as const
export type NavGroup = (typeof navGroups)[number]

export interface Page {
  readonly title: string
  /** Below `/apps/:app` for pages of an app, below `/dashboard` for those of the deployment; wouter's patterns. */
  readonly path: string
  readonly scope: "app" | "deployment"
  /** What the operator's role must allow; null: every operator. The server decides all the same. */
  readonly needs: OperatorAction | null
  /** Null: reached from other pages only. */
  readonly nav: { readonly group: NavGroup; readonly icon: Icon } | null
  /** Path of the page in the navigation that it belongs to, where its own path would say another one. */
  readonly under?: string
  readonly View: ComponentType
}

/** Declares a page whose code is loaded when it is first opened. */
export const page = (facts: Omit<Page, "View">, load: () => Promise<{ readonly default: ComponentType }>): Page => ({
  ...facts,
  View: lazy(load),
})

import { LogIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  { title: "Audit", path: "/audit", scope: "app", needs: "audit.read", nav: { group: "Monitoring", icon: LogIcon } },
  () => import("./app-audit.tsx"),
)

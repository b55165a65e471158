import { LogIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Deployment audit",
    path: "/audit",
    scope: "deployment",
    needs: "audit.read",
    nav: { group: "Deployment", icon: LogIcon },
  },
  () => import("./deployment-audit.tsx"),
)

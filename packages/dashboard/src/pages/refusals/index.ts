import { XCircleIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Refusals",
    path: "/refusals",
    scope: "app",
    needs: "decisions.read",
    nav: { group: "Monitoring", icon: XCircleIcon },
  },
  () => import("./refusals.tsx"),
)

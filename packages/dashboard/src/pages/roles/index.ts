import { ShieldCheckIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Roles and grants",
    path: "/roles",
    scope: "app",
    needs: "decisions.read",
    nav: { group: "People", icon: ShieldCheckIcon },
  },
  () => import("./roles.tsx"),
)

import { PeopleIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Team",
    path: "/team",
    scope: "deployment",
    needs: "team.read",
    nav: { group: "Deployment", icon: PeopleIcon },
  },
  () => import("./team.tsx"),
)

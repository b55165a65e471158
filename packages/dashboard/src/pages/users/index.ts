import { PeopleIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  { title: "Users", path: "/users", scope: "app", needs: "users.read", nav: { group: "People", icon: PeopleIcon } },
  () => import("./users.tsx"),
)

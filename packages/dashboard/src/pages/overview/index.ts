import { HomeIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  { title: "Overview", path: "/", scope: "app", needs: "traffic.read", nav: { group: "Overview", icon: HomeIcon } },
  () => import("./overview.tsx"),
)

import { AppsIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Apps",
    path: "/",
    scope: "deployment",
    needs: "apps.read",
    nav: { group: "Deployment", icon: AppsIcon },
  },
  () => import("./apps.tsx"),
)

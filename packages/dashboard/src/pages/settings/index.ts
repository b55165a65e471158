import { GearIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Settings",
    path: "/settings",
    scope: "deployment",
    needs: "settings.read",
    nav: { group: "Deployment", icon: GearIcon },
  },
  () => import("./settings.tsx"),
)

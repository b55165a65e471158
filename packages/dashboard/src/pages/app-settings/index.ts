import { GearIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "App settings",
    path: "/settings",
    scope: "app",
    needs: "apps.read",
    nav: { group: "Overview", icon: GearIcon },
  },
  () => import("./app-settings.tsx"),
)

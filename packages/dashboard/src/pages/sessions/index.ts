import { DeviceMobileIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Sessions",
    path: "/sessions",
    scope: "app",
    needs: "users.read",
    nav: { group: "People", icon: DeviceMobileIcon },
  },
  () => import("./sessions.tsx"),
)

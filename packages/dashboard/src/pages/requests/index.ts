import { PulseIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Requests",
    path: "/requests",
    scope: "app",
    needs: "traffic.read",
    nav: { group: "Monitoring", icon: PulseIcon },
  },
  () => import("./requests.tsx"),
)

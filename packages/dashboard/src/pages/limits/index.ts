import { MeterIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Rate limits",
    path: "/limits",
    scope: "app",
    needs: "limits.read",
    nav: { group: "Monitoring", icon: MeterIcon },
  },
  () => import("./limits.tsx"),
)

import { GraphIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Traffic",
    path: "/traffic",
    scope: "app",
    needs: "traffic.read",
    nav: { group: "Monitoring", icon: GraphIcon },
  },
  () => import("./traffic.tsx"),
)

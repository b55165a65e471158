import { ServerIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Nodes",
    path: "/nodes",
    scope: "deployment",
    needs: "nodes.read",
    nav: { group: "Deployment", icon: ServerIcon },
  },
  () => import("./nodes.tsx"),
)

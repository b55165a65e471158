import { CodeSquareIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "API explorer",
    path: "/api",
    scope: "app",
    needs: "content.read",
    nav: { group: "Content", icon: CodeSquareIcon },
  },
  () => import("./api.tsx"),
)

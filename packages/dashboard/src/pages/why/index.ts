import { QuestionIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Access check",
    path: "/why",
    scope: "app",
    needs: "decisions.read",
    nav: { group: "Monitoring", icon: QuestionIcon },
  },
  () => import("./why.tsx"),
)

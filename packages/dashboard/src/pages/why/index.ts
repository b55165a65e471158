import { QuestionIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Why",
    path: "/why",
    scope: "app",
    needs: "decisions.read",
    nav: { group: "Watch", icon: QuestionIcon },
  },
  () => import("./why.tsx"),
)

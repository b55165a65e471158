import { NoEntryIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Revocations",
    path: "/revocations",
    scope: "app",
    needs: "users.read",
    nav: { group: "People", icon: NoEntryIcon },
  },
  () => import("./revocations.tsx"),
)

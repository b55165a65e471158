import { LawIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Token policy",
    path: "/policy",
    scope: "app",
    needs: "apps.read",
    nav: { group: "Credentials", icon: LawIcon },
  },
  () => import("./policy.tsx"),
)

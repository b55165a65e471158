import { BeakerIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Token workshop",
    path: "/workshop",
    scope: "app",
    needs: "tokens.inspect",
    nav: { group: "Credentials", icon: BeakerIcon },
  },
  () => import("./workshop.tsx"),
)

import { page as define } from "../page.ts"

export const page = define(
  { title: "Account", path: "/account", scope: "deployment", needs: null, nav: null },
  () => import("./account.tsx"),
)

import { page as define } from "../page.ts"

export const page = define(
  { title: "User", path: "/users/:user", scope: "app", needs: "users.read", nav: null },
  () => import("./user.tsx"),
)

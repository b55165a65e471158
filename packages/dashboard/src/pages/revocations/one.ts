import { page as define } from "../page.ts"

export const page = define(
  { title: "Revocation", path: "/revocations/:revocation", scope: "app", needs: "users.read", nav: null },
  () => import("./revocation.tsx"),
)

import { page as define } from "../page.ts"

export const page = define(
  { title: "New app", path: "/apps/new", scope: "deployment", needs: "apps.manage", nav: null },
  () => import("./new-app.tsx"),
)

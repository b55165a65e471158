import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Decision",
    path: "/why/:decision",
    scope: "app",
    needs: "decisions.read",
    nav: null,
    under: "/refusals",
  },
  () => import("./decision.tsx"),
)

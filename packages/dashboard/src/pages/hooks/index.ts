import { WebhookIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Webhooks",
    path: "/hooks",
    scope: "app",
    needs: "hooks.read",
    nav: { group: "Events", icon: WebhookIcon },
  },
  () => import("./hooks.tsx"),
)

export const hookPage = define(
  { title: "Webhook", path: "/hooks/:hook", scope: "app", needs: "hooks.read", nav: null },
  () => import("./hook.tsx"),
)

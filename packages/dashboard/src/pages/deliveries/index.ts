import { PaperAirplaneIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Deliveries",
    path: "/deliveries",
    scope: "app",
    needs: "hooks.read",
    nav: { group: "Events", icon: PaperAirplaneIcon },
  },
  () => import("./deliveries.tsx"),
)

export const deliveryPage = define(
  { title: "Delivery", path: "/deliveries/:delivery", scope: "app", needs: "content.read", nav: null },
  () => import("./delivery.tsx"),
)

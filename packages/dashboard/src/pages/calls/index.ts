import { DeviceCameraVideoIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Calls",
    path: "/calls",
    scope: "app",
    needs: "content.read",
    nav: { group: "Content", icon: DeviceCameraVideoIcon },
  },
  () => import("./calls.tsx"),
)

export const callPage = define(
  { title: "Call", path: "/calls/:type/:id", scope: "app", needs: "content.read", nav: null },
  () => import("./call.tsx"),
)

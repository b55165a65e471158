import { KeyIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  { title: "Keys", path: "/keys", scope: "app", needs: "keys.read", nav: { group: "Credentials", icon: KeyIcon } },
  () => import("./keys.tsx"),
)

export const keyPage = define(
  { title: "Key", path: "/keys/:key", scope: "app", needs: "keys.read", nav: null },
  () => import("./key.tsx"),
)

export const rotationPage = define(
  { title: "Rotate a secret", path: "/keys/:key/rotate", scope: "app", needs: "secrets.manage", nav: null },
  () => import("./rotate.tsx"),
)

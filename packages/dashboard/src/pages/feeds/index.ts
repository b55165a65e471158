import { RssIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  { title: "Feeds", path: "/feeds", scope: "app", needs: "content.read", nav: { group: "Content", icon: RssIcon } },
  () => import("./feeds.tsx"),
)

export const feedPage = define(
  { title: "Feed", path: "/feeds/:group/:id", scope: "app", needs: "content.read", nav: null },
  () => import("./feed.tsx"),
)

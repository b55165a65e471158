import { CommentDiscussionIcon } from "@primer/octicons-react"
import { page as define } from "../page.ts"

export const page = define(
  {
    title: "Channels",
    path: "/channels",
    scope: "app",
    needs: "content.read",
    nav: { group: "Content", icon: CommentDiscussionIcon },
  },
  () => import("./channels.tsx"),
)

export const channelPage = define(
  { title: "Channel", path: "/channels/:type/:id", scope: "app", needs: "content.read", nav: null },
  () => import("./channel.tsx"),
)

// Every scope in which roles hold grants, from the modules whose decisions are made by them.

import type { GrantScopeSource } from "./core/grants/index.ts"
import { userActions, userResource } from "./core/users/index.ts"
import { actions as channelActions, compiledGrants } from "./products/chat/types/index.ts"
import { actions as feedActions, grantsOf as grantsOfFeed, visibilities } from "./products/feeds/feeds/index.ts"
import { callActions, callTypes, grantsOf as grantsOfCall } from "./products/video/calls/index.ts"

export const grantScopes: readonly GrantScopeSource[] = [
  {
    id: "app",
    product: "app",
    title: "Users of the app",
    actions: Object.values(userActions),
    grants: userResource("").grants,
  },
  ...Object.entries(compiledGrants).map(
    ([type, grants]): GrantScopeSource => ({
      id: `chat:${type}`,
      product: "chat",
      title: `Channels of type ${type}`,
      actions: Object.values(channelActions),
      grants,
    }),
  ),
  ...visibilities.map(
    (visibility): GrantScopeSource => ({
      id: `feeds:${visibility}`,
      product: "feeds",
      title: `Feeds with visibility ${visibility}`,
      actions: Object.values(feedActions),
      grants: grantsOfFeed(visibility),
    }),
  ),
  ...callTypes.flatMap((type): GrantScopeSource[] => {
    const grants = grantsOfCall(type)
    return grants === undefined
      ? []
      : [{ id: `video:${type}`, product: "video", title: `Calls of type ${type}`, actions: callActions, grants }]
  }),
]

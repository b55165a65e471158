import { chat as operations } from "@weir/protocol"
import { can } from "../../../authorize/decide.ts"
import { appResource } from "../../../core/apps/index.ts"
import { type Route, route } from "../../../request/route.ts"
import { actions, grantTables } from "./actions.ts"
import { type ChannelType, channelType, channelTypes } from "./rules.ts"

export const channelTypeRoutes = (): Route[] => [
  route(operations.listChannelTypes, {
    authorize: ({ principal, appId }) => can(principal, actions.readChannelType, appResource(appId)),
    handle: () => ({
      channel_types: Object.fromEntries(Array.from(channelTypes.values(), (type) => [type.name, typeResponse(type)])),
    }),
  }),
  route(operations.getChannelType, {
    authorize: ({ principal, appId }) => can(principal, actions.readChannelType, appResource(appId)),
    handle: ({ input }) => typeResponse(channelType(input.path.name)),
  }),
]

const typeResponse = ({ name, config }: ChannelType) => ({
  ...config,
  permissions: [] as unknown[],
  grants: Object.fromEntries(
    Object.entries(grantTables[name as keyof typeof grantTables]).map(([role, grants]) => [role, [...grants]]),
  ),
})

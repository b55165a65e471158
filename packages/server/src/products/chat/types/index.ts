export { actions, compiledGrants } from "./actions.ts"
export {
  backendText,
  channelEvent,
  channelFrame,
  isReservedEventType,
  placeOf,
  streamOf,
  type TellBackends,
} from "./events.ts"
export { limits as chatTypeLimits } from "./limits.ts"
export { channelTypeRoutes } from "./routes.ts"
export {
  absentChannel,
  type Channel,
  type ChannelAccess,
  type ChannelConfig,
  type ChannelType,
  canRead,
  canReadHidden,
  channelAccess,
  channelPicture,
  channelType,
  channelTypes,
  distinctId,
  isDistinctId,
  type Membership,
  mayKnowChannel,
  messageResource,
  type OpenChannel,
  ownCapabilities,
  requireEnabled,
  requireKnown,
  seenAfterSeq,
  serverOnly,
} from "./rules.ts"
